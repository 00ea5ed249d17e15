//! Tables, views and statements of other people's databases, read whole into a GeoJSON file: in one state of the database, streamed, and
//! bounded. All of it is said to one transaction that cannot write, so a pooler may stand in between.

use super::database::{Foreign, home_of_postgis, quoted, told};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::path::Path;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};
use xxhash_rust::xxh3::xxh3_128;

/// What is read.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Where the database is. Never shown.
    pub url: &'a str,
    /// Which rows.
    pub of: Of<'a>,
    /// The column with the geometry; `None`: the only one there is.
    pub geometry: Option<&'a str>,
    /// The column that names a row. Rows come in its order.
    pub key: Option<&'a str>,
    /// Most bytes of the file.
    pub most_bytes: u64,
    /// Most rows; of a trial.
    pub most_rows: Option<u64>,
}

/// Which rows.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    /// Of a table or view.
    Table(&'a str, &'a str),
    /// Of one statement.
    Sql(&'a str),
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// How many rows.
    pub rows: u64,
    /// Of their contents, in whatever order they came.
    pub hash: u128,
    /// The columns but the geometry.
    pub columns: Vec<String>,
    /// The column with the geometry, and the EPSG number of its positions.
    pub geometry: Option<(String, Option<i32>)>,
}

/// Types of columns that no record has room for.
const LEFT_OUT: [&str; 4] = ["geometry", "geography", "raster", "bytea"];

/// How the file begins; the blanks are for the CRS, which is known when the first geometry has come.
const HEAD: &str = "{\"type\":\"FeatureCollection\",";
const CRS_ROOM: usize = 96;

/// Our names in statements of others.
const S: &str = "wangge_source_";
const P: &str = "wangge_columns_";
const K: &str = "wangge_key_";

/// Reads all rows into a file. An error says what is wrong and where.
pub async fn read(ask: &Ask<'_>, into: &Path) -> Result<Read, String> {
    let foreign = Foreign::of(ask.url)?;
    foreign.in_time(read_from(&foreign, ask, into)).await
}

async fn read_from(foreign: &Foreign, ask: &Ask<'_>, into: &Path) -> Result<Read, String> {
    let mut connection = foreign.connected().await?;
    let mut tx = foreign.begin(&mut connection, "ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let of = match ask.of {
        Of::Table(schema, name) => format!("{}.{}", quoted(schema), quoted(name)),
        Of::Sql(sql) => format!("(\n{sql}\n)"),
    };
    let failed = |error: sqlx::Error| match ask.of {
        Of::Table(schema, name) => format!("{schema}.{name}: {}", told(&error)),
        Of::Sql(_) => format!("sql: {}", told(&error)),
    };
    let Some(shape) = Shape::of(&mut tx, &of, ask, failed).await? else {
        return Ok(Read { rows: 0, hash: 0, columns: Vec::new(), geometry: None });
    };
    let statement = shape.statement(&mut tx, &of, ask).await?;
    let mut file = Spool::new(into, ask.most_bytes).await.map_err(|error| not_kept(&error))?;
    {
        let mut rows = sqlx::query(AssertSqlSafe(statement)).persistent(false).fetch(&mut *tx);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let columns: &str = row.try_get(0).map_err(failed)?;
            let (geometry, srid): (Option<&str>, Option<i32>) =
                (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
            file.add(columns, geometry, srid).await?;
        }
    }
    tx.rollback().await.map_err(failed)?;
    let (rows, hash, srid) = file.finish().await?;
    Ok(Read { rows, hash, columns: shape.columns, geometry: shape.geometry.map(|name| (name, srid)) })
}

/// Columns of the rows.
struct Shape {
    columns: Vec<String>,
    geometry: Option<String>,
}

impl Shape {
    /// By the first row; `None`: there is none. Asked of the database, since the driver would have to ask it for types that it does not know
    /// in the middle of a statement, which it could not keep behind a pooler.
    async fn of(
        tx: &mut PgConnection,
        of: &str,
        ask: &Ask<'_>,
        failed: impl Fn(sqlx::Error) -> String,
    ) -> Result<Option<Self>, String> {
        let first = format!("(SELECT * FROM {of} AS {S} LIMIT 1) AS {P}");
        let sql = format!("SELECT {K}.{K} FROM {first} CROSS JOIN LATERAL json_object_keys(row_to_json({P})) AS {K}({K})");
        let all: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut *tx).await.map_err(&failed)?;
        if all.is_empty() {
            return Ok(None);
        }
        let types: Vec<String> = all.iter().map(|name| format!("pg_typeof({P}.{})::text", quoted(name))).collect();
        let sql = format!("SELECT ARRAY[{}] FROM {first}", types.join(", "));
        let types: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(tx).await.map_err(&failed)?;
        Self::told(all, &types, ask).map(Some)
    }

    fn told(all: Vec<String>, types: &[String], ask: &Ask<'_>) -> Result<Self, String> {
        let mut shape = Self { columns: Vec::new(), geometry: None };
        let mut places = Vec::new();
        for (name, kind) in all.iter().map(String::as_str).zip(types) {
            // With or without its schema.
            let kind = kind.rsplit('.').next().unwrap_or_default().trim_matches('"');
            if kind == "geometry" || kind == "geography" {
                places.push(name);
            }
            if !LEFT_OUT.contains(&kind) {
                shape.columns.push(name.to_owned());
            }
        }
        let absent = |what: &str, name: &str| format!("{what} {name:?}: there is no such column; there are {}", all.join(", "));
        shape.geometry = match (ask.geometry, places.as_slice()) {
            (Some(told), places) if places.contains(&told) => Some(told.to_owned()),
            (Some(told), _) if all.iter().any(|name| name == told) => {
                return Err(format!("geometry {told:?} is no column of geometries"));
            }
            (Some(told), _) => return Err(absent("geometry", told)),
            (None, []) => None,
            (None, [only]) => Some((*only).to_owned()),
            (None, several) => {
                return Err(format!(
                    "there are {} columns of geometries, say geometry = one of {}",
                    several.len(),
                    several.join(", ")
                ));
            }
        };
        if let Some(key) = ask.key.filter(|key| !shape.columns.iter().any(|column| column == key)) {
            return Err(absent("key", key));
        }
        Ok(shape)
    }

    /// Each row as a JSON object of its columns, its geometry as GeoJSON with all digits, and the number of its reference system.
    async fn statement(&self, tx: &mut PgConnection, of: &str, ask: &Ask<'_>) -> Result<String, String> {
        let columns: Vec<String> = self.columns.iter().map(|name| format!("{S}.{}", quoted(name))).collect();
        let geometry = match &self.geometry {
            None => "NULL::text, NULL::int4".to_owned(),
            Some(name) => {
                let home = home_of_postgis(tx).await?;
                let home = home.ok_or("the database has no PostGIS, without which its geometries cannot be read")?;
                let place = format!("{S}.{}::{home}.geometry", quoted(name));
                format!(
                    "{home}.ST_AsGeoJSON({home}.ST_Force2D(CASE WHEN {home}.ST_HasArc({place}) THEN {home}.ST_CurveToLine({place})
                       ELSE {place} END), 15, 0)::text, {home}.ST_SRID({place})::int4"
                )
            }
        };
        let order = ask.key.map(|key| format!(" ORDER BY {S}.{}", quoted(key))).unwrap_or_default();
        let limit = ask.most_rows.map(|rows| format!(" LIMIT {rows}")).unwrap_or_default();
        Ok(format!(
            "SELECT row_to_json({P})::text, {geometry} FROM {of} AS {S} CROSS JOIN LATERAL (SELECT {}) AS {P}{order}{limit}",
            columns.join(", ")
        ))
    }
}

fn not_kept(error: &std::io::Error) -> String {
    format!("the rows could not be kept: {error}")
}

/// The file on its way.
struct Spool {
    file: BufWriter<tokio::fs::File>,
    bytes: u64,
    most: u64,
    rows: u64,
    /// The sum of the rows' hashes: the same in any order.
    hash: u128,
    srid: Option<i32>,
    line: String,
}

impl Spool {
    async fn new(path: &Path, most: u64) -> std::io::Result<Self> {
        let file = BufWriter::with_capacity(256 << 10, tokio::fs::File::create(path).await?);
        let mut spool = Self { file, bytes: 0, most, rows: 0, hash: 0, srid: None, line: String::new() };
        spool.file.write_all(format!("{HEAD}{:CRS_ROOM$}\"features\":[\n", "").as_bytes()).await?;
        Ok(spool)
    }

    async fn add(&mut self, columns: &str, geometry: Option<&str>, srid: Option<i32>) -> Result<(), String> {
        if let Some(srid) = srid.filter(|_| geometry.is_some()) {
            match self.srid {
                Some(before) if before != srid => {
                    return Err(format!("its geometries are in several reference systems, EPSG:{before} and EPSG:{srid}"));
                }
                _ => self.srid = Some(srid),
            }
        }
        self.line.clear();
        let before = if self.rows == 0 { "" } else { ",\n" };
        for part in ["{\"type\":\"Feature\",\"properties\":", columns, ",\"geometry\":", geometry.unwrap_or("null"), "}"] {
            self.line.push_str(part);
        }
        self.hash = self.hash.wrapping_add(xxh3_128(self.line.as_bytes()));
        self.rows += 1;
        self.bytes += (before.len() + self.line.len()) as u64;
        if self.bytes > self.most {
            return Err(format!("its rows are more than {} MB (upload_limit_mb)", self.most >> 20));
        }
        let written = async {
            self.file.write_all(before.as_bytes()).await?;
            self.file.write_all(self.line.as_bytes()).await
        };
        written.await.map_err(|error| not_kept(&error))
    }

    async fn finish(mut self) -> Result<(u64, u128, Option<i32>), String> {
        // 0 says that nobody knows.
        let srid = self.srid.filter(|srid| *srid > 0);
        let crs = srid
            .map(|srid| format!("\"crs\":{{\"type\":\"name\",\"properties\":{{\"name\":\"urn:ogc:def:crs:EPSG::{srid}\"}}}},"));
        let written = async {
            self.file.write_all(b"\n]}\n").await?;
            if let Some(crs) = crs {
                self.file.seek(std::io::SeekFrom::Start(HEAD.len() as u64)).await?;
                self.file.write_all(crs.as_bytes()).await?;
            }
            self.file.flush().await
        };
        written.await.map_err(|error| not_kept(&error))?;
        // The same rows in another reference system are others.
        let hash = self.hash.wrapping_add(srid.map_or(0, |srid| srid.unsigned_abs().into()));
        Ok((self.rows, hash, srid))
    }
}
