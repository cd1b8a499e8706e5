//! Tables that somebody else made, and names that need quoting.

use super::*;

#[test]
fn a_missing_table_is_made_as_documented_with_an_index_for_sweeps() {
    let place = Place::new();
    drop(place.open_driver());
    let made: Vec<String> = {
        let sql = place.sql();
        let mut made = sql
            .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC")
            .unwrap();
        let rows = made.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let [table, index] = made.try_into().unwrap();
    let words: Vec<_> = table.split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        r#"CREATE TABLE "sessions" ("id" TEXT PRIMARY KEY NOT NULL, "payload" TEXT, "lastActivity" BIGINT)"#
    );
    assert_eq!(
        index,
        r#"CREATE INDEX "sessions_lastActivity" ON "sessions" ("lastActivity")"#
    );
}

#[test]
fn ids_and_payloads_that_differ_by_case_differ_in_a_table_that_ignores_case() {
    let place = Place::with_table(
        r#"CREATE TABLE "sessions" ("id" TEXT COLLATE NOCASE UNIQUE, "payload" TEXT COLLATE NOCASE,
           "lastActivity" INTEGER)"#,
    );
    let driver = place.driver();
    let (lower, upper) = (text("abc"), text("ABC"));
    assert_eq!(
        wait(driver.create(&id('a'), &lower, NOW)),
        Ok(Created::Created)
    );
    assert_eq!(loaded(&driver, id('A')), None);
    assert_eq!(
        wait(driver.replace(&id('A'), &lower, &upper, NOW)),
        Ok(Replaced::Gone)
    );
    assert_eq!(wait(driver.touch(&id('A'), NOW)), Ok(Touched::Gone));
    let conflict = Ok(Replaced::Conflict(lower.clone()));
    assert_eq!(
        wait(driver.replace(&id('a'), &upper, &upper, NOW)),
        conflict
    );
    assert_eq!(wait(driver.destroy(&id('A'))), Ok(()));
    assert_eq!(
        wait(driver.create(&id('A'), &upper, NOW)),
        Ok(Created::Exists)
    );
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("abc"));
}

#[test]
fn a_table_without_a_unique_id_gets_no_second_row_of_one_id() {
    let place = Place::with_table(
        r#"CREATE TABLE "sessions" ("id" TEXT, "payload" TEXT, "lastActivity" INTEGER)"#,
    );
    let driver = place.driver();
    assert_eq!(
        wait(driver.create(&id('a'), &text("1"), NOW)),
        Ok(Created::Created)
    );
    assert_eq!(
        wait(driver.create(&id('a'), &text("2"), NOW)),
        Ok(Created::Exists)
    );
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("1"));
}

#[test]
fn a_table_without_rowids_is_swept_and_spares_what_is_active() {
    let place = Place::with_table(
        r#"CREATE TABLE "sessions" ("id" TEXT PRIMARY KEY, "payload" TEXT, "lastActivity" INTEGER)
           WITHOUT ROWID"#,
    );
    let driver = place.driver();
    for (fill, age) in [('a', 1), ('b', 1), ('c', 1), ('d', 0)] {
        wait(driver.create(&id(fill), &text("x"), NOW - Millis(age))).unwrap();
    }
    assert_eq!(
        wait(driver.sweep(NOW, 2)),
        Ok(Sweep {
            removed: 2,
            done: false
        })
    );
    assert_eq!(
        wait(driver.sweep(NOW, 2)),
        Ok(Sweep {
            removed: 1,
            done: true
        })
    );
    assert_eq!(loaded(&driver, id('d')).as_deref(), Some("x"));
}

#[test]
fn any_name_is_quoted_and_may_carry_a_schema() {
    let place = Place::new();
    for name in [
        "select",
        "user$x",
        "main.from",
        "it's \"so\"; DROP TABLE \"select\"; --",
    ] {
        let driver = place.driver_for(name);
        assert_eq!(
            wait(driver.create(&id('a'), &text(name), NOW)),
            Ok(Created::Created)
        );
        assert_eq!(
            loaded(&place.driver_for(name), id('a')).as_deref(),
            Some(name)
        );
        assert_eq!(
            wait(driver.sweep(NOW, 10)),
            Ok(Sweep {
                removed: 0,
                done: true
            })
        );
    }
    let error = wait(place.driver_for("other.sessions").load(&id('a'), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Read);
    assert_eq!(error.message(), "cannot read session table `sessions`");
}

#[test]
fn a_table_that_lacks_a_column_is_an_error_that_names_it() {
    let place = Place::with_table(r#"CREATE TABLE "sessions" ("id" TEXT, "lastActivity" INTEGER)"#);
    let error = wait(place.driver().load(&id('a'), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Read);
    let cause = error.cause().unwrap();
    assert!(
        cause.message.starts_with("no such column: \"payload\""),
        "{}",
        cause.message
    );
    assert_eq!(cause.code.as_deref(), Some("SQLITE_ERROR"));
}

#[test]
fn a_table_that_somebody_drops_is_made_again_by_whatever_comes_next() {
    type Call = fn(&Sqlite) -> bool;
    let calls: [Call; 7] = [
        |driver| wait(driver.load(&id('a'), NOW)) == Ok(None),
        |driver| wait(driver.create(&id('a'), &text("y"), NOW)) == Ok(Created::Created),
        |driver| wait(driver.replace(&id('a'), &text("x"), &text("y"), NOW)) == Ok(Replaced::Gone),
        |driver| wait(driver.remove(&id('a'), &text("x"))) == Ok(Removed::Gone),
        |driver| wait(driver.touch(&id('a'), NOW)) == Ok(Touched::Gone),
        |driver| wait(driver.destroy(&id('a'))) == Ok(()),
        |driver| wait(driver.sweep(NOW, 10)).is_ok_and(|swept| swept.removed == 0 && swept.done),
    ];
    // With the one the calling thread finds the table missing, with the other every write is a worker's.
    for durability in [Durability::Process, Durability::Disk] {
        let place = Place::new();
        let driver = Sqlite::new(&place.file(), "sessions", BOUNDS, durability);
        for (at, call) in calls.into_iter().enumerate() {
            wait(driver.destroy(&id('a'))).unwrap();
            wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
            assert_eq!(loaded(&driver, id('a')).as_deref(), Some("x"));
            place
                .sql()
                .execute_batch(r#"DROP TABLE "sessions""#)
                .unwrap();
            assert!(call(&driver), "call {at}, {durability:?}");
        }
    }
}

#[test]
fn a_table_that_cannot_be_made_again_is_an_error_that_says_so() {
    let place = Place::with_table(
        r#"CREATE TABLE "base" ("id" TEXT, "payload" TEXT, "lastActivity" BIGINT);
           CREATE VIEW "sessions" AS SELECT * FROM "base""#,
    );
    let driver = place.open_driver();
    place.sql().execute_batch(r#"DROP TABLE "base""#).unwrap();
    let error = wait(driver.load(&id('a'), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Read);
    assert_eq!(error.cause().unwrap().message, "no such table: main.base");
}

#[test]
fn many_at_once_make_one_table() {
    let place = Place::new();
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for fill in 'a'..='h' {
            let (place, start) = (&place, &start);
            scope.spawn(move || {
                let driver = place.driver();
                start.wait();
                assert_eq!(
                    wait(driver.create(&id(fill), &text("x"), NOW)),
                    Ok(Created::Created)
                );
            });
        }
    });
    assert_eq!(
        wait(place.driver().sweep(NOW + Millis(1), 99))
            .unwrap()
            .removed,
        8
    );
}

#[test]
fn an_error_and_a_printed_driver_name_no_id_and_no_payload() {
    let place = Place::with_table(
        r#"CREATE TABLE "sessions" ("id" TEXT UNIQUE, "payload" TEXT CHECK ("payload" = ''),
           "lastActivity" INTEGER)"#,
    );
    let driver = place.driver();
    let error = wait(driver.create(&id('a'), &text("secret"), NOW)).unwrap_err();
    assert_eq!(
        error.cause().unwrap().code.as_deref(),
        Some("SQLITE_CONSTRAINT")
    );
    let shown = format!("{error:?} {driver:?}");
    assert!(
        !shown.contains("secret") && !shown.contains(id('a').as_str()),
        "{shown}"
    );
}
