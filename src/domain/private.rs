//! Numbers of phones and identity cards in free texts.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// Digits from which on a number may be somebody's: mobile phones have 11, identity cards 15 or 18.
const LEAST_DIGITS: usize = 11;

/// Characters that may stand between two digits of one number.
const MOST_JOINTS: usize = 2;

/// Stands for each digit that is not shown.
const MASK: char = '*';

/// A text without numbers that may be somebody's: every run of eleven digits or more, with up to two blanks, hyphens or dots between them, and
/// the X at the end of an identity card. Longer numbers of other kinds go with them.
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut masked: Option<String> = None;
    let mut done = 0;
    let mut run = Run::default();
    for (at, c) in text.char_indices().chain([(text.len(), '\n')]) {
        if run.takes(at, c) {
            continue;
        }
        if run.digits >= LEAST_DIGITS {
            let out = masked.get_or_insert_with(|| String::with_capacity(text.len()));
            out.push_str(&text[done..run.from]);
            out.extend(text[run.from..run.until].chars().map(|c| if is_joint(c) { c } else { MASK }));
            done = run.until;
        }
        run = Run::default();
        run.takes(at, c);
    }
    masked.map_or(Cow::Borrowed(text), |mut out| {
        out.push_str(&text[done..]);
        Cow::Owned(out)
    })
}

/// Masks the texts and the numbers of a record's members, as deep as they go.
pub fn mask_members(members: &mut Map<String, Value>) {
    members.values_mut().for_each(mask);
}

fn mask(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(shown) = masked(text) {
                *text = shown;
            }
        }
        Value::Number(number) => {
            if let Cow::Owned(shown) = masked(&number.to_string()) {
                *value = Value::String(shown);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::Object(members) => mask_members(members),
        Value::Null | Value::Bool(_) => {}
    }
}

/// What was read masked and comes back so stays as it was written, as deep as members and lists go.
pub fn unmask_members(members: &mut Map<String, Value>, stored: &Map<String, Value>) {
    for (name, value) in members {
        if let Some(stored) = stored.get(name) {
            unmask(value, stored);
        }
    }
}

fn unmask(value: &mut Value, stored: &Value) {
    match (value, stored) {
        (Value::Object(members), Value::Object(stored)) => unmask_members(members, stored),
        (Value::Array(values), Value::Array(stored)) => {
            values.iter_mut().zip(stored).for_each(|(value, stored)| unmask(value, stored))
        }
        (value, stored) => {
            let mut shown = stored.clone();
            mask(&mut shown);
            if shown == *value {
                *value = stored.clone();
            }
        }
    }
}

/// A number as far as it has been read.
#[derive(Debug, Default)]
struct Run {
    from: usize,
    until: usize,
    digits: usize,
    /// Characters since the last digit.
    joints: usize,
    ended: bool,
}

impl Run {
    /// Whether a character still belongs to it. One in front of the first digit belongs to none.
    fn takes(&mut self, at: usize, c: char) -> bool {
        if self.ended {
            return false;
        }
        if is_digit(c) {
            if self.digits == 0 {
                self.from = at;
            }
            self.digits += 1;
            (self.until, self.joints) = (at + c.len_utf8(), 0);
            return true;
        }
        if self.digits == 0 || self.joints == MOST_JOINTS {
            return false;
        }
        if is_joint(c) {
            self.joints += 1;
            return true;
        }
        if self.digits >= 17 && matches!(c, 'X' | 'x' | 'Ｘ' | 'ｘ') {
            (self.until, self.ended) = (at + c.len_utf8(), true);
            return true;
        }
        false
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || ('０'..='９').contains(&c)
}

fn is_joint(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{3000}' | '-' | '－' | '‐'..='―' | '.' | '·' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_phones_and_cards_are_not_shown_and_the_rest_is() {
        for (text, shown) in [
            ("井盖丢失，联系13812345678", "井盖丢失，联系***********"),
            ("电话 138-1234-5678。", "电话 ***-****-****。"),
            ("+86 138 1234 5678", "+** *** **** ****"),
            ("１３８１２３４５６７８号", "***********号"),
            ("身份证33090219900101123X有误", "身份证******************有误"),
            ("330902 19900101 1234", "****** ******** ****"),
            ("13812345678 13912345678", "*********** ***********"),
            ("13812345678  转 2", "***********  转 2"),
            ("138–1234–5678，138  1234  5678", "***–****–****，***  ****  ****"),
            ("138.1234.5678 138·1234·5678", "***.****.**** ***·****·****"),
            ("3幢1单元502室，2026-11-22", "3幢1单元502室，2026-11-22"),
            ("高度 1234567890", "高度 1234567890"),
            ("", ""),
            ("-", "-"),
            ("X", "X"),
        ] {
            assert_eq!(masked(text), shown);
        }
        assert!(matches!(masked("无"), Cow::Borrowed(_)));
    }

    #[test]
    fn members_are_masked_as_deep_as_they_go() {
        let mut members = serde_json::json!({
            "联系": "张 13812345678", "电话": 13812345678_u64, "高": 4.5, "门": [{"管": "138-1234-5678"}, "无"], "空": null, "是": true,
        });
        mask_members(members.as_object_mut().expect("an object"));
        let shown = serde_json::json!({
            "联系": "张 ***********", "电话": "***********", "高": 4.5, "门": [{"管": "***-****-****"}, "无"], "空": null, "是": true,
        });
        assert_eq!(members, shown);
    }

    #[test]
    fn what_comes_back_masked_stays_as_it_was_written() {
        let stored = serde_json::json!({ "联系": "张 13812345678", "电话": 13812345678_u64, "门": [{ "管": "138-1234-5678", "号": 1 }, "无"] });
        let mut back = serde_json::json!({ "联系": "李 ***********", "电话": "***********", "门": [{ "管": "***-****-****", "新": 2 }], "其他": "***********" });
        unmask_members(back.as_object_mut().expect("an object"), stored.as_object().expect("an object"));
        let kept = serde_json::json!({ "联系": "李 ***********", "电话": 13812345678_u64, "门": [{ "管": "138-1234-5678", "新": 2 }], "其他": "***********" });
        assert_eq!(back, kept);
    }

    proptest::proptest! {
        #[test]
        fn no_run_of_eleven_digits_is_left_and_nothing_else_changes(text in "[0-9Xx \\-a号]{0,40}") {
            let shown = masked(&text);
            let digits = shown.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
            proptest::prop_assert!(digits < LEAST_DIGITS, "{shown}");
            proptest::prop_assert_eq!(shown.chars().count(), text.chars().count());
            for (is, was) in shown.chars().zip(text.chars()) {
                proptest::prop_assert!(is == was || is == MASK);
            }
            proptest::prop_assert_eq!(masked(&shown), shown.clone());
        }
    }
}
