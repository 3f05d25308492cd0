//! A certificate authority of the tests' own: servers, clients, revocation lists.
//!
//! Owns the making of PEM files in memory; keys are new in every run.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};

use crate::transport::tls::{Document, ServerCertificate};

/// Vouches for the others.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

pub(super) fn document(name: &str, pem: String) -> Document {
    Document {
        name: name.to_owned(),
        bytes: pem.into_bytes(),
    }
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = name("Test Authority");
        let key = KeyPair::generate().expect("randomness");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a valid request");
        Self { issuer }
    }

    /// Its own certificate.
    pub(super) fn document(&self) -> Document {
        document("ca.pem", self.issuer.as_ref().pem())
    }

    /// A server's certificate.
    pub(super) fn server(&self, names: &[&str]) -> ServerCertificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("valid names");
        self.issue(params)
    }

    /// A client's certificate: its common name, e-mail address and serial number.
    pub(super) fn client(&self, common_name: &str, email: &str, serial: u64) -> ServerCertificate {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = name(common_name);
        params.serial_number = Some(SerialNumber::from(serial));
        if !email.is_empty() {
            let email = email.try_into().expect("ASCII");
            params.subject_alt_names = vec![SanType::Rfc822Name(email)];
        }
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> ServerCertificate {
        let key = KeyPair::generate().expect("randomness");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a valid request");
        ServerCertificate {
            chain: document("certificate.pem", certificate.pem()),
            key: document("key.pem", key.serialize_pem()),
        }
    }

    /// A list that revokes these serial numbers.
    pub(super) fn revoke(&self, serials: &[u64]) -> Document {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2124, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("a valid list");
        document("revoked.pem", list.pem().expect("PEM"))
    }
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if !common_name.is_empty() {
        name.push(DnType::CommonName, common_name);
    }
    name.push(DnType::OrganizationName, "Example");
    name
}
