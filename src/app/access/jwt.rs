//! Signed tokens of other systems (RFC 7519), checked by their public keys (RFC 7517) or by a secret that both know. The only file that
//! names `jsonwebtoken`.
//!
//! The algorithm is the key's, never the token's word for it: `none`, and a public key taken for a shared secret, are no ways in.

use super::{Access, Claims, Known, Refused};
use crate::config::access::{Jwt, Keys};
use crate::upstream::{Upstream, UpstreamError};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

/// How far two clocks may be apart.
const LEEWAY_S: i64 = 60;
/// Keys are asked for again when a token names one that is not known, but not more often than this.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// And in any case after this: a key that was withdrawn is not among them any more.
const OLD: SignedDuration = SignedDuration::from_secs(3600);
/// Most bytes of a set of keys.
const MOST_KEYS: usize = 1 << 20;
/// Longest token. Those of large companies name a hundred groups.
const MOST_TOKEN: usize = 16 << 10;

/// A key and the one algorithm that it is for.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Keys, and where they come from.
pub(super) struct KeySet {
    from: From,
    keys: RwLock<Arc<Vec<Key>>>,
    /// When they were fetched last, whether they came or not.
    fetched: Mutex<Option<Timestamp>>,
}

enum From {
    Given,
    File(PathBuf),
    Url { upstream: Box<Upstream>, address: String },
}

/// The algorithm of a public key; `None`: not one for signatures that this program checks.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let told = jwk.common.key_algorithm;
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => match told {
            None | Some(KeyAlgorithm::RS256) => Some(Algorithm::RS256),
            Some(KeyAlgorithm::RS384) => Some(Algorithm::RS384),
            Some(KeyAlgorithm::RS512) => Some(Algorithm::RS512),
            Some(KeyAlgorithm::PS256) => Some(Algorithm::PS256),
            Some(_) => None,
        },
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => Some(Algorithm::ES256),
            EllipticCurve::P384 => Some(Algorithm::ES384),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(_) => Some(Algorithm::EdDSA),
        // A secret does not stand in a public list.
        _ => None,
    }
}

fn parsed(text: &[u8]) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_slice(text).map_err(|error| format!("is no set of keys (RFC 7517): {error}"))?;
    let key = |jwk: &Jwk| {
        let (algorithm, key) = (algorithm(jwk)?, DecodingKey::from_jwk(jwk).ok()?);
        Some(Key { id: jwk.common.key_id.clone(), algorithm, key })
    };
    let keys: Vec<Key> = set.keys.iter().filter_map(key).collect();
    if keys.is_empty() { Err("holds no key for signatures that can be checked here".to_owned()) } else { Ok(keys) }
}

impl KeySet {
    fn new(from: From, keys: Vec<Key>, fetched: Option<Timestamp>) -> Self {
        Self { from, keys: RwLock::new(Arc::new(keys)), fetched: Mutex::new(fetched) }
    }

    /// Keys at an address, fetched when the first token comes.
    pub(super) fn at(address: String, authorities: Option<&Path>) -> Result<Self, String> {
        let upstream = Box::new(Upstream::new(authorities).map_err(|error| error.to_string())?);
        Ok(Self::new(From::Url { upstream, address }, Vec::new(), None))
    }

    fn open(keys: &Keys, authorities: Option<&Path>, now: Timestamp) -> Result<Self, String> {
        match keys {
            Keys::Shared(secret) => {
                let key =
                    Key { id: None, algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret.reveal().as_bytes()) };
                Ok(Self::new(From::Given, vec![key], None))
            }
            Keys::File(path) => {
                let told = |why: String| format!("[jwt] jwks_file {}: {why}", path.display());
                let text = std::fs::read(path).map_err(|error| told(error.to_string()))?;
                Ok(Self::new(From::File(path.clone()), parsed(&text).map_err(told)?, Some(now)))
            }
            Keys::Url(address) => Self::at(address.clone(), authorities),
        }
    }

    fn now(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches them, unless that was done just now.
    async fn fetch(&self, unless: SignedDuration, now: Timestamp) -> Result<(), Refused> {
        let mut fetched = self.fetched.lock().await;
        // A clock that was set back is no reason to wait.
        if fetched.is_some_and(|then| now.duration_since(then).abs() < unless) {
            return Ok(());
        }
        let text = match &self.from {
            From::Given => return Ok(()),
            From::File(path) => tokio::fs::read(path).await.map_err(|error| error.to_string()),
            From::Url { upstream, address } => {
                let got = upstream.get(address, None, MOST_KEYS, || None::<UpstreamError>).await;
                got.map(|got| got.body.to_vec()).map_err(|error| error.to_string())
            }
        };
        *fetched = Some(now);
        match text.and_then(|text| parsed(&text)) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "the keys by which tokens are checked did not come");
                Err(Refused::Elsewhere("the keys by which tokens are checked cannot be had".to_owned()))
            }
        }
    }

    /// What a token says, when it is signed by one of the keys, for us, and good now.
    pub(super) async fn verified(
        &self,
        token: &str,
        (issuer, audience): (&str, &str),
        now: Timestamp,
    ) -> Result<Map<String, Value>, Refused> {
        if token.len() > MOST_TOKEN {
            return Err(Refused::Invalid("the token is too long"));
        }
        let header = decode_header(token).map_err(|_| Refused::Invalid("the token is none of this server's, and no JWT"))?;
        // Old keys are looked after; while they cannot be had, those that are known are good.
        let _ = self.fetch(OLD, now).await;
        let mut keys = self.now();
        let fits = |key: &Key| key.algorithm == header.alg && (header.kid.is_none() || key.id.is_none() || key.id == header.kid);
        if !keys.iter().any(fits) {
            self.fetch(AGAIN, now).await?;
            keys = self.now();
        }
        let said = keys.iter().filter(|key| fits(key)).find_map(|key| {
            let mut rules = Validation::new(key.algorithm);
            // Times are compared with the program's own clock, below.
            rules.validate_exp = false;
            rules.required_spec_claims.clear();
            rules.set_issuer(&[issuer]);
            rules.set_audience(&[audience]);
            rules.required_spec_claims.extend(["iss".to_owned(), "aud".to_owned()]);
            decode::<Map<String, Value>>(token, &key.key, &rules).ok()
        });
        let said = said.ok_or(Refused::Invalid("the token's signature, issuer or audience is not as it should be"))?.claims;
        let seconds = |claim: &str| said.get(claim).and_then(Value::as_f64);
        let now = now.as_second() as f64;
        let leeway = LEEWAY_S as f64;
        match (seconds("exp"), seconds("nbf")) {
            (None, _) => Err(Refused::Invalid("the token does not say when it ends")),
            (Some(end), _) if end + leeway <= now => Err(Refused::Invalid("the token has ended")),
            (_, Some(begin)) if begin - leeway > now => Err(Refused::Invalid("the token is not good yet")),
            _ => Ok(said),
        }
    }
}

/// A claim that is a list of words: an array, or words between spaces or commas. Dots in its name lead into objects
/// (`realm_access.roles`).
pub(super) fn words(said: &Map<String, Value>, claim: &str) -> Option<Vec<String>> {
    match found(said, claim)? {
        Value::Array(items) => Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()),
        Value::String(text) => Some(text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()),
        _ => None,
    }
}

/// A claim that is one text.
pub(super) fn text(said: &Map<String, Value>, claim: &str) -> Option<String> {
    found(said, claim)?.as_str().map(str::to_owned)
}

fn found<'a>(said: &'a Map<String, Value>, claim: &str) -> Option<&'a Value> {
    if let Some(value) = said.get(claim) {
        return Some(value);
    }
    let mut parts = claim.split('.');
    let first = said.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// Checks tokens of one system.
pub(in crate::app) struct Verifier {
    about: Jwt,
    keys: KeySet,
}

impl Verifier {
    pub(super) fn open(about: &Jwt, authorities: Option<&Path>, now: Timestamp) -> Result<Self, String> {
        Ok(Self { keys: KeySet::open(&about.keys, authorities, now)?, about: about.clone() })
    }

    pub(super) async fn known(&self, access: &Access, token: &str, now: Timestamp) -> Result<Known, Refused> {
        let about = &self.about;
        let said = self.keys.verified(token, (&about.issuer, &about.audience), now).await?;
        let end = said.get("exp").and_then(Value::as_f64).map(|seconds| seconds as i64 + LEEWAY_S);
        let claims = Claims {
            id: text(&said, &about.id_claim).unwrap_or_default(),
            name: text(&said, "name"),
            roles: words(&said, &about.roles_claim).unwrap_or_default(),
            within: words(&said, &about.within_claim),
        };
        let name = claims.name.clone();
        let actor = access.actor(access.bearer(claims)?);
        let ends_at = end.and_then(|end| Timestamp::from_second(end).ok());
        Ok(Known { actor, name, ends_at, token: None, session: None, vouched: false })
    }
}
