//! Several at one file: writers, readers, touches and sweeps lose nothing and tear nothing.

use super::*;

#[test]
fn a_sweep_spares_a_draft_that_is_being_written_and_a_record_that_is_locked() {
    let it = Fixture::with("old");
    let name = format!(".node-session-{}", "0f".repeat(16));
    fs::write(it.folder.join(&name), "half").unwrap();
    let lock = |path: PathBuf| {
        let file = fs::File::open(path).unwrap();
        file.try_lock().unwrap();
        file
    };
    let held = [lock(it.folder.join(&name)), lock(it.path('a'))];
    assert_eq!(it.sweep(Millis(i64::MAX)), 0);
    assert_eq!(it.names(), [name.as_str(), id('a').as_str()]);
    drop(held);
    assert_eq!(it.sweep(Millis(i64::MAX)), 1);
    assert!(it.names().is_empty());
}

#[test]
fn a_record_that_stays_locked_is_a_timeout_for_writers_and_none_for_readers() {
    let mut it = Fixture::with("old");
    let disk = Arc::get_mut(&mut it.driver.disk).unwrap();
    disk.bounds.write_patience = Millis(0);
    let held = fs::File::open(it.path('a')).unwrap();
    held.try_lock().unwrap();
    assert_eq!(it.load('a').unwrap().unwrap(), "old");
    assert_eq!(code(it.replace('a', "old", "new")), Some(Code::Timeout));
    drop(held);
    assert_eq!(it.replace('a', "old", "new"), Ok(Replaced::Replaced));
}

#[test]
fn two_writers_in_two_drivers_lose_no_increment() {
    const ROUNDS: u32 = 1_000;
    let it = Fixture::with("0");
    let start = Barrier::new(2);
    let count = || {
        let driver = FileDriver::new(&it.folder, BOUNDS, Durability::Process);
        start.wait();
        for _ in 0..ROUNDS {
            let mut expected = wait(driver.load(&id('a'), NOW)).unwrap().unwrap().payload;
            loop {
                let next = text(&(expected.parse::<u32>().unwrap() + 1).to_string());
                match wait(driver.replace(&id('a'), &expected, &next, NOW)).unwrap() {
                    Replaced::Replaced => break,
                    Replaced::Conflict(current) => expected = current,
                    Replaced::Gone => panic!("nobody removed it"),
                }
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(count);
        scope.spawn(count);
    });
    assert_eq!(it.load('a').unwrap().unwrap(), (2 * ROUNDS).to_string());
    assert_eq!(it.names(), [id('a').as_str()]);
}

#[test]
fn a_reader_beside_a_thousand_replaces_sees_whole_texts_only() {
    let texts: Vec<String> = ["a", "b"].map(|letter| letter.repeat(50_000)).into();
    let it = Fixture::with(&texts[0]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..1_000 {
                let (old, new) = (&texts[round % 2], &texts[(round + 1) % 2]);
                assert_eq!(it.replace('a', old, new), Ok(Replaced::Replaced));
            }
        });
        while !writer.is_finished() {
            let seen = it.load('a').unwrap().unwrap();
            assert!(texts.contains(&seen), "a torn text of {} bytes", seen.len());
        }
    });
}

#[test]
fn a_touch_beside_replaces_is_never_lost() {
    let it = Fixture::with("0");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..500 {
                let (old, new) = (round.to_string(), (round + 1).to_string());
                assert_eq!(it.replace('a', &old, &new), Ok(Replaced::Replaced));
            }
        });
        let mut latest = NOW;
        while !writer.is_finished() {
            latest = latest + Millis(1);
            let touched = wait(it.driver.touch(&id('a'), latest)).unwrap();
            assert_eq!(touched, Touched::Touched);
            let record = wait(it.driver.load(&id('a'), NOW)).unwrap().unwrap();
            assert_eq!(record.last_activity, latest);
        }
    });
}
