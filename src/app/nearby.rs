//! What is near a place, by distance.

use super::view::View;
use crate::city::{Building, Case, Facility, Organization};
use crate::domain::facility::FacilityState;
use crate::geom::disc::Disc;
use crate::geom::{LatticePoint, measure};

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// Facilities.
    pub facilities: bool,
    /// Open cases.
    pub cases: bool,
    /// Organizations.
    pub organizations: bool,
    /// Buildings.
    pub buildings: bool,
    /// Facilities of these categories (positions in the profile); empty: of any.
    pub categories: Vec<u16>,
    /// Cases of these matter categories, or major categories of two characters; empty: of any.
    pub matters: Vec<String>,
    /// Organizations of these categories; empty: of any.
    pub bodies: Vec<String>,
    /// Facilities in this state; none: in any.
    pub state: Option<FacilityState>,
}

/// Something with a place.
#[derive(Debug, Clone)]
pub enum Thing {
    /// A facility.
    Facility(Facility),
    /// An open case.
    Case(Case),
    /// An organization.
    Organization(Organization),
    /// A building.
    Building(Building),
}

/// The same, where it stands in the city.
enum Seen<'c> {
    Facility(&'c Facility),
    Case(&'c Case),
    Organization(&'c Organization),
    Building(&'c Building),
}

impl Seen<'_> {
    /// Where it comes among those that are equally far.
    fn order(&self) -> (u8, i64) {
        match self {
            Self::Facility(row) => (0, row.id.0),
            Self::Case(case) => (1, case.record.id.0),
            Self::Organization(one) => (2, one.record.id.0),
            Self::Building(one) => (3, one.record.id.0),
        }
    }

    fn taken(&self) -> Thing {
        match *self {
            Self::Facility(row) => Thing::Facility(row.clone()),
            Self::Case(case) => Thing::Case(case.clone()),
            Self::Organization(one) => Thing::Organization(one.clone()),
            Self::Building(one) => Thing::Building(one.clone()),
        }
    }
}

/// Something near.
#[derive(Debug, Clone)]
pub struct Near {
    /// What.
    pub thing: Thing,
    /// Geodesic distance in metres.
    pub distance_m: f64,
    /// The direction in which it lies, in degrees clockwise from north.
    pub bearing_deg: f64,
    /// The straight line to it leaves the covered land.
    pub across_water: bool,
}

impl View {
    /// The nearest `limit` things within a disc, and how many there are in it. Cost: all rows in the box around it, and for those
    /// that are answered the shore within it.
    pub fn nearby(&self, disc: &Disc, looked: &Looked, limit: usize) -> (usize, Vec<Near>) {
        let mut near: Vec<(f64, LatticePoint, Seen<'_>)> = Vec::new();
        let boxes = disc.boxes();
        for bbox in &boxes {
            if looked.facilities {
                let rows = self.city.facilities.in_box(*bbox).filter(|row| self.is_looked_for(looked, row) && disc.holds(row.at));
                near.extend(rows.map(|row| (0.0, row.at, Seen::Facility(row))));
            }
            if looked.cases {
                let cases = self.city.cases.in_box(*bbox).filter(|case| self.is_looked_for_case(looked, case));
                let cases = cases.filter_map(|case| case.record.at.filter(|at| disc.holds(*at)).map(|at| (case, at)));
                near.extend(cases.map(|(case, at)| (0.0, at, Seen::Case(case))));
            }
            if looked.organizations {
                let all = self.city.organizations.in_box(*bbox).filter(|one| self.is_looked_for_organization(looked, one));
                let all = all.filter_map(|one| one.record.at.filter(|at| disc.holds(*at)).map(|at| (one, at)));
                near.extend(all.map(|(one, at)| (0.0, at, Seen::Organization(one))));
            }
            if looked.buildings {
                let all = self.city.buildings.in_box(*bbox).filter(|one| self.sees_at(self.standing_unit(one)));
                let all = all.filter_map(|one| one.record.at().filter(|at| disc.holds(*at)).map(|at| (one, at)));
                near.extend(all.map(|(one, at)| (0.0, at, Seen::Building(one))));
            }
        }
        let matched = near.len();
        // A guess sorts out those that can be among the nearest; only these are measured.
        let mut guessed = true;
        for (distance, at, _) in &mut near {
            match disc.about_m(*at) {
                Some(about) => *distance = about,
                None => guessed = false,
            }
        }
        if guessed && near.len() > limit {
            near.select_nth_unstable_by(limit - 1, |a, b| a.0.total_cmp(&b.0));
            let farthest = near[limit - 1].0 * 1.02 + 4.0;
            near.retain(|(about, ..)| *about <= farthest);
        }
        for (distance, at, _) in &mut near {
            *distance = disc.distance_m(*at);
        }
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.2.order().cmp(&b.2.order())));
        near.truncate(limit);
        let shore = self.territory.shore_in(&boxes);
        let from = LatticePoint::nearest(disc.centre());
        let told = near.into_iter().map(|(distance_m, at, seen)| Near {
            bearing_deg: measure::bearing_deg(disc.centre(), at.lonlat()),
            across_water: shore.is_left_by(from, at),
            thing: seen.taken(),
            distance_m,
        });
        (matched, told.collect())
    }

    /// Whether a facility passes.
    pub(super) fn is_looked_for(&self, looked: &Looked, row: &Facility) -> bool {
        looked.state.is_none_or(|state| row.state == state)
            && (looked.categories.is_empty() || looked.categories.contains(&row.category))
            && self.sees_facility(row)
    }

    /// Whether an organization passes.
    pub(super) fn is_looked_for_organization(&self, looked: &Looked, one: &Organization) -> bool {
        (looked.bodies.is_empty() || looked.bodies.contains(&one.record.category)) && self.sees_at(self.organization_unit(one))
    }

    /// Whether a case passes.
    pub(super) fn is_looked_for_case(&self, looked: &Looked, case: &Case) -> bool {
        let category = &case.record.category;
        let fits = |wanted: &String| category == wanted || (wanted.len() == 2 && category.starts_with(wanted.as_str()));
        (looked.matters.is_empty() || looked.matters.iter().any(fits)) && self.sees_at(self.unit_of(case))
    }
}
