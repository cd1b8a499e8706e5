//! Records as rows of the documented table, and compare and swap by an update that counts its rows.
//!
//! Knows neither SQL nor a connection. Text in, records out.

use std::sync::Arc;

use crate::clock::Millis;
use crate::driver::column::{self, QUOTES, WORST_ESCAPE};
use crate::driver::remote::too_large;
use crate::driver::{Record, Removed, Replaced};
use crate::error::{Code, Error};

/// Most bytes that the column of a payload of `most` bytes may have.
pub(super) fn longest_column(most: usize) -> i64 {
    let longest = most.saturating_mul(WORST_ESCAPE).saturating_add(QUOTES);
    i64::try_from(longest).unwrap_or(i64::MAX)
}

/// A row as it was looked at; `C` is a text.
pub(super) struct Row<C> {
    /// Bytes of the payload column; `None` where it is NULL.
    pub(super) length: Option<i64>,
    /// The payload column's text, unless it is longer than [`longest_column`].
    pub(super) column: Option<C>,
    /// The `lastActivity` column, as text.
    pub(super) last_activity: Option<C>,
}

impl<C: AsRef<str>> Row<C> {
    /// The record of a row, given what unwraps the payload's column.
    pub(super) fn record(
        &self,
        most: usize,
        unwrap: impl FnOnce(&[u8]) -> Option<Arc<str>>,
    ) -> Result<Record, Error> {
        if self
            .length
            .is_some_and(|bytes| bytes > longest_column(most))
        {
            return Err(too_large(most));
        }
        let column = self.column.as_ref().map(|text| text.as_ref().as_bytes());
        let payload = column.and_then(unwrap).ok_or_else(corrupt)?;
        if payload.len() > most {
            return Err(too_large(most));
        }
        let last_activity = to_millis(self.last_activity.as_ref().map(AsRef::as_ref));
        Ok(Record {
            payload,
            last_activity,
        })
    }
}

/// The instant in a `lastActivity` column.
///
/// Numbers, and numbers that an adapter stored as text, are read. Anything else, NULL included, counts as 0: a row without a
/// time is as old as can be, and so reads as nothing. No sweep removes it, nor did the original's.
fn to_millis(text: Option<&str>) -> Millis {
    let text = text.unwrap_or_default();
    let whole = text.parse::<i64>();
    let millis = whole.or_else(|_| text.parse::<f64>().map(|number| number as i64));
    Millis(millis.unwrap_or(0))
}

fn corrupt() -> Error {
    Error::new(
        Code::Corrupt,
        "the session's payload column holds no JSON string",
    )
}

/// What became of a compare and swap.
#[derive(Debug)]
pub(super) enum Swap {
    Done,
    Conflict(Arc<str>),
    Gone,
}

impl From<Swap> for Replaced {
    fn from(swap: Swap) -> Self {
        match swap {
            Swap::Done => Replaced::Replaced,
            Swap::Conflict(stored) => Replaced::Conflict(stored),
            Swap::Gone => Replaced::Gone,
        }
    }
}

impl From<Swap> for Removed {
    fn from(swap: Swap) -> Self {
        match swap {
            Swap::Done => Removed::Removed,
            Swap::Conflict(stored) => Removed::Conflict(stored),
            Swap::Gone => Removed::Gone,
        }
    }
}

/// Writes where the payload column holds `column`, as far as is known the one of `expected`, and otherwise looks at what is there.
///
/// `write` is given the column's text to compare with, and tells how many rows it changed. Where somebody else has spelt the
/// expected payload in another way, it is called again with that spelling: so the comparison and the change are one
/// statement each time, and need no transaction.
pub(super) async fn swap<F, W, L>(
    (expected, column): (&str, &str),
    most: usize,
    write: impl Fn(String) -> W,
    look: impl Fn() -> L,
) -> Result<Swap, F>
where
    F: From<Error>,
    W: Future<Output = Result<u64, F>>,
    L: Future<Output = Result<Option<Row<String>>, F>>,
{
    let mut column = column.to_owned();
    loop {
        if write(column).await? > 0 {
            return Ok(Swap::Done);
        }
        let Some(row) = look().await? else {
            return Ok(Swap::Gone);
        };
        let stored = row.record(most, column::decode)?.payload;
        match row.column {
            Some(spelling) if *stored == *expected => column = spelling,
            _ => return Ok(Swap::Conflict(stored)),
        }
    }
}
