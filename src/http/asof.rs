//! `at=`, `epoch=` and `set=`: which boundaries an answer is about.

use super::error::{Answer, Problem, ProblemCode};
use super::query::{Word, clipped, given};
use crate::app::App;
use crate::app::history::AsOf;
use crate::app::view::View;
use crate::domain::id::{Epoch, GridSet};
use crate::domain::scope::Actor;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A day or an instant, as written in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// 00:00 of that day in the city's zone.
    Day(Date),
    /// RFC 3339 with offset.
    Instant(Timestamp),
}

given!(Moment, GridSet);

impl Word for Moment {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        // `+` reads as a space in a query; people forget to escape it in an offset.
        let text = text.replace(' ', "+");
        let day = || text.parse::<Date>().ok().filter(|_| text.len() == "2026-03-03".len()).map(Self::Day);
        let instant = || text.parse::<Timestamp>().ok().map(Self::Instant);
        day().or_else(instant).ok_or_else(|| {
            Problem::bad_parameter(
                field,
                format_args!(
                    "{:?} is neither a date (2026-03-03) nor a time with offset (2026-03-03T08:00:00+08:00)",
                    clipped(&text)
                ),
            )
        })
    }
}

impl Word for GridSet {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        Self::new(text).map_err(|error| Problem::bad_parameter(field, error))
    }
}

impl Moment {
    /// The instant in a city's zone.
    pub(super) fn instant(self, zone: &str) -> Answer<Timestamp> {
        match self {
            Self::Instant(at) => Ok(at),
            Self::Day(day) => {
                let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
                let start = day.to_zoned(zone).map(|zoned| zoned.timestamp());
                start.map_err(|error| Problem::bad_parameter("at", error))
            }
        }
    }
}

/// Which boundaries a query asks for.
#[derive(Debug, Clone, Default)]
pub struct Boundaries {
    /// `set`; absent: the hierarchy's own.
    pub set: Option<GridSet>,
    /// `at`.
    pub at: Option<Moment>,
    /// `epoch`.
    pub epoch: Option<u64>,
}

/// The [`Boundaries`] of a query with `..boundaries`.
macro_rules! boundaries {
    ($query:expr) => {
        $crate::http::asof::Boundaries { set: $query.set.clone(), at: $query.at, epoch: $query.epoch }
    };
}
pub(crate) use boundaries;

impl Boundaries {
    /// Those in force of a set.
    pub fn of(set: &Option<GridSet>) -> Self {
        Self { set: set.clone(), ..Self::default() }
    }

    /// Neither another time nor another epoch is asked for.
    pub fn is_now(&self) -> bool {
        self.at.is_none() && self.epoch.is_none()
    }

    /// The set asked for.
    pub fn set(&self) -> GridSet {
        self.set.clone().unwrap_or_default()
    }

    /// The view of these boundaries; at most one of `at` and `epoch` may be given.
    pub async fn view(&self, app: &App, actor: &Actor) -> Answer<View> {
        match (self.as_of(app)?, &self.set) {
            (AsOf::Now, None) => Ok(app.view(actor)),
            (as_of, set) => Ok(app.view_as_of(actor, &set.clone().unwrap_or_default(), as_of).await?),
        }
    }

    /// The same with everything placed in those boundaries, for answers that hold sums.
    pub async fn placed_view(&self, app: &App, actor: &Actor) -> Answer<View> {
        Ok(app.placed_as_of(actor, &self.set(), self.as_of(app)?).await?)
    }

    fn as_of(&self, app: &App) -> Answer<AsOf> {
        as_of(app, self.at, self.epoch)
    }
}

fn as_of(app: &App, at: Option<Moment>, epoch: Option<u64>) -> Answer<AsOf> {
    match (at, epoch) {
        (None, None) => Ok(AsOf::Now),
        (Some(_), Some(_)) => {
            Err(Problem::new(ProblemCode::ConflictingParameters, "give at or epoch, not both")
                .with("fields", vec!["at", "epoch"]))
        }
        (Some(at), None) => Ok(AsOf::At(at.instant(&app.published.load().about.time_zone)?)),
        (None, Some(epoch)) => Ok(AsOf::Epoch(Epoch(epoch))),
    }
}
