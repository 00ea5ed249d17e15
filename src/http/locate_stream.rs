//! Lines in, lines out, without a size limit: NDJSON and CSV lookups in bounded memory. Whole lines are looked up on the compute pool as
//! they arrive; nothing more is read while the answer waits to be taken.

use super::access::ended;
use super::body;
use super::error::{Answer, Problem, ProblemCode};
use super::locate_address;
use super::query::{self, Word};
use crate::app::access::Still;
use crate::app::bulk::{
    AddressPlace, BadTable, Gazetteer, Place, RECORD_LIMIT, Table, TableColumns, UNCLOSED, Wants, csv_record,
};
use crate::app::view::View;
use crate::compute::{Compute, NotDone};
use crate::geom::{Crs, LatticePoint};
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// A header line with `lon` and `lat`, or `address`, then records (RFC 4180).
    Csv,
}

/// How often, and how long in between, a block tries to get into a full queue: five seconds.
const TRIES: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(5);

/// The answer to a stream of lines. The header of a CSV is read before the answer begins, so that a bad one is a plain error.
pub async fn response(
    (compute, view): (Compute, View),
    still: Option<Still>,
    crs: Option<Crs>,
    format: Format,
    body: Body,
) -> Answer<Response> {
    let mut lines = Lines {
        input: body.into_data_stream(),
        format,
        rest: Vec::new(),
        scanned: 0,
        scan: csv_record::Scan::default(),
        delimiter: None,
        number: 0,
    };
    let mut head = Vec::new();
    let table = match format {
        Format::Ndjson => None,
        Format::Csv => Some(csv_head(&mut lines, crs, &mut head).await?),
    };
    if table.as_ref().is_some_and(Table::is_of_addresses) && view.city.addresses.is_empty() {
        return Err(locate_address::no_addresses());
    }
    let reader = Arc::new(Reader { view, crs: crs.unwrap_or(Crs::Cgcs2000), table });
    let still = Arc::new(still);
    let head = futures_util::stream::once(async move { Ok::<_, Infallible>(Bytes::from(head)) });
    let rest = futures_util::stream::unfold(Some(lines), move |lines| {
        let (compute, reader, still) = (compute.clone(), Arc::clone(&reader), Arc::clone(&still));
        async move {
            let mut lines = lines?;
            let first = lines.number + 1;
            let block = match lines.block().await {
                // Whoever began it may have been sent away meanwhile.
                Block::Lines(block) => match still.as_ref().as_ref().map_or(Ok(()), Still::goes_on) {
                    Ok(()) => Block::Lines(block),
                    Err(why) => Block::Cut(ended(&why)),
                },
                other => other,
            };
            let (answer, goes_on) = match block {
                Block::Lines(block) => match looked_up(&compute, &reader, first, block).await {
                    Ok((answer, count)) => {
                        lines.number += count;
                        (answer, true)
                    }
                    Err(problem) => (reader.fault(first, &problem), false),
                },
                Block::Cut(problem) => (reader.fault(first, &problem), false),
                Block::End => return None,
            };
            Some((Ok(Bytes::from(answer)), goes_on.then_some(lines)))
        }
    });
    let media_type = match format {
        Format::Ndjson => "application/x-ndjson",
        Format::Csv => "text/csv",
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], Body::from_stream(head.chain(rest))).into_response())
}

/// The answer to a block and its number of lines. The stream has begun, so a full queue is no error yet: the block waits its turn.
async fn looked_up(compute: &Compute, reader: &Arc<Reader>, first: u64, block: Bytes) -> Answer<(Vec<u8>, u64)> {
    for _ in 0..TRIES {
        let (reader, block) = (Arc::clone(reader), block.clone());
        match compute.run(move || reader.block(first, &block)).await {
            Ok(answer) => return Ok(answer),
            Err(NotDone::Busy) => tokio::time::sleep(PAUSE).await,
            Err(NotDone::Panicked) => {
                return Err(Problem::new(ProblemCode::Internal, "the lines could not be answered; the server's log says why"));
            }
        }
    }
    Err(Problem::new(ProblemCode::Busy, "the server is at its limit"))
}

/// Reads the header of a CSV; writes the header of the answer.
async fn csv_head(lines: &mut Lines, crs: Option<Crs>, head: &mut Vec<u8>) -> Answer<Table> {
    let block = match lines.block().await {
        Block::Lines(block) => block,
        Block::Cut(problem) => return Err(problem),
        Block::End => return Err(Problem::new(ProblemCode::BadCsv, "the CSV is empty; it begins with a header line")),
    };
    let delimiter = csv_record::delimiter_of(&block);
    let end = csv_record::record_end(&block, delimiter);
    let text = csv_record::trimmed(&block[..end]);
    let refused = |BadTable { detail, columns, wants }| match wants {
        Wants::Crs => Crs::missing("crs"),
        Wants::NoCrs => Problem::new(ProblemCode::ConflictingParameters, detail).with("fields", vec!["crs"]),
        Wants::Columns => Problem::new(ProblemCode::BadCsv, detail).with("columns", columns),
    };
    let table = Table::of(text, crs, &TableColumns::default(), head).map_err(refused)?;
    lines.give_back(&block[end..]);
    lines.number = 1;
    Ok(table)
}

/// Whole lines off a body.
struct Lines {
    input: BodyDataStream,
    format: Format,
    /// Read and not yet handed out.
    rest: Vec<u8>,
    /// How much of `rest` was looked through for line ends.
    scanned: usize,
    /// Where in a CSV record that was.
    scan: csv_record::Scan,
    /// Of a CSV, when its first line was read.
    delimiter: Option<u8>,
    /// Lines handed out and answered.
    number: u64,
}

enum Block {
    /// One or more whole lines.
    Lines(Bytes),
    /// No more lines, and why.
    Cut(Problem),
    /// All lines were handed out.
    End,
}

impl Lines {
    async fn block(&mut self) -> Block {
        loop {
            if let Some(end) = self.last_line_end() {
                let rest = self.rest.split_off(end);
                let block = std::mem::replace(&mut self.rest, rest);
                self.scanned = self.rest.len();
                return Block::Lines(Bytes::from(block));
            }
            if self.rest.len() > RECORD_LIMIT {
                return Block::Cut(Problem::new(
                    ProblemCode::BodyTooLarge,
                    format!("a line is longer than {RECORD_LIMIT} bytes"),
                ));
            }
            let Ok(piece) = tokio::time::timeout(body::PATIENCE, self.input.next()).await else {
                return Block::Cut(body::timed_out());
            };
            match piece {
                Some(Ok(bytes)) => self.rest.extend_from_slice(&bytes),
                Some(Err(_)) => {
                    return Block::Cut(Problem::new(ProblemCode::BodyUnreadable, "the body ended early or could not be read"));
                }
                None if self.rest.is_empty() => return Block::End,
                None if self.scan == csv_record::Scan::Quoted => {
                    self.rest.clear();
                    return Block::Cut(Problem::new(ProblemCode::BadCsv, UNCLOSED));
                }
                None => {
                    self.scanned = 0;
                    return Block::Lines(Bytes::from(std::mem::take(&mut self.rest)));
                }
            }
        }
    }

    /// Just behind the last line end that is not inside quotes.
    fn last_line_end(&mut self) -> Option<usize> {
        if self.format == Format::Csv && self.delimiter.is_none() {
            // The whole of the first line says what it is.
            if !self.rest.contains(&b'\n') {
                return None;
            }
            self.delimiter = Some(csv_record::delimiter_of(&self.rest));
        }
        let delimiter = self.delimiter.unwrap_or(b',');
        let mut end = None;
        for (at, byte) in self.rest.iter().enumerate().skip(self.scanned) {
            let ends = match self.format {
                Format::Csv => self.scan.step(*byte, delimiter) == csv_record::Ends::Record,
                Format::Ndjson => *byte == b'\n',
            };
            if ends {
                end = Some(at + 1);
            }
        }
        self.scanned = self.rest.len();
        end
    }

    /// Puts whole lines back in front.
    fn give_back(&mut self, lines: &[u8]) {
        self.rest.splice(0..0, lines.iter().copied());
        (self.scanned, self.scan) = (0, csv_record::Scan::default());
    }
}

struct Reader {
    view: View,
    /// Of positions told in JSON lines.
    crs: Crs,
    /// For CSV.
    table: Option<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineIn<'a> {
    /// Given back as it came, however many digits it has.
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    position: [f64; 2],
}

#[derive(Serialize)]
struct LineOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    grid: Option<&'a str>,
    on_border: bool,
}

#[derive(Serialize)]
struct LineFault<'a> {
    line: u64,
    error: Fault<'a>,
}

#[derive(Serialize)]
struct Fault<'a> {
    code: &'static str,
    detail: &'a str,
}

impl Gazetteer for Reader {
    fn place(&self, at: LatticePoint) -> Place<'_> {
        self.view.place_in_table(at)
    }

    fn address(&self, text: &str) -> AddressPlace<'_> {
        self.view.address_in_table(text)
    }
}

impl Reader {
    /// The answer to whole lines, the first of which has number `first`, and how many lines they were.
    fn block(&self, first: u64, block: &[u8]) -> (Vec<u8>, u64) {
        let mut answer = Vec::with_capacity(block.len() * 2);
        let (mut rest, mut line) = (block, first);
        while !rest.is_empty() {
            let (record, after) = match &self.table {
                Some(table) => rest.split_at(csv_record::record_end(rest, table.delimiter())),
                None => rest.split_at(rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1)),
            };
            rest = after;
            let record = csv_record::trimmed(record);
            match &self.table {
                Some(table) if !table.is_blank(record) => {
                    table.answer(record, self, &mut answer);
                }
                None if !record.iter().all(u8::is_ascii_whitespace) => self.ndjson(line, record, &mut answer),
                _ => {}
            }
            line += 1;
        }
        (answer, line - first)
    }

    fn ndjson(&self, line: u64, record: &[u8], answer: &mut Vec<u8>) {
        let located = serde_json::from_slice::<LineIn<'_>>(record)
            .map_err(|error| Problem::new(ProblemCode::BadJson, error.to_string()))
            .and_then(|LineIn { id, position: [lon, lat] }| Ok((id, query::position(lon, lat, self.crs)?)));
        match located {
            Ok((id, told)) => {
                let found = self.view.locate(LatticePoint::nearest(told));
                let grid = found.and_then(|found| self.view.code_of(found.place));
                let line = LineOut { id, grid, on_border: found.is_some_and(|found| found.on_border) };
                serde_json::to_writer(&mut *answer, &line).expect("text keys and finite numbers");
                answer.push(b'\n');
            }
            Err(problem) => answer.extend_from_slice(&self.fault(line, &problem)),
        }
    }

    /// A line that says why there is no answer to line `line`.
    fn fault(&self, line: u64, problem: &Problem) -> Vec<u8> {
        let mut answer = Vec::new();
        match &self.table {
            None => {
                let fault = LineFault { line, error: Fault { code: problem.code().as_str(), detail: problem.detail() } };
                serde_json::to_writer(&mut answer, &fault).expect("text keys and finite numbers");
                answer.push(b'\n');
            }
            Some(table) => {
                table.ended(&format!("line {line}: {}: {}", problem.code().as_str(), problem.detail()), &mut answer);
            }
        }
        answer
    }
}
