//! What a session's spare is good for, when it is none, and that no reader takes it for the record.
#![cfg(target_os = "linux")]

use std::os::fd::AsFd;

use super::*;

impl Fixture {
    fn spare(&self, letter: char) -> PathBuf {
        let name = format!(".node-session-{}", id(letter).as_str());
        self.folder.join(name)
    }
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

/// The record of `a`, opened to be read.
fn opened(it: &Fixture) -> super::record::Found {
    let dir = it.driver.disk.folder.ready().unwrap();
    let fd = super::record::open(dir.as_fd(), id('a').as_str());
    super::record::found(fd).unwrap().unwrap()
}

fn read(it: &Fixture, found: &super::record::Found) -> Step<Option<String>> {
    let record = found.record(&it.driver.disk, NOW, super::record::read_at)?;
    Ok(record.map(|record| record.payload.to_string()))
}

#[test]
fn a_session_that_is_saved_again_and_again_has_two_files_by_turns() {
    let it = Fixture::with("0");
    let first = inode(&it.path('a'));
    assert_eq!(it.replace('a', "0", "one"), Ok(Replaced::Replaced));
    let second = inode(&it.path('a'));
    assert_eq!(inode(&it.spare('a')), first);
    for (old, new) in [
        ("one", "2"),
        ("2", ""),
        ("", "the fourth"),
        ("the fourth", "5"),
    ] {
        assert_eq!(it.replace('a', old, new), Ok(Replaced::Replaced));
        assert_eq!(it.load('a').unwrap().unwrap(), new);
        let mut inodes = [inode(&it.path('a')), inode(&it.spare('a'))];
        inodes.sort_unstable();
        let mut both = [first, second];
        both.sort_unstable();
        assert_eq!(inodes, both);
    }
    assert_eq!(it.all_names().len(), 2);
}

#[test]
fn a_spare_goes_with_its_record() {
    let it = Fixture::new();
    for letter in ['a', 'b', 'c'] {
        it.create(letter, "old").unwrap();
        it.replace(letter, "old", "new").unwrap();
    }
    assert_eq!(it.all_names().len(), 6);
    wait(it.driver.destroy(&id('a'))).unwrap();
    wait(it.driver.remove(&id('b'), &text("new"))).unwrap();
    assert_eq!(it.all_names().len(), 2);
    assert_eq!(it.sweep(NOW + Millis(1)), 1);
    assert!(it.all_names().is_empty());
}

#[test]
fn a_spare_whose_record_somebody_removed_goes_with_the_next_sweep_half_written_or_not() {
    let it = Fixture::with("old");
    it.replace('a', "old", "new").unwrap();
    assert_eq!(it.sweep(NOW), 0);
    assert_eq!(it.all_names().len(), 2);
    for mode in [0o600, 0o200] {
        fs::write(it.spare('a'), "half").unwrap();
        fs::set_permissions(it.spare('a'), fs::Permissions::from_mode(mode)).unwrap();
        let _ = fs::remove_file(it.path('a'));
        assert_eq!(it.sweep(NOW), 0);
        assert!(it.all_names().is_empty());
    }
}

#[test]
fn a_text_that_is_large_or_has_to_reach_the_disk_leaves_no_spare() {
    let mut it = Fixture::with("old");
    let large = "x".repeat(super::spare::MOST_KEPT + 1);
    assert_eq!(it.replace('a', "old", &large), Ok(Replaced::Replaced));
    it.driver = FileDriver::new(&it.folder, BOUNDS, Durability::Disk);
    assert_eq!(it.replace('a', &large, "new"), Ok(Replaced::Replaced));
    assert_eq!(it.all_names(), [id('a').as_str()]);
}

#[test]
fn what_is_planted_in_a_spares_place_is_never_written_to() {
    let it = Fixture::with("old");
    let victim = it.root.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let plants: [&dyn Fn(); 3] = [
        &|| symlink(&victim, it.spare('a')).unwrap(),
        &|| fs::hard_link(&victim, it.spare('a')).unwrap(),
        &|| {
            let made = Command::new("mkfifo").arg(it.spare('a')).status();
            assert!(made.unwrap().success());
        },
    ];
    let mut old = "old".to_owned();
    for (round, plant) in plants.iter().enumerate() {
        let _ = fs::remove_file(it.spare('a'));
        plant();
        let new = format!("new {round}");
        assert_eq!(it.replace('a', &old, &new), Ok(Replaced::Replaced));
        assert_eq!(it.load('a').unwrap().unwrap(), new);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        old = new;
    }
}

#[test]
fn a_record_that_has_another_name_is_not_written_over_when_it_has_made_room() {
    let it = Fixture::with("old");
    let backup = it.root.path().join("backup");
    fs::hard_link(it.path('a'), &backup).unwrap();
    for (old, new) in [("old", "1"), ("1", "2"), ("2", "3")] {
        assert_eq!(it.replace('a', old, new), Ok(Replaced::Replaced));
    }
    assert_eq!(fs::read_to_string(&backup).unwrap(), "old");
}

#[test]
fn a_reader_that_opened_a_record_two_saves_ago_does_not_take_it_for_a_text() {
    let it = Fixture::with("old");
    let (unread, read_late) = (opened(&it), opened(&it));
    assert_eq!(read(&it, &unread), Ok(Some("old".to_owned())));
    assert_eq!(it.replace('a', "old", "1"), Ok(Replaced::Replaced));
    assert_eq!(read(&it, &read_late), Ok(Some("old".to_owned())));
    assert_eq!(it.replace('a', "1", "two"), Ok(Replaced::Replaced));
    assert_eq!(read(&it, &read_late), Err(Fault::Busy));
    assert_eq!(read(&it, &opened(&it)), Ok(Some("two".to_owned())));
}

#[test]
fn a_file_that_is_being_written_over_is_read_again_later() {
    let mut it = Fixture::with("old");
    let disk = Arc::get_mut(&mut it.driver.disk).unwrap();
    disk.bounds.read_patience = Millis(0);
    // As it looks while it is written, and, where a writer died, until it is written over; whoever else reads it.
    let mode = |mode| fs::set_permissions(it.path('a'), fs::Permissions::from_mode(mode));
    mode(0o200).unwrap();
    assert_eq!(code(it.load('a')), Some(Code::Timeout));
    mode(0o600).unwrap();
    assert_eq!(it.load('a').unwrap().unwrap(), "old");
}

#[test]
fn a_spare_that_cannot_be_written_leaves_the_record_as_it_was() {
    let it = Fixture::with("old");
    assert_eq!(it.replace('a', "old", "new"), Ok(Replaced::Replaced));
    // A writer that died here left half a text.
    fs::write(it.spare('a'), "ha").unwrap();
    fs::set_permissions(it.spare('a'), fs::Permissions::from_mode(0o200)).unwrap();
    assert_eq!(it.load('a').unwrap().unwrap(), "new");
    assert_eq!(it.replace('a', "new", "newer"), Ok(Replaced::Replaced));
    assert_eq!(it.load('a').unwrap().unwrap(), "newer");
}

#[test]
fn no_two_writes_of_a_file_give_it_the_same_time() {
    let it = Fixture::with("0");
    let mut seen = std::collections::HashSet::new();
    for round in 0..1_000 {
        let (old, new) = (round.to_string(), (round + 1).to_string());
        assert_eq!(it.replace('a', &old, &new), Ok(Replaced::Replaced));
        let stat = fs::metadata(it.path('a')).unwrap();
        assert_eq!(stat.mtime_nsec() / 1_000_000, NOW.0 % 1000);
        assert!(seen.insert(stat.mtime_nsec()), "round {round}");
    }
}
