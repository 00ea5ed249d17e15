//! What commands of this machine ask the server that has their data file. As much HTTP/1.1 (RFC 9112) as our own server needs: one request
//! a connection, answers with a length.

use super::Failure;
use crate::store::Announced;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long the server may take for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server that has the data file.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Where it answers.
    pub(super) address: String,
    secret: Option<String>,
}

/// An answer of the server.
pub(super) struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Server {
    /// The server that was announced, if this program may ask it.
    pub(super) fn of(announced: Announced) -> Result<Self, Failure> {
        let Announced { address, secret } = announced;
        Ok(Self { address, secret: secret.map_err(Failure::Failed)? })
    }

    pub(super) fn connect(&self) -> Result<TcpStream, Failure> {
        let told = |error: std::io::Error| Failure::Failed(format!("the server at {} does not answer: {error}", self.address));
        let stream = TcpStream::connect(&self.address).map_err(told)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(told)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(told)?;
        Ok(stream)
    }

    /// The head of a request, with the media type and length of its body.
    pub(super) fn head(&self, method: &str, path: &str, body: Option<(&str, u64)>) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(secret) = &self.secret {
            head.push_str(&format!("Authorization: Bearer {secret}\r\n"));
        }
        if let Some((media_type, length)) = body {
            head.push_str(&format!("Content-Type: {media_type}\r\nContent-Length: {length}\r\n"));
        }
        head.push_str("\r\n");
        head
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask("GET", path, None)
    }

    /// Asks with a body of JSON, if there is one.
    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let body = body.map(Value::to_string);
        let mut request = self.head(method, path, body.as_ref().map(|body| ("application/json", body.len() as u64)));
        request.extend(body);
        let mut stream = self.connect()?;
        stream
            .write_all(request.as_bytes())
            .map_err(|error| Failure::Failed(format!("the connection to the server broke off: {error}")))?;
        answer(&mut stream)
    }
}

impl Answer {
    /// The JSON of a success; a refusal in its own words.
    pub(super) fn ok(self) -> Result<Value, Failure> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        let detail = || body["detail"].as_str().map_or_else(|| format!("status {}", self.status), str::to_owned);
        match self.status {
            200..300 => Ok(body),
            400 | 413 | 415 => Err(Failure::Usage(format!("the server refuses it: {}", detail()))),
            _ => Err(Failure::Failed(format!("the server: {}", detail()))),
        }
    }
}

/// Reads to the end of the connection: that is where an answer ends.
pub(super) fn answer(stream: &mut TcpStream) -> Result<Answer, Failure> {
    let broken = || Failure::Failed("the server broke off; the import may go on, or be found in its list".to_owned());
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(broken)?;
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
    });
    let body = bytes.split_off(head + 4);
    match length {
        Some(length) if body.len() >= length => Ok(Answer { status, body: body[..length].to_vec() }),
        None if ended.is_ok() => Ok(Answer { status, body }),
        _ => Err(broken()),
    }
}
