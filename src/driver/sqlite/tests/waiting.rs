//! Busy and slow databases: which thread does what, and who moves the log.

use super::*;

#[test]
fn a_free_database_answers_at_once() {
    let place = Place::new();
    let driver = place.open_driver();
    assert!(is_ready(&driver.create(&id('a'), &text("x"), NOW)));
    assert!(is_ready(&driver.load(&id('a'), NOW)));
}

#[test]
fn a_writer_elsewhere_holds_up_no_reader_and_not_the_calling_thread() {
    let place = Place::new();
    let driver = place.open_driver();
    wait(driver.create(&id('a'), &text("1"), NOW)).unwrap();
    let other = place.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let read = driver.load(&id('a'), NOW);
    let written = driver.replace(&id('a'), &text("1"), &text("2"), NOW);
    assert!(is_ready(&read) && !is_ready(&written));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(wait(written), Ok(Replaced::Replaced));
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("2"));
}

#[test]
fn a_database_that_stays_busy_is_a_timeout_and_nothing_is_written_later() {
    let place = Place::new();
    place.open_driver();
    let hurried = Bounds {
        write_patience: Millis(20),
        ..BOUNDS
    };
    let driver = Sqlite::new(&place.file(), "sessions", hurried, Durability::Process);
    let other = place.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting: Vec<_> = ('a'..='f')
        .map(|fill| driver.create(&id(fill), &text("x"), NOW))
        .collect();
    for answer in waiting {
        let error = wait(answer).unwrap_err();
        assert_eq!(error.code(), Code::Timeout);
        assert_eq!(error.message(), "cannot write session table `sessions`");
    }
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(('a'..='f').find_map(|fill| loaded(&driver, id(fill))), None);
}

#[test]
fn after_a_call_that_stalled_the_calling_thread_keeps_away_for_a_while() {
    let place = Place::new();
    let driver = place.open_driver();
    let slow = |_: &Table| {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(51) {}
        Ok(())
    };
    assert!(is_ready(&driver.run(Access::Read, slow)));
    assert!(!is_ready(&driver.load(&id('a'), NOW)));
    while !driver.shared.reads.allows_in_place() {
        assert_eq!(wait(driver.load(&id('a'), NOW)), Ok(None));
    }
    assert!(is_ready(&driver.load(&id('a'), NOW)));
}

#[test]
fn writes_that_must_reach_the_disk_do_so_on_another_thread() {
    let place = Place::new();
    let driver = Sqlite::new(&place.file(), "sessions", BOUNDS, Durability::Disk);
    assert_eq!(wait(driver.load(&id('a'), NOW)), Ok(None));
    assert!(is_ready(&driver.load(&id('a'), NOW)));
    let written = driver.create(&id('a'), &text("x"), NOW);
    assert!(!is_ready(&written));
    assert_eq!(wait(written), Ok(Created::Created));
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("x"));
}

#[test]
fn two_drivers_that_increment_one_number_lose_nothing() {
    const EACH: usize = 1_000;
    let place = Place::new();
    wait(place.driver().create(&id('a'), &text("0"), NOW)).unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let driver = place.driver();
                (0..EACH).for_each(|_| increment(&driver));
            });
        }
    });
    assert_eq!(
        loaded(&place.driver(), id('a')),
        Some((2 * EACH).to_string())
    );
}

fn increment(driver: &Sqlite) {
    let mut current = text(&loaded(driver, id('a')).unwrap());
    loop {
        let next = text(&(current.parse::<usize>().unwrap() + 1).to_string());
        match wait(driver.replace(&id('a'), &current, &next, NOW)).unwrap() {
            Replaced::Replaced => return,
            Replaced::Conflict(stored) => current = stored,
            Replaced::Gone => panic!("the record is gone"),
        }
    }
}

#[test]
fn after_many_writes_a_worker_moves_the_log_into_the_database() {
    let place = Place::new();
    let driver = place.open_driver();
    wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
    driver
        .shared
        .pages
        .store(CHECKPOINT_PAGES - 1, Ordering::Relaxed);
    wait(driver.touch(&id('a'), NOW + Millis(1))).unwrap();
    while driver.shared.checkpointing.load(Ordering::Acquire) {
        thread::yield_now();
    }
    let copy = Place::new();
    fs::copy(place.file(), copy.file()).unwrap();
    assert_eq!(loaded(&copy.driver(), id('a')).as_deref(), Some("x"));
}

#[test]
fn a_sweep_empties_a_log_that_has_grown_long() {
    let place = Place::new();
    let driver = place.open_driver();
    let long = |fill: &str| text(&fill.repeat(BOUNDS.max_payload));
    let (mut stored, mut next) = (long("x"), long("y"));
    wait(driver.create(&id('a'), &stored, NOW)).unwrap();
    while driver.shared.database.log_bytes() <= LOG_BYTES {
        wait(driver.replace(&id('a'), &stored, &next, NOW)).unwrap();
        std::mem::swap(&mut stored, &mut next);
    }
    wait(driver.sweep(NOW, 10)).unwrap();
    assert_eq!(driver.shared.database.log_bytes(), 0);
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some(&*stored));
}
