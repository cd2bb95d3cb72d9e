//! TLS at the doors: certificates that are read again without dropping a connection, and the names that clients prove.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::domain::{Clock, Timestamp, moment};

/// How often the files are looked at. One that was changed is read when it was left alone for this long: a certificate and its
/// key are two files, and are not replaced at once.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// RFC 5280's upper bound of a common name; a longer one is cut.
const LONGEST_NAME: usize = 64;
/// `id-at-commonName`, RFC 5280 appendix A.1.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// `id-ce-subjectAltName`, RFC 5280 section 4.2.1.6.
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// Where certificates are, as PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate and the ones that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who signs clients' certificates, if these are asked for.
    pub client_ca: Option<PathBuf>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or is no PEM.
    #[error("{}: this cannot be read as PEM: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: pem::Error,
    },
    /// A PEM file of other things.
    #[error("{}: there is no certificate in it", .0.display())]
    Empty(PathBuf),
    /// A certificate that nobody takes any more.
    #[error("{}: the certificate was good until {}; renew it", path.display(), moment(*until))]
    Over {
        /// Which file.
        path: PathBuf,
        /// When.
        until: Timestamp,
    },
    /// The certificate and the key do not make a pair, or use what rustls does not.
    #[error("{} and its key {} cannot be used together: {source}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// Nothing in the file can sign clients' certificates.
    #[error("{}: no client certificate can be checked with it: {problem}", path.display())]
    ClientCa {
        /// Which file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
}

/// The certificates in force. Each connection keeps those that it began with.
#[derive(Debug)]
pub struct Certificates {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
}

impl Certificates {
    /// Reads the files.
    pub fn open(files: TlsFiles, now: Timestamp) -> Result<Arc<Self>, TlsError> {
        let current = ArcSwap::from_pointee(read(&files, now)?);
        Ok(Arc::new(Self { files, current }))
    }

    /// Reads the files again. If something is wrong with them, those in force stay.
    pub fn reload(&self, now: Timestamp) -> Result<(), TlsError> {
        self.current.store(Arc::new(read(&self.files, now)?));
        tracing::info!(certificate = %self.files.certificate.display(), "certificates read");
        Ok(())
    }

    /// Reads the files again whenever they were changed, until the house closes.
    pub async fn watch(self: Arc<Self>, clock: Arc<dyn Clock>, mut closing: watch::Receiver<bool>) {
        let mut in_force = self.look();
        let mut before = in_force.clone();
        while tokio::time::timeout(LOOK_EVERY, closing.wait_for(|closing| *closing)).await.is_err() {
            let now = self.look();
            if now == before && now != in_force {
                in_force.clone_from(&now);
                if let Err(error) = self.reload(clock.now()) {
                    tracing::error!("the certificates in force stay: {error}");
                }
            }
            before = now;
        }
    }

    /// When each file was changed, and how large it is. A link is followed: that is how secrets are mounted and renewed.
    fn look(&self) -> Vec<Option<(SystemTime, u64)>> {
        let TlsFiles { certificate, key, client_ca } = &self.files;
        let seen = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        [Some(certificate), Some(key), client_ca.as_ref()].into_iter().flatten().map(seen).collect()
    }

    /// Shakes hands, and tells the name that the client proved, if it proved one.
    pub(super) async fn greet(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, Option<Arc<str>>)> {
        let stream = TlsAcceptor::from(self.current.load_full()).accept(stream).await?;
        // Without `client_ca` none is asked for, so whatever is here was verified.
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let name = shown.and_then(|certificate| name_in(certificate)).map(Arc::from);
        Ok((stream, name))
    }
}

/// Whether these files could be used now, and until when the certificate counts, if it says so.
pub fn inspect(files: &TlsFiles, now: Timestamp) -> Result<Option<Timestamp>, TlsError> {
    read(files, now)?;
    Ok(certificates_in(&files.certificate)?.first().and_then(end_of))
}

fn read(files: &TlsFiles, now: Timestamp) -> Result<ServerConfig, TlsError> {
    let TlsFiles { certificate, key, client_ca } = files;
    let chain = certificates_in(certificate)?;
    let until = chain.first().and_then(end_of);
    if let Some(until) = until.filter(|until| *until < now) {
        return Err(TlsError::Over { path: certificate.clone(), until });
    }
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Unreadable { path: key.clone(), source })?;
    let unusable = |source| TlsError::Unusable { certificate: certificate.clone(), key: key.clone(), source };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let verified = match client_ca {
        Some(path) => versions.with_client_cert_verifier(verifier(path, provider)?),
        None => versions.with_no_client_auth(),
    };
    let mut config = verified.with_single_cert(chain, secret).map_err(unusable)?;
    if let Some(until) = until.and_then(|until| u32::try_from(until.unix_timestamp()).ok()) {
        metrics::gauge!("lazaret_certificate_good_until_seconds").set(until);
    }
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Who shows no certificate is let in without a name; who shows one of somebody else is not.
fn verifier(
    path: &Path,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let wrong = |problem: String| TlsError::ClientCa { path: path.to_path_buf(), problem };
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(path)? {
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| wrong(error.to_string()))
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_path_buf(), source };
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)?;
    if found.is_empty() { Err(TlsError::Empty(path.to_path_buf())) } else { Ok(found) }
}

/// Until when a certificate counts; `None` if that cannot be read, which is the clients' concern.
fn end_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let until = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    Timestamp::from_unix_timestamp(i64::try_from(until.as_secs()).ok()?).ok()
}

/// Whose certificate it is: its common name, else the first of its alternative names that is one.
fn name_in(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?.tbs_certificate;
    let parts = certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let common =
        parts.filter(|part| part.oid == COMMON_NAME).find_map(|part| std::str::from_utf8(part.value.value()).ok());
    if let Some(name) = common.and_then(clean) {
        return Some(name);
    }
    let mut extensions = certificate.extensions.iter().flatten();
    let names = extensions.find(|extension| extension.extn_id == SUBJECT_ALT_NAME)?;
    SubjectAltName::from_der(names.extn_value.as_bytes()).ok()?.0.iter().find_map(|name| match name {
        GeneralName::Rfc822Name(name) | GeneralName::DnsName(name) | GeneralName::UniformResourceIdentifier(name) => {
            clean(name.as_str())
        }
        _ => None,
    })
}

/// A name that fits into one line of a log.
fn clean(name: &str) -> Option<String> {
    let name: String = name.trim().chars().filter(|letter| !letter.is_control()).take(LONGEST_NAME).collect();
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
    use time::macros::datetime;

    const NOW: Timestamp = datetime!(2026-11-22 12:00 UTC);

    fn made(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn named(change: impl FnOnce(&mut CertificateParams)) -> Option<String> {
        let (pem, _) = made(change);
        name_in(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
    }

    #[test]
    fn a_certificate_is_its_common_names_or_its_first_alternative_names() {
        let with_common = |name: &str| named(|params| params.distinguished_name.push(DnType::CommonName, name));
        assert_eq!(with_common("build-7").as_deref(), Some("build-7"));
        assert_eq!(with_common("Müller\r\nevil").as_deref(), Some("Müllerevil"));
        assert_eq!(with_common(&"x".repeat(64)).map(|name| name.len()), Some(64));
        let without = named(|params| params.distinguished_name = rcgen::DistinguishedName::new());
        assert_eq!(without.as_deref(), Some("localhost"));
        let nothing = named(|params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.subject_alt_names.clear();
        });
        assert_eq!(nothing, None);
        assert_eq!(name_in(&CertificateDer::from(b"no certificate".as_slice())), None);
    }

    #[test]
    fn what_is_wrong_with_the_files_is_said_and_those_in_force_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        let (certificate, key) = made(|_| {});
        let (_, other_key) = made(|_| {});
        let (old, old_key) = made(|params| params.not_after = date_time_ymd(2020, 1, 1));
        let files = TlsFiles { certificate: path("cert.pem"), key: path("key.pem"), client_ca: None };

        let missing = Certificates::open(files.clone(), NOW).unwrap_err();
        assert!(missing.to_string().contains("cert.pem: this cannot be read as PEM"), "{missing}");
        write("cert.pem", &certificate);
        write("key.pem", &key);
        let certificates = Certificates::open(files.clone(), NOW).unwrap();
        let before = certificates.current.load_full();

        for (certificate, key, expected) in [
            (&certificate, &other_key, "cannot be used together"),
            (&key, &key, "there is no certificate in it"),
            (&certificate, &certificate, "key.pem: this cannot be read as PEM"),
            (&old, &old_key, "cert.pem: the certificate was good until 2020-01-01 00:00 UTC; renew it"),
        ] {
            write("cert.pem", certificate);
            write("key.pem", key);
            let error = certificates.reload(NOW).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(Arc::ptr_eq(&before, &certificates.current.load_full()), "{expected}");
        }
        write("cert.pem", &certificate);
        write("key.pem", &key);
        certificates.reload(NOW).unwrap();
        assert!(!Arc::ptr_eq(&before, &certificates.current.load_full()));

        write("ca.pem", &key);
        let error = Certificates::open(TlsFiles { client_ca: Some(path("ca.pem")), ..files }, NOW).unwrap_err();
        assert!(error.to_string().contains("ca.pem: there is no certificate in it"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn changed_files_are_read_once_they_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
            client_ca: None,
        };
        let write = |(certificate, key): &(String, String)| {
            std::fs::write(&files.certificate, certificate).unwrap();
            std::fs::write(&files.key, key).unwrap();
        };
        write(&made(|_| {}));
        let certificates = Certificates::open(files.clone(), NOW).unwrap();
        let before = certificates.current.load_full();
        let (close, closing) = watch::channel(false);
        let clock: Arc<dyn Clock> = Arc::new(crate::domain::SystemClock::new());
        let watching = tokio::spawn(certificates.clone().watch(clock, closing));
        tokio::time::sleep(LOOK_EVERY * 2).await;
        assert!(Arc::ptr_eq(&before, &certificates.current.load_full()), "nothing changed");

        // Longer, so that it shows even where two writes have the same time.
        let (certificate, key) = made(|params| params.distinguished_name.push(DnType::CommonName, "renewed"));
        write(&(certificate, key));
        tokio::time::sleep(LOOK_EVERY * 3).await;
        assert!(!Arc::ptr_eq(&before, &certificates.current.load_full()));
        close.send_replace(true);
        watching.await.unwrap();
    }
}
