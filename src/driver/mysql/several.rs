//! Several calls as one statement, which does all that they ask, or nothing.
//!
//! A call that gets no answer here is made by itself (`mod.rs`), and so are all when the server refuses the statement: what is
//! wrong with one is not the others' matter. Nor is a row that somebody else holds, which is not waited for; only a new record waits
//! for another transaction that stores one of the same id, a second at most.
//!
//! Only for tables of which that holds: those of InnoDB with a key that makes ids unique. And not where the server tells its replicas
//! the statements, since there another row may be held.
//!
//! Statements are prepared, so there is one for each power of two, and what a group has less is NULL, which equals nothing.

use std::iter::repeat_n;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use mysql_async::Value;

use super::dial::Reply;
use super::fault::{Fault, Kind};
use super::table::Stored;
use super::{MySql, longest_column, text};
use crate::config::TableName;
use crate::driver::column;
use crate::driver::remote::{Failure, Outcome, Reason};
use crate::driver::together::calls::{Change, Found, New};
use crate::driver::together::{MOST, MOST_ALONG, Together};
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
/// Locks the rows that are as they are expected, unless somebody else holds them, and counts them. Only if that are all, it changes
/// them, which it finds by their key, so that it meets no other row.
const REPLACE: &str = "UPDATE (SELECT `id` AS `key`, count(*) OVER () AS `rows` FROM {table} WHERE `id` IN ({ids})
    AND ({own}, CAST(CONVERT(`payload` USING utf8mb4) AS BINARY)) IN ({pairs}) FOR UPDATE SKIP LOCKED) AS `held`
    STRAIGHT_JOIN {table} ON `id` = `key` SET `payload` = CASE {own} {cases} END, `lastActivity` = CASE {own} {cases} END
    WHERE `rows` = ?";
/// Whether the table is one that takes such statements; no row where there is none.
const LOOK: &str = "SELECT `ENGINE` = 'InnoDB' AND NOT (@@log_bin AND @@binlog_format = 'STATEMENT') AND EXISTS (
    SELECT 1 FROM information_schema.STATISTICS AS `parts`
    WHERE `parts`.`TABLE_SCHEMA` = `tables`.`TABLE_SCHEMA` AND `parts`.`TABLE_NAME` = `tables`.`TABLE_NAME` AND `NON_UNIQUE` = 0
    GROUP BY `INDEX_NAME` HAVING count(*) = 1 AND max(`COLUMN_NAME`) = 'id' AND max(`SUB_PART`) IS NULL)
    FROM information_schema.TABLES AS `tables` WHERE `TABLE_SCHEMA` = {schema} AND `TABLE_NAME` = '{name}'";

/// As many sizes as there are powers of two from 2 to [`MOST`].
const SIZES: usize = MOST.ilog2() as usize;

/// One statement in each size.
type Sized = [String; SIZES];

/// Whether the table takes such statements: not known yet, yes, or no.
const UNKNOWN: u8 = 0;
const TAKES: u8 = 1;
const REFUSES: u8 = 2;

/// The calls that are made as one, and their statements.
pub(super) struct Several {
    pub(super) loads: Together<SessionId, Found>,
    pub(super) creates: Together<New, ()>,
    pub(super) replaces: Together<Change, ()>,
    load: Sized,
    create: Sized,
    /// MySQL knows it since 8.0.1, MariaDB since 10.6.
    replace: Sized,
    look: String,
    table: AtomicU8,
}

impl Several {
    /// For a table of that quoted name.
    pub(super) fn new(quoted: &str, table: &TableName) -> Self {
        let sql = |text: &str| {
            let text = text.replace("{own}", OWN).replace("{table}", quoted);
            std::array::from_fn(|size| {
                let list = |item, by| vec![item; 2 << size].join(by);
                let text = text.replace("{ids}", &list("?", ", "));
                let text = text.replace("{pairs}", &list("(?, ?)", ", "));
                let text = text.replace("{rows}", &list("(?, ?, ?)", ", "));
                text.replace("{cases}", &list("WHEN ? THEN ?", " "))
            })
        };
        // Names have no quotes in them.
        let schema = table.schema().map(|schema| format!("'{schema}'"));
        let schema = schema.unwrap_or_else(|| "database()".to_owned());
        Self {
            loads: Together::default(),
            creates: Together::in_powers_of_two(),
            replaces: Together::default(),
            load: sql(LOAD),
            create: sql(CREATE),
            replace: sql(REPLACE),
            look: LOOK
                .replace("{schema}", &schema)
                .replace("{name}", table.name()),
            table: AtomicU8::new(UNKNOWN),
        }
    }

    /// Whether calls with such payloads may be made along with others.
    pub(super) fn takes(&self, payloads: &[&str]) -> bool {
        let is_short = |payload: &&str| payload.len() <= MOST_SHARED;
        self.table.load(Ordering::Relaxed) != REFUSES && payloads.iter().all(is_short)
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
    /// A column that is too long to be sent along with others has no answer.
    pub(super) async fn load_several(&self, ids: &[SessionId]) -> Done<Found> {
        let most = self.bounds.max_payload;
        let longest = longest_column(most).min(MOST_ALONG);
        let (sql, missing) = sized(&self.several.load, ids.len());
        let mut values = vec![longest.into()];
        values.extend(ids.iter().map(|id| text(id.as_str())));
        values.extend(repeat_n(Value::NULL, missing));
        let Some(reply) = self.ask_for_several(sql, values).await? else {
            return Ok(vec![None; ids.len()]);
        };
        let mut found: Vec<Option<Found>> = vec![Some(Ok(None)); ids.len()];
        for mut row in reply.rows {
            let own: Option<Vec<u8>> = row.take(3);
            let is_it = |id: &SessionId| own.as_deref() == Some(id.as_str().as_bytes());
            let Some(at) = ids.iter().position(is_it) else {
                continue;
            };
            let is_sent = !matches!(row.as_ref(0), Some(Value::Int(bytes)) if *bytes > longest);
            let unwrap = |column: &[u8]| self.known.decode(&ids[at], column);
            let record = |row| Stored::of_row(row, longest)?.record(most, unwrap);
            found[at] = is_sent.then(|| record(row).map(Some));
        }
        let of = |id: &SessionId| found[ids.iter().position(|other| other == id)?].clone();
        Ok(ids.iter().map(of).collect())
    }

    pub(super) async fn create_several(&self, new: &[New]) -> Done<()> {
        let (sql, _) = sized(&self.several.create, new.len());
        let row = |new: &New| {
            let column = column(&new.payload);
            [text(new.id.as_str()), column, new.now.0.into()]
        };
        let values: Vec<_> = new.iter().flat_map(row).collect();
        let done = self.ask_for_several(sql, values).await?;
        Ok(vec![done.map(drop); new.len()])
    }

    pub(super) async fn replace_several(&self, changes: &[Change]) -> Done<()> {
        let (sql, missing) = sized(&self.several.replace, changes.len());
        let id = |change: &Change| text(change.new.id.as_str());
        let with = |value: &dyn Fn(&Change) -> Value| {
            let pairs = changes.iter().flat_map(|c| [id(c), value(c)]);
            let pairs: Vec<_> = pairs.collect();
            pairs.into_iter().chain(repeat_n(Value::NULL, 2 * missing))
        };
        let expected = |change: &Change| self.known.column(&change.new.id, &change.expected);
        let payload = |change: &Change| self.known.encode(&change.new.id, &change.new.payload);
        let mut values: Vec<_> = changes.iter().map(id).collect();
        values.extend(repeat_n(Value::NULL, missing));
        values.extend(with(&|change| text(&expected(change))));
        values.extend(with(&|change| text(&payload(change))));
        values.extend(with(&|change| change.new.now.0.into()));
        values.push(changes.len().into());
        let reply = self.ask_for_several(sql, values).await?;
        match reply.map_or(0, |reply| reply.found) {
            0 => Ok(vec![None; changes.len()]),
            found if found == changes.len() as u64 => Ok(vec![Some(()); changes.len()]),
            _ => Err(in_part()),
        }
    }

    /// Runs one statement for several calls, once; `None` where the server refuses it, and did nothing.
    async fn ask_for_several(&self, sql: &str, values: Vec<Value>) -> Outcome<Option<Reply>> {
        if !self.may_ask_for_several().await? {
            return Ok(None);
        }
        match self.ask_once(sql, values).await {
            Ok(reply) => Ok(Some(reply)),
            Err(fault) => self.is_not_done(fault).map(|()| None),
        }
    }

    async fn may_ask_for_several(&self) -> Outcome<bool> {
        let known = &self.several.table;
        match known.load(Ordering::Relaxed) {
            UNKNOWN => {}
            is_known => return Ok(is_known == TAKES),
        }
        let mut looked = match self.ask_once(&self.several.look, Vec::new()).await {
            Ok(reply) => reply.rows,
            Err(fault) => return self.is_not_done(fault).map(|()| false),
        };
        let takes: Option<i64> = looked.first_mut().and_then(|row| row.take(0));
        if let Some(takes) = takes {
            let takes = if takes == 1 { TAKES } else { REFUSES };
            known.store(takes, Ordering::Relaxed);
        }
        Ok(takes == Some(1))
    }

    /// What a statement came to that the server refused; or the failure that is everybody's.
    fn is_not_done(&self, fault: Fault) -> Outcome<()> {
        if fault.is_of_the_statement() {
            self.several.table.store(REFUSES, Ordering::Relaxed);
        }
        let is_full = fault.kind == Kind::Crowded;
        match Failure::from(fault) {
            Failure::Refused(_) if !is_full => Ok(()),
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
