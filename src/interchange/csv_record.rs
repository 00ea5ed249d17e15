//! Records of a CSV (RFC 4180) as bytes, so that what is not looked at passes through unchanged, whatever its encoding: in UTF-8, GBK
//! and GB 18030 no byte of a longer character is a quote, a delimiter or a line end.

use std::borrow::Cow;

/// The most frequent of comma, semicolon and tab in the first line.
pub fn delimiter_of(text: &[u8]) -> u8 {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
    // The last of equals wins, so the comma is the default.
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

/// Where a reader stands in a record. A quote opens a field only at its beginning: `5" pipe` is a plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scan {
    /// At the beginning of a field.
    #[default]
    Start,
    /// In a field without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote that ends the field, unless another follows.
    Closed,
}

/// What a byte ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Nothing.
    Nothing,
    /// A field.
    Field,
    /// A record.
    Record,
}

impl Scan {
    /// Goes over one byte.
    pub fn step(&mut self, byte: u8, delimiter: u8) -> Ends {
        let (next, ends) = match (*self, byte) {
            (Self::Start | Self::Closed, b'"') => (Self::Quoted, Ends::Nothing),
            (Self::Quoted, b'"') => (Self::Closed, Ends::Nothing),
            (Self::Quoted, _) => (Self::Quoted, Ends::Nothing),
            (_, b'\n') => (Self::Start, Ends::Record),
            (_, byte) if byte == delimiter => (Self::Start, Ends::Field),
            _ => (Self::Plain, Ends::Nothing),
        };
        *self = next;
        ends
    }
}

/// Just behind the first record's line end; the end of the text when it has none.
pub fn record_end(text: &[u8], delimiter: u8) -> usize {
    let mut scan = Scan::default();
    text.iter().position(|byte| scan.step(*byte, delimiter) == Ends::Record).map_or(text.len(), |at| at + 1)
}

/// Without its line end.
pub fn trimmed(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// The fields of one record without its line end; quotes taken off.
pub fn fields(record: &[u8], delimiter: u8) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut rest = Some(record);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut scan = Scan::default();
        let end = text.iter().position(|byte| scan.step(*byte, delimiter) == Ends::Field);
        rest = end.map(|end| &text[end + 1..]);
        Some(unquoted(&text[..end.unwrap_or(text.len())]))
    })
}

fn unquoted(field: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")) else { return Cow::Borrowed(field) };
    if !inner.contains(&b'"') {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().peekable();
    while let Some(&byte) = bytes.next() {
        plain.push(byte);
        if byte == b'"' && bytes.peek() == Some(&&b'"') {
            bytes.next();
        }
    }
    Cow::Owned(plain)
}

/// Writes a text as a quoted field on one line.
pub fn quote(text: &str, into: &mut Vec<u8>) {
    into.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => into.extend_from_slice(b"\"\""),
            b'\r' | b'\n' => into.push(b' '),
            other => into.push(other),
        }
    }
    into.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(record: &str) -> Vec<String> {
        fields(record.as_bytes(), b',').map(|field| String::from_utf8(field.into_owned()).expect("UTF-8")).collect()
    }

    #[test]
    fn quotes_commas_and_line_ends_stay_inside_their_field() {
        assert_eq!(split(r#"a,"b,c",,"d ""e""""#), ["a", "b,c", "", r#"d "e""#]);
        assert_eq!(split(""), [""]);
        assert_eq!(split(","), ["", ""]);
        assert_eq!(split("5\" pipe,\"\",x"), ["5\" pipe", "", "x"]);
        let two = b"a,\"x\ny\"\r\nb,c\n";
        assert_eq!(record_end(two, b','), 9);
        assert_eq!(trimmed(&two[..9]), b"a,\"x\ny\"");
    }

    #[test]
    fn the_delimiter_is_what_the_header_uses() {
        assert_eq!(delimiter_of(b"lon;lat;name\n1,5;2,5;a"), b';');
        assert_eq!(delimiter_of(b"lon\tlat\n"), b'\t');
        assert_eq!(delimiter_of(b"lon,lat\n"), b',');
        assert_eq!(delimiter_of(b"code\n"), b',');
        let semicolons: Vec<_> = fields(b"1,5;\"a;b\";", b';').map(|field| field.into_owned()).collect();
        assert_eq!(semicolons, [b"1,5".to_vec(), b"a;b".to_vec(), Vec::new()]);
    }

    #[test]
    fn a_fault_text_reads_back() {
        let mut bytes = Vec::new();
        quote("say \"no\"\nplease", &mut bytes);
        assert_eq!(unquoted(&bytes).as_ref(), b"say \"no\" please");
    }
}
