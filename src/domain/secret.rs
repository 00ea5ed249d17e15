//! Secrets that callers carry, and hashes of them: what is stored is the hash alone.

use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::fmt;

/// Begins the text of a secret, so that people and scanners of leaked secrets know what it is.
const MARK: &str = "wgs_";

/// 256 random bits. Shown once, to whom it is given; never in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 32]);

/// The machine gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("this machine gives no random numbers")]
pub struct NoRandom;

impl Secret {
    /// A new one.
    pub fn random() -> Result<Self, NoRandom> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| NoRandom)?;
        Ok(Self(bytes))
    }

    /// As callers write it.
    pub fn text(&self) -> String {
        format!("{MARK}{}", hex(&self.0))
    }

    /// As callers write it, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        from_hex(text.strip_prefix(MARK)?).map(Self)
    }

    /// Another one that follows from it; from that one neither it nor its other followers can be found.
    pub fn derived(&self, what: &str) -> Self {
        Self(self.digest().after(what.as_bytes()).0)
    }

    /// What is stored of it. A secret of 256 random bits cannot be guessed from it, so one pass is enough.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// Nothing of it is shown.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Digest {
    /// Of nothing yet: what the first link of a chain follows.
    pub const NONE: Self = Self([0; 32]);

    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Of what came before and some bytes.
    pub fn after(self, bytes: &[u8]) -> Self {
        Self(sha2::Sha256::new().chain_update(self.0).chain_update(bytes).finalize().into())
    }

    /// The bytes themselves.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        from_hex(&text).map(Self).ok_or("64 hexadecimal digits are needed")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lower-case only: one text for one secret.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_back_from_its_text_and_no_other() {
        let secret = Secret::random().expect("random");
        let text = secret.text();
        assert_eq!(Secret::parse(&text), Some(secret.clone()));
        assert_ne!(Secret::random().expect("random"), secret);
        assert!(!format!("{secret:?}").contains(&text[8..]));
        let others = ["a", "b", ""].map(|what| secret.derived(what));
        assert_eq!(others, ["a", "b", ""].map(|what| secret.derived(what)));
        assert!(others[0] != others[1] && !others.contains(&secret) && secret.digest() != Digest::of(&others[2].0));
        for bad in ["", "wgs_", &text[4..], &text[..60], &format!("{text}0"), &text.to_uppercase(), &text.replace("wgs", "wgt")] {
            assert_eq!(Secret::parse(bad), None, "{bad}");
        }
        assert_eq!(Secret::parse(&format!("wgs_{}", "é".repeat(32))), None);
    }

    /// FIPS 180-4's example, and a chain that is one hash over both.
    #[test]
    fn hashes_are_sha_256() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), abc);
        assert_eq!(Digest::try_from(abc.to_owned()), Ok(Digest::of(b"abc")));
        let both = [Digest::of(b"a").bytes().as_slice(), b"b"].concat();
        assert_eq!(Digest::of(b"a").after(b"b"), Digest::of(&both));
    }
}
