//! Finding regions and grids by code and name. All texts lie in one buffer, so a search is one pass over it.

use super::{Grid, Region, Territory};
use crate::domain::id::{GridIx, RegionIx};
use crate::domain::pinyin::{PinyinFit, Typed};

/// A region or a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Named {
    /// A region.
    Region(RegionIx),
    /// A grid.
    Grid(GridIx),
}

/// How well something fits. Better ones are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// The whole code or name.
    Exact,
    /// It begins so.
    Prefix,
    /// It contains it.
    Part,
    /// The whole name by pinyin or initials.
    Pinyin,
    /// It begins so, by pinyin.
    PinyinPrefix,
    /// It contains it, by pinyin.
    PinyinPart,
}

impl Fit {
    /// How many there are.
    pub const COUNT: usize = 6;
}

impl From<PinyinFit> for Fit {
    fn from(fit: PinyinFit) -> Self {
        match fit {
            PinyinFit::Whole => Self::Pinyin,
            PinyinFit::Prefix => Self::PinyinPrefix,
            PinyinFit::Part => Self::PinyinPart,
        }
    }
}

/// Something found. Homonyms are told apart by its level and parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// What.
    pub named: Named,
    /// How well.
    pub fit: Fit,
}

/// Codes and names, folded, in depth-first order: regions, then grids.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// For each: END, code, END, name, END.
    text: String,
    /// Where each begins.
    starts: Vec<u32>,
    /// Number of regions.
    regions: usize,
}

/// Ends a text. Stands in no code and in no name, since names are folded.
const END: char = '\0';

impl Names {
    pub(super) fn of(regions: &[Region], grids: &[Grid]) -> Self {
        let mut names = Self { regions: regions.len(), ..Self::default() };
        let regions = regions.iter().map(|region| (region.code.as_str(), region.name.as_str()));
        for (code, name) in regions.chain(grids.iter().map(|grid| (grid.code.as_str(), grid.name.as_str()))) {
            names.starts.push(u32::try_from(names.text.len()).expect("the names of a city are less than 4 GB"));
            names.text.push(END);
            for text in [code, name] {
                names.text.extend(folded(text));
                names.text.push(END);
            }
        }
        names
    }

    fn named(&self, at: usize) -> Named {
        if at < self.regions { Named::Region(RegionIx(at as u32)) } else { Named::Grid(GridIx((at - self.regions) as u32)) }
    }

    /// Everything that contains `wanted`, each once with its best fit, in order.
    fn finds<'n>(&'n self, wanted: &'n str) -> impl Iterator<Item = Hit> + 'n {
        let mut place = 0;
        std::iter::from_fn(move || {
            let found = place + self.text[place..].find(wanted)?;
            let at = self.starts.partition_point(|start| *start as usize <= found) - 1;
            let end = self.starts.get(at + 1).map_or(self.text.len(), |next| *next as usize);
            place = end;
            let fits = self.text[found..end].match_indices(wanted).map(|(offset, _)| self.fit(found + offset, wanted.len()));
            Some(Hit { named: self.named(at), fit: fits.min().unwrap_or(Fit::Part) })
        })
    }

    /// Everything whose name is pronounced like what was typed and does not contain it, in order.
    fn sounds<'n>(&'n self, wanted: &'n str, typed: &'n Typed) -> impl Iterator<Item = Hit> + 'n {
        (0..self.starts.len()).filter_map(move |at| {
            let end = self.starts.get(at + 1).map_or(self.text.len(), |next| *next as usize);
            let both = &self.text[self.starts[at] as usize..end];
            let name = both.split(END).nth(2)?;
            let fit = typed.fit(name).filter(|_| !both.contains(wanted))?;
            Some(Hit { named: self.named(at), fit: fit.into() })
        })
    }

    fn fit(&self, from: usize, length: usize) -> Fit {
        match (self.text[..from].ends_with(END), self.text[from + length..].starts_with(END)) {
            (true, true) => Fit::Exact,
            (true, false) => Fit::Prefix,
            (false, _) => Fit::Part,
        }
    }
}

/// As it is compared: without case, full-width letters and digits as plain ones, without control characters.
fn folded(text: &str) -> impl Iterator<Item = char> {
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    };
    text.trim().chars().map(plain).filter(|c| !c.is_control()).flat_map(char::to_lowercase)
}

impl Territory {
    /// Regions and grids by code, name or pinyin: exact before prefix before part before pinyin, upper levels before lower ones, then depth-first. At most `limit`
    /// of those that `allowed` lets pass. An empty text finds nothing.
    pub fn search(&self, text: &str, limit: usize, allowed: impl Fn(Named) -> bool) -> Vec<Hit> {
        let wanted: String = folded(text).collect();
        if wanted.is_empty() || limit == 0 {
            return Vec::new();
        }
        let levels = self.scheme.levels().len();
        let level = |named: Named| match named {
            Named::Region(ix) => self.region(ix).level,
            Named::Grid(_) => self.scheme.grid_level(),
        };
        // Of each fit and level no more are kept than can be shown.
        let mut kept: Vec<Vec<Hit>> = vec![Vec::new(); Fit::COUNT * levels];
        let typed = Typed::of(&wanted);
        let sounds = typed.iter().flat_map(|typed| self.names.sounds(&wanted, typed));
        for hit in self.names.finds(&wanted).chain(sounds) {
            let shelf = &mut kept[hit.fit as usize * levels + level(hit.named)];
            if shelf.len() < limit && allowed(hit.named) {
                shelf.push(hit);
            }
        }
        kept.into_iter().flatten().take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Epoch;
    use crate::domain::records::BoundarySet;
    use crate::territory::samples::{area, grid, region, square};

    fn territory() -> Territory {
        let named = |mut record: crate::domain::region::RegionRecord, name: &str| {
            record.name = name.to_owned();
            record
        };
        let mut regions = vec![
            named(region("3309", "city", None), "舟山市"),
            named(region("330902", "county", None), "定海区"),
            named(region("330902002", "township", None), "昌国街道"),
            named(region("330902002001", "community", None), "西园社区"),
            named(region("330921", "county", None), "岱山县"),
            named(region("330921100", "township", None), "高亭镇"),
            named(region("330921100001", "community", None), "西园社区"),
        ];
        regions.sort_by(|a, b| a.code.cmp(&b.code));
        let grids = [("330902002001001", "西园社区第一网格"), ("330902002001002", ""), ("330921100001001", "ＡＢ7号 Harbour")];
        let grids = grids.into_iter().enumerate().map(|(at, (code, name))| {
            let mut record = grid(code, area(&[square(at as i32 * 1000, 0, 1000)]));
            record.name = name.to_owned();
            record
        });
        let set = BoundarySet { grids: grids.collect(), regions, ..BoundarySet::default() };
        Territory::build(Epoch(1), &set).expect("a coverage")
    }

    fn found(territory: &Territory, text: &str, limit: usize) -> Vec<(Fit, String)> {
        let code = |named| match named {
            Named::Region(ix) => territory.region(ix).code.to_string(),
            Named::Grid(ix) => territory.grid(ix).code.to_string(),
        };
        territory.search(text, limit, |_| true).into_iter().map(|hit| (hit.fit, code(hit.named))).collect()
    }

    #[test]
    fn exact_comes_before_prefix_before_part() {
        let territory = territory();
        let hits = found(&territory, "330902002001", 10);
        let expected = [(Fit::Exact, "330902002001"), (Fit::Prefix, "330902002001001"), (Fit::Prefix, "330902002001002")];
        assert_eq!(hits, expected.map(|(fit, code)| (fit, code.to_owned())));
        let hits = found(&territory, "山", 10);
        assert_eq!(hits, [(Fit::Part, "3309".to_owned()), (Fit::Part, "330921".to_owned())]);
        assert_eq!(found(&territory, "定海", 1), [(Fit::Prefix, "330902".to_owned())]);
    }

    #[test]
    fn homonyms_are_all_found_and_differ_by_parent() {
        let territory = territory();
        let hits = territory.search("西园社区", 2, |_| true);
        assert!(hits.iter().all(|hit| hit.fit == Fit::Exact));
        let parents: Vec<_> = hits
            .iter()
            .map(|hit| match hit.named {
                Named::Region(ix) => territory.region(ix).parent.map(|ix| territory.region(ix).name.as_str()),
                Named::Grid(_) => None,
            })
            .collect();
        assert_eq!(parents, [Some("昌国街道"), Some("高亭镇")]);
    }

    #[test]
    fn case_and_width_make_no_difference() {
        let territory = territory();
        for text in ["ab7号", "ＡＢ７号", " Ab7号 harbour "] {
            assert_eq!(found(&territory, text, 5).len(), 1, "{text}");
        }
    }

    #[test]
    fn names_are_found_by_pinyin_and_initials_after_those_by_letters() {
        let territory = territory();
        assert_eq!(found(&territory, "zhoushanshi", 5), [(Fit::Pinyin, "3309".to_owned())]);
        assert_eq!(found(&territory, "zhou shan", 5), [(Fit::PinyinPrefix, "3309".to_owned())]);
        assert_eq!(found(&territory, "zss", 5)[0], (Fit::Pinyin, "3309".to_owned()));
        assert_eq!(found(&territory, "xiyuan", 5).len(), 3, "two communities and a grid");
        assert_eq!(found(&territory, "ab", 5), [(Fit::Prefix, "330921100001001".to_owned())]);
    }

    #[test]
    fn upper_levels_are_not_crowded_out_and_the_limit_holds() {
        let territory = territory();
        let codes: Vec<String> = found(&territory, "33", 3).into_iter().map(|(_, code)| code).collect();
        assert_eq!(codes, ["3309", "330902", "330921"]);
        assert!(
            found(&territory, "", 5).is_empty()
                && found(&territory, "\0", 5).is_empty()
                && found(&territory, "nowhere", 5).is_empty()
        );
        let only_grids = territory.search("33", 10, |named| matches!(named, Named::Grid(_)));
        assert_eq!(only_grids.len(), 3);
    }
}
