//! Keys of another system, by which its tokens are checked: of which kinds they may be, and what happens when they change.

use super::access::{Carries, Served, base64url, claims_with, key, signed};
use super::city;
use axum::extract::State;
use axum::routing::get as route_get;
use axum::{Json, Router};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const RSA: &[u8] = include_bytes!("../../fixtures/keys/rsa.der");
const RSA_PUBLIC: &str = include_str!("../../fixtures/keys/rsa.json");

fn settings(keys: &str) -> String {
    format!("[access]\n[jwt]\nissuer = \"https://sso.example\"\naudience = \"wangge\"\n{keys}\n")
}

/// Good for some hours.
fn token(key: &EncodingKey, algorithm: Algorithm, id: &str) -> String {
    signed(key, algorithm, Some(id), &claims_with("exp", json!(city::now().as_second() + 36_000)))
}

/// The public half with what its owner says of it.
fn named(mut public: Value, id: &str, algorithm: Option<&str>) -> Value {
    public["kid"] = json!(id);
    if let Some(algorithm) = algorithm {
        public["alg"] = json!(algorithm);
    }
    public
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

#[tokio::test]
async fn a_key_of_each_kind_checks_the_algorithm_that_it_is_for_and_no_other() {
    let rsa = || serde_json::from_str::<Value>(RSA_PUBLIC).unwrap();
    let private = EncodingKey::from_rsa_der(RSA);
    let ed = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let ed_public = json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "x": base64url(ed.public_key_raw()) });
    let ed_private = EncodingKey::from_ed_der(&ed.serialize_der());
    let (p256, p256_public) = key("p256");
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let point = p384.public_key_raw();
    let p384_public = json!({ "kty": "EC", "crv": "P-384", "x": base64url(&point[1..49]), "y": base64url(&point[49..]) });
    let p384_private = EncodingKey::from_ec_der(&p384.serialize_der());
    let public = [
        named(rsa(), "plain", None),
        named(rsa(), "rs256", Some("RS256")),
        named(rsa(), "rs512", Some("RS512")),
        named(rsa(), "ps256", Some("PS256")),
        named(ed_public, "ed", Some("EdDSA")),
        p256_public,
        named(p384_public, "p384", None),
        // Not for signatures: nothing is checked by it.
        {
            let mut other = named(rsa(), "enc", None);
            other["use"] = json!("enc");
            other
        },
    ];
    let served = Served::with(&settings("jwks_file = \"keys.json\""), &[("keys.json", &set(&public))]).await;
    for (key, algorithm, id) in [
        (&private, Algorithm::RS256, "plain"),
        (&private, Algorithm::RS256, "rs256"),
        (&private, Algorithm::RS512, "rs512"),
        (&private, Algorithm::PS256, "ps256"),
        (&ed_private, Algorithm::EdDSA, "ed"),
        (&p256, Algorithm::ES256, "p256"),
        (&p384_private, Algorithm::ES384, "p384"),
    ] {
        let me = served.get("/api/v1/me", Carries::Bearer(&token(key, algorithm, id))).await;
        assert_eq!(me.status, 200, "{id}: {}", me.text());
        assert_eq!(me.json()["id"], "zhang");
    }
    for (key, algorithm, id) in [
        (&private, Algorithm::RS512, "rs256"),
        (&private, Algorithm::PS256, "rs256"),
        (&private, Algorithm::RS256, "ps256"),
        (&private, Algorithm::PS256, "plain"),
        (&private, Algorithm::RS384, "rs512"),
        (&private, Algorithm::RS256, "enc"),
        (&private, Algorithm::RS256, "ed"),
        (&ed_private, Algorithm::EdDSA, "rs256"),
        (&p256, Algorithm::ES256, "p384"),
    ] {
        let refused = served.get("/api/v1/me", Carries::Bearer(&token(key, algorithm, id))).await;
        assert_eq!(refused.status, 401, "{id} {algorithm:?}: {}", refused.text());
    }
}

async fn status(served: &Served, token: &str) -> u16 {
    served.get("/api/v1/me", Carries::Bearer(token)).await.status.as_u16()
}

#[tokio::test]
async fn a_file_of_keys_is_read_again_when_a_token_names_another() {
    let ((one, one_public), (two, two_public)) = (key("one"), key("two"));
    let served =
        Served::with(&settings("jwks_file = \"keys.json\""), &[("keys.json", &set(std::slice::from_ref(&one_public)))]).await;
    let (one, two) = (token(&one, Algorithm::ES256, "one"), token(&two, Algorithm::ES256, "two"));
    let after = |seconds: i64| served.app.clock.set(city::now() + SignedDuration::from_secs(seconds));
    let write = |text: &str| std::fs::write(served.folder.path().join("keys.json"), text).unwrap();
    assert_eq!((status(&served, &one).await, status(&served, &two).await), (200, 401));
    write(&set(&[two_public]));
    // Not at each token that names some key or other.
    after(29);
    assert_eq!((status(&served, &two).await, status(&served, &one).await), (401, 200));
    after(30);
    assert_eq!((status(&served, &two).await, status(&served, &one).await), (200, 401));
    // A file that is written just now leaves the keys that are known.
    write("{\"keys\": [");
    after(90);
    assert_eq!((status(&served, &one).await, status(&served, &two).await), (502, 200));
    // What was withdrawn is good for an hour at most.
    let (_, three) = key("three");
    write(&set(&[three]));
    after(90 + 3599);
    assert_eq!(status(&served, &two).await, 200);
    after(90 + 3600);
    assert_eq!(status(&served, &two).await, 401);
    // A clock that was set back is no reason to wait.
    write(&set(&[one_public]));
    after(0);
    assert_eq!(status(&served, &one).await, 200);
}

/// Keys at an address, and how often they were asked for.
#[derive(Default)]
struct Published {
    keys: Mutex<Value>,
    asked: AtomicUsize,
}

#[tokio::test]
async fn keys_at_an_address_are_asked_for_again_when_a_token_names_another() {
    let ((one, one_public), (two, two_public)) = (key("one"), key("two"));
    let published = Arc::new(Published::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/keys", listener.local_addr().unwrap());
    let router = Router::new().route(
        "/keys",
        route_get(async |State(published): State<Arc<Published>>| {
            published.asked.fetch_add(1, Ordering::SeqCst);
            Json(published.keys.lock().unwrap().clone())
        }),
    );
    let router = router.with_state(Arc::clone(&published));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let told = |keys: Value| *published.keys.lock().unwrap() = keys;
    let asked = || published.asked.load(Ordering::SeqCst);
    told(json!({ "keys": [one_public] }));
    let served = Served::with(&settings(&format!("jwks_url = \"{address}\"")), &[]).await;
    let (one, two) = (token(&one, Algorithm::ES256, "one"), token(&two, Algorithm::ES256, "two"));
    let after = |seconds: i64| served.app.clock.set(city::now() + SignedDuration::from_secs(seconds));
    assert_eq!((asked(), status(&served, &one).await, asked()), (0, 200, 1));
    told(json!({ "keys": [two_public] }));
    for _ in 0..5 {
        assert_eq!((status(&served, &two).await, asked()), (401, 1));
    }
    after(30);
    assert_eq!((status(&served, &two).await, status(&served, &one).await, asked()), (200, 401, 2));
    // An answer that is none leaves those that are known.
    told(json!("gone"));
    after(60);
    assert_eq!((status(&served, &one).await, status(&served, &two).await, asked()), (502, 200, 3));
}
