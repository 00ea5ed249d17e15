//! Rows of the audit for other programs: CSV (RFC 4180) and syslog (RFC 5424).

use crate::domain::audit::AuditRow;

/// The columns of the CSV.
const COLUMNS: [&str; 8] = ["number", "at", "actor", "address", "action", "object", "detail", "hash"];

/// Facility 13: log audit (RFC 5424 §6.2.1).
const FACILITY: u8 = 13;

/// Our parameters have no registered number; this one is for examples (RFC 5612).
const SD_ID: &str = "wangge@32473";

/// The line of columns.
pub fn csv_head() -> String {
    line(COLUMNS.map(str::to_owned))
}

/// A row as a line of CSV. What a spreadsheet would take for a formula begins with an apostrophe.
pub fn csv(row: &AuditRow) -> String {
    let deed = &row.deed;
    let is_formula = |text: &str| text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let plain = |text: &str| if is_formula(text) { format!("'{text}") } else { text.to_owned() };
    line([
        row.number.to_string(),
        deed.at.to_string(),
        plain(&deed.actor),
        deed.address.clone().unwrap_or_default(),
        deed.action.as_str().to_owned(),
        plain(&deed.object),
        deed.detail.to_string(),
        row.hash.to_string(),
    ])
}

fn line(cells: [String; 8]) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells).expect("rows have one length, and memory takes them");
    let bytes = writer.into_inner().expect("memory takes them");
    String::from_utf8(bytes).expect("texts are UTF-8")
}

/// A row as a message of syslog, without the end of the line.
pub fn syslog(row: &AuditRow) -> String {
    let deed = &row.deed;
    let parameter = |name: &str, value: &str| {
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!(" {name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]"))
    };
    let address = deed.address.as_deref().map(|address| parameter("address", address)).unwrap_or_default();
    format!(
        "<{}>1 {} - wangge - {} [{SD_ID}{}{}{address}{}{}] \u{feff}{}",
        FACILITY * 8 + deed.action.severity(),
        // RFC 5424 §6.2.3 has six digits of a second at most; ours have three.
        deed.at,
        deed.action.as_str(),
        parameter("number", &row.number.to_string()),
        parameter("actor", &deed.actor),
        parameter("object", &deed.object),
        parameter("hash", &row.hash.to_string()),
        deed.detail
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Action, Deed};
    use crate::domain::secret::Digest;
    use serde_json::json;

    fn row(actor: &str) -> AuditRow {
        let deed = Deed {
            at: "2026-11-22T10:00:00.123Z".parse().expect("a time"),
            actor: actor.to_owned(),
            address: Some("10.0.0.7".to_owned()),
            action: Action::Denied,
            object: "/api/v1/audit".to_owned(),
            detail: json!({ "why": "audit, \"x\"\n" }),
        };
        AuditRow::after((6, Digest::NONE), deed)
    }

    #[test]
    fn a_message_has_the_form_of_the_standard_whatever_the_texts_hold() {
        let row = row("张三\"]\\\n");
        let hash = row.hash;
        let expected = format!(
            "<108>1 2026-11-22T10:00:00.123Z - wangge - denied [wangge@32473 number=\"7\" actor=\"张三\\\"\\]\\\\ \" \
             address=\"10.0.0.7\" object=\"/api/v1/audit\" hash=\"{hash}\"] \u{feff}{{\"why\":\"audit, \\\"x\\\"\\n\"}}"
        );
        assert_eq!(syslog(&row), expected);
    }

    #[test]
    fn a_line_of_csv_reads_back_and_is_no_formula() {
        for (actor, cell) in [("=1+1", "'=1+1"), ("a,\"b\"", "a,\"b\""), ("", "")] {
            let text = format!("{}{}", csv_head(), csv(&row(actor)));
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            assert_eq!(reader.headers().expect("columns"), COLUMNS.as_slice());
            let cells = reader.records().next().expect("a row").expect("of eight cells");
            assert_eq!((&cells[0], &cells[2], &cells[4]), ("7", cell, "denied"));
            assert_eq!(&cells[6], "{\"why\":\"audit, \\\"x\\\"\\n\"}");
        }
    }
}
