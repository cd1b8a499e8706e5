//! The tables: their names, when they are made, and what happens when somebody alters or drops them.

use std::thread;

use super::*;

#[test]
fn the_table_has_an_index_for_the_sweep() {
    let Some(place) = Place::new() else { return };
    assert_eq!(loaded(&*place.driver(), id('a')), None);
    let indexes = place.sql(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = trim('\"' from '{table}') \
         ORDER BY indexname",
    );
    let has = |part: &str| {
        indexes
            .iter()
            .flatten()
            .any(|definition| definition.contains(part))
    };
    assert!(
        has("UNIQUE") && has("btree (\"lastActivity\")"),
        "{indexes:?}"
    );
    assert_eq!(indexes.len(), 2);
}

#[test]
fn instances_that_start_at_once_make_one_table() {
    for _ in 0..3 {
        let Some(place) = Place::new() else { return };
        thread::scope(|scope| {
            for fill in ['a', 'b', 'c', 'd', 'e', 'f'] {
                let place = &place;
                scope.spawn(move || {
                    let driver = place.driver();
                    let created = wait(driver.create(&id(fill), &text("x"), NOW));
                    assert_eq!(created, Ok(Created::Created));
                    let owner = Owner::generate().unwrap();
                    let lease = driver.acquire(&id(fill), owner, Millis(1_000), NOW);
                    assert_eq!(wait(lease), Ok(Acquired::Granted));
                });
            }
        });
        let count = place.sql("SELECT count(*) FROM {table}");
        assert_eq!(count, [Some("6".to_owned())]);
    }
}

#[test]
fn names_are_quoted_and_what_belongs_to_long_ones_is_never_cut_down_to_them() {
    for prefix in ["Select$", &"l".repeat(45)] {
        let Some(place) = Place::named(prefix) else {
            return;
        };
        let driver = place.driver();
        wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
        let owner = Owner::generate().unwrap();
        wait(driver.acquire(&id('a'), owner, Millis(1_000), NOW)).unwrap();
        assert_eq!(loaded(&*driver, id('a')).as_deref(), Some("x"));
        assert_eq!(place.sql("SELECT id FROM {locks}").len(), 1);
    }
}

#[test]
fn names_beside_the_longest_ones_stay_within_what_the_server_keeps() {
    let longest = "t".repeat(MOST);
    let names = Names::new(&TableName::parse(&longest).unwrap());
    assert_eq!(names.locks.len(), MOST + 2);
    assert_ne!(names.locks, names.table);
    let names = Names::new(&TableName::parse("app.t").unwrap());
    assert_eq!(
        (&*names.table, &*names.locks),
        (r#""app"."t""#, r#""app"."t_locks""#)
    );
}

const MOST: usize = 63;
const VARCHAR: &str =
    r#"CREATE TABLE {table} ("id" varchar(255) UNIQUE, "payload" varchar, "lastActivity" bigint)"#;

#[test]
fn a_schema_that_is_missing_is_made_and_one_that_is_there_is_used() {
    let schema = format!("rust_schema_{}", process::id());
    let Some(place) = Place::new() else { return };
    let inside = |name: &str| Place {
        table: TableName::parse(&format!("{schema}.{name}")).unwrap(),
        address: place.address.clone(),
    };
    for name in ["one", "two"] {
        let driver = inside(name).driver();
        let created = wait(driver.create(&id('a'), &text("x"), NOW));
        assert_eq!(created, Ok(Created::Created));
    }
    place.sql(&format!(
        r#"SET client_min_messages = error; DROP SCHEMA "{schema}" CASCADE"#
    ));
}

#[test]
fn a_table_that_is_dropped_while_it_is_used_is_made_again() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    let owner = Owner::generate().unwrap();
    for _ in 0..2 {
        let created = wait(driver.create(&id('a'), &text("x"), NOW));
        assert_eq!(created, Ok(Created::Created));
        let lease = driver.acquire(&id('a'), owner, Millis(1_000), NOW);
        assert_eq!(wait(lease), Ok(Acquired::Granted));
        place.sql("DROP TABLE {table}, {locks}");
        assert_eq!(loaded(&*driver, id('a')), None);
        assert_eq!(wait(driver.release(&id('a'), owner)), Ok(()));
    }
}

#[test]
fn a_table_that_is_altered_while_it_is_used_is_looked_at_anew() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    for kind in ["text", "numeric", "bigint"] {
        wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
        assert_eq!(loaded(&*driver, id('a')).as_deref(), Some("x"), "{kind}");
        place.sql(&format!(
            r#"ALTER TABLE {{table}} ALTER COLUMN "lastActivity" TYPE {kind} USING "lastActivity"::{kind},
               ADD COLUMN "of_{kind}" text"#
        ));
        let touched = wait(driver.touch(&id('a'), NOW + Millis(1)));
        assert_eq!(touched, Ok(Touched::Touched), "{kind}");
        let swept = wait(driver.sweep(NOW + Millis(2), 10));
        assert_eq!(swept.map(|sweep| sweep.removed), Ok(1), "{kind}");
    }
}

#[test]
fn a_sweep_waits_for_nobody() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
    wait(driver.create(&id('b'), &text("x"), NOW)).unwrap();
    place.with_client(async |client| {
        client.batch_execute(&place.hold('a')).await.unwrap();
        let swept = driver.sweep(NOW + Millis(1), 10).await;
        assert_eq!(swept.map(|sweep| sweep.removed), Ok(1));
        client.batch_execute("ROLLBACK").await.unwrap();
    });
    let swept = wait(driver.sweep(NOW + Millis(1), 10));
    assert_eq!(swept.map(|sweep| sweep.removed), Ok(1));
}

#[test]
fn the_index_of_an_id_is_used_though_ids_are_compared_twice() {
    for schema in [None, Some(WIDENED), Some(VARCHAR)] {
        let Some(place) = Place::new() else { return };
        if let Some(schema) = schema {
            place.sql(schema);
        }
        wait(place.driver().create(&id('a'), &text("x"), NOW)).unwrap();
        assert_eq!(loaded(&*place.driver(), id('a')).as_deref(), Some("x"));
        let plan = place.sql(
            r#"SET enable_seqscan = off; EXPLAIN SELECT 1 FROM {table} WHERE "id" = 'a'::text
               AND "id"::text COLLATE "C" = 'a'::text"#,
        );
        let uses_index = plan
            .iter()
            .flatten()
            .any(|line| line.contains("Index Cond"));
        assert!(uses_index, "{plan:?}");
    }
}
