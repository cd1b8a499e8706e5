//! The table of leases beside the session table.

use super::*;

fn acquire(driver: &dyn Driver, owner: Owner, now: Millis) -> Acquired {
    wait(driver.acquire(&id('a'), owner, Millis(100), now)).unwrap()
}

#[test]
fn the_table_of_leases_is_made_with_the_first_of_them() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    assert_eq!(loaded(&driver, id('a')), None);
    let there = "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_NAME = '{table}_locks'";
    let owner = Owner::generate().unwrap();
    assert_eq!(wait(driver.release(&id('a'), owner)), Ok(()));
    assert_eq!(place.value(there).as_deref(), Some("0"));
    assert_eq!(acquire(&driver, owner, NOW), Acquired::Granted);
    assert_eq!(place.value(there).as_deref(), Some("1"));
    place.sql("DROP TABLE {table}_locks");
    assert_eq!(acquire(&driver, owner, NOW), Acquired::Granted);
}

#[test]
fn leases_that_ran_out_are_swept() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    acquire(&driver, Owner::generate().unwrap(), NOW);
    for (cutoff, left) in [(NOW, "1"), (NOW + Millis(101), "0")] {
        wait(driver.sweep(cutoff, 10)).unwrap();
        assert_eq!(
            place.value("SELECT count(*) FROM {table}_locks").as_deref(),
            Some(left)
        );
    }
}

#[test]
fn an_owner_that_is_none_of_ours_holds_nothing() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    acquire(&driver, Owner::generate().unwrap(), NOW);
    place.sql("UPDATE {table}_locks SET owner = 'somebody'");
    let owner = Owner::generate().unwrap();
    assert_eq!(acquire(&driver, owner, NOW), Acquired::Granted);
    assert_eq!(acquire(&driver, owner, NOW), Acquired::Kept);
}
