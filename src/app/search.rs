//! Finding things by what people type: codes, names, pinyin, addresses, positions.

use super::addresses::{Candidate, MatchKind};
use super::lookup::Place;
use super::view::{View, Within};
use crate::city::{Case, Facility};
use crate::domain::category::Category;
use crate::domain::id::{CaseId, Unit};
use crate::domain::pinyin::Typed;
use crate::geom::{LatticePoint, LonLat, beidou};
use crate::territory::search::{Fit, Named};

/// Something found.
#[derive(Debug, Clone)]
pub enum Hit<'v> {
    /// A region or grid.
    Named(Named),
    /// A facility.
    Facility(&'v Facility),
    /// An open case.
    Case(&'v Case),
    /// A street, and what is in its middle.
    Street(&'v str, Option<LatticePoint>, Option<Unit>),
    /// An address.
    Address(Candidate),
    /// A position, typed as `lon,lat` (WGS 84) or as a BeiDou code, and who owns it.
    Position(LonLat, Option<Place>),
}

impl View {
    /// The best `limit` finds, exact before prefix before part before pinyin; in the order of the city where equal. Cost: one look at every name.
    pub fn search(&self, text: &str, within: Option<&Within>, limit: usize) -> Vec<(Fit, Hit<'_>)> {
        let wanted = text.trim().to_lowercase();
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut hits: Vec<(Fit, Hit<'_>)> = Vec::new();
        if let Some(p) = position(&wanted) {
            let place = self.locate(LatticePoint::nearest(p)).map(|found| found.place);
            hits.push((Fit::Exact, Hit::Position(p, place)));
        }
        let allowed =
            |unit: Option<Unit>| self.sees_at(unit) && within.is_none_or(|within| unit.is_some_and(|unit| within.holds(unit)));
        let named = self.territory.search(text, limit, |named| match named {
            Named::Region(ix) => allowed(Some(Unit::Region(ix))),
            Named::Grid(ix) => allowed(Some(Unit::Grid(ix))),
        });
        hits.extend(named.into_iter().map(|hit| (hit.fit, Hit::Named(hit.named))));
        let case_id = wanted.strip_prefix('#').unwrap_or(&wanted).parse().ok().map(CaseId);
        for case in self.city.cases.iter() {
            let record = &case.record;
            let by_id = (case_id == Some(record.id)).then_some(Fit::Exact);
            let by_name = || {
                // By what is not shown nothing is found.
                let address = self.text(record.address_text.as_deref().unwrap_or_default());
                fit(&wanted, [record.external_id.as_deref().unwrap_or_default(), &address])
            };
            if let Some(fit) = by_id.or_else(by_name).filter(|_| allowed(self.unit_of(case))) {
                hits.push((fit, Hit::Case(case)));
            }
        }
        let typed = Typed::of(&wanted);
        self.addresses_like(text, &wanted, typed.as_ref(), limit, &allowed, within, &mut hits);
        // Facilities are many: of each fit no more are kept than could be shown.
        let mut kept = [0_usize; Fit::COUNT];
        for row in self.city.facilities.iter() {
            let by_letters = fit(&wanted, [row.code.as_deref().unwrap_or_default(), &row.name]);
            let by_sound = || typed.as_ref()?.fit(&row.name).map(Fit::from);
            let Some(fit) = by_letters.or_else(by_sound) else { continue };
            if kept[fit as usize] < limit && self.sees_category(row.category) && allowed(self.leaf_of(row)) {
                kept[fit as usize] += 1;
                hits.push((fit, Hit::Facility(row)));
            }
        }
        hits.sort_by_key(|(fit, _)| *fit);
        hits.truncate(limit);
        hits
    }

    /// Addresses that a text leads to, and streets of that name.
    #[expect(clippy::too_many_arguments, reason = "what a search has worked out so far")]
    fn addresses_like<'v>(
        &'v self,
        text: &str,
        wanted: &str,
        typed: Option<&Typed>,
        limit: usize,
        allowed: &impl Fn(Option<Unit>) -> bool,
        within: Option<&Within>,
        hits: &mut Vec<(Fit, Hit<'v>)>,
    ) {
        if self.city.addresses.is_empty() {
            return;
        }
        let known = |kind: MatchKind| !matches!(kind, MatchKind::Road | MatchKind::Region);
        for found in self.find_address(text, within, limit).candidates.into_iter().filter(|found| known(found.kind)) {
            let fit = if found.score == 1.0 { Fit::Exact } else { Fit::Prefix };
            hits.push((fit, Hit::Address(found)));
        }
        let mut kept = [0_usize; Fit::COUNT];
        for (name, at) in self.city.addresses.streets() {
            let by_sound = || typed?.fit(name).map(Fit::from);
            let Some(fit) = fit(wanted, [name, ""]).or_else(by_sound) else { continue };
            if kept[fit as usize] < limit {
                let unit = at.and_then(|at| self.territory.leaf_at(at));
                if allowed(unit) {
                    kept[fit as usize] += 1;
                    hits.push((fit, Hit::Street(name, at, unit)));
                }
            }
        }
    }

    /// The category of a facility.
    pub fn category_of(&self, row: &Facility) -> &Category {
        &self.city.about.profile.categories[usize::from(row.category)]
    }
}

/// How well a lower-case text fits the better of two names.
fn fit(wanted: &str, names: [&str; 2]) -> Option<Fit> {
    names.into_iter().filter_map(|name| fit_one(wanted, name)).min()
}

fn fit_one(wanted: &str, name: &str) -> Option<Fit> {
    // Codes and Chinese names have no upper case, so the copy is rarely needed.
    let folded;
    let name = if name.chars().any(char::is_uppercase) {
        folded = name.to_lowercase();
        folded.as_str()
    } else {
        name
    };
    match name.find(wanted)? {
        0 if name.len() == wanted.len() => Some(Fit::Exact),
        0 => Some(Fit::Prefix),
        _ => Some(Fit::Part),
    }
}

/// `lon,lat` with at least one decimal point (WGS 84), or the centre of a BeiDou cell.
fn position(text: &str) -> Option<LonLat> {
    let numbers = || {
        let (lon, lat) = text.split_once([',', '，'])?;
        let number = |part: &str| part.trim().parse::<f64>().ok();
        text.contains('.').then_some(())?;
        LonLat::new(number(lon)?, number(lat)?).ok()
    };
    let cell = || {
        let cell = beidou::decode(text).ok()?;
        LonLat::new((cell.west + cell.east) / 2.0, (cell.south + cell.north) / 2.0).ok()
    };
    numbers().or_else(cell)
}
