//! What a certificate says: whom a client's names, for which hosts a server's is.
//!
//! Owns nothing. Pure; the grammar is the crate `x509-cert`'s. Whether a certificate
//! is to be believed was rustls' decision before anything here is asked.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::peer::Identity;

/// What of a client certificate is the user name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum UserNameFrom {
    /// Nothing: CONNECT's counts.
    #[default]
    Connect,
    /// The subject's common name.
    CommonName,
    /// The whole subject, as RFC 4514 writes it.
    Subject,
    /// The first e-mail address, host name or URI of the alternative names.
    AlternativeName,
}

/// What a client certificate says; `None` where it lacks what is to be the user
/// name, or cannot be read.
pub(in crate::transport) fn identity(
    certificate: &CertificateDer<'_>,
    from: UserNameFrom,
) -> Option<Identity> {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return (from == UserNameFrom::Connect).then(Identity::default);
    };
    let subject = certificate.tbs_certificate().subject();
    let common_name = subject.common_name().ok().flatten();
    let common_name = common_name.and_then(|name| printable(&name.value()));
    let subject = printable(&subject.to_string());
    let user_name = match from {
        UserNameFrom::Connect => None,
        UserNameFrom::CommonName => Some(common_name.clone()?),
        UserNameFrom::Subject => Some(subject.clone()?),
        UserNameFrom::AlternativeName => {
            Some(alternative_names(&certificate).iter().find_map(named)?)
        }
    };
    Some(Identity {
        common_name,
        subject,
        user_name,
    })
}

/// The host names that a server certificate is for, `*.example.com` among them.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other kinds of names are no host names"
)]
pub(super) fn host_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return Vec::new();
    };
    alternative_names(&certificate)
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

fn alternative_names(certificate: &Certificate) -> Vec<GeneralName> {
    let names = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>();
    names
        .ok()
        .flatten()
        .map_or_else(Vec::new, |(_, names)| names.0)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other kinds of names are not for people"
)]
fn named(name: &GeneralName) -> Option<Box<str>> {
    match name {
        GeneralName::Rfc822Name(name) | GeneralName::DnsName(name) => printable(name.as_str()),
        GeneralName::UniformResourceIdentifier(name) => printable(name.as_str()),
        _ => None,
    }
}

/// A name without control characters, which would fool a log, a rule or MQTT.
fn printable(text: &str) -> Option<Box<str>> {
    let usable = !text.is_empty() && !text.chars().any(char::is_control);
    usable.then(|| text.into())
}
