//! What stands between the server and its callers: where it listens, TLS, a proxy.

use super::Config;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A certificate and its key, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, with what leads to its authority behind it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The keys as people write them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsKeys {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
}

impl TlsKeys {
    /// The certificate, and the one of the authority that callers may take from here.
    pub(super) fn told(self, folder: &Path) -> Result<(Option<Tls>, Option<PathBuf>), String> {
        let tls = match (self.cert, self.key) {
            (Some(cert), Some(key)) => Some(Tls { cert: folder.join(cert), key: folder.join(key) }),
            (None, None) => None,
            _ => return Err("[tls] needs both cert and key".to_owned()),
        };
        Ok((tls, self.ca.map(|ca| folder.join(ca))))
    }
}

/// Why the server does not listen where it is told to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MayNotListen {
    /// Everybody could do everything.
    #[error(
        "{0} is not a loopback address: a server that cannot tell callers apart listens on 127.0.0.1 or [::1] only; [access] in the settings tells them apart"
    )]
    NotToldApart(SocketAddr),
    /// Everybody in between could read along.
    #[error(
        "{0} is reached over a network, and without TLS whoever stands in between reads tokens and positions: --tls-cert and --tls-key give it TLS (wangge cert make makes them), --behind-proxy says that a proxy in front has it"
    )]
    InTheClear(SocketAddr),
}

impl Config {
    /// Whether browsers reach the server over TLS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some() || self.base_url.as_deref().is_some_and(|base| base.starts_with("https://"))
    }

    /// What addresses of this server begin with when nothing else is said.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Refuses an address that others reach, unless callers are told apart and nobody reads along.
    pub fn may_listen(&self) -> Result<(), MayNotListen> {
        match () {
            () if self.listen.ip().to_canonical().is_loopback() => Ok(()),
            () if self.callers.is_none() => Err(MayNotListen::NotToldApart(self.listen)),
            () if self.tls.is_none() && !self.behind_proxy => Err(MayNotListen::InTheClear(self.listen)),
            () => Ok(()),
        }
    }
}
