//! Bytes that should be UTF-8 and are not: where, and what they look like.

use crate::domain::fault::{Fault, FaultKind};

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

/// Every run of high bytes is made of two-byte GBK characters (lead 0x81–0xFE, trail 0x40–0xFE without 0x7F).
fn looks_like_gbk(bytes: &[u8]) -> bool {
    let mut at = 0;
    let mut pairs = 0;
    while at < bytes.len() {
        if bytes[at] < 0x80 {
            at += 1;
            continue;
        }
        match bytes.get(at + 1) {
            Some(&trail) if (0x81..=0xFE).contains(&bytes[at]) && (0x40..=0xFE).contains(&trail) && trail != 0x7F => {
                pairs += 1;
                at += 2;
            }
            // Cut in the middle of a character.
            None => break,
            Some(_) => return false,
        }
    }
    pairs > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gbk_is_recognised_and_named() {
        // 路灯 in GBK: its first character is also a character of UTF-8.
        let fault = not_utf8(&[b'a', 0xC2, 0xB7, 0xB5, 0xC6, b',']).expect("not UTF-8");
        assert!(fault.detail.contains("GBK") && fault.detail.contains("byte 4"), "{}", fault.detail);
        // 宝华镇 in GBK.
        let fault = not_utf8(&[b'"', 0xB1, 0xA6, 0xBB, 0xAA, 0xD5, 0xF2, b'"']).expect("not UTF-8");
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
}
