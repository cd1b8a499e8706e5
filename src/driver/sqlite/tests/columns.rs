//! What is stored in the columns, what is read from them, and how much.

use super::*;

#[test]
fn the_columns_hold_what_node_session_would_have_written() {
    let place = Place::new();
    let id = SessionId::parse("OTsyA6TEfGttdIgujCjqyELLnWywsjuBiOdHv605").unwrap();
    let payload = r#"{"_token":"QtGX","user":"bob \"q\"","flash":{"old":[],"new":[]}}"#;
    wait(place.driver().create(&id, &text(payload), NOW)).unwrap();
    let row = place.sql().query_row("SELECT * FROM sessions", [], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?,
        ))
    });
    let column =
        r#""{\"_token\":\"QtGX\",\"user\":\"bob \\\"q\\\"\",\"flash\":{\"old\":[],\"new\":[]}}""#;
    assert_eq!(
        row.unwrap(),
        (id.as_str().to_owned(), column.to_owned(), NOW.0)
    );
}

#[test]
fn a_table_that_node_session_filled_goes_on_being_used() {
    let place = Place::with_table(WATERLINE);
    place.insert(id('a'), r#"'"{\"user\":\"bob\"}"'"#, "1795383066943");
    let driver = place.driver();
    let (old, new) = (text(r#"{"user":"bob"}"#), text(r#"{"user":"eve"}"#));
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some(&*old));
    assert_eq!(
        wait(driver.replace(&id('a'), &old, &new, NOW)),
        Ok(Replaced::Replaced)
    );
    assert_eq!(
        place.payload_column(id('a')).as_deref(),
        Some(r#""{\"user\":\"eve\"}""#)
    );
    assert_eq!(
        wait(driver.create(&id('b'), &new, NOW)),
        Ok(Created::Created)
    );
    assert_eq!(
        wait(driver.touch(&id('b'), NOW + Millis(1))),
        Ok(Touched::Touched)
    );
    assert_eq!(wait(driver.remove(&id('b'), &new)), Ok(Removed::Removed));
    let swept = wait(driver.sweep(NOW + Millis(9), 10));
    assert_eq!(
        swept,
        Ok(Sweep {
            removed: 1,
            done: true
        })
    );
}

#[test]
fn a_payload_that_somebody_else_encoded_is_replaced_and_removed_all_the_same() {
    let place = Place::with_table(WATERLINE);
    for (fill, column) in [
        ('a', r#"'{"user":"é"}'"#),
        ('b', r#"'"{\"user\":\"\u00e9\"}"'"#),
        ('c', r#"' "\u007b\"user\":\"é\"}" '"#),
    ] {
        place.insert(id(fill), column, "1795383066943");
    }
    let driver = place.driver();
    let (stored, other) = (text(r#"{"user":"é"}"#), text("{}"));
    for fill in ['a', 'b', 'c'] {
        assert_eq!(loaded(&driver, id(fill)).as_deref(), Some(&*stored));
        let conflict = wait(driver.replace(&id(fill), &other, &other, NOW));
        assert_eq!(conflict, Ok(Replaced::Conflict(stored.clone())));
        assert_eq!(
            wait(driver.remove(&id(fill), &other)),
            Ok(Removed::Conflict(stored.clone()))
        );
    }
    assert_eq!(
        wait(driver.replace(&id('a'), &stored, &other, NOW)),
        Ok(Replaced::Replaced)
    );
    assert_eq!(
        wait(driver.replace(&id('b'), &stored, &stored, NOW)),
        Ok(Replaced::Replaced)
    );
    assert_eq!(wait(driver.remove(&id('c'), &stored)), Ok(Removed::Removed));
    assert_eq!(place.payload_column(id('a')).as_deref(), Some(r#""{}""#));
    assert_eq!(
        place.payload_column(id('b')).as_deref(),
        Some(r#""{\"user\":\"é\"}""#)
    );
    assert_eq!(loaded(&driver, id('c')), None);
}

#[test]
fn a_column_that_holds_no_payload_is_an_error_and_stays_as_it_is() {
    let place = Place::with_table(WATERLINE);
    let driver = place.driver();
    let columns = [
        "NULL", "5", "1.5", "x'2261'", "x'7b7d'", "''", "'\"abc'", "'[1]'",
    ];
    for (column, fill) in columns.into_iter().zip('a'..) {
        place.insert(id(fill), column, "1795383066943");
        let read = wait(driver.load(&id(fill), NOW)).unwrap_err();
        let written = wait(driver.replace(&id(fill), &text("a"), &text("b"), NOW)).unwrap_err();
        assert_eq!(read.code(), Code::Corrupt, "{column}");
        assert_eq!(written.code(), Code::Corrupt, "{column}");
        let created = wait(driver.create(&id(fill), &text("a"), NOW));
        assert_eq!(created, Ok(Created::Exists));
        let same = format!(r#"SELECT "payload" IS {column} FROM "sessions" WHERE "id" = ?1"#);
        let stays: Result<bool, _> = place
            .sql()
            .query_row(&same, [id(fill).as_str()], |row| row.get(0));
        assert!(stays.unwrap(), "{column}");
    }
}

#[test]
fn a_last_activity_may_be_any_number_and_what_is_none_counts_as_long_ago() {
    let place = Place::with_table(r#"CREATE TABLE "sessions" ("id", "payload", "lastActivity")"#);
    for (fill, stored, reads) in [
        ('a', "1795383066943.0", true),
        ('b', "'1795383066943'", true),
        ('c', "NULL", false),
        ('d', "'yesterday'", false),
        ('e', "x'00'", false),
    ] {
        place.insert(id(fill), r#"'"x"'"#, stored);
        assert_eq!(
            loaded(&place.driver(), id(fill)).is_some(),
            reads,
            "{stored}"
        );
    }
    let driver = place.driver();
    assert_eq!(wait(driver.touch(&id('c'), NOW)), Ok(Touched::Touched));
    assert_eq!(loaded(&driver, id('c')).as_deref(), Some("x"));
}

#[test]
fn the_limit_is_on_the_payload_and_not_on_its_escapes() {
    let place = Place::new();
    let driver = place.driver();
    let full = text(&"\0".repeat(BOUNDS.max_payload));
    let over = text(&"a".repeat(BOUNDS.max_payload + 1));
    assert_eq!(
        wait(driver.create(&id('a'), &full, NOW)),
        Ok(Created::Created)
    );
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some(&*full));
    for error in [
        wait(driver.create(&id('b'), &over, NOW)).unwrap_err(),
        wait(driver.replace(&id('a'), &full, &over, NOW)).unwrap_err(),
    ] {
        assert_eq!(error.code(), Code::TooLarge);
    }
    assert_eq!(loaded(&driver, id('b')), None);
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some(&*full));
}

#[test]
fn a_planted_payload_over_the_limit_is_not_read() {
    let place = Place::with_table(WATERLINE);
    let over = BOUNDS.max_payload + 1;
    place.insert(
        id('a'),
        &format!("'\"{}\"'", "a".repeat(over)),
        "1795383066943",
    );
    place.insert(
        id('b'),
        &format!("'\"{}\"'", "a".repeat(over * 6)),
        "1795383066943",
    );
    place.insert(id('c'), "zeroblob(100000000)", "1795383066943");
    for fill in ['a', 'b', 'c'] {
        let error = wait(place.driver().load(&id(fill), NOW)).unwrap_err();
        assert_eq!(error.code(), Code::TooLarge);
    }
}
