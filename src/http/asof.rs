//! `at=`, `epoch=` and `set=`: which boundaries an answer is about.

use super::error::{Answer, Problem, ProblemCode};
use super::query::{Word, clipped, given, one_of};
use crate::app::App;
use crate::app::history::AsOf;
use crate::app::view::View;
use crate::domain::id::Epoch;
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

/// The name of a grid set. There is one until others can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetName;

given!(Moment, SetName);

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

impl Word for SetName {
    fn parse(field: &'static str, text: &str) -> Answer<Self> {
        one_of(field, text, &[("governance", Self)])
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

/// The view that `at` and `epoch` ask for; at most one of them may be given.
pub async fn view(app: &App, actor: &Actor, at: Option<Moment>, epoch: Option<u64>) -> Answer<View> {
    match as_of(app, at, epoch)? {
        AsOf::Now => Ok(app.view(actor)),
        as_of => Ok(app.view_as_of(actor, as_of).await?),
    }
}

/// The same with everything placed in those boundaries, for answers that hold sums.
pub async fn placed_view(app: &App, actor: &Actor, at: Option<Moment>, epoch: Option<u64>) -> Answer<View> {
    Ok(app.placed_as_of(actor, as_of(app, at, epoch)?).await?)
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
