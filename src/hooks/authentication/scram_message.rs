//! The client's two messages of SCRAM, taken apart.
//!
//! Owns nothing; views of what came (RFC 5802, section 7). Pure. Reads hostile bytes:
//! whatever is not the grammar is `None`, and nothing is longer than what came.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest message looked at; real ones have some hundred bytes.
const MOST_BYTES: usize = 4096;

/// `gs2-header n=user,r=nonce`
#[derive(PartialEq, Eq, Debug)]
pub(super) struct ClientFirst<'a> {
    /// `n,,` or `y,a=admin,`: comes back in the second message.
    pub(super) gs2_header: &'a str,
    /// What follows the header: a part of what is proved.
    pub(super) bare: &'a str,
    /// Whom the client wants to be taken for; `None` for itself.
    pub(super) authorized_as: Option<Cow<'a, str>>,
    pub(super) user: Cow<'a, str>,
    pub(super) nonce: &'a str,
}

/// `c=binding,r=nonce,p=proof`
#[derive(PartialEq, Eq, Debug)]
pub(super) struct ClientFinal<'a> {
    /// Decoded; must be the GS2 header again.
    pub(super) binding: Vec<u8>,
    pub(super) nonce: &'a str,
    /// Everything before the proof: a part of what is proved.
    pub(super) without_proof: &'a str,
    pub(super) proof: Vec<u8>,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let text = text(message)?;
        // Only "no binding" and "I could, you cannot": `p=` would want a variant that
        // is not offered, and so would a mandatory extension (`m=`).
        let after_flag = text
            .strip_prefix("n,")
            .or_else(|| text.strip_prefix("y,"))?;
        let (authorized_as, bare) = after_flag.split_once(',')?;
        let authorized_as = match authorized_as {
            "" => None,
            named => Some(name(named.strip_prefix("a=")?)?),
        };
        let mut attributes = bare.split(',');
        let user = name(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let extensions_are_attributes = attributes.all(is_attribute);
        (is_nonce(nonce) && extensions_are_attributes).then_some(Self {
            gs2_header: &text[..text.len() - bare.len()],
            bare,
            authorized_as,
            user,
            nonce,
        })
    }
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let text = text(message)?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        attributes.all(is_attribute).then_some(())?;
        Some(Self {
            binding: STANDARD.decode(binding).ok()?,
            nonce,
            without_proof,
            proof: STANDARD.decode(proof).ok()?,
        })
    }
}

fn text(message: &[u8]) -> Option<&str> {
    (message.len() <= MOST_BYTES)
        .then(|| std::str::from_utf8(message).ok())?
        .filter(|text| !text.contains('\0'))
}

fn is_attribute(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|name| name.is_ascii_alphabetic()) && bytes.next() == Some(b'=')
}

/// Printable ASCII without commas.
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A user name with `=2C` for commas and `=3D` for equal signs.
fn name(text: &str) -> Option<Cow<'_, str>> {
    if text.is_empty() {
        return None;
    }
    if !text.contains('=') {
        return Some(Cow::Borrowed(text));
    }
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            (None, None) => return None,
        };
        name.push(sign);
        name.push_str(rest);
    }
    Some(Cow::Owned(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_first_message_is_taken_apart() {
        let first = ClientFirst::parse(b"y,a=ad=2Cmin,n=u=3Dser,r=fyko+d2lbbFgONRv9qkxdawL,x=1");
        let first = first.expect("well-formed");
        assert_eq!(first.gs2_header, "y,a=ad=2Cmin,");
        assert_eq!(first.bare, "n=u=3Dser,r=fyko+d2lbbFgONRv9qkxdawL,x=1");
        assert_eq!(first.authorized_as.as_deref(), Some("ad,min"));
        assert_eq!(first.user, "u=ser");
        assert_eq!(first.nonce, "fyko+d2lbbFgONRv9qkxdawL");
    }

    #[test]
    fn what_is_not_the_grammar_is_refused() {
        for message in [
            "",
            "n",
            "n,,",
            "n,,n=user",
            "n,,n=,r=x",
            "n,,n=user,r=",
            "n,,n=user,r=a b",
            "n,,n=us=er,r=x",
            "n,,n=user,r=x,",
            "n,,m=ext,n=user,r=x",
            "n,user,n=user,r=x",
            "p=tls-unique,,n=user,r=x",
            "q,,n=user,r=x",
            "n,,r=x,n=user",
            "n,,n=us\0er,r=x",
        ] {
            assert_eq!(ClientFirst::parse(message.as_bytes()), None, "{message}");
        }
        for message in [
            "",
            "c=biws",
            "c=biws,r=x",
            "c=?,r=x,p=AA==",
            "r=x,c=biws,p=AA==",
            "c=biws,r=x,p=?",
        ] {
            assert_eq!(ClientFinal::parse(message.as_bytes()), None, "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(message: Vec<u8>) {
            let _ = ClientFirst::parse(&message);
            let _ = ClientFinal::parse(&message);
        }

        #[test]
        fn names_survive_their_escapes(user in "[^\0]{1,20}") {
            let escaped = user.replace('=', "=3D").replace(',', "=2C");
            let message = format!("n,,n={escaped},r=x");
            let first = ClientFirst::parse(message.as_bytes()).expect("well-formed");
            prop_assert_eq!(first.user, user);
        }
    }
}
