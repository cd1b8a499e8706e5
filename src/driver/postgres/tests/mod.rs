//! What the PostgreSQL driver does beyond the laws that all drivers keep, by topic; last, it joins the laws.
//!
//! On the server that POSTGRES_URL names, or this machine's. Where none answers, only CI fails.

mod at_once;
mod columns;
mod connections;
mod tables;

use std::process;
use std::sync::LazyLock;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::*;
use crate::config::Connection as Configured;
use crate::driver::Driver;
use crate::driver::conformance::Fixture;
use crate::driver::conformance::sql::{
    BOUNDS, NOW, answering, connection, fresh_table, id, loaded, run, text, wait,
};
use crate::driver::memory::Memory;

/// The table as sails-postgresql makes it for the model of `lib/SessionManager.js`.
const WATERLINE: &str =
    r#"CREATE TABLE {table} ("id" TEXT UNIQUE, "payload" TEXT, "lastActivity" INT)"#;
/// The same with a time that is wide enough, as whoever used it must have made it.
const WIDENED: &str =
    r#"CREATE TABLE {table} ("id" TEXT UNIQUE, "payload" TEXT, "lastActivity" BIGINT)"#;

/// Where the server is, if it can be reached.
static ADDRESS: LazyLock<Option<String>> = LazyLock::new(|| {
    answering(
        "POSTGRES_URL",
        "postgres://postgres@127.0.0.1:5432/test",
        |address| run(async { tokio_postgres::connect(address, NoTls).await.is_ok() }),
    )
});

/// What a URL means.
fn server(address: &str) -> Server {
    match connection(address) {
        Configured::Postgres(server) => server,
        other => panic!("{other:?}"),
    }
}

/// A table of its own, which is there once a driver made it or a test did.
struct Place {
    table: TableName,
    address: String,
}

impl Place {
    /// `None`, and a note, where there is no server.
    fn new() -> Option<Self> {
        Self::named("")
    }

    /// The same with a beginning of the table's name.
    fn named(prefix: &str) -> Option<Self> {
        let Some(address) = ADDRESS.clone() else {
            eprintln!("skipped: no PostgreSQL answers");
            return None;
        };
        let table = fresh_table(prefix);
        Some(Self { table, address })
    }

    fn with_table(schema: &str) -> Option<Self> {
        let place = Self::new()?;
        place.sql(schema);
        Some(place)
    }

    fn driver(&self) -> Box<dyn Driver> {
        self.driver_for(&self.address, BOUNDS)
    }

    fn driver_for(&self, address: &str, bounds: Bounds) -> Box<dyn Driver> {
        Box::new(open(&server(address), &self.table, bounds).unwrap())
    }

    /// Runs statements for `{table}` and `{locks}`, and gives the first column of the rows of the last one.
    fn sql(&self, statements: &str) -> Vec<Option<String>> {
        self.try_sql(statements).unwrap()
    }

    fn try_sql(
        &self,
        statements: &str,
    ) -> std::result::Result<Vec<Option<String>>, tokio_postgres::Error> {
        let names = Names::new(&self.table);
        let sql = statements
            .replace("{table}", &names.table)
            .replace("{locks}", &names.locks);
        self.with_client(async |client| {
            let messages = client.simple_query(&sql).await?;
            let first = |message: &SimpleQueryMessage| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
                _ => None,
            };
            Ok(messages.iter().filter_map(first).collect())
        })
    }

    fn with_client<T>(&self, work: impl AsyncFnOnce(Client) -> T) -> T {
        run(async {
            let (client, connection) = tokio_postgres::connect(&self.address, NoTls).await.unwrap();
            let carried = tokio::spawn(connection);
            let result = work(client).await;
            carried.abort();
            result
        })
    }

    /// What begins a transaction that holds a row.
    fn hold(&self, fill: char) -> String {
        let (table, id) = (Names::new(&self.table).table, id(fill));
        let id = id.as_str();
        format!(r#"BEGIN; SELECT 1 FROM {table} WHERE "id" = '{id}' FOR UPDATE"#)
    }

    fn insert(&self, id: SessionId, payload: &str, last_activity: &str) {
        self.sql(&format!(
            r#"INSERT INTO {{table}} ("id", "payload", "lastActivity") VALUES ('{}', {payload}, {last_activity})"#,
            id.as_str()
        ));
    }

    fn payload_column(&self, id: SessionId) -> Option<String> {
        let sql = format!(
            r#"SELECT "payload" FROM {{table}} WHERE "id" = '{}'"#,
            id.as_str()
        );
        self.sql(&sql).remove(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.try_sql("SET client_min_messages = error; DROP TABLE IF EXISTS {table}, {locks}")
            .ok();
    }
}

/// The laws' storage: a memory of its own where there is no server, so that a test that is skipped says so.
impl Fixture for Option<Place> {
    fn open(&self, bounds: Bounds) -> Box<dyn Driver> {
        match self {
            Some(place) => place.driver_for(&place.address, bounds),
            None => Box::new(Memory::new(bounds, 1_000_000)),
        }
    }

    fn reopen(&self, bounds: Bounds) -> Option<Box<dyn Driver>> {
        self.as_ref().map(|_| self.open(bounds))
    }
}

mod laws {
    crate::driver::conformance!(super::Place::new());
}
