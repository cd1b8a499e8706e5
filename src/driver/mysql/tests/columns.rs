//! Tables that somebody else made, and columns that are not as ours are.

use super::*;
use crate::error::Code;

#[test]
fn a_table_is_made_as_it_is_documented() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    wait(driver.create(&id('a'), &text("{}"), NOW)).unwrap();
    let column = |name: &str| {
        let of =
            "SELECT concat_ws(' ', COLUMN_TYPE, COLLATION_NAME) FROM information_schema.COLUMNS
            WHERE TABLE_SCHEMA = database() AND TABLE_NAME = '{table}'";
        place
            .value(&format!("{of} AND COLUMN_NAME = '{name}'"))
            .unwrap()
    };
    assert_eq!(column("id"), "varchar(40) ascii_bin");
    assert_eq!(column("payload"), "longtext utf8mb4_bin");
    assert!(column("lastActivity").starts_with("bigint"));
    let payload = place.value("SELECT `payload` FROM {table}");
    assert_eq!(payload.as_deref(), Some("\"{}\""));
}

#[test]
fn a_table_that_was_dropped_is_made_again() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    wait(driver.create(&id('a'), &text("{}"), NOW)).unwrap();
    for _ in 0..3 {
        place.sql("DROP TABLE {table}");
        assert_eq!(loaded(&driver, id('a')), None);
        let created = wait(driver.create(&id('a'), &text("{}"), NOW));
        assert_eq!(created, Ok(Created::Created));
    }
}

#[test]
fn many_instances_may_make_the_table_at_the_same_time() {
    let Some(place) = Place::new() else { return };
    std::thread::scope(|scope| {
        for fill in ['a', 'b', 'c', 'd', 'e', 'f'] {
            let place = &place;
            scope.spawn(move || {
                let driver = place.driver();
                let created = wait(driver.create(&id(fill), &text("{}"), NOW));
                assert_eq!(created, Ok(Created::Created));
            });
        }
    });
}

#[test]
fn a_table_of_the_original_is_used_as_it_is() {
    let Some(place) = Place::with_table(WIDENED) else {
        return;
    };
    let driver = place.driver();
    let column = r#""{\"user\":\"bob\"}""#.replace('\\', "\\\\");
    let insert = format!(
        "INSERT INTO {{table}} (id, payload, lastActivity) VALUES ('{}', '{column}', {})",
        id('b').as_str(),
        NOW.0
    );
    place.sql(&insert);
    assert_eq!(
        loaded(&driver, id('b')).as_deref(),
        Some(r#"{"user":"bob"}"#)
    );
    let replaced = driver.replace(&id('b'), &text(r#"{"user":"bob"}"#), &text("{}"), NOW);
    assert_eq!(wait(replaced), Ok(Replaced::Replaced));
    let payload = place.value("SELECT `payload` FROM {table}");
    assert_eq!(payload.as_deref(), Some("\"{}\""));
}

#[test]
fn in_a_table_that_compares_without_case_payloads_are_told_apart_by_their_bytes() {
    let Some(place) = Place::with_table(WIDENED) else {
        return;
    };
    let driver = place.driver();
    wait(driver.create(&id('a'), &text(r#"{"a":"é"}"#), NOW)).unwrap();
    for other in [r#"{"a":"É"}"#, r#"{"a":"e"}"#, r#"{"A":"é"}"#] {
        let replaced = wait(driver.replace(&id('a'), &text(other), &text("{}"), NOW));
        assert_eq!(replaced, Ok(Replaced::Conflict(text(r#"{"a":"é"}"#))));
        let removed = wait(driver.remove(&id('a'), &text(other)));
        assert_eq!(removed, Ok(Removed::Conflict(text(r#"{"a":"é"}"#))));
    }
}

#[test]
fn in_a_table_that_compares_without_case_an_id_leads_to_no_other_session() {
    let Some(place) = Place::with_table(WIDENED) else {
        return;
    };
    let driver = place.driver();
    wait(driver.create(&id('a'), &text("{}"), NOW)).unwrap();
    assert_eq!(loaded(&driver, id('A')), None);
    let created = wait(driver.create(&id('A'), &text("[]"), NOW));
    assert_eq!(created, Ok(Created::Exists));
    let replaced = wait(driver.replace(&id('A'), &text("{}"), &text("[]"), NOW));
    assert_eq!(replaced, Ok(Replaced::Gone));
    assert_eq!(wait(driver.touch(&id('A'), NOW)), Ok(Touched::Gone));
    assert_eq!(wait(driver.destroy(&id('A'))), Ok(()));
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("{}"));
}

#[test]
fn the_same_payload_in_another_spelling_is_no_conflict() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    assert_eq!(loaded(&driver, id('a')), None);
    let spelled = |fill| {
        let (id, now) = (id(fill), NOW.0);
        let id = id.as_str();
        place.sql(&format!(
            "INSERT INTO {{table}} VALUES ('{id}', '\"\\\\u007b\\\\u007d\"', {now})"
        ));
    };
    spelled('a');
    spelled('b');
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("{}"));
    let replaced = driver.replace(&id('a'), &text("{}"), &text("[]"), NOW);
    assert_eq!(wait(replaced), Ok(Replaced::Replaced));
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("[]"));
    let removed = wait(driver.remove(&id('b'), &text("{}")));
    assert_eq!(removed, Ok(Removed::Removed));
}

#[test]
fn a_column_that_is_too_narrow_is_named_with_what_to_do_and_nothing_is_cut() {
    let Some(place) = Place::with_table(WATERLINE) else {
        return;
    };
    let driver = place.driver();
    let alter = |column: &str| {
        let refused = wait(driver.create(&id('a'), &text(&"x".repeat(300)), NOW));
        let cause = refused.unwrap_err().cause().unwrap().clone();
        let statement = cause.message.split_once(": ").unwrap().1.to_owned();
        assert!(
            statement.contains(&format!("MODIFY `{column}` ")),
            "{cause:?}"
        );
        place.sql(&statement);
    };
    alter("payload");
    alter("lastActivity");
    let created = wait(driver.create(&id('a'), &text(&"x".repeat(300)), NOW));
    assert_eq!(created, Ok(Created::Created));
    assert_eq!(
        place.value("SELECT count(*) FROM {table}").as_deref(),
        Some("1")
    );
}

#[test]
fn a_column_without_a_character_is_named_and_its_payload_is_not() {
    let Some(place) = Place::with_table(
        &WIDENED
            .replace("utf8mb4", "latin1")
            .replace("general", "swedish"),
    ) else {
        return;
    };
    let driver = place.driver();
    let refused = wait(driver.create(&id('a'), &text("secret 😀"), NOW)).unwrap_err();
    assert_eq!(refused.code(), Code::Write);
    let cause = refused.cause().unwrap();
    assert!(cause.message.contains("MODIFY `payload`"), "{cause:?}");
    assert!(!format!("{refused:?}").contains("secret"));
    // What the column can hold is read and compared as the text that it is.
    wait(driver.create(&id('b'), &text("é"), NOW)).unwrap();
    assert_eq!(loaded(&driver, id('b')).as_deref(), Some("é"));
    let replaced = wait(driver.replace(&id('b'), &text("é"), &text("É"), NOW));
    assert_eq!(replaced, Ok(Replaced::Replaced));
}

#[test]
fn a_row_is_found_by_its_key_whatever_the_columns_character_set() {
    for schema in [
        "",
        WIDENED,
        &WIDENED
            .replace("utf8mb4", "latin1")
            .replace("general", "swedish"),
    ] {
        let Some(place) = Place::with_table(schema) else {
            return;
        };
        let driver = place.driver();
        for fill in 'a'..='z' {
            wait(driver.create(&id(fill), &text("{}"), NOW)).unwrap();
        }
        let plan = |sql: &str| {
            let prepared = format!(
                "PREPARE it FROM 'EXPLAIN FORMAT=TRADITIONAL {sql}'; SET @id = _utf8mb4'{}'; EXECUTE it USING @id, @id",
                id('k').as_str()
            );
            let mut rows = place.sql(&prepared);
            rows[0].take::<Option<String>, _>("key").unwrap()
        };
        let exists = Sessions::new(&place.table).exists;
        assert!(plan(&exists).is_some(), "{schema}");
    }
}

#[test]
fn a_time_that_is_no_number_is_as_old_as_can_be_and_a_payload_that_is_none_is_corrupt() {
    let Some(place) = Place::with_table(
        "CREATE TABLE {table} (id VARBINARY(40) PRIMARY KEY, payload BLOB, lastActivity VARCHAR(30))",
    ) else {
        return;
    };
    let driver = place.driver();
    let insert = |fill, payload: &str, time: &str| {
        place.sql(&format!(
            "INSERT INTO {{table}} VALUES ('{}', {payload}, {time})",
            id(fill).as_str()
        ));
    };
    let now = NOW.0.to_string();
    insert('a', "'\"{}\"'", "NULL");
    insert('b', "'\"{}\"'", "'yesterday'");
    insert('c', "'\"{}\"'", &format!("'{now}'"));
    insert('d', "NULL", &now);
    insert('e', "x'22ff22'", &now);
    assert_eq!(
        [loaded(&driver, id('a')), loaded(&driver, id('b'))],
        [None, None]
    );
    assert_eq!(loaded(&driver, id('c')).as_deref(), Some("{}"));
    for corrupt in ['d', 'e'] {
        let error = wait(driver.load(&id(corrupt), NOW)).unwrap_err();
        assert_eq!(error.code(), Code::Corrupt);
    }
    let replaced = wait(driver.replace(&id('c'), &text("{}"), &text("[]"), NOW));
    assert_eq!(replaced, Ok(Replaced::Replaced));
    assert_eq!(
        wait(driver.touch(&id('c'), NOW + Millis(5))),
        Ok(Touched::Touched)
    );
    assert_eq!(
        place.value("SELECT lastActivity FROM {table} WHERE payload = '\"[]\"'"),
        Some((NOW.0 + 5).to_string())
    );
}

#[test]
fn records_are_listed_page_by_page_in_a_table_of_any_collation() {
    for schema in ["", WIDENED] {
        let Some(place) = Place::with_table(schema) else {
            return;
        };
        let driver = place.driver();
        let mut stored: Vec<_> = "azBCy09_-".chars().map(id).collect();
        for id in &stored {
            wait(driver.create(id, &text("{}"), NOW)).unwrap();
        }
        place.sql("INSERT INTO {table} (id, payload, lastActivity) VALUES ('none of ours', '', 0)");
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = wait(driver.scan(after.as_ref(), 2)).unwrap();
            found.extend(page.ids);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        stored.sort_by_key(|id| id.as_str().to_owned());
        found.sort_by_key(|id| id.as_str().to_owned());
        assert_eq!(found, stored);
    }
}
