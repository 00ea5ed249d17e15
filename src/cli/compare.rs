//! `wangge compare`.

use super::answers::{self, Answers, Asked};
use super::{Failure, Outcome, out};
use crate::app::compare::{City, Compared, Kind, compare};
use crate::store::{Access, CityRows, Store, place_shown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place is a GeoPackage file of wangge, the URL of a database (postgres://…), or the address of a running server (http://…, https://…).
/// Exit codes: 0 equal, 1 not, or it could not be told, 2 wrong usage.
///
/// Files and databases are compared in all that `wangge copy` takes, each at one revision, times to the millisecond. Not compared is what
/// differs by nature: numbers of the rows of boundaries inside of a store, indexes, who is logged in, rows kept of imports that cannot be
/// taken back any more.
///
/// A server is compared by what it answers: what the city says about itself, categories, regions and grids in force with outlines, counts
/// and teams (staff, without phones), other grid sets, facilities, open cases, organizations, buildings. Of two servers, or one and a
/// store, which is then loaded and asked in this process, the one that is behind is waited for (5 s); both revisions are told. Where
/// callers are told apart a token is needed that sees the whole city and texts as they are written; such reading may stand in its audit.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The first city.
    #[arg(value_name = "A")]
    a: String,
    /// The second.
    #[arg(value_name = "B")]
    b: String,
    /// A file whose first line is the token that is shown to servers. Given twice, the second is for B.
    #[arg(long, value_name = "FILE")]
    token_file: Vec<PathBuf>,
    /// Certificates (PEM) that are trusted, beside those that browsers trust.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

fn is_server(place: &str) -> bool {
    place.starts_with("http://") || place.starts_with("https://")
}

pub(super) async fn run(args: Args) -> Outcome {
    let (tokens, authorities) = (tokens(&args.token_file)?, args.ca_file.as_deref());
    if !is_server(&args.a) && !is_server(&args.b) && (!args.token_file.is_empty() || authorities.is_some()) {
        return Err(Failure::Usage("--token-file and --ca-file are for servers; neither A nor B is one".to_owned()));
    }
    let bar = out::spinner();
    let spoken = bar.clone();
    let watch = move |kind: &str, rows: u64| spoken.set_message(format!("comparing {kind}: {rows}"));
    bar.set_message("opening");
    let compared = match is_server(&args.a) || is_server(&args.b) {
        false => stores(&args.a, &args.b, &watch).await,
        true => servers((&args.a, &args.b), tokens, authorities, &watch).await,
    };
    bar.finish_and_clear();
    let compared = compared?;
    if args.json {
        out::say(&serde_json::to_string_pretty(&compared)?);
    } else {
        out::say(&compared.text());
    }
    Ok(compared.equal)
}

/// What is shown to each of the two.
fn tokens(files: &[PathBuf]) -> Result<[Option<String>; 2], Failure> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        let token = text.lines().next().unwrap_or_default().trim().to_owned();
        let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(token) } else { Err(Failure::Usage(format!("{}: its first line is no token", path.display()))) }
    };
    match files {
        [] => Ok([None, None]),
        [both] => read(both).map(|token| [Some(token.clone()), Some(token)]),
        [a, b] => Ok([Some(read(a)?), Some(read(b)?)]),
        _ => Err(Failure::Usage("--token-file is given at most twice".to_owned())),
    }
}

type Watch<'w> = &'w (dyn Fn(&str, u64) + Send + Sync);

async fn stores(a: &str, b: &str, watch: Watch<'_>) -> Result<Compared, Failure> {
    let (store_a, store_b) = (Store::open(Path::new(a), Access::Read).await?, Store::open(Path::new(b), Access::Read).await?);
    let (mut rows_a, mut rows_b) = (store_a.rows().await?, store_b.rows().await?);
    let city = |place: &str, rows: &CityRows| {
        let revision = rows.revision().0;
        City { place: place_shown(Path::new(place)), revision, until: revision }
    };
    let (city_a, city_b) = (city(a, &rows_a), city(b, &rows_b));
    let kinds = compare(&CityRows::kinds(), &mut rows_a, &mut rows_b, watch).await?;
    store_a.close().await?;
    store_b.close().await?;
    Ok(Compared::new(city_a, city_b, kinds, Vec::new()))
}

async fn servers(
    (a, b): (&str, &str),
    [token_a, token_b]: [Option<String>; 2],
    authorities: Option<&Path>,
    watch: Watch<'_>,
) -> Result<Compared, Failure> {
    let asked = async |place: &str, token: Option<String>| match is_server(place) {
        true => Asked::server(place, token.as_deref(), authorities),
        false => Asked::store(place_shown(Path::new(place)), Path::new(place)).await,
    };
    let (mut a, mut b) = (asked(a, token_a).await?, asked(b, token_b).await?);
    answers::level(&mut a, &mut b).await?;
    let (a, b) = (Arc::new(a), Arc::new(b));
    let (mut rows_a, mut rows_b) = (Answers::of(Arc::clone(&a)), Answers::of(Arc::clone(&b)));
    let kinds: Vec<Kind> = compare(&answers::KINDS, &mut rows_a, &mut rows_b, watch).await?;
    let note =
        "compared is what both answer; closed cases, addresses, past boundaries, imports, the log, tokens and the audit are not";
    let compared = Compared::new(a.city().await?, b.city().await?, kinds, vec![note.to_owned()]);
    a.close().await?;
    b.close().await?;
    Ok(compared)
}
