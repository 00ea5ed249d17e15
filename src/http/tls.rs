//! TLS on a connection: the certificate and its key, read again when their files change; the names that it stands for.

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long a client may take to agree on keys.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// What is spoken, the best first (RFC 7301).
const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTls {
    /// It is not there, or not to be read.
    #[error("cannot read {path}: {why}", path = .0.display(), why = .1)]
    Unreadable(PathBuf, String),
    /// It is something else.
    #[error("{path} holds no certificate (PEM: -----BEGIN CERTIFICATE-----)", path = .0.display())]
    NoCertificate(PathBuf),
    /// It is something else.
    #[error("{path} holds no private key (PEM: -----BEGIN PRIVATE KEY-----)", path = .0.display())]
    NoKey(PathBuf),
    /// Nobody could tell the password.
    #[error(
        "the key {path} is encrypted, and a server that starts by itself cannot be told a password; openssl pkey -in {path} -out plain.key decrypts it, and the file's mode protects it",
        path = .0.display()
    )]
    Encrypted(PathBuf),
    /// It belongs to another one.
    #[error("the key {key} does not belong to the certificate {cert}: take the pair that was made together", key = .1.display(), cert = .0.display())]
    OtherKey(PathBuf, PathBuf),
    /// It is damaged, or of a kind that is not known.
    #[error("{path}: {why}", path = .0.display(), why = .1)]
    Unusable(PathBuf, String),
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whose it is.
    pub names: Names,
    /// From when on nobody trusts it.
    pub ends_at: Timestamp,
    /// From when on somebody may.
    pub begins_at: Timestamp,
    /// Whose certificate it is, as it says itself.
    pub subject: String,
}

/// Names and addresses that a certificate stands for (RFC 5280 §4.2.1.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Lower-case; `*.example` stands for names with one more word.
    pub dns: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

impl Names {
    /// Whether it stands for a host, which has no port.
    pub fn hold(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.addresses.contains(&address.to_canonical());
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.dns.iter().any(|name| match name.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(word, rest)| !word.is_empty() && rest == parent),
            None => *name == host,
        })
    }
}

/// A certificate that is being served.
#[derive(Debug)]
struct Served {
    config: Arc<ServerConfig>,
    facts: Arc<Facts>,
}

/// The certificate of a server and where it is.
#[derive(Debug)]
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    served: RwLock<Arc<Served>>,
    /// When the files were as they were looked at last.
    looked: Mutex<Stamp>,
}

/// What a client has agreed to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

fn read(path: &Path) -> Result<Vec<u8>, BadTls> {
    std::fs::read(path).map_err(|error| BadTls::Unreadable(path.to_owned(), error.to_string()))
}

/// All certificates of a file, as DER.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BadTls> {
    let read = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|error| BadTls::Unusable(path.to_owned(), error.to_string()))?;
    if read.is_empty() { Err(BadTls::NoCertificate(path.to_owned())) } else { Ok(read) }
}

/// The first certificate of a file, as DER.
pub fn certificate(path: &Path) -> Result<Vec<u8>, BadTls> {
    Ok(certificates(path)?.swap_remove(0).to_vec())
}

/// What the first certificate of a file says.
pub fn facts(path: &Path) -> Result<Facts, BadTls> {
    told(&certificate(path)?).map_err(|why| BadTls::Unusable(path.to_owned(), why))
}

fn told(der: &[u8]) -> Result<Facts, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| format!("is no certificate: {error}"))?;
    let mut names = Names::default();
    if let Ok(Some(extension)) = certificate.subject_alternative_name() {
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.dns.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                _ => {}
            }
        }
    }
    let instant = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::MAX);
    let validity = certificate.validity();
    Ok(Facts {
        names,
        begins_at: instant(validity.not_before),
        ends_at: instant(validity.not_after),
        subject: certificate.subject().to_string(),
    })
}

/// For what hosts an authority may stand (RFC 5280 §4.2.1.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Hosts, with names below them. Empty: there is no limit.
    pub permitted: Vec<Permitted>,
}

/// A name with all below it, or a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permitted {
    /// Lower-case.
    Dns(String),
    /// Address and mask.
    Network(IpAddr, IpAddr),
}

impl Permitted {
    /// Whether a name or an address is in it.
    pub fn holds(&self, host: &str) -> bool {
        match (self, host.parse::<IpAddr>()) {
            (Self::Network(IpAddr::V4(of), IpAddr::V4(mask)), Ok(IpAddr::V4(address))) => {
                of.to_bits() & mask.to_bits() == address.to_bits() & mask.to_bits()
            }
            (Self::Network(IpAddr::V6(of), IpAddr::V6(mask)), Ok(IpAddr::V6(address))) => {
                of.to_bits() & mask.to_bits() == address.to_bits() & mask.to_bits()
            }
            (Self::Dns(name), Err(_)) => {
                let before = host.strip_suffix(name.trim_start_matches('.'));
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            _ => false,
        }
    }
}

/// For what the authority of a file may stand.
pub fn limits(path: &Path) -> Result<Limits, BadTls> {
    let der = certificate(path)?;
    let (_, certificate) = X509Certificate::from_der(&der)
        .map_err(|error| BadTls::Unusable(path.to_owned(), format!("is no certificate: {error}")))?;
    let constraints = certificate.name_constraints().ok().flatten();
    let subtrees = constraints.and_then(|extension| extension.value.permitted_subtrees.as_ref());
    let permitted = subtrees.into_iter().flatten().filter_map(|subtree| match &subtree.base {
        GeneralName::DNSName(name) => Some(Permitted::Dns(name.to_ascii_lowercase())),
        GeneralName::IPAddress(bytes) => {
            let (of, mask) = bytes.split_at(bytes.len() / 2);
            let plain = |bytes: &[u8]| {
                let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
                four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
            };
            plain(of).zip(plain(mask)).map(|(of, mask)| Permitted::Network(of, mask))
        }
        _ => None,
    });
    Ok(Limits { permitted: permitted.collect() })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|address| address.to_canonical())
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, BadTls> {
    let bytes = read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(BadTls::Encrypted(path.to_owned()));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| BadTls::NoKey(path.to_owned()))
}

fn served(cert: &Path, key_path: &Path) -> Result<Served, BadTls> {
    let (chain, key) = (certificates(cert)?, key(key_path)?);
    let facts = told(&chain[0]).map_err(|why| BadTls::Unusable(cert.to_owned(), why))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the usual versions")
        .with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => BadTls::OtherKey(cert.to_owned(), key_path.to_owned()),
        error => BadTls::Unusable(key_path.to_owned(), error.to_string()),
    })?;
    config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    Ok(Served { config: Arc::new(config), facts: Arc::new(facts) })
}

/// When files were written and how long they are.
type Stamp = [Option<(SystemTime, u64)>; 2];

fn stamp(cert: &Path, key: &Path) -> Stamp {
    [cert, key].map(|path| {
        let known = std::fs::metadata(path).ok()?;
        Some((known.modified().ok()?, known.len()))
    })
}

impl Tls {
    /// Reads a certificate, with what leads to its authority behind it, and its key.
    pub fn open(cert: &Path, key: &Path) -> Result<Arc<Self>, BadTls> {
        // Before they are read: what is written meanwhile is seen later.
        let looked = Mutex::new(stamp(cert, key));
        let served = RwLock::new(Arc::new(served(cert, key)?));
        Ok(Arc::new(Self { cert: cert.to_owned(), key: key.to_owned(), served, looked }))
    }

    fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the certificate in use says.
    pub fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.served().facts)
    }

    /// Takes what stands in the files now. When that cannot be used, what is in use stays.
    pub fn reload(&self) -> Result<(), BadTls> {
        let next = Arc::new(served(&self.cert, &self.key)?);
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Looks at the files from time to time, without end.
    pub(super) async fn look_after(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = stamp(&self.cert, &self.key);
            if std::mem::replace(&mut *self.looked.lock().unwrap_or_else(PoisonError::into_inner), now) == now {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!(ends_at = %self.facts().ends_at, "a new certificate is in use"),
                Err(error) => tracing::warn!(%error, "the new certificate is not used; the one before stays"),
            }
        }
    }

    /// Agrees on keys with a client, within its time.
    pub(super) async fn accept<S>(&self, socket: S) -> std::io::Result<(TlsStream<S>, Arc<Facts>, Spoken)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let served = self.served();
        let agreed = TlsAcceptor::from(Arc::clone(&served.config)).accept(socket);
        let stream = tokio::time::timeout(HANDSHAKE_LIMIT, agreed).await??;
        let spoken = if stream.get_ref().1.alpn_protocol() == Some(H2) { Spoken::Http2 } else { Spoken::Http1 };
        Ok((stream, Arc::clone(&served.facts), spoken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_stands_for_its_names_and_no_others() {
        let names = Names {
            dns: vec!["map.example".to_owned(), "*.grid.example".to_owned()],
            addresses: vec![IpAddr::from([10, 0, 0, 7]), "fd00::7".parse().expect("an address")],
        };
        for own in ["map.example", "MAP.example", "map.example.", "a.grid.example", "10.0.0.7", "[fd00::7]", "[::ffff:10.0.0.7]"]
        {
            assert!(names.hold(own), "{own}");
        }
        for other in
            ["", "example", "x.map.example", "grid.example", "a.b.grid.example", ".grid.example", "10.0.0.8", "[fd00::8]"]
        {
            assert!(!names.hold(other), "{other}");
        }
    }
}
