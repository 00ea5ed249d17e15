//! Workbooks (ECMA-376, transitional), sheet by sheet, with texts in their cells. Codes and everything else that is text is a text cell in
//! a text format, so that no spreadsheet makes a number of it, now or when the cell is edited.

use super::survey::Sheet;
use super::zip::ZipWriter;
use super::{Row, Terms, ValueKind, WriteError, plain};
use serde_json::Value;
use std::fs::File;
use std::io::Write;

/// Writes one workbook.
pub struct XlsxWriter {
    zip: ZipWriter,
    sheets: Vec<&'static str>,
    row: u32,
}

const TYPES: &str = "http://schemas.openxmlformats.org/package/2006/content-types";
const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const PACKAGE: &str = "application/vnd.openxmlformats-package";
const SPREADSHEET: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

/// Formats of cells: 0 as it is, 1 text, 2 the header.
const STYLES: &str = "<fonts count=\"2\"><font/><font><b/></font></fonts>\
    <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
    <borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf/></cellStyleXfs>\
    <cellXfs count=\"3\"><xf/><xf numFmtId=\"49\" applyNumberFormat=\"1\"/><xf numFmtId=\"49\" fontId=\"1\" applyNumberFormat=\"1\" applyFont=\"1\"/></cellXfs>";

/// Text as it stands in XML. What XML cannot hold is `_x0001_` (ECMA-376 §22.9.2.19), and so is what would be taken for that.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '_' if is_escape(&text[at..]) => out.push_str("_x005F_"),
            '\n' | '\t' => out.push(c),
            c if c < ' ' || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push_str(&format!("_x{:04X}_", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// `_xHHHH_`
fn is_escape(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 7 && bytes[1] == b'x' && bytes[6] == b'_' && bytes[2..6].iter().all(u8::is_ascii_hexdigit)
}

/// A, B … Z, AA …
fn letters(column: usize) -> String {
    let last = char::from(b'A' + (column % 26) as u8);
    match column / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letters(more - 1)),
    }
}

impl XlsxWriter {
    /// A workbook without sheets.
    pub fn new(file: File) -> Result<Self, WriteError> {
        Ok(Self { zip: ZipWriter::new(file), sheets: Vec::new(), row: 0 })
    }

    fn part(&mut self, name: &str, text: &str) -> Result<(), WriteError> {
        self.zip.begin(name)?;
        write!(self.zip, "{XML}{text}")?;
        Ok(())
    }

    /// A sheet and its header, which stays in sight.
    pub fn begin(&mut self, sheet: &Sheet) -> Result<(), WriteError> {
        self.sheets.push(sheet.name);
        self.row = 1;
        let head = format!(
            "<worksheet xmlns=\"{MAIN}\"><sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" \
             activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews><sheetData><row r=\"1\">"
        );
        self.part(&format!("xl/worksheets/sheet{}.xml", self.sheets.len()), &head)?;
        for (at, column) in sheet.columns.iter().enumerate() {
            self.text(at, &column.name, 2)?;
        }
        self.zip.write_all(b"</row>")?;
        Ok(())
    }

    fn text(&mut self, at: usize, text: &str, style: u8) -> Result<(), WriteError> {
        let (column, row) = (letters(at), self.row);
        write!(
            self.zip,
            "<c r=\"{column}{row}\" s=\"{style}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{}</t></is></c>",
            escaped(text)
        )?;
        Ok(())
    }

    /// A row.
    pub fn row(&mut self, sheet: &Sheet, row: &Row) -> Result<(), WriteError> {
        self.row += 1;
        write!(self.zip, "<row r=\"{}\">", self.row)?;
        for (at, (column, value)) in sheet.columns.iter().zip(sheet.values(row)).enumerate() {
            let place = |at| letters(at);
            match (column.kind, value) {
                (_, Value::Null) => {}
                (ValueKind::Flag, Value::Bool(flag)) => {
                    write!(self.zip, "<c r=\"{}{}\" t=\"b\"><v>{}</v></c>", place(at), self.row, u8::from(*flag))?;
                }
                // A spreadsheet keeps 15 digits: longer whole numbers are text.
                (ValueKind::Integer | ValueKind::Real, Value::Number(number))
                    if number.is_f64() || number.as_i64().is_some_and(fits) =>
                {
                    write!(self.zip, "<c r=\"{}{}\"><v>{number}</v></c>", place(at), self.row)?;
                }
                (_, value) => {
                    let text = plain(value);
                    self.text(at, sheet.fitted(&text), 1)?;
                }
            }
        }
        self.zip.write_all(b"</row>")?;
        Ok(())
    }

    /// Ends the sheet.
    pub fn end(&mut self) -> Result<(), WriteError> {
        self.zip.write_all(b"</sheetData></worksheet>")?;
        Ok(())
    }

    /// What stands around the sheets.
    pub fn finish(mut self, terms: &Terms) -> Result<(), WriteError> {
        let numbered: Vec<(usize, &str)> = self.sheets.iter().enumerate().map(|(at, name)| (at + 1, *name)).collect();
        let each = |text: &dyn Fn(usize, &str) -> String| numbered.iter().map(|(n, name)| text(*n, name)).collect::<String>();
        let last = numbered.len() + 1;
        let types = format!(
            "<Types xmlns=\"{TYPES}\"><Default Extension=\"rels\" ContentType=\"{PACKAGE}.relationships+xml\"/>\
             <Override PartName=\"/xl/workbook.xml\" ContentType=\"{SPREADSHEET}.sheet.main+xml\"/>\
             <Override PartName=\"/xl/styles.xml\" ContentType=\"{SPREADSHEET}.styles+xml\"/>\
             <Override PartName=\"/docProps/core.xml\" ContentType=\"{PACKAGE}.core-properties+xml\"/>{}</Types>",
            each(&|n, _| format!(
                "<Override PartName=\"/xl/worksheets/sheet{n}.xml\" ContentType=\"{SPREADSHEET}.worksheet+xml\"/>"
            ))
        );
        let root = format!(
            "<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/>\
             <Relationship Id=\"rId2\" Type=\"http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties\" \
             Target=\"docProps/core.xml\"/></Relationships>"
        );
        let workbook = format!(
            "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{}</sheets></workbook>",
            each(&|n, name| format!("<sheet name=\"{}\" sheetId=\"{n}\" r:id=\"rId{n}\"/>", escaped(name)))
        );
        let relations = format!(
            "<Relationships xmlns=\"{RELATIONS}\">{}<Relationship Id=\"rId{last}\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/></Relationships>",
            each(&|n, _| format!("<Relationship Id=\"rId{n}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{n}.xml\"/>"))
        );
        let styles = format!("<styleSheet xmlns=\"{MAIN}\">{STYLES}</styleSheet>");
        let about = &terms.about;
        let core = format!(
            "<cp:coreProperties xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{}</dc:title><dc:description>{}</dc:description></cp:coreProperties>",
            escaped(&about.title),
            escaped(&about.sentence())
        );
        for (name, text) in [
            ("[Content_Types].xml", types),
            ("_rels/.rels", root),
            ("docProps/core.xml", core),
            ("xl/workbook.xml", workbook),
            ("xl/_rels/workbook.xml.rels", relations),
            ("xl/styles.xml", styles),
        ] {
            self.part(name, &text)?;
        }
        self.zip.finish()
    }
}

/// Fifteen digits.
fn fits(whole: i64) -> bool {
    whole.unsigned_abs() < 1_000_000_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        for (at, name) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")] {
            assert_eq!(letters(at), name);
        }
    }

    #[test]
    fn what_xml_cannot_hold_is_escaped() {
        assert_eq!(escaped("<a & \"b\">\u{1}_x0001_ _x1_"), "&lt;a &amp; &quot;b&quot;&gt;_x0001__x005F_x0001_ _x1_");
    }
}
