//! What is stored in the columns, what is read from them, and how much.

use super::*;
use crate::error::Code;

#[test]
fn the_columns_hold_what_node_session_would_have_written() {
    let Some(place) = Place::new() else { return };
    let payload = r#"{"_token":"QtGX","user":"bob \"q\"","flash":{"old":[],"new":[]}}"#;
    wait(place.driver().create(&id('a'), &text(payload), NOW)).unwrap();
    let column =
        r#""{\"_token\":\"QtGX\",\"user\":\"bob \\\"q\\\"\",\"flash\":{\"old\":[],\"new\":[]}}""#;
    let row = place.sql(
        r#"SELECT concat_ws('|', "id", "payload", "lastActivity", pg_typeof("lastActivity")) FROM {table}"#,
    );
    let id = "a".repeat(40);
    let expected = format!("{id}|{column}|{}|bigint", NOW.0);
    assert_eq!(row, [Some(expected)]);
}

#[test]
fn a_table_that_node_session_filled_goes_on_being_used() {
    let Some(place) = Place::with_table(WIDENED) else {
        return;
    };
    place.insert(id('a'), r#"'"{\"user\":\"bob\"}"'"#, "1795383066943");
    let driver = place.driver();
    let (old, new) = (text(r#"{"user":"bob"}"#), text(r#"{"user":"eve"}"#));
    assert_eq!(loaded(&*driver, id('a')).as_deref(), Some(&*old));
    let replaced = wait(driver.replace(&id('a'), &old, &new, NOW));
    assert_eq!(replaced, Ok(Replaced::Replaced));
    let column = place.payload_column(id('a'));
    assert_eq!(column.as_deref(), Some(r#""{\"user\":\"eve\"}""#));
    let created = wait(driver.create(&id('b'), &new, NOW));
    assert_eq!(created, Ok(Created::Created));
    let touched = wait(driver.touch(&id('b'), NOW + Millis(1)));
    assert_eq!(touched, Ok(Touched::Touched));
    assert_eq!(wait(driver.remove(&id('b'), &new)), Ok(Removed::Removed));
    let swept = wait(driver.sweep(NOW + Millis(9), 10));
    assert_eq!(swept.map(|sweep| sweep.removed), Ok(1));
}

#[test]
fn a_payload_that_somebody_else_encoded_is_replaced_and_removed_all_the_same() {
    let Some(place) = Place::with_table(WIDENED) else {
        return;
    };
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
        assert_eq!(loaded(&*driver, id(fill)).as_deref(), Some(&*stored));
        let conflict = wait(driver.replace(&id(fill), &other, &other, NOW));
        assert_eq!(conflict, Ok(Replaced::Conflict(stored.clone())));
        let conflict = wait(driver.remove(&id(fill), &other));
        assert_eq!(conflict, Ok(Removed::Conflict(stored.clone())));
    }
    for (fill, payload) in [('a', &other), ('b', &stored)] {
        let replaced = wait(driver.replace(&id(fill), &stored, payload, NOW));
        assert_eq!(replaced, Ok(Replaced::Replaced));
    }
    assert_eq!(wait(driver.remove(&id('c'), &stored)), Ok(Removed::Removed));
    assert_eq!(place.payload_column(id('a')).as_deref(), Some(r#""{}""#));
    let respelt = place.payload_column(id('b'));
    assert_eq!(respelt.as_deref(), Some(r#""{\"user\":\"é\"}""#));
}

#[test]
fn a_column_that_holds_no_payload_is_an_error_and_stays_as_it_is() {
    let Some(place) = Place::with_table(WIDENED) else {
        return;
    };
    let driver = place.driver();
    for (column, fill) in ["NULL", "''", "'\"abc'", "'[1]'"].into_iter().zip('a'..) {
        place.insert(id(fill), column, "1795383066943");
        let read = wait(driver.load(&id(fill), NOW)).unwrap_err();
        let written = wait(driver.replace(&id(fill), &text("a"), &text("b"), NOW)).unwrap_err();
        assert_eq!(read.code(), Code::Corrupt, "{column}");
        assert_eq!(written.code(), Code::Corrupt, "{column}");
        let created = wait(driver.create(&id(fill), &text("a"), NOW));
        assert_eq!(created, Ok(Created::Exists));
    }
    let left = place.sql(r#"SELECT coalesce("payload", 'NULL') FROM {table} ORDER BY "id""#);
    let expected = ["NULL", "", "\"abc", "[1]"].map(|column| Some(column.to_owned()));
    assert_eq!(left, expected);
}

#[test]
fn a_time_may_be_a_number_of_any_kind_or_a_text_and_what_is_none_counts_as_long_ago() {
    for kind in ["numeric", "double precision", "text", "varchar(255)"] {
        let table =
            format!(r#"CREATE TABLE {{table}} ("id" text, "payload" text, "lastActivity" {kind})"#);
        let Some(place) = Place::with_table(&table) else {
            return;
        };
        place.insert(id('a'), r#"'"x"'"#, "1795383066943");
        place.insert(id('b'), r#"'"x"'"#, "NULL");
        place.insert(id('c'), r#"'"x"'"#, "99");
        let driver = place.driver();
        assert_eq!(loaded(&*driver, id('a')).as_deref(), Some("x"), "{kind}");
        assert_eq!(loaded(&*driver, id('b')), None, "{kind}");
        let later = NOW + Millis(5);
        assert_eq!(wait(driver.touch(&id('a'), later)), Ok(Touched::Touched));
        assert_eq!(wait(driver.touch(&id('a'), NOW)), Ok(Touched::Touched));
        let record = wait(driver.load(&id('a'), NOW)).unwrap().unwrap();
        assert_eq!(record.last_activity, later, "{kind}");
        let swept = wait(driver.sweep(NOW, 10));
        assert_eq!(swept.map(|sweep| sweep.removed), Ok(1), "{kind}");
        assert_eq!(wait(driver.touch(&id('b'), NOW)), Ok(Touched::Touched));
        assert_eq!(loaded(&*driver, id('b')).as_deref(), Some("x"), "{kind}");
    }
}

#[test]
fn a_text_that_is_no_time_counts_as_long_ago_and_is_not_swept() {
    let table = r#"CREATE TABLE {table} ("id" text, "payload" text, "lastActivity" text)"#;
    let Some(place) = Place::with_table(table) else {
        return;
    };
    place.insert(id('a'), r#"'"x"'"#, "'yesterday'");
    let driver = place.driver();
    assert_eq!(loaded(&*driver, id('a')), None);
    let swept = wait(driver.sweep(NOW, 10));
    assert_eq!(swept.map(|sweep| sweep.removed), Ok(0));
}

#[test]
fn a_time_too_narrow_for_milliseconds_is_an_error_that_says_what_to_alter() {
    for schema in [WATERLINE, &WATERLINE.replace("INT", "TIMESTAMP")] {
        let Some(place) = Place::with_table(schema) else {
            return;
        };
        let driver = place.driver();
        let read = wait(driver.load(&id('a'), NOW)).unwrap_err();
        let written = wait(driver.create(&id('a'), &text("x"), NOW)).unwrap_err();
        assert_eq!(
            (read.code(), written.code()),
            (Code::Read, Code::Write),
            "{schema}"
        );
        let cause = &written.cause().unwrap().message;
        let alter = cause.split_once(": ").unwrap().1;
        assert!(alter.starts_with("ALTER TABLE"), "{cause}");
        place.sql(&alter.replace("bigint", "bigint USING NULL"));
        let created = wait(driver.create(&id('a'), &text("x"), NOW));
        assert_eq!(created, Ok(Created::Created));
    }
}

#[test]
fn a_column_spelt_otherwise_is_named() {
    let table = "CREATE TABLE {table} (id text, payload text, lastActivity bigint)";
    let Some(place) = Place::with_table(table) else {
        return;
    };
    let error = wait(place.driver().load(&id('a'), NOW)).unwrap_err();
    assert!(
        error
            .cause()
            .unwrap()
            .message
            .contains("no column \"lastActivity\"")
    );
}

#[test]
fn a_payload_too_long_for_its_column_is_an_error_without_it() {
    let table = r#"CREATE TABLE {table} ("id" varchar(255) UNIQUE, "payload" varchar(20), "lastActivity" bigint)"#;
    let Some(place) = Place::with_table(table) else {
        return;
    };
    let driver = place.driver();
    let payload = text(&"secret".repeat(9));
    let error = wait(driver.create(&id('a'), &payload, NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Write);
    let cause = error.cause().unwrap();
    assert_eq!(cause.code.as_deref(), Some("22001"));
    assert!(
        cause.message.contains("character varying(20)"),
        "{}",
        cause.message
    );
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn what_the_database_says_of_values_and_rows_is_not_told() {
    for column in [
        r#""id" uuid"#,
        r#""id" text CHECK (length("id") < 9)"#,
        r#""id" text, "other" text NOT NULL"#,
    ] {
        let table =
            format!(r#"CREATE TABLE {{table}} ({column}, "payload" text, "lastActivity" bigint)"#);
        let Some(place) = Place::with_table(&table) else {
            return;
        };
        let error = wait(place.driver().create(&id('q'), &text("secret"), NOW)).unwrap_err();
        let told = format!("{error:?}");
        assert_eq!(error.code(), Code::Write);
        assert!(!told.contains("secret") && !told.contains("qqqq"), "{told}");
    }
}

#[test]
fn ids_and_payloads_are_compared_byte_by_byte_whatever_the_columns_collation() {
    let made = r#"CREATE COLLATION IF NOT EXISTS "any_case" (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE {table} ("id" text COLLATE "any_case" UNIQUE, "payload" text COLLATE "any_case", "lastActivity" bigint)"#;
    let Some(place) = Place::new() else { return };
    if let Err(error) = place.try_sql(made) {
        return eprintln!("skipped: this server has no such collations: {error}");
    }
    let driver = place.driver();
    wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
    assert_eq!(loaded(&*driver, id('A')), None);
    let created = wait(driver.create(&id('A'), &text("y"), NOW));
    assert_eq!(created, Ok(Created::Exists));
    wait(driver.destroy(&id('A'))).unwrap();
    let conflict = wait(driver.replace(&id('a'), &text("X"), &text("z"), NOW));
    assert_eq!(conflict, Ok(Replaced::Conflict(text("x"))));
    let conflict = wait(driver.remove(&id('a'), &text("X")));
    assert_eq!(conflict, Ok(Removed::Conflict(text("x"))));
}

#[test]
fn a_planted_payload_over_the_limit_is_measured_and_not_read() {
    let Some(place) = Place::with_table(WIDENED) else {
        return;
    };
    let over = BOUNDS.max_payload + 1;
    for (fill, bytes) in [('a', over), ('b', over * 6), ('c', 50_000_000)] {
        let column = format!(r#"'"' || repeat('a', {bytes}) || '"'"#);
        place.insert(id(fill), &column, "1795383066943");
        let error = wait(place.driver().load(&id(fill), NOW)).unwrap_err();
        assert_eq!(error.code(), Code::TooLarge);
    }
}
