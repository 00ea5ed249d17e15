//! Cuts a JSON text into its values without building them, so that a collection of a million features needs the memory of one and
//! a broken feature does not take its successors along.

use super::input::LONGEST_RECORD;
use std::io::{self, BufRead};

/// Walks over a JSON text.
pub struct Scanner<R> {
    input: R,
    offset: u64,
}

/// Why a value could not be cut out.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The bytes cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The text ends inside the value.
    #[error("the file ends in the middle (byte {0}): it is truncated")]
    Truncated(u64),
    /// The value is larger than any record may be.
    #[error("a value at byte {0} is longer than {max} MiB", max = LONGEST_RECORD >> 20)]
    TooLong(u64),
    /// Something else stands where one of these should.
    #[error("byte {offset}: expected {expected}, found {found:?}")]
    Unexpected {
        /// Counted from 0.
        offset: u64,
        /// What should stand there.
        expected: &'static str,
        /// What does.
        found: char,
    },
}

impl<R: BufRead> Scanner<R> {
    /// At the start of `input`.
    pub fn new(input: R) -> Self {
        Self { input, offset: 0 }
    }

    /// The next byte that is no white space, left where it is. `None` at the end.
    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(None);
            }
            match chunk.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(at) => {
                    let byte = chunk[at];
                    self.skip(at);
                    return Ok(Some(byte));
                }
                None => {
                    let all = chunk.len();
                    self.skip(all);
                }
            }
        }
    }

    /// Steps over the next byte that is no white space when it is this one.
    pub fn take(&mut self, wanted: u8) -> Result<bool, ScanError> {
        let found = self.peek()? == Some(wanted);
        if found {
            self.skip(1);
        }
        Ok(found)
    }

    /// Steps over one of these bytes and says which.
    pub fn expect(&mut self, wanted: &[u8], expected: &'static str) -> Result<u8, ScanError> {
        match self.peek()? {
            Some(byte) if wanted.contains(&byte) => {
                self.skip(1);
                Ok(byte)
            }
            Some(byte) => Err(ScanError::Unexpected { offset: self.offset, expected, found: char::from(byte) }),
            None => Err(ScanError::Truncated(self.offset)),
        }
    }

    /// Copies the next value, whatever it is, into `value` (emptied first). Only brackets and strings are looked at.
    pub fn value(&mut self, value: &mut Vec<u8>) -> Result<(), ScanError> {
        value.clear();
        let first = self.peek()?.ok_or(ScanError::Truncated(self.offset))?;
        let start = self.offset;
        let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                // A bare number may end with the text.
                return if depth == 0 && !in_string && !value.is_empty() {
                    Ok(())
                } else {
                    Err(ScanError::Truncated(self.offset))
                };
            }
            let mut end = None;
            for (at, &byte) in chunk.iter().enumerate() {
                if in_string {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => {
                            in_string = false;
                            if depth == 0 {
                                end = Some(at + 1);
                            }
                        }
                        _ => {}
                    }
                } else {
                    match byte {
                        b'"' => in_string = true,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' if depth > 0 => {
                            depth -= 1;
                            if depth == 0 {
                                end = Some(at + 1);
                            }
                        }
                        // A bare word or number ends before what follows it.
                        b'}' | b']' | b',' | b':' if depth == 0 => end = Some(at),
                        byte if depth == 0 && byte.is_ascii_whitespace() => end = Some(at),
                        _ => {}
                    }
                }
                if end.is_some() {
                    break;
                }
            }
            let taken = end.unwrap_or(chunk.len());
            value.extend_from_slice(&chunk[..taken]);
            self.skip(taken);
            if value.len() > LONGEST_RECORD {
                return Err(ScanError::TooLong(start));
            }
            if end.is_some() {
                if value.is_empty() {
                    return Err(ScanError::Unexpected { offset: start, expected: "a value", found: char::from(first) });
                }
                return Ok(());
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.offset += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn values(text: &str, capacity: usize) -> Result<Vec<String>, ScanError> {
        let mut scanner = Scanner::new(BufReader::with_capacity(capacity, text.as_bytes()));
        let mut found = Vec::new();
        let mut value = Vec::new();
        scanner.expect(b"[", "[")?;
        while scanner.peek()? != Some(b']') {
            scanner.value(&mut value)?;
            found.push(String::from_utf8(value.clone()).expect("UTF-8"));
            scanner.take(b',')?;
        }
        Ok(found)
    }

    #[test]
    fn values_are_cut_at_their_own_brackets_whatever_the_buffer() {
        let text = r#" [ {"a":"}\"]{","b":[1,{"c":2}]} , "x,\\" , 12.5e3, [ ], null ] "#;
        for capacity in [1, 2, 3, 7, 4096] {
            assert_eq!(
                values(text, capacity).expect("well formed"),
                [r#"{"a":"}\"]{","b":[1,{"c":2}]}"#, r#""x,\\""#, "12.5e3", "[ ]", "null"]
            );
        }
    }

    #[test]
    fn a_cut_text_is_called_truncated() {
        for text in [r#"[{"a":1"#, r#"[{"a":"1"#, "[1,", "["] {
            assert!(matches!(values(text, 16), Err(ScanError::Truncated(_))), "{text}");
        }
    }
}
