//! Chinese names by what is typed on a Latin keyboard: whole syllables, their beginnings, or initials (舟山市: `zhoushan`, `zhou shan`,
//! `zss`). A character that is read in several ways is tried in all of them (重庆, 六安, 厦门). The only file that names `pinyin`.

use pinyin::ToPinyinMulti;

/// How well typed letters fit a name. Better ones are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PinyinFit {
    /// The whole name.
    Whole,
    /// It begins so.
    Prefix,
    /// A part of it from some character on.
    Part,
}

/// Letters that may be pinyin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// Lower case, `v` for ü, without what separates syllables.
    letters: Vec<u8>,
}

/// Most letters that are looked at: positions are bits of a number.
const MOST: usize = 62;

impl Typed {
    /// `None` when the text is something else: it has other than Latin letters, digits, blanks and apostrophes, fewer than two letters, or
    /// more than any name.
    pub fn of(text: &str) -> Option<Self> {
        let mut letters = Vec::with_capacity(text.len().min(MOST));
        for c in text.trim().chars() {
            match c {
                ' ' | '\'' | '’' | '-' => {}
                'ü' | 'Ü' => letters.push(b'v'),
                c if c.is_ascii_alphanumeric() => letters.push(c.to_ascii_lowercase() as u8),
                _ => return None,
            }
        }
        let is_pinyin = letters.iter().filter(|letter| letter.is_ascii_alphabetic()).count() >= 2;
        (is_pinyin && letters.len() <= MOST).then_some(Self { letters })
    }

    /// How well they fit a name; `None`: not at all. A name without Chinese characters never fits.
    pub fn fit(&self, name: &str) -> Option<PinyinFit> {
        let mut rest = name;
        let mut first = true;
        let mut part = None;
        while let Some(c) = rest.chars().next() {
            match self.fit_from(rest) {
                Some(true) if first => return Some(PinyinFit::Whole),
                Some(_) if first => return Some(PinyinFit::Prefix),
                Some(_) => part = Some(PinyinFit::Part),
                None => {}
            }
            if part.is_some() {
                return part;
            }
            rest = &rest[c.len_utf8()..];
            first = false;
        }
        None
    }

    /// Whether they fit from the first character of a text on, and reach its end. The text begins with a Chinese character.
    fn fit_from(&self, text: &str) -> Option<bool> {
        let all = 1_u64 << self.letters.len();
        // Bit p: the first p letters are used up.
        let mut reached = 1_u64;
        let mut chars = text.chars();
        let mut chinese = false;
        while let Some(c) = chars.next() {
            let mut next = 0;
            match c.to_pinyin_multi() {
                Some(readings) => {
                    chinese = true;
                    for reading in readings {
                        next |= self.after(reading.plain(), reached);
                    }
                }
                None if c.is_ascii_alphanumeric() && chinese => {
                    let letter = c.to_ascii_lowercase() as u8;
                    for at in (0..self.letters.len()).filter(|at| (reached >> at) & 1 == 1 && self.letters[*at] == letter) {
                        next |= 2 << at;
                    }
                }
                None => return None,
            }
            if next == 0 {
                return None;
            }
            if next & all != 0 {
                return Some(chars.next().is_none());
            }
            reached = next;
        }
        None
    }

    /// What is used up after a character that is read so: all of it, its initial, or, at the end of the letters, its beginning.
    fn after(&self, reading: &str, reached: u64) -> u64 {
        let mut next = 0;
        for at in 0..self.letters.len() {
            if (reached >> at) & 1 == 0 {
                continue;
            }
            let letters = &self.letters[at..];
            let matched = reading.chars().zip(letters).take_while(|(c, letter)| same(*c, **letter)).count();
            let length = reading.chars().count();
            if matched == length || matched == letters.len() {
                next |= 1 << (at + matched);
            }
            if matched >= 1 {
                next |= 2 << at;
            }
            if matched >= 2 && matches!(&letters[..2], b"zh" | b"ch" | b"sh") {
                next |= 4 << at;
            }
        }
        next
    }
}

/// ü is typed as v, or as u where no ambiguity is felt.
fn same(c: char, letter: u8) -> bool {
    c == char::from(letter) || (c == 'ü' && matches!(letter, b'v' | b'u'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use PinyinFit::{Part, Prefix, Whole};

    fn fit(typed: &str, name: &str) -> Option<PinyinFit> {
        Typed::of(typed).expect("letters").fit(name)
    }

    #[test]
    fn whole_syllables_beginnings_and_initials() {
        for typed in ["zhoushanshi", "zhou shan shi", "ZhouShanShi", "zss", "zhshsh", "zhou's'shi", "zhoushansh"] {
            assert_eq!(fit(typed, "舟山市"), Some(Whole), "{typed}");
        }
        for typed in ["zhoushan", "zs", "zhous", "zhou"] {
            assert_eq!(fit(typed, "舟山市"), Some(Prefix), "{typed}");
        }
        assert_eq!(fit("shanshi", "舟山市"), Some(Part));
        assert_eq!(fit("zhuoshan", "舟山市"), None);
        assert_eq!(fit("zhoushanshiqu", "舟山市"), None);
        assert_eq!(fit("abc", "abc"), None);
        assert_eq!(fit("diyi1hao", "第一1号"), Some(Whole));
    }

    #[test]
    fn every_reading_is_tried() {
        for (typed, name) in [
            ("chongqing", "重庆"),
            ("zhongqing", "重庆"),
            ("xiamen", "厦门"),
            ("luan", "六安"),
            ("changle", "长乐"),
            ("yueqing", "乐清"),
            ("hangzhou", "杭州"),
            ("yinhang", "银行"),
            ("bengbu", "蚌埠"),
            ("taizhou", "台州"),
            ("lvshun", "绿顺"),
            ("lushun", "绿顺"),
            ("shengsi", "嵊泗"),
        ] {
            assert_eq!(fit(typed, name), Some(Whole), "{typed} {name}");
        }
    }

    #[test]
    fn what_is_no_pinyin_is_not_tried() {
        for text in ["", "z", "330902", "1 2", "舟山", "zhou,shan", "a1", &"z".repeat(63)] {
            assert_eq!(Typed::of(text), None, "{text}");
        }
    }
}
