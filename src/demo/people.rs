//! Who lives and works in the grids: households as counts, and staff with invented names and telephones that cannot ring.

use super::parcels::Parcel;
use super::quota::{TownshipQuota, shares};
use super::random::Random;
use crate::domain::code::Code;
use crate::domain::records::Provenance;
use crate::domain::staff::{StaffRecord, StaffRole};

/// Households of a grid: the fewest, the usual, the deviation, the most.
const URBAN_HOUSEHOLDS: (u32, f64, f64, u32) = (200, 250.0, 25.0, 300);
const RURAL_HOUSEHOLDS: (u32, f64, f64, u32) = (100, 125.0, 15.0, 150);

/// Households of each parcel; their sum is `total`.
pub(super) fn households(parcels: &[Parcel], townships: &[TownshipQuota], total: u32, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed, "households");
    let ranges: Vec<(u32, f64, f64, u32)> = parcels
        .iter()
        .map(|p| if townships[p.township].communities[p.community].urban { URBAN_HOUSEHOLDS } else { RURAL_HOUSEHOLDS })
        .collect();
    let mut counts: Vec<u32> =
        ranges.iter().map(|(least, mean, by, most)| ((mean + by * random.bell()).round() as u32).clamp(*least, *most)).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    random.shuffle(&mut order);
    // One household here or there until the sum is right; ranges hold as long as the sum lies between theirs.
    let mut off = i64::from(total) - counts.iter().map(|count| i64::from(*count)).sum::<i64>();
    while off != 0 {
        let before = off;
        for &at in &order {
            let (least, _, _, most) = ranges[at];
            if off > 0 && counts[at] < most {
                counts[at] += 1;
                off -= 1;
            } else if off < 0 && counts[at] > least {
                counts[at] -= 1;
                off += 1;
            }
        }
        assert!(off != before, "the preset's households fit its grids");
    }
    counts
}

/// Residents of a grid with so many households.
pub(super) fn residents(households: u32, random: &mut Random) -> u32 {
    (f64::from(households) * random.between(2.2, 2.9)).round() as u32
}

/// Staff by who employs them. Counts are exact.
#[derive(Debug, Clone, Copy)]
pub(super) struct StaffQuota {
    pub(super) county: usize,
    pub(super) township: usize,
    pub(super) community: usize,
    pub(super) others: usize,
    /// What the first of the others is in each grid.
    pub(super) first: StaffRole,
}

const SURNAMES: &str = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段曹钱汤尹黎易常武乔贺赖龚文";
const GIVEN: &str =
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华建国海燕波宁浩宇轩子涵雨晨欣怡佳琪嘉文思源舟帆岚渔澜汐潮岛礁屿珊瑚";

fn name(random: &mut Random) -> String {
    let surnames: Vec<char> = SURNAMES.chars().collect();
    let given: Vec<char> = GIVEN.chars().collect();
    let mut name = String::from(*random.pick(&surnames));
    for _ in 0..if random.chance(0.72) { 2 } else { 1 } {
        name.push(*random.pick(&given));
    }
    name
}

struct Roll<'a> {
    random: Random,
    townships: &'a [TownshipQuota],
    staff: Vec<StaffRecord>,
}

impl Roll<'_> {
    /// `level` is the letter of the employer: 县 C, 镇街 T, 社区 S, others O.
    fn add(&mut self, level: char, role: StaffRole, assigned: &Code, organization: String) {
        let number = self.staff.len() + 1;
        self.staff.push(StaffRecord {
            id: format!("{level}{number:05}"),
            name: name(&mut self.random),
            role,
            assigned: assigned.clone(),
            // No area code 000 exists.
            phone: Some(format!("000-{number:08}")),
            organization: Some(organization),
            provenance: Provenance { source: Some(super::SOURCE.to_owned()), ..Provenance::default() },
        });
    }

    fn township(&self, at: usize) -> (Code, &'static str) {
        let township = &self.townships[at].township;
        (Code::new(township.code).expect("shipped codes are codes"), township.name)
    }

    fn community(&self, township: usize, community: usize) -> (Code, &'static str) {
        let community = &self.townships[township].communities[community];
        (Code::new(community.code).expect("shipped codes are codes"), community.name)
    }
}

/// Teams. Every grid has a leader (where grids have one person each: an officer) and, as far as the counts allow, an officer, cadres of township and community, a medic, a teacher
/// and volunteers; police and collectors serve communities.
pub(super) fn staff(
    parcels: &[Parcel],
    grids: &[Code],
    townships: &[TownshipQuota],
    quota: StaffQuota,
    police: &[Code],
    seed: u64,
) -> Vec<StaffRecord> {
    let mut roll = Roll { random: Random::new(seed, "staff"), townships, staff: Vec::new() };
    let communities: Vec<(usize, usize)> =
        (0..townships.len()).flat_map(|t| (0..townships[t].communities.len()).map(move |c| (t, c))).collect();

    for (at, role) in
        (0..quota.county).map(|at| (at, if at < communities.len() { StaffRole::Police } else { StaffRole::Collector }))
    {
        let (t, c) = communities[at % communities.len()];
        let county = super::county_name(townships[t].county());
        let body = if role == StaffRole::Police { "公安分局" } else { "综合执法局" };
        roll.add('C', role, &roll.community(t, c).0, format!("{county}{body}"));
    }
    for at in 0..quota.township {
        // One for each grid, the others serve whole townships.
        let (assigned, t) = match parcels.get(at).zip(grids.get(at)) {
            Some((parcel, grid)) => (grid.clone(), parcel.township),
            None => (roll.township(at % townships.len()).0, at % townships.len()),
        };
        let organization = roll.township(t).1.to_owned();
        roll.add('T', StaffRole::TownshipCadre, &assigned, organization);
    }
    // Every community has one; the others are shared out among its grids.
    for at in 0..quota.community {
        let (assigned, t, c) = match at.checked_sub(communities.len()) {
            None => (roll.community(communities[at].0, communities[at].1).0, communities[at].0, communities[at].1),
            Some(at) => {
                let parcel = at * parcels.len() / (quota.community - communities.len());
                (grids[parcel].clone(), parcels[parcel].township, parcels[parcel].community)
            }
        };
        let organization = roll.community(t, c).1.to_owned();
        roll.add('S', StaffRole::CommunityCadre, &assigned, organization);
    }
    // A leader each, then an officer each, then helpers in turn; what is left over is spread evenly.
    let helpers =
        [StaffRole::Medic, StaffRole::Teacher, StaffRole::Volunteer, StaffRole::PartyGroupLeader, StaffRole::BuildingLeader];
    let rounds = shares(quota.others, &vec![1.0; parcels.len()], 0);
    for (at, count) in rounds.into_iter().enumerate() {
        let (t, c) = (parcels[at].township, parcels[at].community);
        for round in 0..count {
            let (role, body) = match round {
                0 => (quota.first, roll.community(t, c).1.to_owned()),
                1 => (StaffRole::GridOfficer, roll.community(t, c).1.to_owned()),
                _ => {
                    let role = helpers[(at + round) % helpers.len()];
                    let body = match role {
                        StaffRole::Medic => "卫生院",
                        StaffRole::Teacher => "中心学校",
                        _ => "志愿服务队",
                    };
                    (role, format!("{}{body}", roll.township(t).1))
                }
            };
            roll.add('O', role, &grids[at], body);
        }
    }
    // One for each police grid; its code begins with that of its county.
    for grid in police {
        let county = super::county_name(grid.as_str().get(..6).unwrap_or_default());
        roll.add('P', StaffRole::Police, grid, format!("{county}公安分局"));
    }
    roll.staff
}
