//! Log-in pages of OpenID Connect Core 1.0: authorization code flow with PKCE (RFC 7636). The browser carries a code back; for it, and for
//! a secret of this one log-in, the page's server gives a signed token that says who it is. What a log-in needs follows from one secret
//! that the browser keeps meanwhile, so it may come back to any server of several.

use super::jwt::{KeySet, text, words};
use super::{Claims, Refused};
use crate::config::access::Oidc;
use crate::domain::percent::encoded;
use crate::domain::secret::{Digest, Secret};
use crate::upstream::{Upstream, UpstreamError};
use jiff::Timestamp;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// Most bytes of an answer.
const MOST: usize = 256 << 10;

/// A log-in page.
pub(in crate::app) struct Client {
    about: Oidc,
    upstream: Upstream,
    authorities: Option<PathBuf>,
    /// What the issuer says about itself, when it was asked.
    provider: OnceCell<Provider>,
}

struct Provider {
    /// As it calls itself; the settings may have it with a slash at its end or without.
    issuer: String,
    page: String,
    tokens: String,
    keys: KeySet,
}

/// Proves that who brings the code is who asked for it.
fn verifier(seed: &Secret) -> String {
    seed.derived("verifier").text()
}

fn nonce(seed: &Secret) -> String {
    seed.derived("nonce").text()
}

/// What is read of the issuer's own description.
#[derive(Deserialize)]
struct Described {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// base64url without padding (RFC 4648 §5), as PKCE wants it.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        text.extend((0..=three.len()).map(|at| char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize])));
    }
    text
}

fn no_answer(error: &UpstreamError) -> Refused {
    tracing::warn!(%error, "the server of the log-in page did not answer");
    Refused::Elsewhere("the server of the log-in page gave no answer to work with".to_owned())
}

impl Client {
    pub(super) fn new(about: &Oidc, authorities: Option<&Path>) -> Result<Self, String> {
        let upstream = Upstream::new(authorities).map_err(|error| error.to_string())?;
        Ok(Self { about: about.clone(), upstream, authorities: authorities.map(Path::to_owned), provider: OnceCell::new() })
    }

    async fn provider(&self) -> Result<&Provider, Refused> {
        self.provider
            .get_or_try_init(async || {
                let address = format!("{}/.well-known/openid-configuration", self.about.issuer);
                let got =
                    self.upstream.get(&address, None, MOST, || None::<UpstreamError>).await.map_err(|error| no_answer(&error))?;
                let unfit = || Refused::Elsewhere("the issuer describes itself in a way that cannot be used".to_owned());
                let told: Described = serde_json::from_slice(&got.body).map_err(|_| unfit())?;
                let same_kind = |url: &str| url.starts_with("https://") || self.about.issuer.starts_with("http://");
                let all = [&told.authorization_endpoint, &told.token_endpoint, &told.jwks_uri];
                if told.issuer.trim_end_matches('/') != self.about.issuer || !all.iter().all(|url| same_kind(url)) {
                    return Err(unfit());
                }
                let keys = KeySet::at(told.jwks_uri, self.authorities.as_deref()).map_err(Refused::Elsewhere)?;
                Ok(Provider { issuer: told.issuer, page: told.authorization_endpoint, tokens: told.token_endpoint, keys })
            })
            .await
    }

    /// Where the browser is sent. `state`: what it brings back; `back`: where to.
    pub(in crate::app) async fn page(&self, seed: &Secret, state: &str, back: &str) -> Result<String, Refused> {
        let provider = self.provider().await?;
        let challenge = base64url(Digest::of(verifier(seed).as_bytes()).bytes());
        let pairs = [
            ("response_type", "code"),
            ("client_id", &self.about.client_id),
            ("redirect_uri", back),
            ("scope", &self.about.scopes),
            ("state", state),
            ("nonce", &nonce(seed)),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let sign = if provider.page.contains('?') { '&' } else { '?' };
        Ok(format!("{}{sign}{}", provider.page, query.join("&")))
    }

    /// Who came back with a code, which is good once.
    pub(in crate::app) async fn claims(&self, seed: &Secret, back: &str, code: &str, now: Timestamp) -> Result<Claims, Refused> {
        let provider = self.provider().await?;
        let verifier = verifier(seed);
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back),
            ("client_id", self.about.client_id.as_str()),
            ("code_verifier", &verifier),
        ];
        pairs.extend(self.about.client_secret.as_ref().map(|secret| ("client_secret", secret.reveal())));
        let form = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        let got = self.upstream.post_form(&provider.tokens, form, MOST).await.map_err(|error| match error {
            UpstreamError::Status(400..=499) => Refused::Invalid("the server of the log-in page does not know the code"),
            other => no_answer(&other),
        })?;
        let unfit = || Refused::Elsewhere("the server of the log-in page answered something that is no token".to_owned());
        let tokens: Tokens = serde_json::from_slice(&got.body).map_err(|_| unfit())?;
        let said = provider.keys.verified(&tokens.id_token, (&provider.issuer, &self.about.client_id), now).await?;
        if text(&said, "nonce").as_deref() != Some(nonce(seed).as_str()) {
            return Err(Refused::Invalid("the token was made for another log-in"));
        }
        Ok(Claims {
            id: text(&said, &self.about.id_claim).unwrap_or_default(),
            name: text(&said, "name").or_else(|| text(&said, "preferred_username")),
            roles: words(&said, &self.about.roles_claim).unwrap_or_default(),
            within: words(&said, &self.about.within_claim),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B, and RFC 4648's lengths.
    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(base64url(Digest::of(verifier.as_bytes()).bytes()), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
    }
}
