//! What the SQLite driver does beyond the laws that all drivers keep, by topic; last, it joins the laws.

mod batches;
mod columns;
mod files;
mod freshness;
mod leases;
mod tables;
mod waiting;

use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::driver::conformance::Fixture;

const BOUNDS: Bounds = Bounds {
    idle_timeout: Millis(1_000),
    max_payload: 64 * 1024,
    read_patience: Millis(1_900),
    write_patience: Millis(1_900),
};
const NOW: Millis = Millis(1_795_383_066_943);

/// The table as `lib/handler/DatabaseSessionHandler.js` has it made by Waterline.
const WATERLINE: &str = r#"CREATE TABLE "sessions" ("id" VARCHAR(255) UNIQUE, "payload" VARCHAR(255),
    "lastActivity" INTEGER, "createdAt" DATETIME, "updatedAt" DATETIME)"#;

/// A folder with a database file, and the means to look at it from outside.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn with_table(schema: &str) -> Self {
        let place = Self::new();
        place.sql().execute_batch(schema).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("sessions.sqlite")
    }

    fn driver(&self) -> Sqlite {
        self.driver_for("sessions")
    }

    fn driver_for(&self, table: &str) -> Sqlite {
        Sqlite::new(&self.file(), table, BOUNDS, Durability::Process)
    }

    /// A driver whose connections are open, so that what can be answered in place is.
    fn open_driver(&self) -> Sqlite {
        let driver = self.driver();
        assert_eq!(wait(driver.load(&id('-'), NOW)), Ok(None));
        driver
    }

    fn sql(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    fn insert(&self, id: SessionId, payload: &str, last_activity: &str) {
        let sql = format!(
            r#"INSERT INTO "sessions" ("id", "payload", "lastActivity") VALUES (?1, {payload}, {last_activity})"#
        );
        self.sql().execute(&sql, [id.as_str()]).unwrap();
    }

    fn payload_column(&self, id: SessionId) -> Option<String> {
        let sql = r#"SELECT "payload" FROM "sessions" WHERE "id" = ?1"#;
        self.sql()
            .query_row(sql, [id.as_str()], |row| row.get(0))
            .unwrap()
    }
}

fn id(fill: char) -> SessionId {
    SessionId::parse(&fill.to_string().repeat(40)).unwrap()
}

fn text(payload: &str) -> Arc<str> {
    Arc::from(payload)
}

fn wait<T: Unpin>(answer: Answer<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(answer)
}

fn loaded(driver: &Sqlite, id: SessionId) -> Option<String> {
    let record = wait(driver.load(&id, NOW)).unwrap();
    record.map(|record| record.payload.to_string())
}

fn is_ready<T>(answer: &Answer<T>) -> bool {
    matches!(answer, Answer::Ready(_))
}

impl Fixture for Place {
    fn open(&self, bounds: Bounds) -> Box<dyn Driver> {
        let file = self.file();
        Box::new(Sqlite::new(&file, "sessions", bounds, Durability::Process))
    }

    fn reopen(&self, bounds: Bounds) -> Option<Box<dyn Driver>> {
        Some(self.open(bounds))
    }
}

crate::driver::conformance!(Place::new());
