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
    let Some((place, driver)) = filled("", bounds) else {
        return;
    };
    place.hold('d', async || {
        let replaced = replace_at_once(&driver, |_| "y".to_owned());
        for (fill, replaced) in FILLS.into_iter().zip(replaced) {
            assert_eq!(replaced.await.is_ok(), fill != 'd', "{fill}");
        }
    });
}
