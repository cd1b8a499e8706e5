//! Calls of one turn: one statement for those that can share it, and none that another's trouble reaches.

use super::*;
use crate::driver::Answer;
use crate::worker;

const FILLS: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

/// Replaces of "x" by a payload, made in one turn.
fn replace_at_once(driver: &dyn Driver, payload: impl Fn(char) -> String) -> Vec<Answer<Replaced>> {
    let x = text("x");
    let replace = |fill| driver.replace(&id(fill), &x, &text(&payload(fill)), NOW);
    let answers = worker::collect(|| FILLS.map(replace).into());
    worker::send();
    answers
}

#[test]
fn what_is_written_in_one_turn_is_one_transaction_or_two() {
    for schema in ["", WIDENED, CHARACTERS] {
        let Some(place) = Place::new() else { return };
        if !schema.is_empty() {
            place.sql(schema);
        }
        let driver = place.driver();
        for fill in FILLS {
            wait(driver.create(&id(fill), &text("x"), NOW)).unwrap();
        }
        let replaced = replace_at_once(&*driver, |fill| fill.to_string());
        for replaced in replaced {
            assert_eq!(wait(replaced), Ok(Replaced::Replaced));
        }
        // The first of a turn is sent at once, and may be alone.
        let transactions = place.sql("SELECT DISTINCT xmin::text FROM {table}").len();
        assert!(transactions <= 2, "{transactions} for a table {schema:?}");
        for fill in FILLS {
            assert_eq!(loaded(&*driver, id(fill)), Some(fill.to_string()));
        }
    }
}

/// Ids of a fixed length, and times as text.
const CHARACTERS: &str =
    r#"CREATE TABLE {table} ("id" char(40) UNIQUE, "payload" text, "lastActivity" text)"#;

#[test]
fn a_payload_that_its_column_cannot_hold_keeps_no_other_from_being_written() {
    let narrow =
        r#"CREATE TABLE {table} ("id" text UNIQUE, "payload" varchar(10), "lastActivity" bigint)"#;
    let Some(place) = Place::with_table(narrow) else {
        return;
    };
    let driver = place.driver();
    for fill in FILLS {
        wait(driver.create(&id(fill), &text("x"), NOW)).unwrap();
    }
    let long_for_c = |fill| match fill {
        'c' => "l".repeat(50),
        _ => "y".to_owned(),
    };
    let replaced = replace_at_once(&*driver, long_for_c);
    for (fill, replaced) in FILLS.into_iter().zip(replaced) {
        assert_eq!(wait(replaced).is_ok(), fill != 'c', "{fill}");
    }
}

#[test]
fn a_row_that_somebody_else_holds_keeps_no_other_from_being_written() {
    let Some(place) = Place::new() else { return };
    let bounds = Bounds {
        write_patience: Millis(400),
        ..BOUNDS
    };
    let driver = place.driver_for(&place.address, bounds);
    for fill in FILLS {
        wait(driver.create(&id(fill), &text("x"), NOW)).unwrap();
    }
    place.with_client(async |client| {
        client.batch_execute(&place.hold('d')).await.unwrap();
        let replaced = replace_at_once(&*driver, |_| "y".to_owned());
        for (fill, replaced) in FILLS.into_iter().zip(replaced) {
            assert_eq!(replaced.await.is_ok(), fill != 'd', "{fill}");
        }
        client.batch_execute("ROLLBACK").await.unwrap();
    });
}
