//! What the MySQL driver does beyond the laws that all drivers keep, by topic; last, it joins the laws.
//!
//! On the server that MYSQL_URL names, or this machine's. Where none answers, only CI fails.

mod at_once;
mod columns;
mod connections;
mod leases;

use std::sync::LazyLock;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::dial::options;
use super::*;
use crate::config::Connection;
use crate::driver::Driver;
use crate::driver::conformance::Fixture;
use crate::driver::conformance::sql::{
    BOUNDS, NOW, answering, connection, fresh_table, id, loaded, run, text, wait,
};
use crate::driver::remote::Remote;
use crate::error::Result;

/// The table as `lib/handler/DatabaseSessionHandler.js` has it made by sails-mysql, on a server that is not strict.
const WATERLINE: &str =
    "CREATE TABLE {table} (`id` VARCHAR(255) UNIQUE, `payload` VARCHAR(255), `lastActivity` INT,
    `createdAt` DATETIME, `updatedAt` DATETIME) CHARACTER SET latin1 COLLATE latin1_swedish_ci";
/// The same with columns that are wide enough, compared as MySQL does where nobody says otherwise.
const WIDENED: &str =
    "CREATE TABLE {table} (`id` VARCHAR(255) UNIQUE, `payload` LONGTEXT, `lastActivity` BIGINT,
    `createdAt` DATETIME, `updatedAt` DATETIME) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci";

/// The server, where it can be reached.
static SERVER: LazyLock<Option<config::Server>> = LazyLock::new(|| {
    let address = answering("MYSQL_URL", "mysql://root@127.0.0.1:3306/test", |address| {
        run(async { Conn::new(options(&server(address))).await.is_ok() })
    });
    address.as_deref().map(server)
});

/// What a URL means.
fn server(address: &str) -> config::Server {
    match connection(address) {
        Connection::MySql(server) => server,
        other => panic!("{other:?}"),
    }
}

/// A table of its own, which is there once a driver made it or a test did.
struct Place {
    table: TableName,
}

impl Place {
    /// `None`, and a note, where there is no server.
    fn new() -> Option<Self> {
        if SERVER.is_none() {
            eprintln!("skipped: no MySQL answers");
            return None;
        }
        let table = fresh_table("");
        Some(Self { table })
    }

    fn with_table(schema: &str) -> Option<Self> {
        let place = Self::new()?;
        place.sql(schema);
        Some(place)
    }

    fn server(&self) -> config::Server {
        SERVER.clone().unwrap()
    }

    fn driver(&self) -> Remote<MySql> {
        self.driver_for(self.server(), BOUNDS)
    }

    fn driver_for(&self, server: config::Server, bounds: Bounds) -> Remote<MySql> {
        Remote::new(MySql::new(&server, &self.table, bounds), bounds)
    }

    /// Runs statements for `{table}`, one after the other, and gives the rows of the last.
    fn sql(&self, statements: &str) -> Vec<Row> {
        let opts = options(&self.server());
        let statements = statements.replace("{table}", self.table.name());
        run(async {
            let mut conn = Conn::new(opts).await.unwrap();
            let mut rows = Vec::new();
            for statement in statements.split(';').filter(|text| !text.trim().is_empty()) {
                rows = conn.query(statement).await.unwrap();
            }
            conn.disconnect().await.unwrap();
            rows
        })
    }

    /// Keeps a row locked while `work` runs.
    fn hold(&self, fill: char, work: impl AsyncFnOnce()) {
        let opts = options(&self.server());
        let (table, id) = (self.table.name(), id(fill));
        let id = id.as_str();
        run(async {
            let mut conn = Conn::new(opts).await.unwrap();
            conn.query_drop("BEGIN").await.unwrap();
            let row = format!("SELECT 1 FROM {table} WHERE `id` = '{id}' FOR UPDATE");
            conn.query_drop(row).await.unwrap();
            work().await;
            conn.query_drop("ROLLBACK").await.unwrap();
            conn.disconnect().await.unwrap();
        });
    }

    /// The first value that a query finds, as text.
    fn value(&self, query: &str) -> Option<String> {
        self.sql(query).first_mut()?.take(0)?
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sql("DROP TABLE IF EXISTS {table}, {table}_locks");
    }
}

impl Fixture for Option<Place> {
    fn open(&self, bounds: Bounds) -> Box<dyn Driver> {
        let place = self.as_ref().unwrap();
        Box::new(place.driver_for(place.server(), bounds))
    }

    fn reopen(&self, bounds: Bounds) -> Option<Box<dyn Driver>> {
        Some(self.open(bounds))
    }

    fn is_available(&self) -> bool {
        self.is_some()
    }
}

crate::driver::conformance!(Place::new());
