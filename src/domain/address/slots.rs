//! Where a number of an address belongs once its word is known: lane or group, number, building, unit, floor and room. No number is lost:
//! what has no place is told as not understood.

use super::numbers::{Part, Parts, Word};
use super::parts::{FIRST_ROOM, Kind, Parser};

impl Parser<'_> {
    /// Several numbers of which the last is of `kind`, those before it of what is around it.
    pub(super) fn inward(&mut self, parts: &[(Part, usize)], kind: Kind) {
        const ORDER: [Kind; 4] = [Kind::Number, Kind::Building, Kind::Unit, Kind::Room];
        let last = ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len() - 1);
        let free = |kind: Kind, found: &Parts| match kind {
            Kind::Number => !found.number.is_some(),
            Kind::Building => !found.building.is_some(),
            _ => !found.unit.is_some(),
        };
        if parts.len() > 1 {
            self.floor_is_building();
        }
        let kinds: Vec<Kind> = match (parts.len(), kind) {
            (1, _) => vec![kind],
            // 3-5层 of a house are floors.
            (2, Kind::Floor | Kind::FloorOrBuilding) if !free(Kind::Number, &self.found.parts) => {
                self.set(kind, parts[0].0, parts[0].1);
                return self.tail(&format!("-{}楼", parts[1].0));
            }
            (2, Kind::Floor | Kind::FloorOrBuilding) => vec![Kind::Number, kind],
            // 2-301: the building, else the unit, else the house.
            (2, Kind::Room) => {
                let outer = [Kind::Building, Kind::Unit].into_iter().find(|outer| free(*outer, &self.found.parts));
                vec![outer.unwrap_or(Kind::Number), Kind::Room]
            }
            (count, _) => ORDER[(last + 1).saturating_sub(count)..=last].to_vec(),
        };
        let over = parts.len().saturating_sub(kinds.len());
        for (part, _) in &parts[..over] {
            self.tail(&format!("{part}-"));
        }
        for (at, ((part, end), kind)) in parts[over..].iter().zip(kinds).enumerate() {
            let end = if over + at + 1 == parts.len() { self.at } else { *end };
            self.set(kind, *part, end);
        }
    }

    /// Takes a number in that ends, with its word, at a byte. What has no place goes to the tail: no number is lost.
    pub(super) fn set(&mut self, kind: Kind, part: Part, end: usize) {
        if kind == Kind::Unit {
            self.floor_is_building();
        }
        let found = &mut self.found.parts;
        let (place, depth) = match kind {
            Kind::Outer(word) => return self.outer(part.called(word), end),
            // 3楼5号 is a room.
            Kind::Number if found.room.is_floor() => return self.room(part),
            // 12号3号: the second is a house within the first.
            Kind::Number if found.number.is_some() && !found.building.is_some() => (&mut found.building, 2),
            Kind::Number => (&mut found.number, 1),
            Kind::Building => (&mut found.building, 2),
            Kind::Unit => (&mut found.unit, 3),
            // A楼 is a house, 3楼 a floor, 410楼 a house.
            Kind::Floor | Kind::FloorOrBuilding if part.value().is_none() => (&mut found.building, 2),
            Kind::FloorOrBuilding if part.value() >= Some(FIRST_ROOM) && !found.building.is_some() => (&mut found.building, 2),
            Kind::Floor | Kind::FloorOrBuilding => return self.floor(part, end, kind == Kind::FloorOrBuilding),
            Kind::Room => return self.room(part),
        };
        if place.is_some() {
            self.tail(&format!("{part}"));
        } else {
            *place = part;
            self.found.ends[depth] = end;
        }
    }

    fn floor(&mut self, floor: Part, end: usize, unsure: bool) {
        self.floor_is_building();
        let found = &mut self.found.parts;
        if !found.room.is_some() {
            found.room = floor.other();
            (self.unsure, self.floor_end) = (unsure, end);
        } else if found.room.is_floor() || on_floor(floor, found.room) != Some(found.room) {
            self.tail(&format!("{floor}楼"));
        }
    }

    /// A room says more than its floor; one that is counted on its floor has the number of both.
    fn room(&mut self, room: Part) {
        let floor = self.found.parts.room;
        if !floor.is_some() {
            self.found.parts.room = room;
        } else if !floor.is_floor() {
            self.tail(&format!("{room}"));
        } else if let Some(room) = on_floor(floor, room) {
            self.found.parts.room = room;
        } else {
            self.floor_is_building();
            if self.found.parts.room.is_some() {
                self.tail(&format!("{}楼", floor.plain()));
            }
            self.found.parts.room = room;
        }
    }

    /// What was told as 楼 is the building, when no other is: 10楼3门201.
    pub(super) fn floor_is_building(&mut self) {
        let parts = &mut self.found.parts;
        if self.unsure && parts.room.is_floor() && !parts.building.is_some() {
            (parts.building, parts.room) = (parts.room.plain(), Part::NONE);
            self.found.ends[2] = self.floor_end;
        }
    }

    /// A lane, or a part of a village or estate: there may be one within the other.
    fn outer(&mut self, part: Part, end: usize) {
        let found = &mut self.found.parts;
        let off_lane = part.word() == Word::Branch;
        match (found.lane.is_some(), found.group.is_some()) {
            (false, false) if part.word().is_way() && !off_lane => found.lane = part,
            (_, false) => found.group = part,
            (false, true) if part.word().is_way() => found.lane = part,
            (false, true) => (found.lane, found.group) = (found.group, part),
            (true, true) => return self.tail(&format!("{part}")),
        }
        self.found.ends[0] = end;
    }

    pub(super) fn tail(&mut self, text: &str) {
        self.found.tail.push_str(text);
    }
}

/// The room with this number on this floor: 301 or 1 on the third, A on the third (3A). `None` when it cannot be there.
fn on_floor(floor: Part, room: Part) -> Option<Part> {
    let storey = floor.value().filter(|_| !floor.is_marked())?;
    match room.value() {
        None => Some(Part::with(Some(storey), room.mark())),
        Some(value) if value / 100 == storey || value >= 1000 && value / 1000 == storey => Some(room),
        Some(value) if value < FIRST_ROOM && storey < FIRST_ROOM => Some(Part::with(Some(storey * 100 + value), room.mark())),
        Some(_) => None,
    }
}
