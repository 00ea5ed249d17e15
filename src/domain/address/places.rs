//! Cities and counties of China by their names, so that an address that is elsewhere can be told from one that begins with an unknown word;
//! and the names that people use of places whose full name is long: 长阳县 for 长阳土家族自治县, 恩施州. GB/T 2260 as of 2023-06-30, see
//! geodata/README.md.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A code of GB/T 2260: four digits of a city, six of a county.
pub type PlaceCode = u32;

const LIST: &str = include_str!("../../../geodata/codes/cities_and_counties_2023.tsv");

/// Real counties whose names only say where in a town a place is. In most cities these are words and no counties.
const NO_NAMES: [&str; 9] = ["新城区", "城中区", "城东区", "城西区", "城北区", "城关区", "市中区", "市南区", "市北区"];

/// Those that live in autonomous places, as the names of these have them; some are told without 族.
const PEOPLES: [&str; 56] = [
    "蒙古",
    "回",
    "藏",
    "维吾尔",
    "苗",
    "彝",
    "壮",
    "布依",
    "朝鲜",
    "满",
    "侗",
    "瑶",
    "白",
    "土家",
    "哈尼",
    "哈萨克",
    "傣",
    "黎",
    "傈僳",
    "佤",
    "畲",
    "高山",
    "拉祜",
    "水",
    "东乡",
    "纳西",
    "景颇",
    "柯尔克孜",
    "土",
    "达斡尔",
    "仫佬",
    "羌",
    "布朗",
    "撒拉",
    "毛南",
    "仡佬",
    "锡伯",
    "阿昌",
    "普米",
    "塔吉克",
    "怒",
    "乌孜别克",
    "俄罗斯",
    "鄂温克",
    "德昂",
    "保安",
    "裕固",
    "京",
    "塔塔尔",
    "独龙",
    "鄂伦春",
    "赫哲",
    "门巴",
    "珞巴",
    "基诺",
    "各",
];
const WITHOUT_ZU: [&str; 5] = ["蒙古", "哈萨克", "柯尔克孜", "塔吉克", "锡伯"];
/// Kinds of autonomous places, and what people say instead.
const AUTONOMOUS: [(&str, &str); 3] = [("自治县", "县"), ("自治州", "州"), ("自治旗", "旗")];
/// What may follow a people in a name without being autonomous: 管城回族区, 莪山畲族乡.
const PEOPLED: [&str; 3] = ["区", "乡", "镇"];

/// Names by their first two characters, the longer first, with the codes of those that have them.
type ByStart = HashMap<[char; 2], Vec<(Box<str>, Vec<PlaceCode>)>>;

static PLACES: LazyLock<ByStart> = LazyLock::new(|| {
    let mut places = ByStart::new();
    let mut add = |name: &str, code: PlaceCode| {
        let Some(start) = start(name) else { return };
        let named = places.entry(start).or_default();
        match named.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, codes)) => codes.push(code),
            None => named.push((name.into(), vec![code])),
        }
    };
    for (code, name) in LIST.lines().filter_map(|line| line.split_once('\t')) {
        // 郊区 and 东区 name a county in some cities, and any quarter in all others; the line above the list has no number.
        let is_word = name.chars().count() == 2 && name.ends_with('区') || NO_NAMES.contains(&name);
        let Some(code) = code.parse().ok().filter(|_| !is_word) else { continue };
        add(name, code);
        if let Some(daily) = daily(name) {
            add(&daily, code);
        }
    }
    places.values_mut().for_each(|named| named.sort_by_key(|(name, _)| std::cmp::Reverse(name.len())));
    places
});

/// The city or county whose whole name, or its name in daily use, a cleaned text begins with; the codes of all that are called so.
pub fn first(text: &str) -> Option<(&str, &'static [PlaceCode])> {
    let named = PLACES.get(&start(text)?)?;
    named.iter().find(|(name, _)| text.starts_with(&**name)).map(|(name, codes)| (&text[..name.len()], &codes[..]))
}

/// The name in daily use of a place with a people in its name.
pub fn daily(name: &str) -> Option<String> {
    if let Some((bare, kind)) = AUTONOMOUS.iter().find_map(|(long, short)| Some((name.strip_suffix(long)?, *short))) {
        return Some(format!("{}{kind}", without_peoples(bare)));
    }
    let (bare, kind) = PEOPLED.iter().find_map(|kind| Some((name.strip_suffix(kind)?, *kind)))?;
    let short = if bare.ends_with('族') { without_peoples(bare) } else { bare };
    (short.len() < bare.len()).then(|| format!("{short}{kind}"))
}

/// A name without the peoples at its end: 长阳土家族 is 长阳, 秀山土家族苗族 is 秀山. Two characters are left: 东乡族 is 东乡.
pub fn without_peoples(name: &str) -> &str {
    let mut rest = name;
    loop {
        let (bare, peoples) = match rest.strip_suffix('族') {
            Some(bare) => (bare, &PEOPLES[..]),
            None => (rest, &WITHOUT_ZU[..]),
        };
        let left = peoples.iter().find_map(|people| bare.strip_suffix(people));
        match left.filter(|left| left.chars().nth(1).is_some()) {
            Some(left) => rest = left,
            None if bare.chars().nth(1).is_some() => return bare,
            None => return rest,
        }
    }
}

fn start(text: &str) -> Option<[char; 2]> {
    let mut chars = text.chars();
    Some([chars.next()?, chars.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_a_code_and_a_name_in_order() {
        let rows: Vec<(&str, &str)> = LIST.lines().skip(1).filter_map(|line| line.split_once('\t')).collect();
        assert_eq!(rows.len(), 333 + 2854);
        assert_eq!(LIST.lines().count(), rows.len() + 1);
        assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted, without repetition");
        assert!(rows.iter().all(|(code, name)| {
            matches!(code.len(), 4 | 6) && code.bytes().all(|byte| byte.is_ascii_digit()) && !name.trim().is_empty()
        }));
    }

    #[test]
    fn cities_and_counties_are_known_by_whole_names_and_those_in_daily_use() {
        for (text, name, codes) in [
            ("舟山市定海区", "舟山市", &[3309][..]),
            ("浦东新区世纪大道", "浦东新区", &[310_115]),
            ("房山区良乡", "房山区", &[110_111]),
            ("东城区王府井", "东城区", &[110_101]),
            ("长阳县", "长阳县", &[420_528]),
            ("长阳土家族自治县龙舟坪镇", "长阳土家族自治县", &[420_528]),
            ("恩施州", "恩施州", &[4228]),
            ("恩施市", "恩施市", &[422_801]),
            ("青山区", "青山区", &[150_204, 420_107]),
            ("赵县", "赵县", &[130_133]),
            ("管城区", "管城区", &[410_104]),
        ] {
            assert_eq!(first(text), Some((name, codes)), "{text}");
        }
        for text in ["郊区", "城区解放路", "新城区", "产业集聚区", "开发区", "解放路", "舟山", "区", ""] {
            assert_eq!(first(text), None, "{text}");
        }
    }

    #[test]
    fn peoples_are_left_out_of_names() {
        for (name, short) in [
            ("长阳土家族自治县", Some("长阳县")),
            ("秀山土家族苗族自治县", Some("秀山县")),
            ("恩施土家族苗族自治州", Some("恩施州")),
            ("巴音郭楞蒙古自治州", Some("巴音郭楞州")),
            ("克孜勒苏柯尔克孜自治州", Some("克孜勒苏州")),
            ("积石山保安族东乡族撒拉族自治县", Some("积石山县")),
            ("东乡族自治县", Some("东乡县")),
            ("鄂温克族自治旗", Some("鄂温克旗")),
            ("莫力达瓦达斡尔族自治旗", Some("莫力达瓦旗")),
            ("龙胜各族自治县", Some("龙胜县")),
            ("前郭尔罗斯蒙古族自治县", Some("前郭尔罗斯县")),
            ("管城回族区", Some("管城区")),
            ("莪山畲族乡", Some("莪山乡")),
            ("定海区", None),
            ("白泉镇", None),
        ] {
            assert_eq!(daily(name).as_deref(), short, "{name}");
        }
    }
}
