//! Two cities, row by row. Both sides tell their rows kind by kind in ascending order, so that they are merged, whatever their number. A row
//! that finds no partner waits for one of the same key that stands elsewhere in the order (a facility that was moved), within bounds.

use crate::store::{CityRow, CityRows, StoreError};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

/// Examples of each difference of each kind.
pub const EXAMPLES: usize = 10;

/// Rows of one side that wait for a partner elsewhere in the order; those that waited longest are given up.
const WAITING: usize = 20_000;

/// Members that are told of one row.
const MEMBERS: usize = 5;

/// Characters of a value that are told.
const SHOWN: usize = 80;

/// One of the two cities.
pub trait Side {
    /// Why it does not go on.
    type Error;

    /// The next rows, by kind and place; `None`: that was all.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<CityRow>>, Self::Error>> + Send;
}

impl Side for CityRows {
    type Error = StoreError;

    async fn next(&mut self) -> Result<Option<Vec<CityRow>>, StoreError> {
        Self::next(self).await
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Nothing differs.
    pub equal: bool,
    /// The first city.
    pub a: City,
    /// The second.
    pub b: City,
    /// What else is to be known of how it was compared.
    pub notes: Vec<String>,
    /// Of each kind of rows.
    pub kinds: Vec<Kind>,
}

/// One of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct City {
    /// Where it is.
    pub place: String,
    /// The revision when it began.
    pub revision: u64,
    /// The revision when it ended, where others may have written meanwhile.
    pub until: u64,
}

/// Rows of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Which.
    pub kind: String,
    /// Rows that say the same.
    pub same: u64,
    /// Rows that only the first has.
    pub only_in_a: u64,
    /// Rows that only the second has.
    pub only_in_b: u64,
    /// Rows that say something else.
    pub different: u64,
    /// The first of each of these.
    pub examples: Vec<Example>,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// By what the row is known.
    pub key: String,
    /// `only_in_a`, `only_in_b` or `different`.
    pub found: Found,
    /// What it says differently.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The second city lacks it.
    OnlyInA,
    /// The first city lacks it.
    OnlyInB,
    /// It says something else.
    Different,
}

/// A member of a row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name; with dots within others.
    pub name: String,
    /// What the first says, clipped; null: it has none.
    pub a: Option<String>,
    /// What the second says.
    pub b: Option<String>,
}

/// Rows of one side that wait.
#[derive(Default)]
struct Waiting {
    rows: HashMap<String, CityRow>,
    order: VecDeque<String>,
}

impl Waiting {
    /// The row that waited longest, when there are too many.
    fn add(&mut self, row: CityRow) -> Option<CityRow> {
        self.order.push_back(row.key.clone());
        self.rows.insert(row.key.clone(), row);
        if self.order.len() > 2 * WAITING {
            self.order.retain(|key| self.rows.contains_key(key));
        }
        while self.rows.len() > WAITING {
            let oldest = self.order.pop_front()?;
            if let Some(row) = self.rows.remove(&oldest) {
                return Some(row);
            }
        }
        None
    }

    /// All that are left, in their order.
    fn rest(&mut self) -> Vec<CityRow> {
        let Self { mut rows, order } = std::mem::take(self);
        order.iter().filter_map(|key| rows.remove(key)).collect()
    }
}

/// Rows of one side, one by one.
struct Told<'s, S> {
    side: &'s mut S,
    some: std::iter::Peekable<std::vec::IntoIter<CityRow>>,
}

impl<'s, S: Side> Told<'s, S> {
    fn new(side: &'s mut S) -> Self {
        Self { side, some: Vec::new().into_iter().peekable() }
    }

    /// Waits until the next row is there, if there is one.
    async fn fill(&mut self) -> Result<(), S::Error> {
        while self.some.peek().is_none() {
            match self.side.next().await? {
                Some(rows) => self.some = rows.into_iter().peekable(),
                None => break,
            }
        }
        Ok(())
    }
}

impl Kind {
    fn example(&mut self, key: String, found: Found, members: Vec<Member>) {
        if self.examples.iter().filter(|example| example.found == found).count() < EXAMPLES {
            self.examples.push(Example { key, found, members });
        }
    }

    fn alone(&mut self, row: CityRow, found: Found) {
        *(if found == Found::OnlyInA { &mut self.only_in_a } else { &mut self.only_in_b }) += 1;
        self.example(row.key, found, Vec::new());
    }

    fn pair(&mut self, a: CityRow, b: CityRow) {
        if a.says == b.says {
            self.same += 1;
            return;
        }
        self.different += 1;
        let mut members = Vec::new();
        differences("", &a.says, &b.says, &mut members);
        self.example(a.key, Found::Different, members);
    }
}

/// What two values say differently, by members.
fn differences(within: &str, a: &Map<String, Value>, b: &Map<String, Value>, into: &mut Vec<Member>) {
    let new = b.keys().filter(|name| !a.contains_key(*name));
    for name in a.keys().chain(new) {
        let path = if within.is_empty() { name.clone() } else { format!("{within}.{name}") };
        match (a.get(name), b.get(name)) {
            (Some(Value::Object(a)), Some(Value::Object(b))) => differences(&path, a, b, into),
            (a, b) if a != b => into.push(Member { name: path, a: a.map(shown), b: b.map(shown) }),
            _ => {}
        }
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Compares two cities whose rows are of these kinds. `watch` hears which kind it is at, and how many of its rows were compared.
pub async fn compare<A, B>(
    kinds: &[&str],
    a: &mut A,
    b: &mut B,
    watch: &(dyn Fn(&str, u64) + Send + Sync),
) -> Result<Vec<Kind>, A::Error>
where
    A: Side,
    B: Side<Error = A::Error>,
{
    let mut found: Vec<Kind> = kinds.iter().map(|kind| Kind { kind: (*kind).to_owned(), ..Kind::default() }).collect();
    let (mut a, mut b) = (Told::new(a), Told::new(b));
    let (mut of_a, mut of_b) = (Waiting::default(), Waiting::default());
    let (mut at, mut seen) = (0, 0_u64);
    loop {
        tokio::try_join!(a.fill(), b.fill())?;
        let place = |row: &CityRow| (row.kind, row.place.clone());
        let (next_a, next_b) = (a.some.peek().map(place), b.some.peek().map(place));
        let next = match (&next_a, &next_b) {
            (None, None) => break,
            (Some(next), None) | (None, Some(next)) => next,
            (Some(a), Some(b)) => a.min(b),
        };
        if next.0 != at {
            settle(&mut found[at], &mut of_a, &mut of_b);
            (at, seen) = (next.0, 0);
        }
        let kind = &mut found[at];
        let from_a = if next_a.as_ref() == Some(next) { a.some.next() } else { None };
        let from_b = if next_b.as_ref() == Some(next) { b.some.next() } else { None };
        match (from_a, from_b) {
            (Some(a), Some(b)) if a.key == b.key => kind.pair(a, b),
            (from_a, from_b) => {
                if let Some(a) = from_a {
                    match of_b.rows.remove(&a.key) {
                        Some(b) => kind.pair(a, b),
                        None => of_a.add(a).into_iter().for_each(|row| kind.alone(row, Found::OnlyInA)),
                    }
                }
                if let Some(b) = from_b {
                    match of_a.rows.remove(&b.key) {
                        Some(a) => kind.pair(a, b),
                        None => of_b.add(b).into_iter().for_each(|row| kind.alone(row, Found::OnlyInB)),
                    }
                }
            }
        }
        seen += 1;
        if seen.is_multiple_of(1000) {
            watch(&kind.kind, seen);
        }
    }
    settle(&mut found[at], &mut of_a, &mut of_b);
    Ok(found)
}

/// What still waits at the end of a kind has no partner.
fn settle(kind: &mut Kind, of_a: &mut Waiting, of_b: &mut Waiting) {
    of_a.rest().into_iter().for_each(|row| kind.alone(row, Found::OnlyInA));
    of_b.rest().into_iter().for_each(|row| kind.alone(row, Found::OnlyInB));
}

impl Compared {
    /// Of two cities.
    pub fn new(a: City, b: City, kinds: Vec<Kind>, mut notes: Vec<String>) -> Self {
        for (name, city) in [("A", &a), ("B", &b)] {
            if city.until != city.revision {
                let (from, until) = (city.revision, city.until);
                notes.push(format!("{name} went from revision {from} to {until} while it was read: what differs may be that"));
            }
        }
        if a.until != b.until {
            notes.push(format!("the revisions differ: A has {}, B has {}", a.until, b.until));
        }
        let equal = kinds.iter().all(|kind| kind.only_in_a + kind.only_in_b + kind.different == 0);
        Self { equal, a, b, notes, kinds }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, city) in [("A", &self.a), ("B", &self.b)] {
            let _ = writeln!(text, "{name}: {}, revision {}", city.place, city.revision);
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        let _ = writeln!(text, "{:22}{:>12}{:>12}{:>12}{:>12}", "", "same", "only in A", "only in B", "different");
        let (mut same, mut others) = (0, 0);
        for Kind { kind, same: these, only_in_a, only_in_b, different, .. } in &self.kinds {
            same += these;
            others += only_in_a + only_in_b + different;
            if these + only_in_a + only_in_b + different > 0 {
                let _ = writeln!(text, "{kind:22}{these:>12}{only_in_a:>12}{only_in_b:>12}{different:>12}");
            }
        }
        for Kind { kind, examples, .. } in &self.kinds {
            for (found, word) in [(Found::OnlyInA, "only in A"), (Found::OnlyInB, "only in B"), (Found::Different, "different")] {
                for Example { key, members, .. } in examples.iter().filter(|example| example.found == found) {
                    let _ = write!(text, "{kind} {key}: {word}");
                    for (at, Member { name, a, b }) in members.iter().take(MEMBERS).enumerate() {
                        let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                        let _ = write!(text, "{} {name} is {} in A, {} in B", if at == 0 { ":" } else { ";" }, told(a), told(b));
                    }
                    if members.len() > MEMBERS {
                        let _ = write!(text, "; and {} more", members.len() - MEMBERS);
                    }
                    text.push('\n');
                }
            }
        }
        let _ = match others {
            0 => writeln!(text, "equal: {same} rows"),
            _ => writeln!(text, "not equal: {others} differ, {same} are the same"),
        };
        text
    }
}
