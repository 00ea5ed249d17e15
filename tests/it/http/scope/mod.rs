//! What lies outside of a caller's scope is not there: the same requests of the same caller are sent to a city and to one from which
//! everything outside of the scope was deleted before it was built, and must be answered alike.
//!
//! The city has boundaries of the past, in which some grids had other codes and belonged elsewhere, and police grids, of the past too. A
//! scope is made of codes of all of them. What is seen in the hierarchy of today or in the police grids of today stays in the other city;
//! of each set the grids that are seen in it.
//!
//! Two things are not deleted, because they are no objects of anybody's scope but the ground that all stand on. Which land is covered at
//! all (`across_water`), and where borders run that scopes have in common with others, which tells at what zooms levels are drawn and at
//! which corners lines begin that are drawn with less detail: tiles of areas are therefore compared, byte by byte, with those of a city
//! with the same ground, in which all names, kinds and counts outside of the scope are gone. And which street and region names there are
//! at all, by which addresses are understood: what is found by address is compared with a city that has all of these names, and none of the
//! houses.

mod events;
mod exports;
mod made;
mod part;
mod requests;

use super::city;
use super::{Answer, send};
use crate::crash::Random;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use made::{AS_NUMBER, Ground, IN_PROPERTIES, IN_TEXTS, demo_city, guarded, served};
use requests::{Requests, Wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use wangge::app::Actor;
use wangge::app::access::tokens;
use wangge::domain::rights::{Right, Rights};
use wangge::domain::scope::{Hidden, Role, Scope};
use wangge::http::Caller;

/// Answers compared; by hand: `WANGGE_ANSWERS=1000000`.
const ANSWERS: usize = 100_000;

/// Pages of a list that are compared.
const PAGES: usize = 3;

/// How a caller is known.
#[derive(Clone, Copy)]
enum By<'a> {
    /// Put there in place of the access check.
    Actor(&'a Arc<Actor>),
    Token(&'a str),
}

async fn ask(router: &Router, by: By<'_>, asked: &Wanted) -> Answer {
    let mut request = match &asked.body {
        None => Request::get(&asked.uri),
        Some((media, _)) => Request::post(&asked.uri).header("content-type", *media),
    };
    request = request.header("host", "localhost:8080");
    request = match by {
        By::Actor(actor) => request.extension(Caller(Arc::clone(actor))),
        By::Token(token) => request.header("authorization", format!("Bearer {token}")),
    };
    let body = asked.body.as_ref().map_or_else(Body::empty, |(_, body)| Body::from(body.clone()));
    send(router, request.body(body).unwrap()).await
}

/// The request for the next page, if there is one.
fn next_page(asked: &Wanted, answer: &Answer) -> Option<Wanted> {
    let answer: Value = serde_json::from_slice(&answer.body).ok()?;
    if let (Some((media, body)), Some(cursor)) = (&asked.body, answer["cursor"].as_str()) {
        let mut body: Value = serde_json::from_str(body).unwrap();
        body["cursor"] = json!(cursor);
        return Some(Wanted { body: Some((media, body.to_string())), ..asked.clone() });
    }
    let link = |link: &Value| (link["rel"] == "next").then(|| link["href"].as_str().map(str::to_owned))?;
    let linked = || answer["links"].as_array()?.iter().find_map(link);
    let next = answer["next"].as_str().map(str::to_owned).or_else(linked)?;
    Some(Wanted { uri: next.strip_prefix("http://localhost:8080").unwrap().to_owned(), ..asked.clone() })
}

/// An answer without what two cities number on their own.
fn plain(answer: &Answer, ground: Ground) -> String {
    fn without(value: &mut Value, names: &[&str]) {
        match value {
            Value::Object(members) => {
                members.retain(|name, _| !names.contains(&name.as_str()));
                members.values_mut().for_each(|value| without(value, names));
            }
            Value::Array(values) => values.iter_mut().for_each(|value| without(value, names)),
            _ => {}
        }
    }
    let kind = answer.headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut value) => {
            without(&mut value, &["revision", "request_id", "timeStamp"]);
            if ground == Ground::Gone {
                without(&mut value, &["across_water", "minzoom", "maxzoom"]);
            }
            value.to_string()
        }
        Err(_) => answer.body.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    format!("{} {kind} {body}", answer.status)
}

/// Callers with a scope at random: a region or two, a grid or two, what is not there, everything; with and without classes and rights.
fn actor(random: &mut Random, codes: &[String], number: usize) -> Arc<Actor> {
    let mut below = |n: usize| (random.share() * n as f64) as usize;
    let mut some = |most: usize| (0..1 + below(most)).map(|_| codes[below(codes.len())].clone()).collect::<Vec<_>>();
    let scope = match number % 8 {
        0 => Scope::All,
        1 => Scope::within(["990000".parse().unwrap()]),
        _ => Scope::within(some(3).iter().map(|code| code.parse().unwrap())),
    };
    let hidden: Hidden = match number % 3 {
        0 => ["01050", "0136"].into_iter().collect(),
        1 => ["01001", "01050", "01037"].into_iter().collect(),
        _ => Hidden::default(),
    };
    let rights = [Right::Read.into(), Rights::from(Right::Read).and(Right::Phones.into()), Rights::ALL][number % 3];
    Arc::new(Actor { id: format!("caller {number}"), roles: vec![Role::Viewer], rights, scope, hidden, screen: None })
}

/// What came of the comparison.
#[derive(Default)]
struct Tally {
    compared: usize,
    /// Of each kind of request: answers, and those that told something.
    told: BTreeMap<&'static str, (usize, usize)>,
    /// Pages behind the first.
    pages: usize,
    /// Of each kind of request the first pair of answers that differ.
    found: BTreeMap<&'static str, String>,
    /// Answers with each of the numbers that only some may see.
    numbers: [usize; 3],
    leaks: BTreeMap<&'static str, String>,
}

impl Tally {
    /// Asks both, and for the pages behind.
    async fn compare(
        &mut self,
        actor: &Actor,
        asked: Wanted,
        (is, by): (&Router, By<'_>),
        (should, by_other): (&Router, By<'_>),
    ) {
        let mut pages = [asked.clone(), asked];
        for page in 0..PAGES {
            let answers = [ask(is, by, &pages[0]).await, ask(should, by_other, &pages[1]).await];
            let what = pages[0].what;
            self.compared += 1;
            self.pages += usize::from(page > 0);
            let kind = self.told.entry(what).or_default();
            *kind = (kind.0 + 1, kind.1 + usize::from(answers[0].status.is_success()));
            self.look_for_numbers(actor, &pages[0], &answers[0]);
            let [is, should] = answers.each_ref().map(|answer| plain(answer, pages[0].ground));
            if is != should {
                let told = || {
                    let at = is.bytes().zip(should.bytes()).position(|(a, b)| a != b).unwrap_or(is.len().min(should.len()));
                    let near = |text: &str| {
                        String::from_utf8_lossy(
                            &text.as_bytes()[at.saturating_sub(300).min(text.len())..(at + 500).min(text.len())],
                        )
                        .into_owned()
                    };
                    format!(
                        "{:?} {:?}\n{:?}\n  is     …{}\n  should …{}",
                        actor.scope,
                        actor.hidden,
                        pages[0],
                        near(&is),
                        near(&should)
                    )
                };
                self.found.entry(what).or_insert_with(told);
                return;
            }
            let [Some(is), Some(should)] = [0, 1].map(|at| next_page(&pages[at], &answers[at])) else { return };
            pages = [is, should];
        }
    }

    /// Numbers of people stand in texts of cases and properties of facilities: for those who may see them and for nobody else.
    fn look_for_numbers(&mut self, actor: &Actor, asked: &Wanted, answer: &Answer) {
        for (at, number) in [IN_TEXTS, IN_PROPERTIES, AS_NUMBER].into_iter().enumerate() {
            if !answer.body.windows(number.len()).any(|bytes| bytes == number.as_bytes()) {
                continue;
            }
            self.numbers[at] += 1;
            if !actor.rights.has(Right::Texts) {
                self.leaks.entry(asked.what).or_insert_with(|| format!("{number}: {asked:?} {:.500}", answer.text()));
            }
        }
    }

    #[track_caller]
    fn judge(&self) {
        self.found.values().for_each(|told| eprintln!("{told}"));
        let Self { compared, pages, told, numbers, .. } = self;
        let something: usize = told.values().map(|(_, told)| told).sum();
        eprintln!("{compared} answers, {something} with something in them, {pages} second or third pages, {numbers:?} numbers");
        assert!(self.found.is_empty(), "answers differ about {:?}", self.found.keys());
        assert!(self.leaks.is_empty(), "{:?}", self.leaks);
        assert!(something > compared / 3, "{told:?}");
        let silent: Vec<&str> = told.iter().filter(|(_, (_, told))| *told == 0).map(|(what, _)| *what).collect();
        assert!(silent.is_empty(), "nothing was ever told about {silent:?}");
        assert!(numbers.iter().all(|count| *count > 0), "{numbers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_outside_of_a_scope_is_not_there() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let (seed, answers) = (number("SEED").unwrap_or(1), number("WANGGE_ANSWERS").unwrap_or(ANSWERS));
    eprintln!("SEED={seed}");
    let made = demo_city();
    let (_, whole) = served(made.store(None).await).await;
    let codes = made.codes();
    let (actors, mut random) = (24, Random(seed as u64));
    let (mut tally, mut kept, all) = (Tally::default(), 0, Arc::new(Actor::local()));
    for number in 0..actors {
        let actor = actor(&mut random, &codes, number);
        let sights = made.sights(&actor);
        let mut others = BTreeMap::new();
        for ground in Ground::ALL {
            others.insert(ground, served(made.store(Some((&sights, ground))).await).await.1);
        }
        let mut requests = Requests::new(&made, &sights, (seed * 1000 + number) as u64);
        let until = answers * (number + 1) / actors;
        while tally.compared < until {
            let asked = requests.next();
            if actor.scope == Scope::All && !actor.hidden.is_empty() {
                let [less, more] = [ask(&whole, By::Actor(&actor), &asked).await, ask(&whole, By::Actor(&all), &asked).await];
                kept += usize::from(plain(&less, asked.ground) != plain(&more, asked.ground));
            }
            let other = &others[&asked.ground];
            tally.compare(&actor, asked, (&whole, By::Actor(&actor)), (other, By::Actor(&actor))).await;
        }
    }
    tally.judge();
    assert!(kept > 0, "who sees all but some categories is told as much as everybody");
}

/// The same with tokens of their own, through the access check.
#[tokio::test(flavor = "multi_thread")]
async fn callers_with_tokens_are_told_no_more_than_their_scope() {
    const EACH: usize = 500;
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    eprintln!("SEED={seed}");
    let (made, folder) = (demo_city(), tempfile::tempdir().unwrap());
    let (store, codes, mut random) = (made.store(None).await, made.codes(), Random(seed));
    let roles =
        [vec![Role::Viewer], vec![Role::Officer], vec![Role::Operator], vec![Role::Planner, Role::Viewer], vec![Role::Admin]];
    let (app, whole) = guarded(store, folder.path()).await;
    let mut tally = Tally::default();
    for (number, roles) in roles.into_iter().enumerate() {
        let scope = match number {
            3 => Scope::All,
            _ => Scope::within((0..3).map(|_| codes[(random.share() * codes.len() as f64) as usize].parse().unwrap())),
        };
        let table = &app.config.callers.as_ref().unwrap().roles;
        let rights = table.rights(&roles);
        let actor = Actor {
            id: format!("caller {number}"),
            rights: if scope == Scope::All { rights } else { rights.of_a_part() },
            hidden: table.hidden(rights).into_iter().collect(),
            roles: roles.clone(),
            scope: scope.clone(),
            screen: None,
        };
        let wanted = tokens::Wanted { name: actor.id.clone(), roles, scope, screen: None, ends_at: None };
        let (_, secret) = app.token_make(&Actor::local(), wanted.clone()).await.unwrap();
        let sights = made.sights(&actor);
        let mut others = BTreeMap::new();
        for ground in Ground::ALL {
            let store = made.store(Some((&sights, ground))).await;
            let (_, secret) = tokens::made_in(&store, wanted.clone(), city::now()).await.unwrap();
            others.insert(ground, (guarded(store, folder.path()).await.1, secret.text()));
        }
        let mut requests = Requests::new(&made, &sights, seed * 1000 + 500 + number as u64);
        for _ in 0..EACH {
            let asked = requests.next();
            let (other, token) = &others[&asked.ground];
            tally.compare(&actor, asked, (&whole, By::Token(&secret.text())), (other, By::Token(token))).await;
        }
    }
    tally.judge();
}

/// Before 2026 the land of …001 and …002 was one grid. Whoever sees that grid and …002 sees on its land what stands in …002 today.
#[tokio::test]
async fn the_past_shows_no_more_than_today() {
    let router = city::router().await;
    let past = Arc::new(Actor {
        scope: Scope::within([city::code(city::CLOSED), city::code(city::GRID_2)]),
        rights: Right::Read.into(),
        ..Actor::local()
    });
    let about = |uri: String| Wanted { what: "past", uri, body: None, ground: Ground::Gone };
    let get = async |uri: &str| ask(&router, By::Actor(&past), &about(uri.to_owned())).await;
    let card = get(&format!("/api/v1/grids/{}?at=2025-06-01", city::CLOSED)).await.ok();
    assert_eq!((&card["facilities"]["total"], &card["open_cases"]["total"]), (&json!(1), &json!(0)), "{card}");
    let listed = get(&format!("/api/v1/grids/{}/facilities?at=2025-06-01", city::CLOSED)).await.ok();
    assert_eq!(listed["number_matched"], 1);
    let closed = get(&format!("/api/v1/grids/{}", city::CLOSED)).await.ok();
    let heirs: Vec<&str> = closed["successors"].as_array().unwrap().iter().map(|heir| heir["code"].as_str().unwrap()).collect();
    assert_eq!(heirs, [city::GRID_2]);
    get(&format!("/api/v1/grids/{}", city::GRID_1)).await.problem(404, "unknown_code");
    // The same caller with everything.
    let all = Arc::new(Actor::local());
    let wanted = about(format!("/api/v1/grids/{}?at=2025-06-01", city::CLOSED));
    assert_eq!(ask(&router, By::Actor(&all), &wanted).await.ok()["facilities"]["total"], 41);
}
