//! A certificate authority for one run of the tests, and the files that it issues.
//!
//! Owns its key and a folder of PEM files below the target folder. Never used outside of
//! tests: its keys lie there for everyone to read.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
    serial: u64,
}

impl Issued {
    /// As the command line wants them.
    pub fn options(&self) -> [&str; 4] {
        let text = |path: &'static Path| path.to_str().expect("a path of ours");
        let leak = |path: &PathBuf| -> &'static Path { Box::leak(path.clone().into_boxed_path()) };
        [
            "--cert",
            text(leak(&self.certificate)),
            "--key",
            text(leak(&self.key)),
        ]
    }
}

/// Who issues certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    /// Its own certificate.
    pub file: PathBuf,
}

impl Authority {
    /// The one that all tests of the process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(|| Self::new("shared"))
    }

    /// Another one, of which nobody knows yet.
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("authority-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("the target folder is writable");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let common_name = format!("ringmq tests {name}");
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let key = KeyPair::generate().expect("randomness for a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a valid request");
        let file = folder.join("ca.pem");
        fs::write(&file, issuer.pem()).expect("the folder is writable");
        Self {
            issuer,
            folder,
            file,
        }
    }

    /// A certificate for a server with these names.
    pub fn server(&self, file: &str, names: &[&str]) -> Issued {
        self.issue(file, names[0], names)
    }

    /// A certificate for a server that was good in another century.
    pub fn expired(&self, file: &str, names: &[&str]) -> Issued {
        self.issue_for(file, names[0], names, |params| {
            params.not_before = date_time_ymd(1998, 1, 1);
            params.not_after = date_time_ymd(1999, 1, 1);
        })
    }

    /// A certificate for a client with this common name and these alternative names.
    pub fn issue(&self, file: &str, common_name: &str, names: &[&str]) -> Issued {
        self.issue_for(file, common_name, names, |_| ())
    }

    fn issue_for(
        &self,
        file: &str,
        common_name: &str,
        names: &[&str],
        alter: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        use std::sync::atomic::{AtomicU64, Ordering};
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.serial_number = Some(SerialNumber::from(serial));
        alter(&mut params);
        let key = KeyPair::generate().expect("randomness for a key");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a valid request");
        let issued = Issued {
            certificate: self.folder.join(format!("{file}.pem")),
            key: self.folder.join(format!("{file}.key")),
            serial,
        };
        fs::write(&issued.certificate, certificate.pem()).expect("the folder is writable");
        fs::write(&issued.key, key.serialize_pem()).expect("the folder is writable");
        issued
    }

    /// A list that revokes this certificate.
    pub fn revoke(&self, issued: &Issued) -> PathBuf {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(issued.serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a valid list");
        let file = self.folder.join(format!("revoked-{}.pem", issued.serial));
        fs::write(&file, list.pem().expect("it can be written")).expect("the folder is writable");
        file
    }

    /// What a client needs to believe this authority's servers, and to show who it is.
    pub fn client(&self, own: Option<&Issued>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let file = CertificateDer::from_pem_file(&self.file).expect("its certificate");
        roots.add(file).expect("a certificate of an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the defaults")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = CertificateDer::from_pem_file(&issued.certificate).expect("issued");
                let key = PrivateKeyDer::from_pem_file(&issued.key).expect("issued");
                builder
                    .with_client_auth_cert(vec![chain], key)
                    .expect("they belong together")
            }
        };
        Arc::new(config)
    }
}
