//! One form of the many in which an address is written: plain width, no blanks, one kind of dash, no marks that say nothing. And the
//! key of a name, in which numbers are digits (文二路 and 文2路 are one road).

/// The text in the one form. What stands between two numbers or Latin words is a single blank; all else that is neither letter, digit,
/// `-`, `#` nor parenthesis is gone. Doing it again changes nothing.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    let mut last = '\0';
    for c in text.chars() {
        let c = plain(c);
        if !(c.is_alphanumeric() || "-#()".contains(c)) || is_mark(c) {
            gap = true;
            continue;
        }
        if gap && splits(last) && splits(c) {
            out.push(' ');
        }
        gap = false;
        last = c;
        out.push(c);
    }
    out
}

/// The beginning of a text as it was written, whose cleaned form has so many bytes.
pub fn written(text: &str, bytes: usize) -> &str {
    let ends: Vec<usize> = text.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
    let end = ends.get(ends.partition_point(|end| clean(&text[..*end]).len() < bytes));
    end.map_or(text, |end| &text[..*end])
}

/// What is compared of a name: without case and blanks, a Chinese number in digits where both can mean only one thing: 文二路 is 文2路 and
/// 五十一路 is 51路, but 五一路 is neither, and 壹号院 is not 1号院. Doing it again changes nothing.
pub fn key(name: &str) -> String {
    spelt(name, |run| match run.chars().count() {
        1 if run == "十" => Some("10".to_owned()),
        1 => run.chars().next().and_then(digit).map(|value| value.to_string()),
        2..=LONGEST
            if run.chars().any(|c| unit(c).is_some()) && !run.starts_with(['百', '千']) && !run.contains(['廿', '卅']) =>
        {
            counted(run).map(|value| value.to_string())
        }
        _ => None,
    })
}

/// What names have in common that are near to each other: every Chinese number in digits, formal ones too. 五一路, 五十一路 and 51路 are one.
pub fn loose(name: &str) -> String {
    let plain: String = name.chars().map(|c| informal(c).unwrap_or(c)).collect();
    spelt(&plain, |run| numeral(run).map(|(digits, _)| digits))
}

/// A name without case and blanks, its runs of Chinese digits as told, or as they are.
fn spelt(name: &str, number: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let run = run(rest);
        if run > 0 {
            match number(&rest[..run]) {
                Some(digits) => out.push_str(&digits),
                None => out.push_str(&rest[..run]),
            }
            rest = &rest[run..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            // Only between digits it says something: without it two numbers would be one.
            ' ' if !parts_digits(&out, rest) => {}
            _ => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// Whether a blank stands between two numbers.
fn parts_digits(before: &str, behind: &str) -> bool {
    let of_number = |c: char| c.is_ascii_digit() || in_run(c);
    before.ends_with(of_number) && behind.starts_with(of_number)
}

/// Bytes of Chinese digits at the beginning of a text.
fn run(text: &str) -> usize {
    text.find(|c: char| !in_run(c)).unwrap_or(text.len())
}

fn in_run(c: char) -> bool {
    !c.is_ascii() && (digit(c).is_some() || unit(c).is_some())
}

/// The other half of a pair of characters that mean the same in an address.
fn plain(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => plain(char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c)),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{30fc}' | '\u{fe58}' => '-',
        '〔' | '【' | '[' | '{' | '〈' | '《' => '(',
        '〕' | '】' | ']' | '}' | '〉' | '》' => ')',
        '號' => '号',
        '棟' => '栋',
        '樓' => '楼',
        '單' => '单',
        '層' => '层',
        '區' => '区',
        '縣' => '县',
        '鎮' => '镇',
        '鄉' => '乡',
        '門' => '门',
        '東' => '东',
        '組' => '组',
        '戶' => '户',
        '衖' => '弄',
        '○' | '◯' => '〇',
        _ => c,
    }
}

/// Letters that are only marks on others: they say nothing, and would come between.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{3164}' | '\u{ffa0}' | '\u{115f}' | '\u{1160}')
}

/// Whether a blank beside it parts something: without one, two numbers would be one.
fn splits(c: char) -> bool {
    c.is_ascii_alphanumeric() || digit(c).is_some() || unit(c).is_some() || informal(c).is_some()
}

/// The value of a digit, Chinese or not. Formal ones (壹, 陆) are none: they are family names and parts of names.
pub(super) fn digit(c: char) -> Option<u8> {
    Some(match c {
        '0'..='9' => c as u8 - b'0',
        '〇' | '零' => 0,
        '一' => 1,
        '二' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

/// 十, 百, 千; 廿 and 卅 are tens with their digit.
fn unit(c: char) -> Option<u32> {
    Some(match c {
        '十' | '廿' | '卅' => 10,
        '百' => 100,
        '千' => 1000,
        _ => return None,
    })
}

/// The plain writing of a formal digit.
fn informal(c: char) -> Option<char> {
    Some(match c {
        '壹' => '一',
        '贰' | '弍' => '二',
        '叁' => '三',
        '肆' => '四',
        '伍' => '五',
        '陆' => '六',
        '柒' => '七',
        '捌' => '八',
        '玖' => '九',
        '拾' => '十',
        '佰' => '百',
        '仟' => '千',
        _ => return None,
    })
}

/// Longest number with 十, 百 or 千 that is read as one.
const LONGEST: usize = 7;

/// The Chinese number at the beginning of a text in digits, and its bytes. Without 十, 百, 千 it is read digit by digit. In formal digits only a
/// whole number is one: 壹佰贰拾叁, not 壹.
pub(super) fn numeral(text: &str) -> Option<(String, usize)> {
    let formal = text.find(|c: char| informal(c).is_none() && c != '零').unwrap_or(text.len());
    let plain: String = text[..formal].chars().map(|c| informal(c).unwrap_or(c)).collect();
    if formal > 0 && (2..=LONGEST).contains(&plain.chars().count()) && plain.chars().any(|c| unit(c).is_some()) {
        return counted(&plain).map(|value| (value.to_string(), formal));
    }
    let bytes = run(text);
    if bytes == 0 {
        return None;
    }
    let run = &text[..bytes];
    if run.chars().count() <= LONGEST
        && run.chars().any(|c| unit(c).is_some())
        && let Some(value) = counted(run)
    {
        return Some((value.to_string(), bytes));
    }
    let spelt = run.chars().map(|c| match (digit(c), c) {
        (Some(value), _) => value.to_string(),
        (None, '廿') => "20".to_owned(),
        (None, '卅') => "30".to_owned(),
        (None, _) => unit(c).unwrap_or_default().to_string(),
    });
    Some((spelt.collect(), bytes))
}

/// 二十三 = 23, 一百零五 = 105, 一百二 = 120, 千二百 = 1200; `None` when it is put together in no such way.
fn counted(run: &str) -> Option<u32> {
    let (mut total, mut held, mut least) = (0, None, u32::MAX);
    let mut zero = false;
    for c in run.chars() {
        match (digit(c), unit(c)) {
            (Some(0), _) if held.is_none() => zero = true,
            (Some(value), _) if held.is_none() => held = Some(u32::from(value)),
            (None, Some(unit)) if unit < least => {
                let tens = match c {
                    '廿' => 2,
                    '卅' => 3,
                    _ => held.unwrap_or(1),
                };
                if matches!(c, '廿' | '卅') && held.is_some() {
                    return None;
                }
                total += tens * unit;
                (held, least, zero) = (None, unit, false);
            }
            _ => return None,
        }
    }
    let scale = if least >= 100 && !zero { least / 10 } else { 1 };
    Some(total + held.unwrap_or(0) * scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn widths_dashes_blanks_and_old_characters_make_no_difference() {
        assert_eq!(clean(" 解放西路　１０５弄３號，２棟－３０１室。"), "解放西路105弄3号2栋-301室");
        assert_eq!(clean("解放路 23 5幢"), "解放路23 5幢", "two numbers stay two");
        assert_eq!(clean("解放路\u{200b}\u{feff}23\u{0}号🏠"), "解放路23号");
        assert_eq!(clean("中梁·壹号院 Ａ座"), "中梁壹号院A座");
        assert_eq!(clean("'; DROP TABLE addresses;--"), "DROP TABLE addresses--");
        assert_eq!(clean("【西门】"), "(西门)");
    }

    #[test]
    fn chinese_numbers_become_digits() {
        for (chinese, digits) in [
            ("二十三", "23"),
            ("一百零五", "105"),
            ("一百二", "120"),
            ("十", "10"),
            ("十五", "15"),
            ("二〇一", "201"),
            ("五一", "51"),
            ("千二百", "1200"),
            ("一千零一", "1001"),
            ("廿三", "23"),
            ("卅", "30"),
            ("壹佰贰拾叁", "123"),
            ("二三十", "2310"),
            ("一百一百", "11001100"),
        ] {
            assert_eq!(numeral(chinese).map(|(digits, _)| digits).as_deref(), Some(digits), "{chinese}");
        }
        assert_eq!(numeral("路"), None);
        assert_eq!(key("文二路"), key("文2路"));
        assert_eq!(key("五十一路"), key("51路"));
        assert_eq!(key("Green  Park"), "greenpark");
        for two in ["〇二 百", "百 十", "2 十"] {
            assert_eq!(key(&key(two)), key(two), "two numbers stay two");
        }
        for (one, other) in [("五一路", "五十一路"), ("五一路", "51路"), ("中梁壹号院", "中梁1号院"), ("廿三里", "二十三里")]
        {
            assert_ne!(key(one), key(other));
            assert_eq!(loose(one), loose(other));
        }
        assert_ne!(key("陆家路"), key("六家路"));
        assert_ne!(key("百官路"), key("一百官路"));
        assert_eq!(numeral("壹号"), None);
        assert_eq!(key("三里屯路"), "3里屯路");
    }

    proptest! {
        #[test]
        fn doing_it_again_changes_nothing(text in "[ -~一二三十百〇零路街号弄Ａ１２－　。#()廿\u{0}-\u{20}🏠]{0,40}") {
            let once = clean(&text);
            prop_assert_eq!(&clean(&once), &once);
            let named = key(&once);
            prop_assert_eq!(&key(&named), &named);
            let near = loose(&once);
            prop_assert_eq!(&loose(&near), &near);
        }

        #[test]
        fn any_text_is_taken(text in any::<String>()) {
            let once = clean(&text);
            // A blank shows only when what stands behind it is known.
            for (at, c) in once.char_indices().filter(|(_, c)| *c != ' ') {
                let end = at + c.len_utf8();
                prop_assert_eq!(clean(written(&text, end)), &once[..end]);
            }
            prop_assert_eq!(&clean(&once), &once);
            let named = key(&once);
            prop_assert_eq!(&key(&named), &named);
        }
    }
}
