//! Leases on disk: their files, what becomes of stale and of odd ones, and what may stand in their way.

use super::*;
use crate::driver::{Acquired, Owner};

const LEASE: Millis = Millis(1_000);

impl Fixture {
    fn leases(&self) -> PathBuf {
        self.folder.join(".locks")
    }

    fn lease(&self, letter: char) -> PathBuf {
        self.leases().join(id(letter).as_str())
    }

    /// Somebody's wish for the lease of `letter`.
    fn acquire(&self, letter: char, now: Millis) -> Result<Acquired> {
        let owner = Owner::generate().unwrap();
        wait(self.driver.acquire(&id(letter), owner, LEASE, now))
    }
}

#[test]
fn leases_are_their_owners_alone_and_no_records() {
    let it = Fixture::with("old");
    assert_eq!(it.acquire('a', NOW), Ok(Acquired::Granted));
    assert_eq!(it.names(), [".locks", id('a').as_str()]);
    assert_eq!(mode(&it.leases()), 0o700);
    assert_eq!(mode(&it.lease('a')), 0o600);
    assert_eq!(it.sweep(Millis(i64::MAX)), 1);
    assert_eq!(it.names(), [".locks"]);
}

#[test]
fn a_released_lease_leaves_no_file() {
    let it = Fixture::new();
    let owner = Owner::generate().unwrap();
    wait(it.driver.acquire(&id('a'), owner, LEASE, NOW)).unwrap();
    wait(it.driver.release(&id('a'), owner)).unwrap();
    assert!(!it.lease('a').exists());
    assert!(it.leases().exists());
}

#[test]
fn a_sweep_removes_the_files_that_dead_processes_left_and_nobody_elses() {
    let it = Fixture::with("old");
    for letter in ['a', 'b'] {
        it.acquire(letter, NOW).unwrap();
    }
    it.acquire('b', NOW + Millis(5_000)).unwrap();
    fs::write(it.leases().join("README"), "not a lease").unwrap();
    age(&it.leases().join("README"), Millis(0));
    assert_eq!(it.sweep(NOW + Millis(-1)), 0);
    assert!(it.lease('a').exists());
    assert_eq!(it.sweep(NOW + Millis(2_000)), 1);
    assert!(!it.lease('a').exists());
    assert!(it.lease('b').exists() && it.leases().join("README").exists());
}

#[test]
fn a_file_that_says_no_lease_holds_nothing() {
    let whole = format!("{:032x} {:020}", 7, i64::MAX);
    for odd in [
        "",
        "x",
        &whole[1..],
        &format!("{whole}0"),
        &whole.replace('7', "é"),
        &"x".repeat(100_000),
    ] {
        let it = Fixture::new();
        it.acquire('a', NOW).unwrap();
        fs::write(it.lease('a'), odd).unwrap();
        assert_eq!(it.acquire('a', NOW), Ok(Acquired::Granted));
        let held = Acquired::Held(NOW + LEASE);
        assert_eq!(it.acquire('a', NOW), Ok(held));
    }
}

#[test]
fn a_removed_folder_of_leases_is_made_again() {
    let it = Fixture::new();
    let owner = Owner::generate().unwrap();
    wait(it.driver.acquire(&id('a'), owner, LEASE, NOW)).unwrap();
    fs::remove_dir_all(it.leases()).unwrap();
    assert_eq!(wait(it.driver.release(&id('a'), owner)), Ok(()));
    assert_eq!(it.acquire('a', NOW), Ok(Acquired::Granted));
    fs::remove_dir_all(&it.folder).unwrap();
    assert_eq!(it.acquire('a', NOW), Ok(Acquired::Granted));
}

#[test]
fn nothing_is_followed_and_nothing_odd_is_taken_for_a_lease() {
    let it = Fixture::with("old");
    let elsewhere = it.root.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, it.leases()).unwrap();
    assert_eq!(code(it.acquire('a', NOW)), Some(Code::Write));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);

    fs::remove_file(it.leases()).unwrap();
    fs::create_dir(it.leases()).unwrap();
    symlink(it.path('a'), it.lease('a')).unwrap();
    fs::create_dir(it.lease('b')).unwrap();
    for letter in ['a', 'b'] {
        let error = it.acquire(letter, NOW).unwrap_err();
        assert!(!format!("{error:?}").contains(id(letter).as_str()));
    }
    assert_eq!(it.load('a').unwrap().unwrap(), "old");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_an_error_that_says_what_was_wanted() {
    let it = Fixture::new();
    fs::create_dir_all(it.folder.parent().unwrap()).unwrap();
    fs::write(&it.folder, "not a folder").unwrap();
    let error = it.acquire('a', NOW).unwrap_err();
    assert_eq!(error.code(), Code::Write);
    assert!(error.message().starts_with("cannot lock a session in"));
    assert_eq!(error.cause().unwrap().code.as_deref(), Some("ENOTDIR"));
}
