//! Several calls as one statement: what of them it does for certain, and no more.
//!
//! A call that gets no answer here is made by itself (`table.rs`), and so are all when the server refuses the statement: what is
//! wrong with one is not the others' matter. Nor is a row that somebody else holds, which is passed over; only a new record waits for
//! another transaction that stores one of the same id.

use std::sync::Arc;

use super::fault::Fault;
use super::rows::longest_column;
use super::table::{Desk, Value, to_row};
use crate::driver::column;
use crate::driver::together::MOST_ALONG;
use crate::driver::together::calls::{Change, Found, New};
use crate::session_id::SessionId;

// `{table}` stands for the quoted name, `{at}` for the place of the row's id among the ids of $1, counted from 1, or NULL. The
// same ids are given once more in the column's own type, so that its index is used.

const AT: &str = r#"array_position($1::text[], "id"::text COLLATE "C")"#;

const LOAD: &str = r#"SELECT octet_length("payload")::bigint, CASE WHEN octet_length("payload") <= $3::bigint
    THEN "payload"::text END, "lastActivity"::text, {at} FROM {table} WHERE "id" = ANY ($2)"#;
const CREATE: &str = r#"INSERT INTO {table} ("id", "payload", "lastActivity")
    SELECT n.id, n.payload, n.activity FROM unnest($1::text[], $3::text[], $4::bigint[]) AS n(id, payload, activity)
    WHERE n.id COLLATE "C" <> ALL (ARRAY(SELECT "id"::text FROM {table} WHERE "id" = ANY ($2)))
    ON CONFLICT DO NOTHING RETURNING {at}"#;
/// Locks the rows that are as they are expected, and changes those. What an id that is equal in another way would let slip in
/// is compared once more.
const REPLACE: &str = r#"UPDATE {table} SET "payload" = ($3::text[])[{at}], "lastActivity" = ($4::bigint[])[{at}]
    WHERE "id" = ANY (ARRAY(SELECT "id" FROM {table} WHERE "id" = ANY ($2)
        AND "payload"::text COLLATE "C" = ($5::text[])[{at}] FOR UPDATE SKIP LOCKED))
    AND "payload"::text COLLATE "C" = ($5::text[])[{at}] RETURNING {at}"#;

/// The statements for several rows of a table.
pub(super) struct Several {
    load: String,
    create: String,
    replace: String,
}

impl Several {
    pub(super) fn new(table: &str) -> Self {
        let sql = |text: &str| text.replace("{table}", table).replace("{at}", AT);
        Self {
            load: sql(LOAD),
            create: sql(CREATE),
            replace: sql(REPLACE),
        }
    }
}

/// For each call what was done, or `None` where it has to be made by itself.
type Done<T> = Result<Vec<Option<T>>, Fault>;

impl Desk {
    /// A column that is too long to be sent along with others has no answer.
    pub(super) async fn load_several(&self, ids: &[SessionId]) -> Done<Found> {
        let most = self.table.most;
        let (names, longest) = (texts(ids.iter()), longest_column(most).min(MOST_ALONG));
        let sql = &self.table.several.load;
        let rows = self.query(sql, &[&names, &names, &longest]).await?;
        let mut found: Vec<Option<Found>> = vec![Some(Ok(None)); ids.len()];
        for row in &rows {
            let Some(at) = place(row.try_get(3)?, ids.len()) else {
                continue;
            };
            let row = to_row::<&str>(row)?;
            let is_sent = row.length.is_none_or(|bytes| bytes <= longest);
            let unwrap = |column: &[u8]| self.table.known.decode(&ids[at], column);
            found[at] = is_sent.then(|| row.record(most, unwrap).map(Some));
        }
        // The server gives the first place of an id that is asked for more than once.
        let of = |id: &SessionId| found[ids.iter().position(|other| other == id)?].clone();
        Ok(ids.iter().map(of).collect())
    }

    pub(super) async fn create_several(&self, new: &[New]) -> Done<()> {
        let ids = texts(new.iter().map(|new| &new.id));
        let (payloads, times) = columns(new.iter());
        let sql = &self.table.several.create;
        let rows = self.query(sql, &[&ids, &ids, &payloads, &times]).await?;
        done(rows, new.len())
    }

    pub(super) async fn replace_several(&self, changes: &[Change]) -> Done<()> {
        let ids = texts(changes.iter().map(|change| &change.new.id));
        let known = &self.table.known;
        let expected = |change: &Change| known.column(&change.new.id, &change.expected);
        let expected: Vec<Arc<str>> = changes.iter().map(expected).collect();
        let payload = |change: &Change| known.encode(&change.new.id, &change.new.payload);
        let payloads: Vec<Arc<str>> = changes.iter().map(payload).collect();
        let (expected, payloads) = (strs(&expected), strs(&payloads));
        let times: Vec<_> = changes.iter().map(|change| change.new.now.0).collect();
        let sql = &self.table.several.replace;
        let values: [Value; 5] = [&ids, &ids, &payloads, &times, &expected];
        done(self.query(sql, &values).await?, changes.len())
    }
}

fn texts<'i>(ids: impl Iterator<Item = &'i SessionId>) -> Vec<&'i str> {
    ids.map(SessionId::as_str).collect()
}

fn strs(texts: &[Arc<str>]) -> Vec<&str> {
    texts.iter().map(|text| &**text).collect()
}

fn columns<'n>(new: impl Iterator<Item = &'n New>) -> (Vec<String>, Vec<i64>) {
    new.map(|new| (column::encode(&new.payload), new.now.0))
        .unzip()
}

/// A place that the server gave, as an index.
fn place(at: Option<i32>, of: usize) -> Option<usize> {
    let at = usize::try_from(at?).ok()?.checked_sub(1)?;
    (at < of).then_some(at)
}

/// The calls whose rows the server gave the places of.
fn done(rows: Vec<tokio_postgres::Row>, of: usize) -> Done<()> {
    let mut done = vec![None; of];
    for row in rows {
        if let Some(at) = place(row.try_get(0)?, of) {
            done[at] = Some(());
        }
    }
    Ok(done)
}
