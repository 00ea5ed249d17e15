//! Open cases: sources, categories, hot spots and times in the proportions of DOMAIN 6.1, told relative to a given instant.

use super::furniture::Streets;
use super::parcels::Parcel;
use super::quota::TownshipQuota;
use super::random::Random;
use crate::domain::address::AddressRecord;
use crate::domain::case::{CaseRecord, CaseState, Located};
use crate::domain::code::Code;
use crate::domain::id::Version;
use crate::domain::records::Provenance;
use crate::territory::Territory;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// A kind of matter (GB/T 47678.5), how often among a thousand, the limit in hours, and what is written about it.
struct Matter {
    code: &'static str,
    share: f64,
    limit_h: i64,
    texts: [&'static str; 2],
}

const fn matter(code: &'static str, share: f64, limit_h: i64, texts: [&'static str; 2]) -> Matter {
    Matter { code, share, limit_h, texts }
}

/// The ten most frequent matters 65 %, faults of components 20 %, others 15 %.
const MATTERS: [Matter; 27] = [
    matter("06010", 120.0, 4, ["路边暴露垃圾一处", "绿化带内有生活垃圾"]),
    matter("06011", 60.0, 24, ["建筑垃圾堆放未清运", "空地积存渣土"]),
    matter("06012", 80.0, 6, ["路面有油污", "道路积泥未清扫"]),
    matter("06017", 50.0, 24, ["绿地内杂物较多", "绿地枯枝落叶堆积"]),
    matter("06036", 90.0, 8, ["楼道口堆放杂物", "沿街堆放木板"]),
    matter("06042", 70.0, 4, ["垃圾箱满溢", "垃圾收集点满溢有异味"]),
    matter("06045", 30.0, 72, ["绿地内种菜", "绿地被占用停车"]),
    matter("07003", 40.0, 24, ["违规悬挂横幅", "灯箱广告占道"]),
    matter("09005", 60.0, 4, ["店外摆放货品", "水产店出店经营"]),
    matter("09006", 50.0, 4, ["流动摊点占道", "占道修车"]),
    matter("01002", 25.0, 6, ["污水井盖松动", "污水井盖破损"]),
    matter("01003", 25.0, 6, ["雨水井盖缺失，已设围挡", "雨水井盖异响"]),
    matter("01004", 25.0, 24, ["雨水箅子堵塞", "雨水箅子断裂"]),
    matter("01007", 15.0, 24, ["通信井盖下沉", "通信井盖破损"]),
    matter("01013", 10.0, 12, ["消火栓漏水", "消火栓被遮挡"]),
    matter("01037", 45.0, 24, ["路灯不亮", "连续三盏路灯不亮"]),
    matter("01050", 10.0, 24, ["监控杆倾斜", "监控镜头被树枝遮挡"]),
    matter("02010", 15.0, 48, ["交通标志牌倾斜", "标线磨损"]),
    matter("03005", 15.0, 24, ["垃圾箱箱体破损", "垃圾箱缺盖"]),
    matter("04002", 15.0, 48, ["行道树枝条下垂", "行道树倾斜"]),
    matter("06001", 15.0, 168, ["屋顶搭建彩钢棚", "院内搭建棚屋"]),
    matter("06013", 30.0, 72, ["路面坑洼", "人行道板松动"]),
    matter("07001", 25.0, 24, ["电杆上有小广告", "墙面喷涂小广告"]),
    matter("08004", 15.0, 12, ["工地未洒水，扬尘明显", "裸土未覆盖"]),
    matter("09009", 35.0, 2, ["机动车占用人行道", "路口违停"]),
    matter("09012", 15.0, 2, ["消防通道被占用", "消防车道停放车辆"]),
    matter("10002", 15.0, 4, ["线缆下垂", "架空线缆脱落至路面"]),
];

const CHANNELS: [(&str, f64); 5] = [("collector", 70.0), ("hotline", 15.0), ("video", 8.0), ("public", 5.0), ("transfer", 2.0)];

/// States of cases that are not new.
const STATES: [(CaseState, f64); 10] = [
    (CaseState::Verifying, 6.0),
    (CaseState::Accepted, 8.0),
    (CaseState::Filed, 8.0),
    (CaseState::Dispatched, 28.0),
    (CaseState::Handling, 34.5),
    (CaseState::Feedback, 5.0),
    (CaseState::Checking, 6.0),
    (CaseState::Rework, 2.5),
    (CaseState::Returned, 1.5),
    (CaseState::Suspended, 0.5),
];

/// Shares of the open cases: overdue, due within the hour, due within the day. The others are due within a month, so that a city that is
/// shown for days does not turn red: of 600 cases 19 pass their time a day. (What is due at once is closed at once; what stays open is
/// what takes long.)
const OVERDUE: f64 = 0.035;
const SOON: f64 = 0.02;
const TODAY: f64 = 0.04;
const MONTH_H: f64 = 30.0 * 24.0;
/// Ages of cases that are not pressing: up to so many hours, this share.
const AGES: [((f64, f64), f64); 3] = [((0.05, 24.0), 0.4), ((24.0, 72.0), 0.35), ((72.0, 240.0), 0.25)];
/// A case reported within so many hours is new with this chance; an older one never is.
const NEW_H: i64 = 2;
const NEW: f64 = 0.6;
const UNLOCATED: f64 = 0.03;
const BY_ADDRESS: f64 = 0.02;
const URGENT: f64 = 0.04;
/// Hot spots: this share of grids holds that share of cases.
const HOT_GRIDS: f64 = 0.2;
const HOT_CASES: f64 = 0.6;

/// How many are reported in each hour of a day in China (UTC+8), relative to the busiest; half past nothing is invented.
const BY_HOUR: [f64; 24] = [
    0.04, 0.03, 0.02, 0.02, 0.03, 0.08, 0.2, 0.45, 0.75, 1.0, 1.0, 0.7, 0.4, 0.55, 0.75, 1.0, 0.95, 0.6, 0.4, 0.3, 0.22, 0.15,
    0.1, 0.06,
];
const WEEKEND: f64 = 0.6;

/// Where cases can happen.
pub(super) struct Scene<'a> {
    pub(super) streets: &'a Streets<'a>,
    pub(super) parcels: &'a [Parcel],
    pub(super) grids: &'a [Code],
    pub(super) townships: &'a [TownshipQuota],
    pub(super) addresses: &'a [AddressRecord],
}

impl Scene<'_> {
    /// The houses of each parcel that has any: what somebody says who reports from there.
    fn houses(&self, territory: &Territory) -> BTreeMap<usize, Vec<&AddressRecord>> {
        let parcels: HashMap<&str, usize> = self.grids.iter().map(|code| code.as_str()).zip(0..).collect();
        let mut houses: BTreeMap<usize, Vec<&AddressRecord>> = BTreeMap::new();
        for address in self.addresses.iter().filter(|address| !address.text.ends_with('室')) {
            let grid = address.at.and_then(|at| territory.grid_at(at)).map(|ix| territory.grid(ix).code.as_str());
            if let Some(parcel) = grid.and_then(|grid| parcels.get(grid)) {
                houses.entry(*parcel).or_default().push(address);
            }
        }
        houses
    }
}

/// What people say behind a house, and before it.
const AROUND: [(&str, &str); 5] = [("", "附近"), ("", "旁边"), ("", "门口"), ("我家住在", ""), ("", "")];

/// `total` open cases as they stand at `now`.
pub(super) fn cases(scene: &Scene<'_>, territory: &Territory, total: usize, now: Timestamp, seed: u64) -> Vec<CaseRecord> {
    let mut random = Random::new(seed, "cases");
    let houses = scene.houses(territory);
    let with_houses: Vec<usize> = houses.keys().copied().collect();
    let mut spots: Vec<usize> = (0..scene.parcels.len()).collect();
    let heat: Vec<f64> = scene.parcels.iter().map(|parcel| random.unit() + 0.7 * scene.streets.urban(parcel)).collect();
    spots.sort_by(|a, b| heat[*b].total_cmp(&heat[*a]));
    let hot = ((spots.len() as f64 * HOT_GRIDS) as usize).max(1);
    // Exact counts of what a viewer must be able to rely on; who they are is left to chance.
    let count = |share: f64| ((total as f64 * share).round() as usize).max(1);
    let mut roles: Vec<usize> = (0..total).collect();
    random.shuffle(&mut roles);
    let (overdue, soon) = (count(OVERDUE), count(OVERDUE) + count(SOON));
    let today = soon + count(TODAY);
    let region = soon + count(UNLOCATED);
    let address = region + count(BY_ADDRESS);
    let mut cases: Vec<CaseRecord> = roles
        .into_iter()
        .map(|role| {
            let matter = &MATTERS[random.weighted(&MATTERS.map(|matter| matter.share))];
            let (reported_at, due_at) = if role < today {
                let hours = match role {
                    _ if role < overdue => (-26.0, -0.2),
                    _ if role < soon => (0.1, 1.0),
                    _ => (1.1, 24.0),
                };
                limited(matter.limit_h, hours, now, &mut random)
            } else {
                let age = AGES[random.weighted(&AGES.map(|(_, share)| share))].0;
                let reported_at = busily(now, (-age.1, -age.0), &mut random);
                (reported_at, later(now, random.between(24.0, MONTH_H)))
            };
            let is_new = now.duration_since(reported_at) < SignedDuration::from_hours(NEW_H) && random.chance(NEW);
            let state = match STATES[random.weighted(&STATES.map(|(_, share)| share))].0 {
                _ if is_new => CaseState::Reported,
                CaseState::Suspended if role < today => CaseState::Handling,
                state => state,
            };
            let at =
                if random.chance(HOT_CASES) { spots[random.below(hot)] } else { spots[hot + random.below(spots.len() - hot)] };
            let located = match role {
                _ if role < soon => Located::Exact,
                _ if role < region => Located::Region,
                _ if role < address && !houses.is_empty() => Located::Address,
                _ => Located::Exact,
            };
            let channel = if located == Located::Exact {
                CHANNELS[random.weighted(&CHANNELS.map(|(_, share)| share))].0
            } else {
                "hotline"
            };
            let has_place = located != Located::Region;
            let at = if located != Located::Address || houses.contains_key(&at) { at } else { *random.pick(&with_houses) };
            let parcel = &scene.parcels[at];
            let township = &scene.townships[parcel.township];
            let community = &township.communities[parcel.community];
            let spot = scene.streets.spot(at, &mut random).lattice();
            let (position, address_text) = match located {
                Located::Address => {
                    let house = random.pick(&houses[&at]);
                    let (before, behind) = random.pick(&AROUND);
                    // Nobody says the city to the city's own hotline.
                    let text = house.text.find(township.township.name).map_or(&house.text[..], |from| &house.text[from..]);
                    (house.at.unwrap_or(spot), Some(format!("{before}{text}{behind}")))
                }
                Located::Region => (spot, Some(format!("{}{}附近", township.township.name, community.name))),
                _ => (spot, None),
            };
            CaseRecord {
                state,
                text: (*random.pick(&matter.texts)).to_owned(),
                channel: channel.to_owned(),
                urgent: random.chance(URGENT),
                due_at: (state != CaseState::Suspended).then_some(due_at),
                overdue: due_at <= now,
                located,
                at: has_place.then_some(position),
                within: (!has_place).then(|| Code::new(community.code).expect("shipped codes are codes")),
                address_text,
                grid: has_place.then(|| scene.grids[at].clone()),
                source_system: Some("demo".to_owned()),
                version: Version(1),
                provenance: Provenance { source: Some(super::SOURCE.to_owned()), ..Provenance::default() },
                ..CaseRecord::reported(matter.code, reported_at)
            }
        })
        .collect();
    cases.sort_by_key(|case| case.reported_at);
    for (at, case) in cases.iter_mut().enumerate() {
        case.external_id = Some(format!("D{:05}", at + 1));
    }
    cases
}

/// When a case with a limit was reported and is due, such that it is due so many `hours` (from, to) after `now`.
fn limited(limit_h: i64, hours: (f64, f64), now: Timestamp, random: &mut Random) -> (Timestamp, Timestamp) {
    let limit = SignedDuration::from_hours(limit_h);
    let reported_at = busily(now - limit, hours, random);
    // Nothing is reported before it happened; a limit that would end before the wanted time was prolonged once.
    let reported_at = reported_at.min(now - SignedDuration::from_mins(2));
    (reported_at, (reported_at + limit).max(later(now, hours.0)))
}

/// An instant so many `hours` (from, to) after another, when people are about.
fn busily(after: Timestamp, hours: (f64, f64), random: &mut Random) -> Timestamp {
    let mut at = after;
    for _ in 0..60 {
        at = later(after, random.between(hours.0, hours.1));
        if random.chance(busy(at)) {
            break;
        }
    }
    at
}

/// So many hours after an instant, to the minute.
fn later(at: Timestamp, hours: f64) -> Timestamp {
    at + SignedDuration::from_mins((hours * 60.0) as i64)
}

/// How busy an instant is, 0 to 1.
fn busy(at: Timestamp) -> f64 {
    let local_s = at.as_second() + 8 * 3600;
    let weekday = (local_s.div_euclid(86_400) + 3).rem_euclid(7);
    let hour = local_s.rem_euclid(86_400) / 3600;
    BY_HOUR[hour as usize] * if weekday >= 5 { WEEKEND } else { 1.0 }
}
