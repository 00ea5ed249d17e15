//! GeoJSON (RFC 7946) and GeoJSON text sequences (RFC 8142, also one feature a line without RS).
//!
//! Features are cut out of the text one at a time and parsed alone: memory is that of the largest feature.

use super::feature::{Names, feature};
use super::input::{Format, Input, LONGEST_RECORD, Progress, read_fault, too_long};
use super::json_scan::{ScanError, Scanner};
use super::{Sink, StatedCrs};
use crate::domain::fault::{Fault, FaultKind};
use crate::geom::Crs;
use serde_json::Value;
use std::io::{BufRead, Read};

/// An opened GeoJSON text.
pub struct GeoJsonReader {
    body: Body,
    crs: StatedCrs,
    progress: Progress,
    names: Names,
}

enum Body {
    /// Stands behind the `[` of `features`.
    Collection(Scanner<Box<dyn BufRead + Send>>),
    Sequence(Box<dyn BufRead + Send>),
}

/// RFC 8142.
const RECORD_SEPARATOR: u8 = 0x1E;

impl GeoJsonReader {
    /// Reads up to the first feature.
    pub fn open(input: Input) -> Result<Self, Fault> {
        let progress = input.progress();
        if input.format() == Format::FeatureSequence {
            let body = Body::Sequence(input.into_text());
            return Ok(Self { body, crs: StatedCrs::Nothing, progress, names: Names::default() });
        }
        let mut scanner = Scanner::new(input.into_text());
        let crs = preamble(&mut scanner)?;
        Ok(Self { body: Body::Collection(scanner), crs, progress, names: Names::default() })
    }

    /// What the old `crs` member names, when that is a CRS we take. RFC 7946 dropped the member, and a text without it is WGS 84
    /// by the letter; but files in GCJ-02 look the same, so silence is not trusted.
    pub fn stated_crs(&self) -> StatedCrs {
        self.crs.clone()
    }

    /// `geojson` or `geojsonseq`.
    pub fn format_name(&self) -> &'static str {
        match self.body {
            Body::Collection(_) => "geojson",
            Body::Sequence(_) => "geojsonseq",
        }
    }

    /// All features in order.
    pub fn for_each(self, sink: &mut Sink<'_>) {
        match self.body {
            Body::Collection(scanner) => collection(scanner, self.crs, self.names, sink),
            Body::Sequence(text) => sequence(text, self.names, sink),
        }
        self.progress.finish();
    }
}

/// Members of the collection up to `features`, and the CRS among them.
fn preamble(scanner: &mut Scanner<Box<dyn BufRead + Send>>) -> Result<StatedCrs, Fault> {
    let mut crs = StatedCrs::Nothing;
    let mut value = Vec::new();
    scanner.expect(b"{", "{").map_err(scan_fault)?;
    loop {
        scanner.value(&mut value).map_err(scan_fault)?;
        let key = parse_member(&value)?;
        scanner.expect(b":", ":").map_err(scan_fault)?;
        if key == "features" {
            scanner.expect(b"[", "the array of features").map_err(scan_fault)?;
            return Ok(crs);
        }
        scanner.value(&mut value).map_err(scan_fault)?;
        if key == "crs" {
            crs = named_crs(&value)?;
        }
        if scanner.expect(b",}", ", or }").map_err(scan_fault)? == b'}' {
            return Err(Fault::new(FaultKind::BadSyntax, "the collection has no features member"));
        }
    }
}

fn parse_member(text: &[u8]) -> Result<String, Fault> {
    serde_json::from_slice(text).map_err(|error| Fault::new(FaultKind::BadSyntax, format!("not a member name: {error}")))
}

/// The CRS of the `crs` member of GeoJSON 2008. `null` says nothing.
fn named_crs(text: &[u8]) -> Result<StatedCrs, Fault> {
    let value: Value = serde_json::from_slice(text).map_err(|e| Fault::new(FaultKind::BadSyntax, format!("crs: {e}")))?;
    let name = match value.pointer("/properties/name") {
        Some(Value::String(name)) => name.as_str(),
        _ if value.is_null() => return Ok(StatedCrs::Nothing),
        _ => "",
    };
    let lower = name.to_ascii_lowercase();
    let number = lower.strip_prefix("urn:ogc:def:crs:epsg:").and_then(|rest| rest.rsplit(':').next());
    Ok(match (lower.as_str(), number.or_else(|| lower.strip_prefix("epsg:")).map(str::parse)) {
        ("urn:ogc:def:crs:ogc:1.3:crs84" | "ogc:crs84", _) => StatedCrs::Known(Crs::Wgs84.into()),
        (_, Some(Ok(number))) => StatedCrs::of_epsg(number),
        _ => StatedCrs::Other(format!("crs {name:?}")),
    })
}

fn scan_fault(error: ScanError) -> Fault {
    match error {
        ScanError::Io(error) => read_fault(&error),
        other => Fault::new(FaultKind::BadSyntax, other.to_string()),
    }
}

/// What follows in a collection.
enum Next {
    Feature,
    /// The `]` of `features`.
    End,
    /// Nothing that the sink wants.
    Enough,
}

fn collection(mut scanner: Scanner<Box<dyn BufRead + Send>>, stated: StatedCrs, mut names: Names, sink: &mut Sink<'_>) {
    let mut value = Vec::new();
    let mut number = 0;
    let mut step = |scanner: &mut Scanner<_>, number: &mut u64, sink: &mut Sink<'_>| -> Result<Next, ScanError> {
        if scanner.take(b']')? {
            return Ok(Next::End);
        }
        *number += 1;
        scanner.value(&mut value)?;
        if sink(feature(&value, *number, &mut names)).is_break() {
            return Ok(Next::Enough);
        }
        Ok(if scanner.expect(b",]", ", or ] behind a feature")? == b',' { Next::Feature } else { Next::End })
    };
    loop {
        match step(&mut scanner, &mut number, sink) {
            Ok(Next::Feature) => {}
            Ok(Next::End) => break,
            Ok(Next::Enough) => return,
            Err(error) => {
                let mut fault = scan_fault(error);
                fault.record = Some(number.max(1));
                let _ = sink(Err(fault));
                return;
            }
        }
    }
    if let Err(fault) = trailer(&mut scanner, &stated) {
        let _ = sink(Err(fault));
    }
}

/// Members behind `features`, and the end of the text. A CRS that stands there comes too late to be used, but not too late to
/// contradict; a text without its last bytes may have lost more than those, and only at its end is a packed file's checksum seen.
fn trailer(scanner: &mut Scanner<Box<dyn BufRead + Send>>, stated: &StatedCrs) -> Result<(), Fault> {
    let mut value = Vec::new();
    while scanner.expect(b",}", ", or }").map_err(scan_fault)? == b',' {
        scanner.value(&mut value).map_err(scan_fault)?;
        let key = parse_member(&value)?;
        scanner.expect(b":", ":").map_err(scan_fault)?;
        scanner.value(&mut value).map_err(scan_fault)?;
        if key == "crs" && named_crs(&value)? != *stated {
            return Err(Fault::new(
                FaultKind::BadField,
                "crs stands behind the features, where it is too late: move it to the front, or drop it and say --crs",
            ));
        }
    }
    match scanner.peek().map_err(|error| read_fault(&error))? {
        None => Ok(()),
        Some(_) => {
            Err(Fault::new(FaultKind::BadSyntax, "something follows the collection: it must be the only thing in the file"))
        }
    }
}

/// Up to `end`, and that with it.
fn read_record(text: &mut Box<dyn BufRead + Send>, end: u8, record: &mut Vec<u8>) -> std::io::Result<()> {
    let longest = LONGEST_RECORD as u64 + 1;
    match text.take(longest).read_until(end, record)? {
        read if read as u64 == longest => Err(too_long("")),
        _ => Ok(()),
    }
}

fn sequence(mut text: Box<dyn BufRead + Send>, mut names: Names, sink: &mut Sink<'_>) {
    let by_separator = matches!(text.fill_buf(), Ok(first) if first.first() == Some(&RECORD_SEPARATOR));
    let end = if by_separator { RECORD_SEPARATOR } else { b'\n' };
    let mut record = Vec::new();
    let mut next_line = 1_u64;
    loop {
        // What was read beyond a truncated feature comes first.
        if record.is_empty()
            && let Err(error) = read_record(&mut text, end, &mut record)
        {
            let _ = sink(Err(Fault { record: Some(next_line), ..read_fault(&error) }));
            return;
        }
        if record.is_empty() {
            return;
        }
        let leading = record.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == RECORD_SEPARATOR).count();
        let newlines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let line = next_line + newlines(&record[..leading]);
        next_line += newlines(&record);
        let body = record[leading..].trim_ascii_end();
        let body = body.strip_suffix(&[RECORD_SEPARATOR]).unwrap_or(body).trim_ascii_end();
        if body.is_empty() {
            record.clear();
            continue;
        }
        let mut made = feature(body, line, &mut names);
        let mut after = Vec::new();
        if made.is_err() && !by_separator && !is_whole(body) {
            let mut whole = body.to_vec();
            match rest_of(&mut whole, &mut text) {
                Ok((0, following)) => after = following,
                Ok((lines, following)) => {
                    made = feature(&whole, line, &mut names);
                    (after, next_line) = (following, next_line + lines);
                }
                Err(error) => made = Err(Fault { record: Some(line), ..read_fault(&error) }),
            }
        }
        if sink(made).is_break() {
            return;
        }
        record = after;
    }
}

/// Follows the brackets of a JSON text.
#[derive(Default)]
struct Brackets {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Brackets {
    fn over(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}

/// Whether every bracket is closed, or a text that holds no line end is open.
fn is_whole(text: &[u8]) -> bool {
    let mut brackets = Brackets::default();
    brackets.over(text);
    brackets.depth == 0 || brackets.in_string
}

/// The further lines of a feature that is written over several, and how many they are; also the line behind them that was read and is
/// none of them. A line that begins like a feature where none can stand ends it: then the one before is truncated.
fn rest_of(whole: &mut Vec<u8>, text: &mut Box<dyn BufRead + Send>) -> std::io::Result<(u64, Vec<u8>)> {
    let mut brackets = Brackets::default();
    brackets.over(whole);
    let mut lines = 0;
    while brackets.depth > 0 {
        let mut line = Vec::new();
        read_record(text, b'\n', &mut line)?;
        if whole.len() > LONGEST_RECORD {
            return Err(too_long(""));
        }
        // Behind a comma one may stand in an array only, and the first line of a feature leaves none open there.
        let before = whole.trim_ascii_end().last();
        let may_open = matches!(before, Some(b':' | b'[')) || before == Some(&b',') && lines > 0;
        if line.is_empty() || line.trim_ascii_start().starts_with(b"{") && !may_open {
            return Ok((lines, line));
        }
        brackets.over(&line);
        whole.extend_from_slice(&line);
        lines += 1;
    }
    Ok((lines, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_over_several_lines_is_one_and_a_truncated_one_hides_no_other() {
        let read = |text: &str| {
            let boxed: Box<dyn BufRead + Send> = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
            let mut seen = Vec::new();
            sequence(boxed, Names::default(), &mut |record| {
                seen.push(record.map(|record| record.number).map_err(|fault| fault.record));
                std::ops::ControlFlow::Continue(())
            });
            seen
        };
        let pretty = "{\n  \"type\": \"Feature\",\n  \"properties\": {\n    \"a\": \"}\\\"{\"\n  },\n  \"geometry\":\n  {\n\
            \"type\": \"Point\",\n \"coordinates\": [\n 1,\n 2\n ]\n }\n}\n";
        assert_eq!(read(pretty), [Ok(1)]);
        assert_eq!(read(&format!("{pretty}{pretty}")), [Ok(1), Ok(15)]);
        let line = r#"{"type":"Feature","properties":{"n":2},"geometry":null}"#;
        assert_eq!(read(&format!("{pretty}\n{line}\n")), [Ok(1), Ok(16)]);
        for cut in [r#"{"type":"Feature","properties":{"n":1"#, r#"{"type":"Feature","properties":{"n":1},"#, r#"{"type":"Fea"#] {
            assert_eq!(read(&format!("{cut}\n{line}\n{line}")), [Err(Some(1)), Ok(2), Ok(3)], "{cut}");
        }
        let broken = pretty.replace("1,", "1 1,");
        assert_eq!(read(&broken), [Err(Some(1))], "one feature, one fault");
    }

    #[test]
    fn lines_print_sequences_and_separators_are_the_same_to_us() {
        let features = [
            r#"{"type":"Feature","properties":{"n":1},"geometry":null}"#,
            r#"{"type":"Feature","properties":{"n":2},"geometry":null}"#,
        ];
        let read = |text: String| {
            let mut seen = Vec::new();
            let boxed: Box<dyn BufRead + Send> = Box::new(std::io::Cursor::new(text.into_bytes()));
            sequence(boxed, Names::default(), &mut |record| {
                seen.push(record.map(|record| (record.number, record.fields[0].1.clone())));
                std::ops::ControlFlow::Continue(())
            });
            seen.into_iter().collect::<Result<Vec<_>, Fault>>()
        };
        assert_eq!(read(features.join("\n")).expect("lines"), [(1, 1.into()), (2, 2.into())]);
        assert_eq!(read(format!("\n{}\r\n\n{}\n\n", features[0], features[1])).expect("lines"), [(2, 1.into()), (4, 2.into())]);
        let printed = features.map(|f| format!("\u{1e}{}\n", f.replace(',', ",\n"))).concat();
        assert_eq!(read(printed).expect("separated"), [(1, 1.into()), (4, 2.into())]);
    }

    #[test]
    fn only_a_crs_that_can_be_trusted_is_taken() {
        let name = |name: &str| named_crs(format!(r#"{{"type":"name","properties":{{"name":"{name}"}}}}"#).as_bytes());
        let known = |name: &str| StatedCrs::Known(name.parse().expect(name));
        assert_eq!(name("urn:ogc:def:crs:OGC:1.3:CRS84").expect("known"), known("wgs84"));
        assert_eq!(name("EPSG:4490").expect("known"), known("cgcs2000"));
        assert_eq!(name("urn:ogc:def:crs:EPSG::4529").expect("known"), known("epsg:4529"));
        assert!(matches!(name("urn:ogc:def:crs:EPSG::3857").expect("a name"), StatedCrs::Other(why) if why.contains("3857")));
        assert_eq!(named_crs(b"null").expect("says nothing"), StatedCrs::Nothing);
    }
}
