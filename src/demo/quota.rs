//! How many grids each community gets: the counts of the preset, shared out exactly.

use super::random::Random;
use super::sources::{Atlas, Named, Township};

/// What a preset asks for. Counts are exact.
#[derive(Debug, Clone)]
pub(super) struct Quota {
    pub(super) atlas: Atlas,
    /// Every community is a town's.
    pub(super) all_urban: bool,
    pub(super) townships: Vec<&'static str>,
    /// Communities taken of each township, by code.
    pub(super) communities_each: usize,
    /// Islands by number; empty: all.
    pub(super) islands: Vec<u32>,
    pub(super) grids: usize,
    /// Grids among them that are urban: 200–300 households; the others 100–150.
    pub(super) urban_grids: usize,
    pub(super) households: u32,
    pub(super) facilities: usize,
    pub(super) cases: usize,
}

/// A community and its share.
#[derive(Debug, Clone)]
pub(super) struct CommunityQuota {
    pub(super) code: &'static str,
    /// `西安社区`, `茅岭村`.
    pub(super) name: &'static str,
    pub(super) urban: bool,
    pub(super) grids: usize,
}

/// A township, its communities and its share.
#[derive(Debug, Clone)]
pub(super) struct TownshipQuota {
    pub(super) township: Township,
    pub(super) communities: Vec<CommunityQuota>,
}

impl TownshipQuota {
    pub(super) fn county(&self) -> &'static str {
        &self.township.code[..6]
    }

    /// Grids of its urban, or of its rural communities.
    pub(super) fn grids(&self, urban: bool) -> usize {
        self.communities.iter().filter(|community| community.urban == urban).map(|community| community.grids).sum()
    }
}

/// `total` shared out in proportion to `weights`, each part at least `least` (as far as there is enough), by largest remainder.
pub(super) fn shares(total: usize, weights: &[f64], least: usize) -> Vec<usize> {
    let least = if total >= least * weights.len() { least } else { 0 };
    let spare = (total - least * weights.len()) as f64;
    let sum: f64 = weights.iter().sum();
    let exact: Vec<f64> = weights.iter().map(|weight| spare * weight / sum).collect();
    let mut parts: Vec<usize> = exact.iter().map(|part| least + *part as usize).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()).then(a.cmp(b)));
    let missing = total.saturating_sub(parts.iter().sum());
    for at in by_remainder.into_iter().cycle().take(missing) {
        parts[at] += 1;
    }
    parts
}

/// A residents' committee of a township that has at least this many of them is urban; elsewhere it is a small town's.
const URBAN_COMMITTEES: usize = 4;
/// 桃花镇 had forty grids.
const KNOWN_GRIDS: [(&str, usize); 1] = [("330903104", 40)];

fn is_committee(community: &Named) -> bool {
    community.name.ends_with("居委会")
}

fn short(name: &'static str) -> &'static str {
    let name = name.strip_suffix("居委会").or_else(|| name.strip_suffix("委会")).unwrap_or(name);
    // 王家墩村村委会 → 王家墩村, 茅岭村委会 → 茅岭村
    name.strip_suffix("村").filter(|rest| rest.ends_with('村')).unwrap_or(name)
}

impl Quota {
    /// Townships with their communities and grids.
    pub(super) fn townships(&self, seed: u64) -> Vec<TownshipQuota> {
        let communities = self.atlas.communities();
        let mut random = Random::new(seed, "quota");
        let mut townships: Vec<TownshipQuota> = self
            .atlas
            .townships()
            .into_iter()
            .filter(|township| self.townships.is_empty() || self.townships.contains(&township.code))
            .map(|township| {
                let own: Vec<&Named> = communities.iter().filter(|community| community.code.starts_with(township.code)).collect();
                let urban = own.iter().filter(|community| is_committee(community)).count() >= URBAN_COMMITTEES;
                let communities = own
                    .into_iter()
                    .take(self.communities_each)
                    .map(|community| CommunityQuota {
                        code: community.code,
                        name: short(community.name),
                        urban: self.all_urban || (urban && is_committee(community)),
                        grids: 0,
                    })
                    .collect();
                TownshipQuota { township, communities }
            })
            .collect();
        for urban in [true, false] {
            let mut total = if urban { self.urban_grids } else { self.grids - self.urban_grids };
            let mut open = Vec::new();
            for township in &mut townships {
                let known = KNOWN_GRIDS.iter().find(|(code, _)| *code == township.township.code);
                match known {
                    Some((_, grids)) if !urban => {
                        let parts = shares(*grids, &vec![1.0; township.communities.len()], 1);
                        township.communities.iter_mut().zip(parts).for_each(|(community, part)| community.grids = part);
                        total -= grids;
                    }
                    _ => open.extend(township.communities.iter_mut().filter(|community| community.urban == urban)),
                }
            }
            let weights: Vec<f64> = open.iter().map(|_| random.between(0.7, 1.3)).collect();
            open.into_iter().zip(shares(total, &weights, 1)).for_each(|(community, part)| community.grids = part);
        }
        townships
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_none_is_empty() {
        for total in [5, 6, 99, 1234] {
            let parts = shares(total, &[0.1, 3.0, 1.0, 1.0, 0.0], 1);
            assert_eq!(parts.iter().sum::<usize>(), total);
            assert!(parts.iter().all(|part| *part >= 1));
        }
    }

    #[test]
    fn committees_lose_their_office_but_keep_their_village() {
        let names = ["西安社区居委会", "茅岭村委会", "王家墩村村委会", "莲兴社区村委会", "定海海科城社区"];
        assert_eq!(names.map(short), ["西安社区", "茅岭村", "王家墩村", "莲兴社区村", "定海海科城社区"]);
    }
}
