//! What the PostgreSQL driver does beyond the laws that all drivers keep, by topic; last, it joins the laws.
//!
//! On the server that POSTGRES_URL names, or this machine's. Where none answers, only CI fails.

mod columns;
mod connections;
mod tables;

use std::path::Path;
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::*;
use crate::config::{Config, Connection as Configured, Setting};
use crate::driver::conformance::Fixture;
use crate::driver::memory::Memory;
use crate::driver::{Answer, Driver};

const BOUNDS: Bounds = Bounds {
    idle_timeout: Millis(1_000),
    max_payload: 64 * 1024,
    read_patience: Millis(1_900),
    write_patience: Millis(1_900),
};
const NOW: Millis = Millis(1_795_383_066_943);

/// The table as sails-postgresql makes it for the model of `lib/SessionManager.js`.
const WATERLINE: &str =
    r#"CREATE TABLE {table} ("id" TEXT UNIQUE, "payload" TEXT, "lastActivity" INT)"#;
/// The same with a time that is wide enough, as whoever used it must have made it.
const WIDENED: &str =
    r#"CREATE TABLE {table} ("id" TEXT UNIQUE, "payload" TEXT, "lastActivity" BIGINT)"#;

/// Where the server is, if it can be reached.
static ADDRESS: LazyLock<Option<String>> = LazyLock::new(|| {
    let address = std::env::var("POSTGRES_URL");
    let address = address.unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/test".to_owned());
    let answers = run(async { tokio_postgres::connect(&address, NoTls).await.is_ok() });
    assert!(
        answers || std::env::var_os("CI").is_none(),
        "no PostgreSQL answers"
    );
    answers.then_some(address)
});

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// What a URL means.
fn server(address: &str) -> Server {
    let text = |text: &str| Setting::Text(text.to_owned());
    let given = [
        ("secret", text(&"s".repeat(40))),
        ("driver", text("database")),
        ("connection", text(address)),
    ];
    let given: Vec<_> = given.map(|(name, value)| (name.to_owned(), value)).into();
    let (config, _) = Config::parse(&given, Path::new("/")).unwrap();
    match config.database.unwrap().connection {
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
        static PLACES: AtomicUsize = AtomicUsize::new(0);
        let Some(address) = ADDRESS.clone() else {
            eprintln!("skipped: no PostgreSQL answers");
            return None;
        };
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let table = format!("{prefix}rust_{}_{number}", process::id());
        let table = TableName::parse(&table).unwrap();
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

fn id(fill: char) -> SessionId {
    SessionId::parse(&fill.to_string().repeat(40)).unwrap()
}

fn text(payload: &str) -> Arc<str> {
    Arc::from(payload)
}

fn wait<T: Unpin>(answer: Answer<T>) -> Result<T> {
    run(answer)
}

fn loaded(driver: &dyn Driver, id: SessionId) -> Option<String> {
    let record = wait(driver.load(&id, NOW)).unwrap();
    record.map(|record| record.payload.to_string())
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
