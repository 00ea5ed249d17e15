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
    fn other_bytes_are_not_called_gbk() {
        let fault = not_utf8(&[b'a', 0xE9, b' ', b'b']).expect("Latin-1 is not UTF-8");
        assert!(!fault.detail.contains("GBK"), "{}", fault.detail);
        assert!(not_utf8("宝华镇".as_bytes()).is_none());
    }
}
