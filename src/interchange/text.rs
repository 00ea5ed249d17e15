//! Bytes that are text in one of several encodings: which one, and what to say when they are not.

use crate::domain::fault::{Fault, FaultKind};
use encoding_rs::{BIG5, Encoding, GB18030, GBK, UTF_8, WINDOWS_1252};
use std::borrow::Cow;

/// How the bytes of a file are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextCode(&'static Encoding);

impl TextCode {
    /// UTF-8.
    pub const UTF8: Self = Self(UTF_8);
    /// GBK, read as GB 18030, which contains it.
    pub const GBK: Self = Self(GB18030);

    /// By the names that `.cpg` files have.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().trim_start_matches('\u{feff}').to_ascii_uppercase();
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        match plain.as_str() {
            "UTF8" | "65001" | "CP65001" => Some(Self::UTF8),
            "936" | "CP936" | "ANSI936" | "OEM936" | "MS936" | "GBK" | "GB2312" | "GB18030" | "54936" | "EUCCN" => {
                Some(Self::GBK)
            }
            "950" | "CP950" | "ANSI950" | "BIG5" => Some(Self(BIG5)),
            "1252" | "CP1252" | "ANSI1252" | "ISO88591" | "88591" | "LATIN1" => Some(Self(WINDOWS_1252)),
            _ => None,
        }
    }

    /// By the language byte of a `.dbf`. Many programs write "Western" or nothing over Chinese text, so only those that mean Chinese are
    /// believed.
    pub fn of_dbf(language: u8) -> Option<Self> {
        match language {
            0x4D | 0x7A => Some(Self::GBK),
            0x4F | 0x78 => Some(Self(BIG5)),
            _ => None,
        }
    }

    /// For reports.
    pub fn name(self) -> &'static str {
        if self == Self::GBK { "GBK" } else { self.0.name() }
    }

    /// The text; a fault without record when the bytes are none.
    pub fn read(self, bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
        if self == Self::UTF8 {
            return not_utf8(bytes).map_or_else(|| Ok(String::from_utf8_lossy(bytes)), Err);
        }
        let read = self.0.decode_without_bom_handling_and_without_replacement(bytes);
        read.ok_or_else(|| Fault::new(FaultKind::NotUtf8, format!("not {}: bytes {}", self.name(), shown(bytes))))
    }

    /// The bytes of a text; else its first character that has none. GBK is written without the four bytes of GB 18030, which most
    /// readers of GBK do not know.
    pub fn write(self, text: &str) -> Result<Cow<'_, [u8]>, char> {
        if self == Self::UTF8 || text.is_ascii() {
            return Ok(Cow::Borrowed(text.as_bytes()));
        }
        let encoding = if self == Self::GBK { GBK } else { self.0 };
        let fails = |text: &str| encoding.encode(text).2;
        if !fails(text) {
            return Ok(encoding.encode(text).0);
        }
        Err(text.chars().find(|c| fails(c.encode_utf8(&mut [0; 4]))).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// The bytes without a character that a fixed width has cut off.
    pub fn whole_characters(self, bytes: &[u8]) -> &[u8] {
        if self == Self::UTF8 {
            return match std::str::from_utf8(bytes) {
                Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
                _ => bytes,
            };
        }
        if self.0.is_single_byte() {
            return bytes;
        }
        let mut at = 0;
        while at < bytes.len() {
            let lead = (0x81..=0xFE).contains(&bytes[at]);
            // A character of four bytes has a digit in second place.
            let long = lead && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
            let next = at + if long { 4 } else { 1 + usize::from(lead) };
            if next > bytes.len() {
                return &bytes[..at];
            }
            at = next;
        }
        bytes
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes.iter().take(12).map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

/// Collects pieces of a text whose encoding nobody has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guess {
    utf8: u64,
    gbk: u64,
}

impl Guess {
    /// A cell or line. Plain ASCII says nothing.
    pub fn see(&mut self, bytes: &[u8]) {
        if bytes.is_ascii() {
            return;
        }
        if std::str::from_utf8(TextCode::UTF8.whole_characters(bytes)).is_ok() {
            self.utf8 += 1;
        } else if looks_like_gbk(TextCode::GBK.whole_characters(bytes)) {
            self.gbk += 1;
        }
    }

    /// UTF-8 when all of it is; GBK when more of it is that. A text of which only a few lines are no UTF-8 is a damaged one.
    pub fn code(self) -> TextCode {
        if self.gbk > self.utf8 { TextCode::GBK } else { TextCode::UTF8 }
    }
}

/// Says where the text stops being UTF-8 and whether it looks like GBK, the usual reason in Chinese data.
pub fn not_utf8(bytes: &[u8]) -> Option<Fault> {
    let error = std::str::from_utf8(bytes).err()?;
    let advice = if looks_like_gbk(bytes) { "; it looks like GBK: convert the file first (iconv -f GBK -t UTF-8)" } else { "" };
    Some(Fault::new(FaultKind::NotUtf8, format!("not UTF-8 at byte {}{advice}", error.valid_up_to() + 1)))
}

/// Text that was damaged before it came here: some program read GBK as UTF-8 and wrote replacement characters.
pub fn is_damaged(text: &str) -> bool {
    text.contains('\u{FFFD}')
}

/// A text without its full-width letters, digits and signs (U+FF01–U+FF5E, and the full-width space), when it has any: input methods
/// write them where a code was meant.
pub fn narrowed(text: &str) -> Option<String> {
    let narrow = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0),
        '\u{3000}' => Some(' '),
        _ => None,
    };
    if text.is_ascii() || !text.chars().any(|c| narrow(c).is_some()) {
        return None;
    }
    Some(text.chars().map(|c| narrow(c).unwrap_or(c)).collect())
}

/// High bytes that are all characters of GBK; one at the end may be cut.
fn looks_like_gbk(bytes: &[u8]) -> bool {
    let whole = TextCode::GBK.whole_characters(bytes);
    !whole.is_ascii() && TextCode::GBK.read(whole).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 宝华镇 in GBK.
    const BAOHUA: [u8; 6] = [0xB1, 0xA6, 0xBB, 0xAA, 0xD5, 0xF2];

    #[test]
    fn gbk_is_recognised_and_named() {
        // 路灯 in GBK: its first character is also a character of UTF-8.
        let fault = not_utf8(&[b'a', 0xC2, 0xB7, 0xB5, 0xC6, b',']).expect("not UTF-8");
        assert!(fault.detail.contains("GBK") && fault.detail.contains("byte 4"), "{}", fault.detail);
        let fault = not_utf8(&[&b"\""[..], &BAOHUA, b"\""].concat()).expect("not UTF-8");
        assert!(fault.detail.contains("GBK") && fault.detail.contains("byte 2"), "{}", fault.detail);
    }

    #[test]
    fn only_full_width_forms_of_ascii_are_made_narrow() {
        assert_eq!(narrowed("３３０９02－Ａ").as_deref(), Some("330902-A"));
        assert_eq!(narrowed("宝华镇"), None);
        assert_eq!(narrowed("330902"), None);
    }

    #[test]
    fn other_bytes_are_not_called_gbk() {
        let fault = not_utf8(&[b'a', 0xE9, b' ', b'b']).expect("Latin-1 is not UTF-8");
        assert!(!fault.detail.contains("GBK"), "{}", fault.detail);
        assert!(not_utf8("宝华镇".as_bytes()).is_none());
    }

    #[test]
    fn a_text_is_written_or_its_first_character_without_bytes_is_told() {
        assert_eq!(TextCode::GBK.write("宝华镇").as_deref(), Ok(&BAOHUA[..]));
        assert_eq!(TextCode::UTF8.write("宝华镇𠮷").as_deref(), Ok("宝华镇𠮷".as_bytes()));
        assert_eq!(TextCode::GBK.write("宝𠮷镇ä"), Err('𠮷'), "four bytes in GB 18030");
    }

    #[test]
    fn names_of_code_pages_are_known() {
        for (name, code) in [
            ("UTF-8", Some("UTF-8")),
            ("utf8\r\n", Some("UTF-8")),
            ("936", Some("GBK")),
            ("ANSI 936", Some("GBK")),
            ("GB18030", Some("GBK")),
            ("Big5", Some("Big5")),
            ("ISO-8859-1", Some("windows-1252")),
            ("Klingon", None),
        ] {
            assert_eq!(TextCode::named(name).map(TextCode::name), code, "{name:?}");
        }
        assert_eq!(TextCode::of_dbf(0x4D), Some(TextCode::GBK));
        assert_eq!(TextCode::of_dbf(0x57), None, "what Chinese programs write over anything");
    }

    #[test]
    fn what_nobody_told_is_guessed_from_all_of_it() {
        let guess = |pieces: &[&[u8]]| {
            let mut guess = Guess::default();
            pieces.iter().for_each(|piece| guess.see(piece));
            guess.code()
        };
        assert_eq!(guess(&[b"plain"]), TextCode::UTF8);
        assert_eq!(guess(&["宝华镇".as_bytes(), "路灯".as_bytes()]), TextCode::UTF8);
        assert_eq!(guess(&[b"plain", &BAOHUA]), TextCode::GBK);
        assert_eq!(guess(&["宝华镇".as_bytes(), "路灯".as_bytes(), &BAOHUA]), TextCode::UTF8, "one damaged line");
        assert_eq!(guess(&[&BAOHUA[..5]]), TextCode::GBK, "cut in a character");
    }

    #[test]
    fn a_character_that_a_width_cut_is_left_out() {
        assert_eq!(TextCode::GBK.read(TextCode::GBK.whole_characters(&BAOHUA[..5])).expect("whole"), "宝华");
        let utf8 = "宝华镇".as_bytes();
        assert_eq!(TextCode::UTF8.read(TextCode::UTF8.whole_characters(&utf8[..8])).expect("whole"), "宝华");
        assert_eq!(TextCode::GBK.read(&BAOHUA).expect("whole"), "宝华镇");
        assert!(TextCode::GBK.read(&[0xB1, 0x20]).is_err());
    }
}
