//! `wangge import` beside a running server: the same import through its HTTP interface.

use super::client::Server;
use super::import::{Args, words};
use super::{Failure, client, out};
use crate::app::imports::{Kind, Report, Step};
use crate::domain::percent::encoded;
use crate::interchange::profile::BUILTIN;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is asked how far it is.
const PACE: Duration = Duration::from_millis(200);
/// Between the parts of the body; nothing a file could end with by chance matters, since lengths are not searched for in it here.
const BOUNDARY: &str = "wangge-7f3a9c51d2e84b06";

/// Schemes that are known by name.
const SCHEMES: [&str; 2] = ["cn", "plain"];

/// Sends the files and waits for the report.
pub(super) async fn import(args: Args, server: Server) -> Result<(Report, Args), Failure> {
    tokio::task::spawn_blocking(move || sent(&args, &server).map(|report| (report, args))).await?
}

/// A part of the body.
struct Part {
    head: String,
    path: PathBuf,
    size: u64,
}

fn sent(args: &Args, server: &Server) -> Result<Report, Failure> {
    let parts = parts(args)?;
    let end = format!("--{BOUNDARY}--\r\n");
    let total: u64 = parts.iter().map(|part| part.head.len() as u64 + part.size + 2).sum::<u64>() + end.len() as u64;
    let bar = out::byte_bar(total);
    bar.set_message("sending");
    let mut stream = server.connect()?;
    let media_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let head = server.head("POST", &format!("/api/v1/imports?{}", query(args)), Some((&media_type, total)));
    let written = write_body(&mut stream, &head, &parts, &end, &bar);
    // A server that refuses answers before it has read all of it.
    let answer = match (client::answer(&mut stream), written) {
        (Ok(answer), _) => answer,
        (Err(_), Err(failure)) => return Err(failure),
        (Err(failure), Ok(())) => return Err(failure),
    };
    let begun = answer.ok()?;
    let Some(id) = begun["id"].as_i64() else { return Err(Failure::Failed(format!("{} is no wangge server", server.address))) };
    let place = format!("/api/v1/imports/{id}");
    // By this number it is looked up, and taken back: POST …/undo.
    out::note(&format!("import {id}: http://{}{place}", server.address));
    let report = loop {
        let import = server.get(&place)?.ok()?;
        match import["state"].as_str() {
            Some("queued") => bar.set_message(format!("waiting for {} others", import["ahead"])),
            Some("running") => {
                if let Some(step) = step(&import["progress"]) {
                    if let Step::Reading { read, total } = step {
                        bar.set_length(total);
                        bar.set_position(read);
                    }
                    bar.set_message(words(step));
                }
            }
            Some("done") => break server.get(&format!("{place}/report"))?.ok()?,
            _ => {
                bar.finish_and_clear();
                let why = import["error"].as_str().unwrap_or("the server does not say why");
                return Err(Failure::Failed(format!("import {id}: {why}")));
            }
        }
        std::thread::sleep(PACE);
    };
    bar.finish_and_clear();
    Ok(serde_json::from_value(report)?)
}

fn step(progress: &Value) -> Option<Step> {
    let number = |name: &str| progress[name].as_u64().unwrap_or(0);
    Some(match progress["step"].as_str()? {
        "reading" => Step::Reading { read: number("read"), total: number("total") },
        "mending" => Step::Mending,
        "placing" => Step::Placing,
        "writing" => Step::Writing { rows: number("rows") },
        _ => return None,
    })
}

/// The options as a query; what names a file of this machine comes as a part.
fn query(args: &Args) -> String {
    let mut pairs: Vec<(&str, String)> = vec![("kind", Kind::from(args.kind).as_str().to_owned())];
    let mut also = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
    let yes = |is: bool| is.then(|| "true".to_owned());
    also("crs", args.crs.map(|crs| crs.to_string()));
    also("helmert", args.helmert.map(|helmert| helmert.to_string()));
    also("swap_xy", yes(args.swap_xy));
    also("scheme", args.scheme.clone().filter(|name| SCHEMES.contains(&name.as_str())));
    also("codes", args.codes.clone().filter(|name| BUILTIN.contains(&name.as_str())));
    also("profile", args.profile.clone().filter(|name| name == "osm"));
    also("layer", args.layer.clone().filter(|_| !args.files.iter().any(|file| file.is_dir())));
    also("assign_codes", yes(args.assign_codes));
    also("map", Some(args.map.iter().map(|map| format!("{map}\n")).collect::<String>()).filter(|map| !map.is_empty()));
    also("accept", Some(args.accept.join(",")).filter(|accept| !accept.is_empty()));
    also("from", args.from.clone());
    also("until", args.until.clone());
    also("beside", yes(args.beside));
    also("set", Some(args.set.clone()));
    also("within", args.within.as_ref().map(ToString::to_string));
    also("system", args.system.clone());
    also("source", args.source.clone());
    also("source_date", args.source_date.map(|day| day.to_string()));
    also("max_vertices", Some(args.max_vertices.to_string()));
    also("dry_run", yes(args.dry_run));
    pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

fn parts(args: &Args) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::new();
    for file in &args.files {
        for path in files_of(file, args.layer.as_deref())? {
            parts.push(part("file", path)?);
        }
    }
    let settings = [
        ("scheme", args.scheme.as_deref().filter(|name| !SCHEMES.contains(name))),
        ("codes", args.codes.as_deref().filter(|name| !BUILTIN.contains(name))),
        ("profile", args.profile.as_deref().filter(|name| *name != "osm")),
    ];
    for (name, path) in settings {
        if let Some(path) = path {
            parts.push(part(name, PathBuf::from(path))?);
        }
    }
    Ok(parts)
}

/// A file, or a Shapefile with its siblings.
fn files_of(file: &Path, layer: Option<&str>) -> Result<Vec<PathBuf>, Failure> {
    let is_shape = |path: &Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("shp"));
    let in_folder = |folder: &Path| -> Result<Vec<PathBuf>, Failure> {
        let listed = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        let mut paths: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
        paths.sort();
        Ok(paths)
    };
    let shape = if file.is_dir() {
        let named = |path: &&PathBuf| layer.is_none_or(|layer| path.file_stem().is_some_and(|stem| stem == layer));
        let paths = in_folder(file)?;
        let shapes: Vec<&PathBuf> = paths.iter().filter(|path| is_shape(path)).filter(named).collect();
        match shapes[..] {
            [one] => one.clone(),
            _ => {
                let detail = format!("{}: {} Shapefiles; --layer says which one", file.display(), shapes.len());
                return Err(Failure::Usage(detail));
            }
        }
    } else if is_shape(file) {
        file.to_owned()
    } else {
        return Ok(vec![file.to_owned()]);
    };
    let folder = shape.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().to_ascii_lowercase());
    Ok(in_folder(folder)?.into_iter().filter(|path| stem(path) == stem(&shape)).collect())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot read {}: {error}", path.display()))
}

fn part(field: &str, path: PathBuf) -> Result<Part, Failure> {
    let size = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?.len();
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().replace(['"', '\r', '\n'], "_");
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\r\n");
    Ok(Part { head, path, size })
}

fn write_body(
    stream: &mut TcpStream,
    head: &str,
    parts: &[Part],
    end: &str,
    bar: &indicatif::ProgressBar,
) -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::Failed(format!("the connection to the server broke off: {error}"));
    stream.write_all(head.as_bytes()).map_err(broken)?;
    let mut buffer = vec![0; 1 << 16];
    for part in parts {
        stream.write_all(part.head.as_bytes()).map_err(broken)?;
        let mut left = part.size;
        let mut file = File::open(&part.path).map_err(|error| unreadable(&part.path, &error))?;
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = file.read(&mut buffer[..most]).map_err(|error| unreadable(&part.path, &error))?;
            if read == 0 {
                return Err(Failure::Failed(format!("{} became shorter while it was read", part.path.display())));
            }
            stream.write_all(&buffer[..read]).map_err(broken)?;
            left -= read as u64;
            bar.inc(read as u64);
        }
        stream.write_all(b"\r\n").map_err(broken)?;
    }
    stream.write_all(end.as_bytes()).map_err(broken)
}
