//! The database file: who may read it, and what happens when it is missing, wrong or removed.

use super::*;

#[test]
fn a_database_in_memory_lives_as_long_as_its_driver() {
    let driver = Sqlite::new(
        Path::new(":memory:"),
        "sessions",
        BOUNDS,
        Durability::Process,
    );
    assert_eq!(
        wait(driver.create(&id('a'), &text("x"), NOW)),
        Ok(Created::Created)
    );
    assert!(is_ready(&driver.load(&id('a'), NOW)));
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("x"));
    assert!(!Path::new(":memory:").exists());
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_what_the_driver_makes() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let folder = place.folder.path().join("new/folder");
    let file = folder.join("file:s.sqlite");
    let driver = Sqlite::new(&file, "sessions", BOUNDS, Durability::Process);
    wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(folder.parent().unwrap()), 0o700);
    for ending in ["", "-wal", "-shm"] {
        assert_eq!(mode(&folder.join(format!("file:s.sqlite{ending}"))), 0o600);
    }
}

#[test]
fn a_file_that_is_no_database_is_an_error_until_it_is_gone() {
    let place = Place::new();
    let letter = "Dear sir, this is not a database.\n".repeat(99);
    fs::write(place.file(), &letter).unwrap();
    let driver = place.driver();
    let error = wait(driver.load(&id('a'), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Read);
    assert_eq!(
        error.cause().unwrap().code.as_deref(),
        Some("SQLITE_NOTADB")
    );
    let error = wait(driver.create(&id('a'), &text("x"), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Write);
    assert_eq!(fs::read_to_string(place.file()).unwrap(), letter);
    fs::remove_file(place.file()).unwrap();
    assert_eq!(
        wait(driver.create(&id('a'), &text("x"), NOW)),
        Ok(Created::Created)
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_says_why() {
    let place = Place::new();
    fs::write(place.file(), "").unwrap();
    let below = place.file().join("sessions.sqlite");
    let driver = Sqlite::new(&below, "sessions", BOUNDS, Durability::Process);
    let error = wait(driver.create(&id('a'), &text("x"), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Write);
    assert!(error.cause().is_some());
}

#[cfg(unix)]
#[test]
fn a_database_that_was_removed_is_noticed_and_made_anew() {
    let place = Place::new();
    let driver = place.open_driver();
    wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
    fs::remove_dir_all(place.folder.path()).unwrap();
    let mut slot = lock(&driver.shared.in_place);
    slot.as_mut().unwrap().checked -= Duration::from_secs(1);
    drop(slot);
    assert_eq!(loaded(&driver, id('a')), None);
    assert_eq!(
        wait(driver.create(&id('a'), &text("y"), NOW)),
        Ok(Created::Created)
    );
    assert_eq!(loaded(&place.driver(), id('a')).as_deref(), Some("y"));
}

#[cfg(unix)]
#[test]
fn a_write_right_after_the_database_was_removed_goes_to_the_new_one_only() {
    let place = Place::new();
    let driver = place.open_driver();
    wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
    fs::remove_dir_all(place.folder.path()).unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let create = move |table: &Table| {
        counted.fetch_add(1, Ordering::Relaxed);
        table.create(&id('a'), "y", NOW)
    };
    let written = wait(driver.run(Access::Write(1), create));
    assert_eq!(written, Ok(Created::Created));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("y"));
    assert_eq!(loaded(&place.driver(), id('a')).as_deref(), Some("y"));
}

#[cfg(unix)]
#[test]
fn a_write_during_which_the_database_is_removed_is_done_again_in_the_new_one() {
    for durability in [Durability::Process, Durability::Disk] {
        let place = Place::new();
        let driver = Sqlite::new(&place.file(), "sessions", BOUNDS, durability);
        assert_eq!(wait(driver.load(&id('-'), NOW)), Ok(None));
        let folder = place.folder.path().to_owned();
        let removed = AtomicBool::new(false);
        let create = move |table: &Table| {
            let created = table.create(&id('a'), "x", NOW);
            if !removed.swap(true, Ordering::Relaxed) {
                fs::remove_dir_all(&folder).unwrap();
            }
            created
        };
        let written = wait(driver.run(Access::Write(1), create));
        assert_eq!(written, Ok(Created::Created));
        assert_eq!(loaded(&driver, id('a')).as_deref(), Some("x"));
        assert_eq!(loaded(&place.driver(), id('a')).as_deref(), Some("x"));
    }
}

#[cfg(unix)]
#[test]
fn the_calling_thread_reads_the_new_database_as_soon_as_a_worker_has_found_it() {
    let place = Place::new();
    let driver = place.open_driver();
    wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
    fs::remove_dir_all(place.folder.path()).unwrap();
    wait(driver.sweep(NOW, 10)).unwrap();
    let read = driver.load(&id('a'), NOW);
    assert!(is_ready(&read));
    assert_eq!(wait(read), Ok(None));
}
