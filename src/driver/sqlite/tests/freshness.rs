//! What a connection remembers of the records it dealt with, and when it looks again.

use super::*;

/// A driver with the record `a`, which it remembers.
fn knowing(place: &Place) -> Sqlite {
    let driver = place.open_driver();
    wait(driver.create(&id('a'), &text("1"), NOW)).unwrap();
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("1"));
    driver
}

#[test]
fn a_record_that_nobody_else_has_written_is_given_as_it_was() {
    let place = Place::new();
    let driver = knowing(&place);
    let first = wait(driver.load(&id('a'), NOW)).unwrap().unwrap();
    let again = wait(driver.load(&id('a'), NOW)).unwrap().unwrap();
    assert!(Arc::ptr_eq(&first.payload, &again.payload));
}

#[test]
fn what_another_connection_does_is_seen_by_the_next_load() {
    let place = Place::new();
    let driver = knowing(&place);
    let other = place.sql();
    for sql in [
        r#"UPDATE "sessions" SET "payload" = '"2"'"#,
        r#"UPDATE "sessions" SET "payload" = '"3"'"#,
        r#"UPDATE "sessions" SET "payload" = '"3"', "lastActivity" = 0"#,
        r#"UPDATE "sessions" SET "payload" = '"4"', "lastActivity" = 9e15"#,
        r#"DELETE FROM "sessions""#,
    ] {
        other.execute_batch(sql).unwrap();
        let row = r#"SELECT "payload" FROM "sessions" WHERE "lastActivity" > 0"#;
        let stored: Option<String> = other.query_row(row, [], |row| row.get(0)).ok();
        let stored = stored.map(|payload| payload.trim_matches('"').to_owned());
        assert_eq!(loaded(&driver, id('a')), stored);
        assert_eq!(loaded(&driver, id('a')), stored);
    }
}

#[test]
fn a_load_looks_again_however_often_others_write() {
    let place = Place::new();
    let driver = knowing(&place);
    let other = place.sql();
    for turn in 0..300 {
        if turn % 3 != 0 {
            let sql = format!(r#"UPDATE "sessions" SET "payload" = '"{turn}"'"#);
            other.execute_batch(&sql).unwrap();
        }
        let stored = place.payload_column(id('a')).unwrap();
        let expected = stored.trim_matches('"');
        assert_eq!(loaded(&driver, id('a')).as_deref(), Some(expected));
    }
}

#[test]
fn what_the_driver_does_itself_is_seen_by_the_next_load() {
    let place = Place::new();
    let driver = knowing(&place);
    wait(driver.replace(&id('a'), &text("1"), &text("2"), NOW)).unwrap();
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("2"));
    wait(driver.touch(&id('a'), NOW + Millis(500))).unwrap();
    let later = NOW + Millis(1_400);
    let record = wait(driver.load(&id('a'), later)).unwrap().unwrap();
    assert_eq!(record.last_activity, NOW + Millis(500));
    assert_eq!(wait(driver.load(&id('a'), NOW + Millis(1_600))), Ok(None));
    wait(driver.sweep(NOW + Millis(501), 10)).unwrap();
    assert_eq!(loaded(&driver, id('a')), None);
    wait(driver.create(&id('a'), &text("3"), NOW)).unwrap();
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("3"));
    wait(driver.remove(&id('a'), &text("3"))).unwrap();
    assert_eq!(loaded(&driver, id('a')), None);
}
