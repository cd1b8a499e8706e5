//! Leases in their table: when it is made, what is swept, and what somebody else may have done to it.

use super::*;
use crate::driver::{Acquired, Owner};

const LEASE: Millis = Millis(1_000);

impl Place {
    fn has_table(&self, name: &str) -> bool {
        let sql = "SELECT count(*) FROM sqlite_master WHERE name = ?1";
        let count: i64 = self.sql().query_row(sql, [name], |row| row.get(0)).unwrap();
        count > 0
    }

    fn leases(&self) -> i64 {
        let sql = r#"SELECT count(*) FROM "sessions_locks""#;
        self.sql().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn acquire(driver: &Sqlite, fill: char, now: Millis) -> Result<Acquired> {
    let owner = Owner::generate().unwrap();
    wait(driver.acquire(&id(fill), owner, LEASE, now))
}

#[test]
fn the_table_of_leases_is_made_when_the_first_one_is_wanted() {
    let place = Place::new();
    let driver = place.open_driver();
    wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
    let owner = Owner::generate().unwrap();
    wait(driver.release(&id('a'), owner)).unwrap();
    while !wait(driver.sweep(NOW, 10)).unwrap().done {}
    assert!(!place.has_table("sessions_locks"));
    assert_eq!(acquire(&driver, 'a', NOW), Ok(Acquired::Granted));
    assert!(place.has_table("sessions_locks"));
}

#[test]
fn the_table_of_leases_has_the_session_tables_schema_and_name() {
    let place = Place::new();
    let driver = place.driver_for(r#"main.it's "odd""#);
    assert_eq!(acquire(&driver, 'a', NOW), Ok(Acquired::Granted));
    assert!(place.has_table(r#"it's "odd"_locks"#));
}

#[test]
fn a_sweep_removes_the_leases_that_dead_processes_left() {
    let place = Place::new();
    let driver = place.open_driver();
    acquire(&driver, 'a', NOW).unwrap();
    acquire(&driver, 'b', NOW + Millis(5_000)).unwrap();
    while !wait(driver.sweep(NOW + Millis(2_000), 10)).unwrap().done {}
    assert_eq!(place.leases(), 1);
}

#[test]
fn a_dropped_table_of_leases_is_made_again() {
    let place = Place::new();
    let driver = place.open_driver();
    acquire(&driver, 'a', NOW).unwrap();
    place
        .sql()
        .execute_batch("DROP TABLE sessions_locks")
        .unwrap();
    assert_eq!(acquire(&driver, 'a', NOW), Ok(Acquired::Granted));
    let held = Acquired::Held(NOW + LEASE);
    assert_eq!(acquire(&driver, 'a', NOW), Ok(held));
}

#[test]
fn a_row_of_no_owner_holds_nothing() {
    let place = Place::new();
    let driver = place.open_driver();
    acquire(&driver, 'a', NOW).unwrap();
    let spoilt = r#"UPDATE "sessions_locks" SET "owner" = 'nobody'"#;
    place.sql().execute_batch(spoilt).unwrap();
    assert_eq!(acquire(&driver, 'a', NOW), Ok(Acquired::Granted));
    assert_eq!(place.leases(), 1);
}

#[test]
fn who_waits_for_a_lease_keeps_no_writer_out() {
    let place = Place::new();
    let driver = place.open_driver();
    acquire(&driver, 'a', NOW).unwrap();
    let writer = place.sql();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = Acquired::Held(NOW + LEASE);
    assert_eq!(acquire(&driver, 'a', NOW), Ok(held));
}
