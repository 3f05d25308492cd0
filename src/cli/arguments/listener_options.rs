//! What holds behind one address, or behind all of them.
//!
//! Owns the names of the options of a listener and which kinds they fit; those that fit
//! all kinds and are general options, too, are `shared_options`'. Runs on the main
//! thread before anything starts; never opens a file.

use super::limits::number;
use super::listeners::ListenerSettings;
use super::shared_options::RawShared;
use crate::broker::{CertificateName, ListenerKind};
use crate::cli::failure::Failure;

/// What may follow an address, for the error that says so.
const OPTIONS: &str = "allow-anonymous, general-rules, max-connections=N, proxy-protocol, proxy-trusted=CIDR, \
     cert=FILE, key=FILE, cafile=FILE, crl=FILE, require-client-certificate, \
     use-identity-as-username, use-subject-as-username, use-san-as-username, ws-path=PATH, \
     ws-origin=ORIGIN, ws-page, unix-mode=MODE, unix-owner=OWNER";

/// The options of one listener, or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) allow_anonymous: Option<bool>,
    /// Whether the rules of all listeners hold here, too.
    pub(super) general_rules: Option<bool>,
    pub(super) max_connections: Option<u32>,
    pub(super) proxy_protocol: Option<bool>,
    pub(super) proxy_trusted: Vec<String>,
    pub(super) cert: Vec<String>,
    pub(super) key: Vec<String>,
    pub(super) cafile: Option<String>,
    pub(super) crl: Vec<String>,
    pub(super) require_client_certificate: Option<bool>,
    pub(super) user_name: Option<CertificateName>,
    /// What of a certificate is not, whatever holds for all listeners.
    pub(super) no_user_name: Vec<CertificateName>,
    pub(super) ws_path: Option<String>,
    pub(super) ws_origin: Vec<String>,
    pub(super) ws_page: Option<bool>,
    pub(super) unix_mode: Option<u32>,
    pub(super) unix_owner: Option<String>,
}

impl Options {
    /// Options that no listener can use are a mistake.
    pub(super) fn check_use(&self, listeners: &[ListenerSettings]) -> Result<(), Failure> {
        let any = |fits: fn(ListenerKind) -> bool| listeners.iter().any(|own| fits(own.kind));
        let proxied = listeners.iter().any(ListenerSettings::names_users_by_proxy);
        let unused = if !any(ListenerKind::has_tls)
            && (self.has_certificates() || self.user_name.is_some() && !proxied)
        {
            "certificates need a listener that shows them: add --tls ADDR or --wss ADDR"
        } else if !any(ListenerKind::has_websocket) && self.has_websocket() {
            "--ws-path, --ws-origin and --ws-page need a listener: add --ws ADDR or --wss ADDR"
        } else if !any(|kind| kind == ListenerKind::Unix)
            && (self.unix_mode.is_some() || self.unix_owner.is_some())
        {
            "--unix-mode and --unix-owner need a listener: add --unix PATH"
        } else {
            return Ok(());
        };
        Err(Failure::configuration(unused))
    }

    fn has_certificates(&self) -> bool {
        !self.cert.is_empty()
            || !self.key.is_empty()
            || self.cafile.is_some()
            || !self.crl.is_empty()
            || self.require_client_certificate == Some(true)
    }

    /// Whether a proxy says what is the user name.
    pub(super) fn names_users_by_proxy(&self, kind: ListenerKind) -> bool {
        let common_name = self.user_name == Some(CertificateName::CommonName);
        common_name && self.proxy_protocol == Some(true) && !kind.has_tls()
    }

    fn has_websocket(&self) -> bool {
        self.ws_path.is_some() || !self.ws_origin.is_empty() || self.ws_page == Some(true)
    }

    /// One option after an address.
    pub(super) fn set(&mut self, listener: &str, option: &str) -> Result<(), Failure> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let place = format!("{listener},{name}");
        let flag = || match value {
            None | Some("yes" | "true") => Ok(Some(true)),
            Some("no" | "false") => Ok(Some(false)),
            Some(other) => Err(Failure::configuration(format_args!(
                "{place} takes yes or no, not '{other}'"
            ))),
        };
        let text = || match value {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            Some(_) | None => Err(Failure::configuration(format_args!(
                "{place} needs a value: {name}=..."
            ))),
        };
        match name {
            "allow-anonymous" => self.allow_anonymous = flag()?,
            "general-rules" => self.general_rules = flag()?,
            "max-connections" => {
                let range = 1..=u64::from(u32::MAX);
                self.max_connections = Some(number(&place, &text()?, &range)?);
            }
            "proxy-protocol" => self.proxy_protocol = flag()?,
            "proxy-trusted" => self.proxy_trusted.push(text()?),
            "cert" => self.cert.push(text()?),
            "key" => self.key.push(text()?),
            "cafile" => self.cafile = Some(text()?),
            "crl" => self.crl.push(text()?),
            "require-client-certificate" => self.require_client_certificate = flag()?,
            "use-identity-as-username" => self.name_users(CertificateName::CommonName, flag()?),
            "use-subject-as-username" => self.name_users(CertificateName::Subject, flag()?),
            "use-san-as-username" => self.name_users(CertificateName::AlternativeName, flag()?),
            "ws-path" => self.ws_path = Some(text()?),
            "ws-origin" => self.ws_origin.push(text()?),
            "ws-page" => self.ws_page = flag()?,
            "unix-mode" => self.unix_mode = Some(mode(&place, &text()?)?),
            "unix-owner" => self.unix_owner = Some(text()?),
            _ => {
                let shared = RawShared::names().into_iter();
                let shared: Vec<_> = shared
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                return Err(Failure::configuration(format_args!(
                    "{listener}: there is no listener option '{name}'; choose from {OPTIONS}, {}",
                    shared.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// Whether this of a certificate is the user name. "No" speaks of nothing else.
    fn name_users(&mut self, by: CertificateName, chosen: Option<bool>) {
        self.no_user_name.retain(|name| *name != by);
        if chosen == Some(true) {
            self.user_name = Some(by);
        } else {
            self.user_name = self.user_name.filter(|name| *name != by);
            self.no_user_name.push(by);
        }
    }

    /// These options, and where they say nothing those of all listeners that fit.
    pub(super) fn or(self, common: &Self, kind: ListenerKind) -> Self {
        let list = |own: Vec<String>, common: &[String], fits: bool| {
            if own.is_empty() && fits {
                common.to_vec()
            } else {
                own
            }
        };
        let (tls, websocket) = (kind.has_tls(), kind.has_websocket());
        let unix = kind == ListenerKind::Unix;
        // A chain and its key belong together.
        let cert_fits = tls && self.cert.is_empty() && self.key.is_empty();
        let proxied = common.proxy_protocol.filter(|_| !unix);
        let proxy_protocol = self.proxy_protocol.or(proxied);
        let believes = websocket || (proxy_protocol == Some(true) && !unix);
        Self {
            allow_anonymous: self.allow_anonymous,
            general_rules: self.general_rules,
            max_connections: self.max_connections,
            proxy_protocol,
            proxy_trusted: list(self.proxy_trusted, &common.proxy_trusted, believes),
            cert: list(self.cert, &common.cert, cert_fits),
            key: list(self.key, &common.key, cert_fits),
            cafile: self
                .cafile
                .or_else(|| common.cafile.clone().filter(|_| tls)),
            crl: list(self.crl, &common.crl, tls),
            require_client_certificate: self
                .require_client_certificate
                .or(common.require_client_certificate.filter(|_| tls)),
            user_name: self.user_name.or(common.user_name.filter(|name| {
                let told = proxy_protocol == Some(true) && *name == CertificateName::CommonName;
                (tls || told) && !self.no_user_name.contains(name)
            })),
            no_user_name: self.no_user_name,
            ws_path: self
                .ws_path
                .or_else(|| common.ws_path.clone().filter(|_| websocket)),
            ws_origin: list(self.ws_origin, &common.ws_origin, websocket),
            ws_page: self.ws_page.or(common.ws_page.filter(|_| websocket)),
            unix_mode: self.unix_mode.or(common.unix_mode.filter(|_| unix)),
            unix_owner: self
                .unix_owner
                .or_else(|| common.unix_owner.clone().filter(|_| unix)),
        }
    }
}

pub(super) fn mode(place: &str, text: &str) -> Result<u32, Failure> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| {
            Failure::configuration(format_args!(
                "{place} takes permissions in octal such as 660, not '{text}'"
            ))
        })
}
