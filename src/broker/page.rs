//! The page that a WebSocket listener shows to a browser, where it is asked to.
//!
//! Owns the document, which is one file without anything foreign. Never changes.

use crate::transport::websocket::Page;

/// Connect, subscribe, publish, see messages.
pub(crate) const PAGE: Page = Page {
    content_type: "text/html; charset=utf-8",
    body: include_bytes!("page.html"),
    policy: "default-src 'none'; img-src data:; script-src 'unsafe-inline'; \
             style-src 'unsafe-inline'; connect-src 'self' ws: wss:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
};
