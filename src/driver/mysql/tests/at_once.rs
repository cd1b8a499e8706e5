//! Calls of one turn: one statement for those that can share it, and none that another's trouble reaches.

use super::*;
use crate::clock::Millis;
use crate::driver::Answer;
use crate::worker;

const FILLS: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

fn filled(schema: &str, bounds: Bounds) -> Option<(Place, Remote<MySql>)> {
    let place = Place::new()?;
    place.sql(schema);
    let driver = place.driver_for(place.server(), bounds);
    for fill in FILLS {
        wait(driver.create(&id(fill), &text("x"), NOW)).unwrap();
    }
    Some((place, driver))
}

/// Replaces of "x" by a payload, made in one turn.
fn replace_at_once(
    driver: &dyn Driver,
    payload: impl Fn(char) -> String,
) -> [Answer<Replaced>; FILLS.len()] {
    let x = text("x");
    let replace = |fill| driver.replace(&id(fill), &x, &text(&payload(fill)), NOW);
    let answers = worker::collect(|| FILLS.map(replace));
    worker::send();
    answers
}

#[test]
fn what_is_written_in_one_turn_is_written_whatever_the_columns_are() {
    for schema in ["", WIDENED] {
        let Some((_place, driver)) = filled(schema, BOUNDS) else {
            return;
        };
        let replaced = replace_at_once(&driver, |fill| fill.to_string());
        for replaced in replaced {
            assert_eq!(wait(replaced), Ok(Replaced::Replaced));
        }
        for fill in FILLS {
            assert_eq!(loaded(&driver, id(fill)), Some(fill.to_string()));
        }
    }
}

#[test]
fn a_payload_that_its_column_cannot_hold_keeps_no_other_from_being_written() {
    let narrow = "CREATE TABLE {table} (`id` VARCHAR(40) UNIQUE, `payload` VARCHAR(10), `lastActivity` BIGINT)";
    let Some((_place, driver)) = filled(narrow, BOUNDS) else {
        return;
    };
    let long_for_c = |fill| match fill {
        'c' => "l".repeat(50),
        _ => "y".to_owned(),
    };
    let replaced = replace_at_once(&driver, long_for_c);
    for (fill, replaced) in FILLS.into_iter().zip(replaced) {
        assert_eq!(wait(replaced).is_ok(), fill != 'c', "{fill}");
    }
}

#[test]
fn a_row_that_somebody_else_holds_keeps_no_other_from_being_written() {
    let bounds = Bounds {
        write_patience: Millis(400),
        ..BOUNDS
    };
    // One of those that are written, and one that is not.
    for held in ['d', 'g'] {
        let Some((place, driver)) = filled("", bounds) else {
            return;
        };
        wait(driver.create(&id('g'), &text("x"), NOW)).unwrap();
        place.hold(held, async || {
            let replaced = replace_at_once(&driver, |_| "y".to_owned());
            for (fill, replaced) in FILLS.into_iter().zip(replaced) {
                assert_eq!(replaced.await.is_ok(), fill != held, "{fill}");
            }
        });
    }
}

#[test]
fn rows_of_one_id_make_no_other_record_seem_written() {
    let repeats = "CREATE TABLE {table} (`id` VARCHAR(40), `payload` TEXT, `lastActivity` BIGINT, KEY (`id`))";
    let Some((place, driver)) = filled(repeats, BOUNDS) else {
        return;
    };
    wait(driver.destroy(&id('b'))).unwrap();
    place.sql(&format!(
        "INSERT INTO {{table}} SELECT * FROM {{table}} WHERE `id` = '{}'",
        id('a').as_str()
    ));
    let replaced = replace_at_once(&driver, |_| "y".to_owned());
    for (fill, replaced) in FILLS.into_iter().zip(replaced) {
        let expected = match fill {
            'b' => Replaced::Gone,
            _ => Replaced::Replaced,
        };
        assert_eq!(wait(replaced), Ok(expected), "{fill}");
    }
}

#[test]
fn a_table_without_transactions_stores_each_record_by_itself() {
    let schema = "CREATE TABLE {table} (`id` VARCHAR(40) PRIMARY KEY, `payload` VARCHAR(10), `lastActivity` BIGINT)
        ENGINE=MyISAM";
    let Some(place) = Place::with_table(schema) else {
        return;
    };
    let driver = place.driver();
    let payload = |fill| match fill {
        'c' => text(&"l".repeat(50)),
        _ => text("x"),
    };
    let created =
        worker::collect(|| FILLS.map(|fill| driver.create(&id(fill), &payload(fill), NOW)));
    worker::send();
    for (fill, created) in FILLS.into_iter().zip(created) {
        match fill {
            'c' => assert!(wait(created).is_err()),
            _ => assert_eq!(wait(created), Ok(Created::Created), "{fill}"),
        }
    }
}
