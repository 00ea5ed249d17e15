//! Counters and durations per route, in Prometheus' text form. The only file that names the metrics crates.

use axum::http::StatusCode;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

/// Seconds at which durations are counted: 10 µs to 10 s.
const BUCKETS: [f64; 13] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0];
const METADATA: Metadata<'static> = Metadata::new("wangge::http", Level::INFO, None);

/// One process, one set of numbers.
static METER: LazyLock<Meter> = LazyLock::new(Meter::new);

struct Meter {
    recorder: PrometheusRecorder,
    routes: HashMap<&'static str, RouteMeter>,
    other: RouteMeter,
}

/// Handles made once, so that counting takes no lookup by labels.
struct RouteMeter {
    by_class: [Counter; 5],
    seconds: Histogram,
}

impl Meter {
    fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
            .expect("the buckets are not empty")
            .build_recorder();
        let describe = |name: &'static str, words: &'static str| {
            recorder.describe_counter(KeyName::from_const_str(name), None, words.into())
        };
        describe("wangge_http_requests_total", "Requests answered, by route and class of status.");
        recorder.describe_histogram(
            KeyName::from_const_str("wangge_http_request_seconds"),
            Some(Unit::Seconds),
            "Time from the head of a request to the head of its answer.".into(),
        );
        let route = |path: &'static str| RouteMeter {
            by_class: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| {
                let labels = vec![Label::from_static_parts("route", path), Label::from_static_parts("status", class)];
                recorder.register_counter(&Key::from_parts("wangge_http_requests_total", labels), &METADATA)
            }),
            seconds: recorder.register_histogram(
                &Key::from_parts("wangge_http_request_seconds", vec![Label::from_static_parts("route", path)]),
                &METADATA,
            ),
        };
        let routes = super::TABLE.iter().map(|(_, path, _)| (*path, route(path))).collect();
        let other = route("other");
        Self { routes, other, recorder }
    }
}

/// Counts one answer.
pub fn count(route: Option<&str>, status: StatusCode, took: Duration) {
    let meter = &*METER;
    let route = route.and_then(|path| meter.routes.get(path)).unwrap_or(&meter.other);
    let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
    route.by_class[class].increment(1);
    route.seconds.record(took.as_secs_f64());
}

/// Moves recorded durations into their buckets. To be called every few seconds, or memory grows between two scrapes.
pub fn tidy() {
    METER.recorder.handle().run_upkeep();
}

/// A value of one thing among several alike: name, words, the thing's label, the value.
pub type OfEach = (&'static str, &'static str, (&'static str, String), f64);

/// The text of `/metrics`, with present values of what is not counted but known.
pub fn text(of_each: &[OfEach], known: &[(&'static str, &'static str, f64)]) -> String {
    for (name, words, (label, thing), value) in of_each {
        METER.recorder.describe_gauge(KeyName::from_const_str(name), None, (*words).into());
        let key = Key::from_parts(*name, vec![Label::new(*label, thing.clone())]);
        METER.recorder.register_gauge(&key, &METADATA).set(*value);
    }
    for (name, words, value) in known {
        METER.recorder.describe_gauge(KeyName::from_const_str(name), None, (*words).into());
        let gauge: Gauge = METER.recorder.register_gauge(&Key::from_static_name(name), &METADATA);
        gauge.set(*value);
    }
    METER.recorder.handle().render()
}
