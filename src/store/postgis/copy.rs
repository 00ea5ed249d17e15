//! A whole city out of a schema, and into one without a city: one transaction, however large.

use super::schema::NUMBERED;
use super::sql::{EXTERNAL, Tx, bound, copy_rows, told};
use super::{PostgisStore, log};
use crate::domain::id::Revision;
use crate::store::StoreError;
use crate::store::commit::ImportRecord;
use crate::store::copy::{CityRows, Form, OWN_NUMBERS, Portion, Table, external_keys, tables};
use crate::store::layers::{FACILITIES, STAFF};
use crate::store::values::{Fields, Value, Values};
use tokio::sync::mpsc;

impl PostgisStore {
    pub(in crate::store) async fn rows(&self) -> Result<CityRows, StoreError> {
        let mut tx = self.whole().await?;
        let revision = log::revision(&mut tx).await?;
        Ok(CityRows::new(revision, |to| tokio::spawn(async move { tell(&mut tx, &to).await })))
    }
}

/// Tells all rows, until there are none left or nobody listens.
async fn tell(tx: &mut Tx, to: &mpsc::Sender<Portion>) -> Result<(), StoreError> {
    for (at, table) in tables().iter().enumerate() {
        let mut portion = Portion::new(at);
        let mut rows = tx.stream(source(table), bound![], "reading rows");
        while let Some(row) = rows.next().await? {
            table.read(&mut Fields::of_pg(&row), &mut portion.rows)?;
            if portion.is_full() && !portion.tell(to).await {
                return Ok(());
            }
        }
        drop(rows);
        if !portion.tell(to).await {
            return Ok(());
        }
    }
    Ok(())
}

/// The statement that reads a table in the order of its key.
fn source(table: &Table) -> String {
    let name = table.name;
    let column = |(column, kind): (&'static str, &'static str)| match (table.form, name, column) {
        // A set beside the chain stands in its own epoch alone, whatever is written here.
        (Form::Boundaries(_), _, "epoch_until") => "CASE WHEN chain = 0 THEN epoch_until END".to_owned(),
        // The revision of a kept answer stands beside it, since the answer was made before there was one.
        (Form::Own, "answers", "answer") => {
            r#"regexp_replace(answer, '^\{"revision":[0-9]+', '{"revision":' || revision)"#.to_owned()
        }
        _ => told((column, kind)),
    };
    let columns: Vec<String> = table.columns.iter().copied().map(column).collect();
    let list = columns.join(", ");
    let order: Vec<String> = table
        .key
        .iter()
        .map(|key| match table.columns[table.at(key)].1.split(' ').next() {
            Some("INTEGER") => format!("\"{key}\""),
            _ => format!("\"{key}\" COLLATE \"C\""),
        })
        .collect();
    let order = order.join(", ");
    match (table.form, name) {
        (Form::Before(_), _) => format!(
            "SELECT {list} FROM {name} WHERE import IN (SELECT id FROM imports WHERE revision IS NOT NULL ORDER BY id DESC LIMIT {})
             ORDER BY {order}",
            ImportRecord::UNDOABLE
        ),
        (Form::Own, "sequences") => {
            let own = OWN_NUMBERS.map(|(table, column)| {
                format!(" UNION ALL SELECT '{table}', coalesce(pg_sequence_last_value(pg_get_serial_sequence('{table}', '{column}')), 0)")
            });
            format!("SELECT * FROM (SELECT name, last FROM sequences WHERE name <> 'callers'{}) AS s ORDER BY name COLLATE \"C\"", own.concat())
        }
        _ => format!("SELECT {list} FROM {name} ORDER BY {order}"),
    }
}

/// A schema that is being filled. When it is dropped, nothing of it was done.
pub(in crate::store) struct PostgisCopy {
    store: PostgisStore,
    tx: Option<Tx>,
}

impl PostgisCopy {
    pub(in crate::store) async fn begin(url: &str) -> Result<Self, StoreError> {
        let (store, tx) = PostgisStore::uninhabited(url).await?;
        Ok(Self { store, tx: Some(tx) })
    }

    pub(in crate::store) async fn write(&mut self, table: &'static Table, mut rows: Values) -> Result<(), StoreError> {
        let tx = self.tx.as_mut().ok_or(StoreError::ReadOnly)?;
        let (name, mut width, mut list) = (table.name, table.width(), table.list());
        let doing = format!("copying {name}");
        match (table.form, name) {
            (Form::Rows(layer) | Form::Before(layer), _) if layer.name == FACILITIES.name => {
                let mut with = Values(Vec::with_capacity(rows.0.len() + rows.0.len() / width));
                for row in rows.0.chunks(width) {
                    with.0.extend_from_slice(row);
                    with.0.push(keys_text(&external_keys(table, row)?));
                }
                (rows, width) = (with, width + 1);
                list.push_str(&format!(", \"{}\"", EXTERNAL.0));
            }
            (Form::Boundaries(_), _) => {
                let (chain, until) = (table.at("chain"), table.at("epoch_until"));
                for row in rows.0.chunks_mut(width) {
                    if let Value::Int(chain) = row[chain]
                        && chain != 0
                    {
                        row[until] = Value::Int(chain + 1);
                    }
                }
            }
            (Form::Own, "answers") => {
                let mut with = Values(Vec::with_capacity(rows.0.len() + rows.0.len() / width));
                let at = table.at("answer");
                for row in rows.0.chunks(width) {
                    with.0.extend_from_slice(row);
                    with.0.push(Value::Int(revision_of(&row[at])));
                }
                (rows, width) = (with, width + 1);
                list.push_str(", \"revision\"");
            }
            (Form::Own, "audit_begin") => {
                for row in rows.0.chunks(width) {
                    let [Value::Int(number), Value::Text(hash)] = row else { continue };
                    tx.execute("UPDATE audit_begin SET number = $1, hash = $2", bound![*number, hash.as_str()], &doing).await?;
                }
                return Ok(());
            }
            (Form::Own, "sequences") => {
                for row in rows.0.chunks(width) {
                    let [Value::Text(name), Value::Int(last)] = row else { continue };
                    match OWN_NUMBERS.iter().find(|(table, _)| table == name) {
                        None => {
                            let sql =
                                "INSERT INTO sequences VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET last = excluded.last";
                            tx.execute(sql, bound![name.as_str(), *last], &doing).await?;
                        }
                        Some((table, column)) if *last > 0 => {
                            let sql = format!("SELECT setval(pg_get_serial_sequence('{table}', '{column}'), $1)::text");
                            tx.row(sql, bound![*last], &doing).await?;
                        }
                        Some(_) => {}
                    }
                }
                return Ok(());
            }
            _ => {}
        }
        copy_rows(tx, &format!("{name} ({list})"), width, rows, &doing).await.map(drop)
    }

    /// Makes everything visible.
    pub(in crate::store) async fn finish(&mut self, revision: Revision) -> Result<(), StoreError> {
        let mut tx = self.tx.take().ok_or(StoreError::ReadOnly)?;
        let sql = "UPDATE clock SET revision = $1";
        tx.execute(sql, bound![revision.0.cast_signed()], "setting the clock").await?;
        let names: Vec<&str> =
            NUMBERED.iter().map(|layer| layer.name).chain([STAFF.name, "regions", "grids", "voids", "audit"]).collect();
        tx.run(format!("ANALYZE {}", names.join(", ")), "looking at the rows for the planner").await?;
        tx.commit().await?;
        self.store.close().await
    }
}

fn keys_text(keys: &[i64]) -> Value {
    if keys.is_empty() {
        return Value::Null;
    }
    let keys: Vec<String> = keys.iter().map(i64::to_string).collect();
    Value::Text(format!("{{{}}}", keys.join(",")))
}

/// The revision that a kept answer bears; that to an import's announcement is only its number.
fn revision_of(answer: &Value) -> i64 {
    let Value::Text(text) = answer else { return 0 };
    serde_json::from_str::<serde_json::Value>(text).ok().and_then(|answer| answer["revision"].as_i64()).unwrap_or(0)
}
