//! Several calls as one statement, which does all that they ask, or nothing.
//!
//! A call that gets no answer here is made by itself (`mod.rs`), and so are all when the server refuses the statement: what is
//! wrong with one is not the others' matter. Nor is a row that somebody else holds, which is not waited for.
//!
//! Statements are prepared, so there is one for each power of two, and what a group has less is NULL, which equals nothing.

use std::iter::repeat_n;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mysql_async::Value;

use super::dial::Reply;
use super::table::Stored;
use super::{MySql, longest_column, text};
use crate::driver::column;
use crate::driver::remote::{Failure, Outcome, Reason};
use crate::driver::together::calls::{Change, Found, New, once};
use crate::driver::together::{MOST, Together};
use crate::session_id::SessionId;

/// Payloads of more bytes are written by themselves.
const MOST_SHARED: usize = 16 * 1024;

// `{table}` stands for the quoted name, `{ids}` for as many values as there are rows, `{pairs}` for as many pairs, `{cases}` for as
// many cases, and `{own}` for a row's id byte by byte, whatever its column's character set.

const OWN: &str = "CAST(CONVERT(`id` USING utf8mb4) AS BINARY)";
/// A payload longer than the given bytes is measured, but not read.
const LOAD: &str = "SELECT octet_length(`payload`), `lastActivity`,
    CASE WHEN octet_length(`payload`) <= ? THEN `payload` END, {own} FROM {table} WHERE `id` IN ({ids})";
const CREATE: &str = "INSERT INTO {table} (`id`, `payload`, `lastActivity`) VALUES {rows}";
/// The rows that are as they are expected.
const THESE: &str =
    "`id` IN ({ids}) AND ({own}, CAST(CONVERT(`payload` USING utf8mb4) AS BINARY)) IN ({pairs})";
/// Counts the rows that are as they are expected, and locks those, unless somebody else holds them. Only if that are all, it
/// changes them.
const REPLACE: &str = "UPDATE
    (SELECT count(*) AS `rows` FROM (SELECT `id` FROM {table} WHERE {these} FOR UPDATE SKIP LOCKED) AS `held`) AS `counted`
    STRAIGHT_JOIN {table} SET `payload` = CASE {own} {cases} END, `lastActivity` = CASE {own} {cases} END
    WHERE `counted`.`rows` = ? AND {these}";

/// As many sizes as there are powers of two from 2 to [`MOST`].
const SIZES: usize = MOST.ilog2() as usize;

/// One statement in each size.
type Sized = [String; SIZES];

/// The calls that are made as one, and their statements.
pub(super) struct Several {
    pub(super) loads: Together<SessionId, Found>,
    pub(super) creates: Together<New, ()>,
    pub(super) replaces: Together<Change, ()>,
    load: Sized,
    create: Sized,
    replace: Sized,
    /// Whether the server may know `replace`: MySQL does since 8.0.1, MariaDB since 10.6.
    replaces_several: AtomicBool,
}

impl Several {
    /// For a table of that quoted name.
    pub(super) fn new(table: &str) -> Self {
        let sql = |text: &str| {
            let text = text.replace("{these}", THESE).replace("{own}", OWN);
            let text = text.replace("{table}", table);
            std::array::from_fn(|size| {
                let list = |item, by| vec![item; 2 << size].join(by);
                let text = text.replace("{ids}", &list("?", ", "));
                let text = text.replace("{pairs}", &list("(?, ?)", ", "));
                let text = text.replace("{rows}", &list("(?, ?, ?)", ", "));
                text.replace("{cases}", &list("WHEN ? THEN ?", " "))
            })
        };
        Self {
            loads: Together::default(),
            creates: Together::in_powers_of_two(),
            replaces: Together::default(),
            load: sql(LOAD),
            create: sql(CREATE),
            replace: sql(REPLACE),
            replaces_several: AtomicBool::new(true),
        }
    }

    /// Whether a record may be made along with others.
    pub(super) fn takes_create(&self, payload: &str) -> bool {
        payload.len() <= MOST_SHARED
    }

    /// Whether a record may be changed along with others.
    pub(super) fn takes_replace(&self, expected: &str, payload: &str) -> bool {
        expected.len().max(payload.len()) <= MOST_SHARED
            && self.replaces_several.load(Ordering::Relaxed)
    }
}

/// The statement for so many rows, and what is missing to its size.
fn sized(statements: &Sized, rows: usize) -> (&str, usize) {
    let size = rows.max(2).next_power_of_two().min(MOST);
    (&statements[size.ilog2() as usize - 1], size - rows)
}

/// For each call what was done, or `None` where it has to be made by itself.
type Done<T> = Outcome<Vec<Option<T>>>;

impl MySql {
    pub(super) async fn load_several(&self, ids: &[SessionId]) -> Done<Found> {
        let (most, longest) = (
            self.bounds.max_payload,
            longest_column(self.bounds.max_payload),
        );
        let (sql, missing) = sized(&self.several.load, ids.len());
        let mut values = vec![longest.into()];
        values.extend(ids.iter().map(|id| text(id.as_str())));
        values.extend(repeat_n(Value::NULL, missing));
        let Some(reply) = self.ask_for_several(sql, &values).await? else {
            return Ok(vec![None; ids.len()]);
        };
        let mut found: Vec<Found> = vec![Ok(None); ids.len()];
        for mut row in reply.rows {
            let own: Option<Vec<u8>> = row.take(3);
            let is_it = |id: &SessionId| own.as_deref() == Some(id.as_str().as_bytes());
            let Some(at) = ids.iter().position(is_it) else {
                continue;
            };
            let stored = Stored::of_row(row, longest);
            let record = stored.and_then(|stored| {
                stored.record(most, |column| self.known.decode(&ids[at], column))
            });
            found[at] = record.map(Some);
        }
        let first = |id: &SessionId| ids.iter().position(|other| other == id);
        let of = |id| first(id).map(|at| found[at].clone());
        Ok(ids.iter().map(of).collect())
    }

    pub(super) async fn create_several(&self, new: &[New]) -> Done<()> {
        let (sql, _) = sized(&self.several.create, new.len());
        let row = |new: &New| {
            let column = column(&new.payload);
            [text(new.id.as_str()), column, new.now.0.into()]
        };
        let values: Vec<_> = new.iter().flat_map(row).collect();
        let done = self.ask_for_several(sql, &values).await?;
        Ok(vec![done.map(drop); new.len()])
    }

    pub(super) async fn replace_several(&self, changes: &[Change]) -> Done<()> {
        let once = once(changes, |change| &change.new.id);
        let chosen: Vec<_> = once.iter().map(|at| &changes[*at]).collect();
        let (sql, missing) = sized(&self.several.replace, chosen.len());
        let id = |change: &&Change| text(change.new.id.as_str());
        let with = |value: fn(&Change) -> Value| {
            let pairs = chosen.iter().flat_map(move |c| [id(c), value(c)]);
            pairs.chain(repeat_n(Value::NULL, 2 * missing))
        };
        let these = || {
            let ids = chosen.iter().map(id);
            let ids = ids.chain(repeat_n(Value::NULL, missing));
            ids.chain(with(|change| column(&change.expected)))
        };
        let mut values: Vec<_> = these().collect();
        values.extend(with(|change| column(&change.new.payload)));
        values.extend(with(|change| change.new.now.0.into()));
        values.push(chosen.len().into());
        values.extend(these());
        let reply = self.ask_for_several(sql, &values).await?;
        let mut done = vec![None; changes.len()];
        match reply.map_or(0, |reply| reply.found) {
            0 => {}
            found if found == chosen.len() as u64 => {
                once.iter().for_each(|at| done[*at] = Some(()));
            }
            _ => return Err(in_part()),
        }
        Ok(done)
    }

    /// Runs one statement for several calls, once; `None` where the server refuses it, and did nothing.
    async fn ask_for_several(&self, sql: &str, values: &[Value]) -> Outcome<Option<Reply>> {
        let fault = match self.ask_once(sql, values).await {
            Ok(reply) => return Ok(Some(reply)),
            Err(fault) => fault,
        };
        if fault.is_of_the_statement() {
            self.several
                .replaces_several
                .store(false, Ordering::Relaxed);
        }
        match Failure::from(fault) {
            Failure::Refused(_) => Ok(None),
            failure => Err(failure),
        }
    }
}

fn column(payload: &Arc<str>) -> Value {
    Value::Bytes(column::encode(payload).into_bytes())
}

/// Rows that no server keeps apart while a statement runs: which of them were changed has to be found out.
fn in_part() -> Failure {
    Failure::Broken(Reason {
        message: "a part of several sessions was written".to_owned(),
        code: None,
    })
}
