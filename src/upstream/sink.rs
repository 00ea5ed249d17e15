//! Tables in other people's databases that this program writes whole: in one transaction, whose readers see the rows of before until it
//! ends. Rows are removed and copied in anew (`DELETE`, `COPY`): `TRUNCATE` and tables that are exchanged by name would wait for every
//! reader and let nobody read meanwhile, and exchanged tables lose the grants, views and triggers that others put on them.

use super::database::{Foreign, home_of_postgis, quoted, told};
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// Bytes that are sent at once.
const PIECE: usize = 1 << 20;

/// A table as it is to be.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Name and type of each column; `geometry(…)` stands for a type of PostGIS.
    pub columns: &'static [(&'static str, &'static str)],
    /// Columns that together are one row's alone, beside `fid`.
    pub key: &'static str,
    /// Rows as `COPY` reads them, a line each.
    pub lines: String,
}

/// What is written.
#[derive(Debug, Clone)]
pub struct Told {
    /// Title of the city.
    pub city: String,
    /// The boundaries in force.
    pub epoch: i64,
    /// The change log's number.
    pub revision: i64,
    /// When that change was committed, as RFC 3339; none: there was no change yet.
    pub committed: Option<String>,
    /// When it is written, as RFC 3339.
    pub at: String,
    /// Of all rows: what is there already is not written again.
    pub content: String,
}

/// What `published` says about the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    /// Title of the city that wrote them.
    pub city: String,
    /// Its change log's number then.
    pub revision: i64,
    /// When that change was committed, in milliseconds since 1970: with the number it tells one city from another.
    pub committed_ms: Option<i64>,
    /// Of all rows.
    pub content: String,
}

/// What is there; `None`: nothing that this program wrote.
pub async fn there(url: &str, schema: &str, published: &str) -> Result<Option<There>, String> {
    let foreign = Foreign::of(url)?;
    let own = Own { schema, published };
    foreign
        .in_time(async {
            let mut connection = foreign.connected().await?;
            let mut tx = foreign.begin(&mut connection, "ISOLATION LEVEL READ COMMITTED READ ONLY").await?;
            let there = if own.is_there(&mut tx, published).await? { own.told(&mut tx).await? } else { None };
            tx.rollback().await.map_err(|error| told(&error))?;
            Ok(there)
        })
        .await
}

/// Writes all tables in the place of what was there `before`.
pub async fn write(
    url: &str,
    schema: &str,
    published: &str,
    told_of: &Told,
    before: Option<&There>,
    tables: &[Table],
) -> Result<(), String> {
    let foreign = Foreign::of(url)?;
    foreign.in_time(write_to(&foreign, &Own { schema, published }, told_of, before, tables)).await
}

async fn write_to(
    foreign: &Foreign,
    own: &Own<'_>,
    told_of: &Told,
    before: Option<&There>,
    tables: &[Table],
) -> Result<(), String> {
    let Own { schema, published } = *own;
    let mut connection = foreign.connected().await?;
    let mut tx = foreign.begin(&mut connection, "ISOLATION LEVEL READ COMMITTED").await?;
    if !own.is_there(&mut tx, published).await? {
        own.make(&mut tx, tables).await?;
    }
    let note = own.note();
    // Whoever else writes here waits; readers do not.
    run(&mut tx, &format!("LOCK TABLE {note} IN SHARE ROW EXCLUSIVE MODE"), &format!("{schema}.{published}")).await?;
    if own.told(&mut tx).await?.as_ref() != before {
        return Err(format!("somebody else wrote {schema}.{published} just now"));
    }
    for table in tables {
        let name = own.named(&table.name);
        run(&mut tx, &format!("DELETE FROM {name}"), &format!("{schema}.{}", table.name)).await?;
        let columns: Vec<String> = table.columns.iter().map(|(column, _)| quoted(column)).collect();
        let copy = format!("COPY {name} ({}) FROM STDIN", columns.join(", "));
        copied(&mut tx, &copy, &table.lines).await.map_err(|error| own.at(&table.name, &error))?;
    }
    run(&mut tx, &format!("DELETE FROM {note}"), published).await?;
    let sql = format!(
        "INSERT INTO {note} (city, epoch, revision, committed, at, content)
           VALUES ($1, $2, $3, $4::text::timestamptz, $5::text::timestamptz, $6)"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(&told_of.city)
        .bind(told_of.epoch)
        .bind(told_of.revision)
        .bind(&told_of.committed)
        .bind(&told_of.at)
        .bind(&told_of.content)
        .persistent(false)
        .execute(&mut *tx)
        .await
        .map_err(|error| own.at(published, &error))?;
    tx.commit().await.map_err(|error| format!("committing: {}", told(&error)))
}

async fn copied(tx: &mut PgConnection, statement: &str, lines: &str) -> Result<u64, sqlx::Error> {
    let mut copy = tx.copy_in_raw(statement).await?;
    for piece in lines.as_bytes().chunks(PIECE) {
        if let Err(error) = copy.send(piece).await {
            copy.abort("the rows could not be sent").await?;
            return Err(error);
        }
    }
    copy.finish().await
}

async fn run(tx: &mut PgConnection, sql: &str, what: &str) -> Result<(), String> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(tx).await;
    done.map(drop).map_err(|error| format!("{what}: {}", told(&error)))
}

/// Where the tables are.
struct Own<'a> {
    schema: &'a str,
    published: &'a str,
}

impl Own<'_> {
    fn named(&self, table: &str) -> String {
        format!("{}.{}", quoted(self.schema), quoted(table))
    }

    fn at(&self, table: &str, error: &sqlx::Error) -> String {
        format!("{}.{table}: {}", self.schema, told(error))
    }

    /// The table of one row that says what the others hold.
    fn note(&self) -> String {
        self.named(self.published)
    }

    async fn told(&self, tx: &mut PgConnection) -> Result<Option<There>, String> {
        let sql =
            format!("SELECT city, revision, round(extract(epoch FROM committed) * 1000)::bigint, content FROM {}", self.note());
        let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_optional(tx).await;
        let there = row.and_then(|row| {
            let there = row.map(|row| {
                let (city, revision) = (row.try_get(0)?, row.try_get(1)?);
                Ok(There { city, revision, committed_ms: row.try_get(2)?, content: row.try_get(3)? })
            });
            there.transpose()
        });
        there.map_err(|error| self.at(self.published, &error))
    }

    async fn is_there(&self, tx: &mut PgConnection, table: &str) -> Result<bool, String> {
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(self.named(table))
            .persistent(false)
            .fetch_one(tx)
            .await
            .map_err(|error| self.at(table, &error))
    }

    /// Makes what is missing. Whoever may not, is told what to make.
    async fn make(&self, tx: &mut PgConnection, tables: &[Table]) -> Result<(), String> {
        let home = home_of_postgis(tx).await?.ok_or("the database has no PostGIS: CREATE EXTENSION postgis, as a superuser")?;
        let sql = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
        let there: bool = sqlx::query_scalar(sql)
            .bind(self.schema)
            .persistent(false)
            .fetch_one(&mut *tx)
            .await
            .map_err(|error| told(&error))?;
        if !there {
            run(tx, &format!("CREATE SCHEMA {}", quoted(self.schema)), &format!("making the schema {}", self.schema)).await?;
        }
        for table in tables {
            if self.is_there(tx, &table.name).await? {
                let sql = format!("SELECT EXISTS (SELECT FROM {})", self.named(&table.name));
                let full = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *tx).await;
                if full.map_err(|error| self.at(&table.name, &error))? {
                    let (schema, name) = (self.schema, &table.name);
                    return Err(format!("{schema}.{name} has rows that this program did not write, and would lose them"));
                }
                continue;
            }
            let column = |(name, kind): &(&str, &str)| {
                let kind = if kind.starts_with("geometry") { format!("{home}.{kind}") } else { (*kind).to_owned() };
                format!("{} {kind}", quoted(name))
            };
            let columns: Vec<String> = table.columns.iter().map(column).collect();
            let name = self.named(&table.name);
            let sql = format!(
                "CREATE TABLE {name} ({}, PRIMARY KEY (fid), UNIQUE ({})); CREATE INDEX ON {name} USING gist (geom)",
                columns.join(", "),
                table.key
            );
            run(tx, &sql, &format!("making {}.{}", self.schema, table.name)).await?;
        }
        let sql = format!(
            "CREATE TABLE {} (one boolean PRIMARY KEY DEFAULT true CHECK (one), city text NOT NULL, epoch bigint NOT NULL,
               revision bigint NOT NULL, committed timestamptz, at timestamptz NOT NULL, content text NOT NULL)",
            self.note()
        );
        run(tx, &sql, &format!("making {}.{}", self.schema, self.published)).await
    }
}

/// Whether the tables could be written: the database answers, has PostGIS, and lets its user write there.
pub async fn answers(url: &str, schema: &str, tables: &[String]) -> Result<(), String> {
    let foreign = Foreign::of(url)?;
    let mut connection = foreign.connected().await?;
    let mut tx = foreign.begin(&mut connection, "ISOLATION LEVEL READ COMMITTED READ ONLY").await?;
    home_of_postgis(&mut tx).await?.ok_or("the database has no PostGIS: CREATE EXTENSION postgis, as a superuser")?;
    // What is not there is made where it belongs; what is there is written to.
    let sql = "SELECT CASE WHEN n.oid IS NULL AND NOT has_database_privilege(current_database(), 'CREATE')
            THEN format('the user may not make the schema %s', $1)
          WHEN n.oid IS NOT NULL AND NOT has_schema_privilege(n.oid, 'USAGE') THEN format('the user may not use the schema %s', $1)
          WHEN n.oid IS NOT NULL AND EXISTS (SELECT FROM unnest($2) name WHERE to_regclass(format('%I.%I', $1, name)) IS NULL)
            AND NOT has_schema_privilege(n.oid, 'CREATE') THEN format('the user may not make tables in the schema %s', $1)
          ELSE (SELECT format('the user may not write %s.%s', $1, c.relname) FROM pg_class c
            WHERE c.relnamespace = n.oid AND c.relname = ANY ($2)
              AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'DELETE'))
            LIMIT 1)
        END FROM (SELECT $1::text) asked LEFT JOIN pg_namespace n ON n.nspname = $1";
    let wrong: Option<String> = sqlx::query_scalar(sql)
        .bind(schema)
        .bind(tables)
        .persistent(false)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| told(&error))?;
    tx.rollback().await.map_err(|error| told(&error))?;
    wrong.map_or(Ok(()), Err)
}
