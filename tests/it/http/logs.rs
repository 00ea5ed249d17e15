//! What a server writes about its work: which route, when, how; nothing of what callers show or where they are.

use crate::crash::{told, wangge};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

/// A position, as a caller would write it.
const PLACE: [&str; 2] = ["122.0051234", "30.0056789"];

fn ask(address: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn no_secret_and_no_position_stands_in_the_log_whatever_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("grids.geojson"), crate::imports::row_of_grids("330902002001", 2, 122.0, 30.0, 0.01)).unwrap();
    let made =
        wangge(folder, &["import", "grids", "grids.geojson", "--data", "city.gpkg", "--crs", "cgcs2000"]).output().unwrap();
    assert!(made.status.success(), "{}", told(&made));
    std::fs::write(folder.join("wangge.toml"), "data = \"city.gpkg\"\nlisten = \"127.0.0.1:0\"\n[access]\n").unwrap();
    let add = ["token", "add", "--data", "city.gpkg", "--name", "a", "--role", "admin,auditor,planner", "--within", "*"];
    let token = String::from_utf8(wangge(folder, &add).output().unwrap().stdout).unwrap().trim().to_owned();
    let serve = ["serve", "--config", "wangge.toml", "--log", "trace"];
    let mut server = wangge(folder, &serve).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut log = Vec::new();
    let address = loop {
        let line = lines.next().expect("it says where it listens");
        log.push(line.clone());
        if let Some(address) = line.strip_prefix("http://") {
            break address.to_owned();
        }
    };
    let reading = std::thread::spawn(move || lines.collect::<Vec<_>>());

    let bearer = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let [lon, lat] = PLACE;
    let beidou = ask(&address, "GET", &format!("/api/v1/beidou?lon={lon}&lat={lat}&crs=wgs84"), &bearer, "");
    assert!(beidou.starts_with("HTTP/1.1 200"), "{beidou}");
    let code = beidou.split("\"code\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let session =
        ask(&address, "POST", "/api/v1/session", "Content-Type: application/json\r\n", &format!("{{\"token\":\"{token}\"}}"));
    let cookie =
        session.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().split(';').next().unwrap().to_owned();
    let secret = cookie.split_once('=').unwrap().1.to_owned();
    let other = format!("wgs_{}", "5".repeat(64));
    let calls = [
        ("GET", format!("/api/v1/locate?lon={lon}&lat={lat}&crs=wgs84"), bearer.clone(), String::new()),
        ("GET", format!("/api/v1/locate?lon={lon}&lat={lat}x&crs=wgs84"), bearer.clone(), String::new()),
        (
            "GET",
            format!("/api/v1/nearby?lon={lon}&lat={lat}&crs=wgs84&radius_m=50"),
            format!("Cookie: {cookie}\r\n"),
            String::new(),
        ),
        ("POST", "/api/v1/locate?crs=wgs84".to_owned(), bearer.clone(), format!("{{\"points\":[[{lon},{lat}]]}}")),
        (
            "POST",
            "/api/v1/facilities".to_owned(),
            bearer.clone(),
            format!("{{\"position\":[{lon},{lat}],\"crs\":\"wgs84\",\"category\":\"01050\"}}"),
        ),
        ("GET", format!("/api/v1/beidou/{code}"), bearer.clone(), String::new()),
        ("GET", format!("/api/v1/beidou/{code}"), format!("Authorization: Bearer {other}\r\n"), String::new()),
        (
            "POST",
            "/api/v1/session".to_owned(),
            "Content-Type: application/json\r\n".to_owned(),
            format!("{{\"token\":\"{other}\"}}"),
        ),
        ("GET", format!("/nothing/{other}?t={token}"), bearer.clone(), String::new()),
        ("DELETE", "/api/v1/session".to_owned(), format!("Cookie: {cookie}\r\n"), String::new()),
    ];
    for (method, path, headers, body) in &calls {
        let answer = ask(&address, method, path, headers, body);
        assert!(answer.starts_with("HTTP/1.1 ") && !answer.starts_with("HTTP/1.1 5"), "{method} {path}: {answer}");
    }
    // Each request has its line, so that something was logged at all.
    std::process::Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(server.wait().unwrap().success());
    log.extend(reading.join().unwrap());
    let log = log.join("\n");
    assert!(log.matches("wangge::access").count() >= calls.len() + 2, "{log}");
    assert!(log.contains("/api/v1/beidou/{code}") && log.contains("request_id"), "{log}");
    for hidden in [&token, &secret, &other, &code, &lon[..8].to_owned(), &lat[..7].to_owned()] {
        assert!(!log.contains(hidden.as_str()), "{hidden}: {log}");
    }
    let rows = wangge(folder, &["audit", "export", "--format", "csv", "--data", "city.gpkg"]).output().unwrap();
    let rows = told(&rows);
    for word in ["log_in_failed", "log_out", ",start,", ",end,", "/api/v1/beidou/,"] {
        assert!(rows.contains(word), "{word}: {rows}");
    }
    for hidden in [&token, &secret, &other, &code] {
        assert!(!rows.contains(hidden.as_str()), "{hidden}: {rows}");
    }
}
