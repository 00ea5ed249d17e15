//! TLS, where the server listens, what every answer tells browsers, and the commands that go through a server with all of it.

use super::city;
use super::{Answer, get, send};
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use wangge::app::App;
use wangge::clock::Clock;
use wangge::config::Config;
use wangge::config::tls::Tls as Files;
use wangge::http::tls::Tls;
use wangge::http::{Door, Room, TABLE};

/// How long is waited for a state that is bound to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pair of files for some names, trusted by itself.
fn pair(folder: &Path, names: &[&str]) -> Files {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    let files = Files { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    std::fs::write(&files.cert, params.self_signed(&key).unwrap().pem()).unwrap();
    files
}

/// Agrees on keys with a server, trusting one certificate.
async fn shake(address: SocketAddr, name: &str, trusted: &Path, spoken: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(trusted).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![spoken.to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(spoken), "the server speaks it");
    Ok(stream)
}

type Asked = Request<Full<bytes::Bytes>>;

/// Asks over TLS.
async fn over_tls(address: SocketAddr, name: &str, trusted: &Path, spoken: &[u8], request: Asked) -> Answer {
    let stream = TokioIo::new(shake(address, name, trusted, spoken).await.unwrap());
    let response = if spoken == b"h2" {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

fn asked(method: &str, uri: &str, token: Option<&str>, body: Option<Value>) -> Asked {
    let mut request = Request::builder().method(method).uri(uri);
    if !uri.starts_with("https:") {
        request = request.header("host", "map.example:8443");
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header("content-type", "application/json").header("origin", "https://map.example");
    }
    request.body(Full::from(body.map(|body| body.to_string()).unwrap_or_default())).unwrap()
}

/// A server with TLS that tells callers apart.
struct Served {
    app: Arc<App>,
    files: Files,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Served {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = pair(folder.path(), &["map.example", "*.grid.example", "10.9.9.9"]);
        let settings = folder.path().join("wangge.toml");
        std::fs::write(&settings, "[access]\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n").unwrap();
        let config = Config::read(&settings).unwrap();
        assert_eq!(config.tls.as_ref(), Some(&files));
        let app = Arc::new(App::open(city::store().await, config, Clock::fixed(city::now())).await.unwrap());
        let listener = wangge::http::bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls::open(&files.cert, &files.key).unwrap();
        let door = Door { listener, tls: Some(tls), tells_apart: true };
        let router = wangge::http::router(Arc::clone(&app));
        tokio::spawn(wangge::http::serve_all(vec![door], Room::default(), router, std::future::pending()));
        Self { app, files, address, folder }
    }

    async fn ask(&self, spoken: &[u8], request: Asked) -> Answer {
        over_tls(self.address, "map.example", &self.files.cert, spoken, request).await
    }
}

#[tokio::test]
async fn over_tls_both_versions_of_http_answer_the_same() {
    let served = Served::start().await;
    let local = served.app.access().unwrap().local().text();
    for (spoken, base) in [(b"http/1.1".as_slice(), ""), (b"h2", "https://map.example")] {
        let health = served.ask(spoken, asked("GET", &format!("{base}/healthz"), None, None)).await;
        assert_eq!(health.ok()["status"], "ok");
        assert_eq!(health.headers["strict-transport-security"], "max-age=31536000");
        let unknown = served.ask(spoken, asked("GET", &format!("{base}/api/v1/meta"), None, None)).await;
        unknown.problem(401, "unauthorized");
        let list = served.ask(spoken, asked("GET", &format!("{base}/tiles/grids"), Some(&local), None)).await.ok();
        assert!(list["tiles"][0].as_str().unwrap().starts_with("https://map.example"), "{list}");
        // A page of this server logs in: its origin is the host that was asked, which HTTP/2 has no field for.
        let body = json!({ "token": local });
        let mut log_in = asked("POST", &format!("{base}/api/v1/session"), None, Some(body.clone()));
        if base.is_empty() {
            log_in.headers_mut().insert("host", "map.example".parse().unwrap());
        }
        let session = served.ask(spoken, log_in).await;
        session.ok();
        let cookie = session.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("__Host-wangge=wgs_"), "{cookie}");
        for part in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let mut foreign = asked("POST", &format!("{base}/api/v1/session"), None, Some(body));
        foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
        served.ask(spoken, foreign).await.problem(403, "foreign_origin");
    }
    for (host, status) in
        [("map.example", 200), ("a.grid.example:8443", 200), ("10.9.9.9", 200), ("127.0.0.1", 200), ("evil.example", 421)]
    {
        let mut request = asked("GET", "/healthz", None, None);
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = served.ask(b"http/1.1", request).await;
        assert_eq!(answer.status.as_u16(), status, "{host}: {}", answer.text());
        assert!(answer.headers.contains_key("strict-transport-security"));
    }
    assert!(shake(served.address, "other.example", &served.files.cert, b"h2").await.is_err(), "the client looks at the name");
}

#[tokio::test]
async fn clients_that_say_nothing_keep_nobody_from_coming_in() {
    let served = Served::start().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    served.ask(b"h2", asked("GET", "https://map.example/healthz", None, None)).await.ok();
    // Plain HTTP on a socket with TLS is no way in.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    silent[0].write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = silent[0].read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let served = Served::start().await;
    let tls = Tls::open(&served.files.cert, &served.files.key).unwrap();
    let before = tls.facts();
    std::fs::write(&served.files.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    tls.reload().unwrap_err();
    assert_eq!(tls.facts(), before);
    let renewed = pair(served.folder.path(), &["new.example"]);
    tls.reload().unwrap();
    assert_eq!(tls.facts().names.dns, ["new.example"]);
    // The server looks for itself.
    let begun = Instant::now();
    while shake(served.address, "new.example", &renewed.cert, b"h2").await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "the server does not see the new files");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // What breaks it later changes nothing: connections are still made with the last good one.
    std::fs::write(&renewed.key, "nothing").unwrap();
    tls.reload().unwrap_err();
    shake(served.address, "new.example", &renewed.cert, b"http/1.1").await.unwrap();
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let good = pair(folder.path(), &["map.example"]);
    let text = |files: &Files| Tls::open(&files.cert, &files.key).unwrap_err().to_string();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let missing = folder.path().join("none.pem");
    let (other, empty) = (file("other.key", &KeyPair::generate().unwrap().serialize_pem()), file("empty.pem", ""));
    let body = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = file("encrypted.key", body);
    let of_openssl = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let old = file("old.key", of_openssl);
    for (cert, key, names, why) in [
        (&missing, &good.key, "none.pem", "cannot read"),
        (&good.cert, &missing, "none.pem", "cannot read"),
        (&empty, &good.key, "empty.pem", "no certificate"),
        (&good.cert, &empty, "empty.pem", "no private key"),
        (&good.key, &good.key, "key.pem", "no certificate"),
        (&good.cert, &other, "other.key", "does not belong"),
        (&good.cert, &encrypted, "encrypted.key", "is encrypted"),
        (&good.cert, &old, "old.key", "is encrypted"),
    ] {
        let told = text(&Files { cert: cert.clone(), key: key.clone() });
        assert!(told.contains(names) && told.contains(why), "{told}");
    }
}

#[test]
fn beyond_this_machine_it_listens_with_callers_and_without_readers_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wangge.toml");
    let may = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Config::read(&path).map_err(|error| error.to_string())?.may_listen().map_err(|error| error.to_string())
    };
    let (tls, open) = ("[tls]\ncert = \"c\"\nkey = \"k\"\n", "listen = \"0.0.0.0:8443\"\n");
    for good in [
        String::new(),
        "listen = \"[::1]:80\"".to_owned(),
        format!("{open}[access]\n{tls}"),
        format!("{open}behind_proxy = true\n[access]\n"),
    ] {
        assert_eq!(may(&good), Ok(()), "{good}");
    }
    for (bad, why) in [
        (open.to_owned(), "[access]"),
        (format!("{open}{tls}"), "[access]"),
        (format!("{open}behind_proxy = true"), "[access]"),
        (format!("{open}[access]"), "--behind-proxy"),
        ("listen = \"[::]:80\"\n[access]".to_owned(), "--tls-cert"),
        ("[tls]\ncert = \"c\"".to_owned(), "[tls]"),
        ("[tls]\nkeys = \"c\"".to_owned(), "keys"),
        ("connections = 1".to_owned(), "connections"),
        ("memory_limit_mb = 1".to_owned(), "memory_limit_mb"),
    ] {
        let told = may(&bad).unwrap_err();
        assert!(told.contains(why), "{bad}: {told}");
    }
    // Others see such a map, so it bears its number.
    std::fs::write(&path, format!("{open}[access]\n{tls}")).unwrap();
    let told = Config::read(&path).unwrap().may_be_seen().unwrap_err().to_string();
    assert!(told.contains("listen is 0.0.0.0:8443") && told.contains("map_approval"), "{told}");
}

/// Read off the table, so that no route is forgotten; errors, files and what is nowhere have them too.
#[tokio::test]
async fn every_answer_tells_browsers_what_not_to_do() {
    let router = city::router().await;
    let check = |uri: &str, headers: &HeaderMap| {
        let text = |name: &str| headers.get(name).unwrap_or_else(|| panic!("{uri} has no {name}")).to_str().unwrap().to_owned();
        let policy = text("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{uri}: {policy}");
        let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap_or("default-src 'none'");
        assert!(!scripts.contains("unsafe") && !scripts.contains('*') && !policy.contains("http"), "{uri}: {policy}");
        assert_eq!(text("x-content-type-options"), "nosniff");
        assert_eq!(text("referrer-policy"), "same-origin");
        assert_eq!(text("x-frame-options"), "DENY");
        assert!(text("permissions-policy").contains("geolocation=(self)"), "{uri}");
        assert!(!headers.contains_key("access-control-allow-origin"), "{uri}");
        assert!(!headers.contains_key("strict-transport-security"), "{uri}: without TLS it means nothing");
        assert!(!headers.contains_key("cross-origin-opener-policy"), "{uri}: without TLS browsers complain of it");
    };
    for (method, path, _) in TABLE {
        let uri = path.replace("{*path}", "x").replace(['{', '}'], "");
        let request =
            Request::builder().method(*method).uri(&uri).header("host", "localhost").header("origin", "https://evil.example");
        let request =
            tokio::time::timeout(PATIENCE, tower::ServiceExt::oneshot(router.clone(), request.body(Body::empty()).unwrap()));
        check(&uri, request.await.unwrap().unwrap().headers());
    }
    for uri in ["/", "/nowhere", "/g/330902001001001", "/docs", "/favicon.ico"] {
        check(uri, &get(&router, uri).await.headers);
    }
    let foreign = Request::get("/").header("host", "evil.example").body(Body::empty()).unwrap();
    check("a foreign host", &send(&router, foreign).await.headers);
    let preflight = Request::options("/api/v1/facilities").header("host", "localhost").header("origin", "https://evil.example");
    let preflight = preflight.header("access-control-request-method", "POST").body(Body::empty()).unwrap();
    check("a preflight", &send(&router, preflight).await.headers);
}

#[tokio::test]
async fn whoever_asks_too_much_is_told_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wangge.toml");
    std::fs::write(&path, "[access]\nrequests_per_second = 1\nrequests_at_once = 1\n").unwrap();
    let clock = Clock::fixed(city::now());
    let app = Arc::new(App::open(city::store().await, Config::read(&path).unwrap(), clock).await.unwrap());
    let (local, router) = (app.access().unwrap().local().text(), wangge::http::router(app));
    let mut last = None;
    for _ in 0..50 {
        let request = Request::get("/api/v1/me").header("host", "localhost").header("authorization", format!("Bearer {local}"));
        let answer = send(&router, request.body(Body::empty()).unwrap()).await;
        if answer.status == 429 {
            last = Some(answer);
            break;
        }
    }
    let answer = last.expect("one request a second is soon too many");
    let seconds = answer.problem(429, "too_many_requests")["retry_after_s"].as_u64().unwrap();
    assert_eq!(answer.headers["retry-after"].to_str().unwrap(), seconds.to_string());
}

#[tokio::test]
async fn the_authority_is_given_out_where_the_settings_say_so_and_its_key_never() {
    get(&city::router().await, "/ca").await.problem(404, "not_found");
    get(&city::router().await, "/ca.crt").await.problem(404, "not_found");
    let folder = tempfile::tempdir().unwrap();
    let files = pair(folder.path(), &["ca.example"]);
    let both = format!("{}{}", std::fs::read_to_string(&files.key).unwrap(), std::fs::read_to_string(&files.cert).unwrap());
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, both).unwrap();
    let config = Config { tls_ca: Some(ca), ..city::config() };
    let app = App::open(city::store().await, config, Clock::fixed(city::now())).await.unwrap();
    let router = wangge::http::router(Arc::new(app));
    let given = get(&router, "/ca.crt").await;
    assert_eq!(given.headers["content-type"], "application/x-x509-ca-cert");
    let der = CertificateDer::from_pem_file(&files.cert).unwrap();
    assert_eq!(given.body, der.as_ref(), "the certificate alone");
    let page = get(&router, "/ca").await.text();
    let hash = wangge::domain::secret::Digest::of(&der).to_string().to_uppercase();
    assert!(page.contains(&format!("{}:{}:", &hash[..2], &hash[2..4])), "{page}");
    for word in ["安卓", "苹果", "鸿蒙", "Windows", "href=/ca.crt"] {
        assert!(page.contains(word), "{word}");
    }
    assert!(!page.contains("<script") && !page.contains("http://"));
}

/// The program as a server; killed when it is dropped.
pub(super) struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    pub(super) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = wangge(folder, arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let address = loop {
            let Some(line) = lines.next() else { panic!("the server ended: {said:?}") };
            if let Some((_, address)) = line.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)) {
                break address.parse().unwrap();
            }
            said.push(line);
        };
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        Self { child, address }
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn end(mut self) {
        let asked = std::process::Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

use crate::crash::{told, wangge};

pub(super) fn run(folder: &Path, arguments: &[&str]) -> Output {
    wangge(folder, arguments).output().unwrap()
}

pub(super) fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn commands_go_through_a_server_with_tls_and_without_one_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("grids.geojson"), crate::imports::row_of_grids("330902002001", 2, 122.0, 30.0, 0.01)).unwrap();
    done(folder, &["import", "grids", "grids.geojson", "--data", "city.gpkg", "--crs", "cgcs2000"]);

    let made = done(folder, &["cert", "make", "--host", "map.example", "--host", "10.9.9.9", "--out", "tls"]);
    assert!(made.contains("map.example, 10.9.9.9, localhost"), "{made}");
    assert_eq!((mode(&folder.join("tls/ca.key")), mode(&folder.join("tls/server.key"))), (0o600, 0o600));
    let (ca, again) = (folder.join("tls/ca.pem"), run(folder, &["cert", "make", "--host", "other.example", "--out", "tls"]));
    let first = std::fs::read(&ca).unwrap();
    assert!(again.status.code() == Some(1) && told(&again).contains("does not stand for other.example"), "{}", told(&again));
    done(folder, &["cert", "make", "--host", "www.map.example", "--host", "map.example", "--out", "tls"]);
    assert_eq!(std::fs::read(&ca).unwrap(), first, "the authority stays");
    let facts = wangge::http::tls::facts(&folder.join("tls/server.pem")).unwrap();
    let lasts = facts.ends_at.duration_since(facts.begins_at).as_hours() / 24;
    assert!((390..=398).contains(&lasts), "{lasts} days");

    // Without a server: straight into the file.
    let add = ["token", "add", "--data", "city.gpkg", "--role", "viewer", "--within", "*"];
    let viewer = done(folder, &[&add[..], &["--name", "wall", "--screen", "north"]].concat()).trim().to_owned();
    assert!(viewer.starts_with("wgs_"), "{viewer}");
    let past = run(folder, &[&add[..], &["--name", "x", "--expires", "2001-01-01"]].concat());
    assert!(past.status.code() == Some(2) && told(&past).contains("ends_at"), "{}", told(&past));
    let none = run(folder, &["token", "revoke", "77", "--data", "city.gpkg"]);
    assert!(none.status.code() == Some(1) && told(&none).contains("77"), "{}", told(&none));

    std::fs::write(folder.join("wangge.toml"), "data = \"city.gpkg\"\nlisten = \"0.0.0.0:0\"\npublic = false\n[access]\n")
        .unwrap();
    let serve = ["serve", "--config", "wangge.toml", "--log", "error"];
    let clear = run(folder, &serve);
    assert!(clear.status.code() == Some(2) && told(&clear).contains("--behind-proxy"), "{}", told(&clear));
    let tls = ["--tls-cert", "tls/server.pem", "--tls-key", "tls/server.key", "--tls-ca", "tls/ca.pem"];
    let server = Program::start(folder, &[&serve[..], &tls].concat());
    let address = SocketAddr::from(([127, 0, 0, 1], server.address.port()));
    let secret = folder.join("city.gpkg.secret");
    assert_eq!(mode(&secret), 0o600);
    let ask = async |token: Option<&str>, path: &str| {
        over_tls(address, "map.example", &ca, b"h2", asked("GET", &format!("https://map.example{path}"), token, None)).await
    };
    let me = ask(Some(&viewer), "/api/v1/me").await.ok();
    assert_eq!((&me["id"], &me["screen"]), (&json!("wall"), &json!("north")));
    assert!(ask(None, "/ca").await.text().contains("安卓"));

    // With it: through its interface, so that it knows at once.
    let officer =
        [&add[..5], &["officer", "--within", "330902002001", "--name", "officer 7", "--expires", "2099-12-31"]].concat();
    let officer = done(folder, &officer).trim().to_owned();
    let me = ask(Some(&officer), "/api/v1/me").await.ok();
    assert_eq!(
        (&me["roles"], &me["within"], &me["ends_at"]),
        (&json!(["officer"]), &json!(["330902002001"]), &json!("2099-12-31T16:00:00Z"))
    );
    let list = done(folder, &["token", "list", "--data", "city.gpkg"]);
    assert!(list.contains("officer 7") && list.contains("screen north") && !list.contains("wgs_"), "{list}");
    let listed: Value = serde_json::from_str(&done(folder, &["token", "list", "--data", "city.gpkg", "--json"])).unwrap();
    let id = listed[1]["id"].to_string();
    done(folder, &["token", "revoke", &id, "--data", "city.gpkg"]);
    ask(Some(&officer), "/api/v1/me").await.problem(401, "unauthorized");
    std::fs::write(folder.join("f.csv"), "code,category,name,lon,lat\nc1,01037,灯,122.005,30.005\n").unwrap();
    done(folder, &["import", "facilities", "f.csv", "--data", "city.gpkg", "--crs", "cgcs2000"]);
    let rows = done(folder, &["audit", "export", "--format", "csv", "--data", "city.gpkg"]);
    for word in ["number,at,actor", "token_made", "token_revoked", "officer 7"] {
        assert!(rows.contains(word), "{word}: {rows}");
    }
    assert!(!rows.contains("wgs_") && done(folder, &["audit", "verify", "--data", "city.gpkg"]).contains("none was changed"));
    server.end();
    assert!(!secret.exists(), "it goes with the server");

    let syslog = done(folder, &["audit", "export", "--format", "syslog", "--action", "token_revoked", "--data", "city.gpkg"]);
    assert!(syslog.starts_with("<109>1 2") && syslog.contains("actor=\"local\"") && syslog.lines().count() == 1, "{syslog}");
    done(folder, &["token", "revoke", "1", "--data", "city.gpkg"]);
    assert!(done(folder, &["token", "list", "--data", "city.gpkg"]).lines().all(|line| line.contains("revoked")));
    let verified = done(folder, &["audit", "verify", "--data", "city.gpkg"]);
    assert!(verified.contains("none was changed"), "{verified}");
}
