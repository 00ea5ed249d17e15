//! `multipart/form-data` (RFC 7578), read piece by piece as it arrives: no part is ever held whole.

use super::access::ended;
use super::body::PATIENCE;
use super::error::{Answer, Problem, ProblemCode};
use super::query::clipped;
use crate::app::access::Still;
use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use std::sync::Arc;

/// Most bytes of the head of a part.
const MOST_HEAD: usize = 8 << 10;
/// Most parts of a body.
const MOST_PARTS: usize = 100;

/// A body piece by piece, with a bound for all of it.
#[derive(Debug)]
pub struct Pieces {
    stream: BodyDataStream,
    left: u64,
    limit: u64,
    /// Who sends it, where callers are told apart.
    still: Option<Arc<Still>>,
}

impl Pieces {
    /// At most `limit` bytes.
    pub fn new(body: Body, limit: u64, still: Option<Arc<Still>>) -> Self {
        Self { stream: body.into_data_stream(), left: limit, limit, still }
    }

    /// The next piece; `None` at the end. An error, too, when whoever sends it is not known any more, as each piece comes.
    pub async fn next(&mut self) -> Answer<Option<Bytes>> {
        let next = tokio::time::timeout(PATIENCE, self.stream.next()).await.map_err(|_| super::body::timed_out())?;
        self.still.as_ref().map_or(Ok(()), |still| still.goes_on()).map_err(|why| ended(&why))?;
        match next {
            None => Ok(None),
            Some(Err(_)) => Err(cut_off()),
            Some(Ok(piece)) => {
                self.left = self.left.checked_sub(piece.len() as u64).ok_or_else(|| too_large(self.limit))?;
                Ok(Some(piece))
            }
        }
    }
}

fn cut_off() -> Problem {
    Problem::new(ProblemCode::BodyUnreadable, "the body ended early or could not be read")
}

/// The files of an import are larger than it may be.
pub fn too_large(limit: u64) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge, format!("the body is larger than {limit} bytes")).with("limit_bytes", limit)
}

fn broken(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::BadMultipart, detail)
}

/// The head of a part.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Name of the field.
    pub name: String,
    /// Name of the file, where it is one.
    pub file_name: Option<String>,
}

/// The parts of a body, one behind the other.
#[derive(Debug)]
pub struct Multipart {
    pieces: Pieces,
    /// What arrived and was not given out.
    held: BytesMut,
    /// CR LF, two dashes, the boundary.
    delimiter: Vec<u8>,
    /// The body of a part is being read.
    inside: bool,
    parts: usize,
}

impl Multipart {
    /// A body whose media type names its boundary.
    pub fn new(content_type: &str, pieces: Pieces) -> Answer<Self> {
        let boundary = content_type.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
        });
        let boundary = boundary.filter(|boundary| (1..=70).contains(&boundary.len()) && boundary.is_ascii());
        let Some(boundary) = boundary else { return Err(broken("the Content-Type names no boundary of 1 to 70 characters")) };
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // The first delimiter may stand at the very beginning.
        let held = BytesMut::from(&b"\r\n"[..]);
        Ok(Self { pieces, held, delimiter, inside: false, parts: 0 })
    }

    async fn more(&mut self) -> Answer<()> {
        match self.pieces.next().await? {
            Some(piece) => self.held.extend_from_slice(&piece),
            None => return Err(cut_off()),
        }
        Ok(())
    }

    /// The head of the next part; what is left of the one before is passed over. `None` after the last.
    pub async fn part(&mut self) -> Answer<Option<Part>> {
        if self.parts == 0 && !self.inside {
            // What stands before the first delimiter is nothing.
            self.inside = true;
        }
        while self.piece().await?.is_some() {}
        // Just behind a delimiter.
        while self.held.len() < 2 {
            self.more().await?;
        }
        if self.held.starts_with(b"--") {
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(broken(format!("more than {MOST_PARTS} parts")));
        }
        let end = loop {
            if let Some(end) = find(&self.held, b"\r\n\r\n") {
                break end;
            }
            if self.held.len() > MOST_HEAD {
                return Err(broken(format!("the head of part {} is longer than {MOST_HEAD} bytes", self.parts)));
            }
            self.more().await?;
        };
        let head = self.held.split_to(end).freeze();
        // The line break that ends the head may be the one that begins the delimiter of an empty part.
        self.held.advance(2);
        let empty = self.held.get(2..).is_some_and(|rest| rest.is_empty());
        if empty {
            self.more().await?;
        }
        if !self.held.starts_with(&self.delimiter) {
            self.held.advance(2);
        }
        self.inside = true;
        head_of(&head, self.parts).map(Some)
    }

    /// The next piece of the part; `None` at its end.
    pub async fn piece(&mut self) -> Answer<Option<Bytes>> {
        if !self.inside {
            return Ok(None);
        }
        loop {
            if let Some(at) = find(&self.held, &self.delimiter) {
                if at > 0 {
                    return Ok(Some(self.held.split_to(at).freeze()));
                }
                self.held.advance(self.delimiter.len());
                self.inside = false;
                return Ok(None);
            }
            // The beginning of a delimiter may be at the end.
            let safe = (self.held.len() + 1).saturating_sub(self.delimiter.len());
            if safe > 0 {
                return Ok(Some(self.held.split_to(safe).freeze()));
            }
            self.more().await?;
        }
    }
}

/// Where some bytes stand first.
fn find(held: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        from += held.get(from..)?.iter().position(|byte| *byte == wanted[0])?;
        if held[from..].starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
}

/// What the head of a part says: `Content-Disposition: form-data; name="…"; filename="…"`.
fn head_of(head: &[u8], number: usize) -> Answer<Part> {
    let text = String::from_utf8_lossy(head);
    let disposition = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim().to_owned())
    });
    let Some(disposition) = disposition else { return Err(broken(format!("part {number} has no Content-Disposition"))) };
    let Some(name) = parameter(&disposition, "name") else { return Err(broken(format!("part {number} has no name"))) };
    Ok(Part { name: clipped(&name), file_name: parameter(&disposition, "filename") })
}

/// A parameter of a header, in quotes or not. Browsers write a quote in a name as `%22`; others put a backslash before it.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header;
    loop {
        rest = rest.split_once(';')?.1.trim_start();
        let (name, value) = rest.split_once('=')?;
        let is_wanted = name.trim().eq_ignore_ascii_case(wanted);
        let Some(quoted) = value.strip_prefix('"') else {
            let value = value.split(';').next().unwrap_or_default().trim();
            if is_wanted {
                return Some(value.to_owned());
            }
            continue;
        };
        let mut text = String::new();
        let mut characters = quoted.char_indices();
        let mut end = quoted.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    end = at + 1;
                    break;
                }
                // Windows paths have backslashes before what is no quote.
                '\\' if quoted[at + 1..].starts_with(['"', '\\']) => text.extend(characters.next().map(|(_, next)| next)),
                other => text.push(other),
            }
        }
        if is_wanted {
            return Some(text.replace("%22", "\""));
        }
        rest = &quoted[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The parts of a body that arrives in pieces of some size.
    async fn read(body: &[u8], size: usize) -> Answer<Vec<(Part, Vec<u8>)>> {
        let pieces: Vec<Result<Bytes, std::io::Error>> =
            body.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let mut multipart = Multipart::new("multipart/form-data; boundary=\"XyZ\"", Pieces::new(body, 1 << 20, None))?;
        let mut parts = Vec::new();
        while let Some(part) = multipart.part().await? {
            let mut bytes = Vec::new();
            while let Some(piece) = multipart.piece().await? {
                bytes.extend_from_slice(&piece);
            }
            parts.push((part, bytes));
        }
        Ok(parts)
    }

    fn written(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
        let mut body = b"preamble".to_vec();
        if parts.len().is_multiple_of(2) {
            body.clear();
        } else {
            body.extend(b"\r\n");
        }
        for (name, file, bytes) in parts {
            body.extend(
                format!(
                    "--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: a/b\r\n\r\n"
                )
                .bytes(),
            );
            body.extend(*bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--XyZ--\r\nepilogue");
        body
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_however_it_is_cut(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'X'), Just(b'y'), any::<u8>()], 0..200),
            other in proptest::collection::vec(any::<u8>(), 0..20),
            size in 1_usize..40,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            let body = written(&[("file", "设施 一.csv", &bytes), ("file", "b", &other)]);
            let parts = runtime.block_on(read(&body, size)).expect("it is whole");
            prop_assert_eq!(parts.len(), 2);
            prop_assert_eq!(&parts[0].0, &Part { name: "file".to_owned(), file_name: Some("设施 一.csv".to_owned()) });
            prop_assert_eq!(&parts[0].1, &bytes);
            prop_assert_eq!(&parts[1].1, &other);
            // Cut off anywhere before its end it is no body.
            let cut = body.len() - 12 - (bytes.len() % (body.len() - 12));
            prop_assert!(runtime.block_on(read(&body[..cut], size)).is_err());
        }
    }

    #[tokio::test]
    async fn what_is_none_is_told() {
        for (body, word) in [
            (b"".to_vec(), "ended early"),
            (b"a,b\n1,2\n".to_vec(), "ended early"),
            (b"--XyZ\r\n\r\nx\r\n--XyZ--".to_vec(), "no Content-Disposition"),
            (b"--XyZ\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XyZ--".to_vec(), "no name"),
            ([b"--XyZ\r\n".to_vec(), vec![b'x'; 20_000]].concat(), "longer than"),
            (b"--XyZ\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n".repeat(101), "more than 100 parts"),
        ] {
            let problem = read(&body, 7).await.expect_err(word);
            assert!(problem.detail().contains(word), "{}", problem.detail());
        }
        let pieces = || Pieces::new(Body::empty(), 1, None);
        for kind in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; charset=utf-8"] {
            assert!(Multipart::new(kind, pieces()).is_err(), "{kind}");
        }
        assert_eq!(parameter("form-data; name=a; filename=\"x;y \\\"z\\\".csv\"", "filename").as_deref(), Some("x;y \"z\".csv"));
        assert_eq!(parameter("form-data; filename=\"C:\\data\\a.csv\"; name=\"n\"", "name").as_deref(), Some("n"));
    }
}
