//! What is in the way: planted links and pipes, foreign owners, missing folders, full disks.

use super::*;

#[test]
fn a_text_that_is_not_utf8_is_corrupt_and_stays() {
    let it = Fixture::with("old");
    fs::write(it.path('a'), b"{\"a\":\"\xff\"}").unwrap();
    age(&it.path('a'), NOW);
    assert_eq!(code(it.load('a')), Some(Code::Corrupt));
    assert_eq!(fs::read(it.path('a')).unwrap(), b"{\"a\":\"\xff\"}");
}

/// Puts something else in a session's place, and sees that it stays what it is.
fn is_left_alone(plant: impl Fn(&Path, &Path), removable: bool) {
    let it = Fixture::with("neighbour");
    let victim = it.root.path().join("victim");
    fs::write(&victim, "old").unwrap();
    plant(&it.path('b'), &victim);
    let before = fs::symlink_metadata(it.path('b')).unwrap();
    for _ in 0..2 {
        assert_eq!(code(it.load('b')), Some(Code::Corrupt));
    }
    assert_eq!(it.create('b', "new"), Ok(Created::Exists));
    assert_eq!(code(it.replace('b', "old", "new")), Some(Code::Corrupt));
    let removed = wait(it.driver.remove(&id('b'), &text("old")));
    assert_eq!(code(removed), Some(Code::Corrupt));
    let touched = wait(it.driver.touch(&id('b'), NOW));
    assert_eq!(code(touched), Some(Code::Corrupt));
    assert_eq!(it.sweep(Millis(i64::MAX)), 1);
    let after = fs::symlink_metadata(it.path('b')).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec()),
        (after.ino(), after.mtime_nsec())
    );
    assert_eq!(wait(it.driver.destroy(&id('b'))).is_ok(), removable);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "old");
}

#[test]
fn a_symbolic_link_in_a_sessions_place_is_never_followed() {
    is_left_alone(|place, victim| symlink(victim, place).unwrap(), true);
}

#[test]
fn a_dangling_link_in_a_sessions_place_is_never_followed() {
    is_left_alone(|place, _| symlink("/nowhere/at/all", place).unwrap(), true);
}

#[test]
fn a_pipe_in_a_sessions_place_is_never_waited_for() {
    let make_pipe = |place: &Path, _: &Path| {
        assert!(
            Command::new("mkfifo")
                .arg(place)
                .status()
                .unwrap()
                .success()
        );
    };
    is_left_alone(make_pipe, true);
}

#[test]
fn a_folder_in_a_sessions_place_is_left_alone() {
    is_left_alone(|place, _| fs::create_dir(place).unwrap(), false);
}

#[test]
fn files_of_another_user_are_believed_only_by_root() {
    let stat = rustix::fs::stat("/").unwrap();
    let own = rustix::process::geteuid();
    let owned_by = |uid| {
        let mut stat = stat;
        stat.st_uid = uid;
        super::record::is_trusted(&stat)
    };
    assert!(owned_by(own.as_raw()) && owned_by(0));
    assert_eq!(owned_by(own.as_raw() + 1), own.is_root());
}

#[test]
fn an_oversized_file_is_refused_without_being_read() {
    let it = Fixture::with("old");
    let file = fs::File::options().write(true).open(it.path('a')).unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_at(b"x", 0).unwrap();
    age(&it.path('a'), NOW);
    assert_eq!(code(it.load('a')), Some(Code::TooLarge));
    assert_eq!(code(it.replace('a', "old", "new")), Some(Code::TooLarge));
    assert_eq!(fs::metadata(it.path('a')).unwrap().len(), 1 << 30);
}

#[test]
fn a_removed_folder_comes_back_with_the_next_record() {
    let it = Fixture::with("old");
    assert_eq!(it.load('a').unwrap().unwrap(), "old");
    fs::remove_dir_all(it.root.path().join("deep")).unwrap();
    assert_eq!(it.load('a'), Ok(None));
    assert_eq!(it.replace('a', "old", "new"), Ok(Replaced::Gone));
    assert_eq!(it.sweep(NOW), 0);
    assert_eq!(it.create('b', "new"), Ok(Created::Created));
    assert_eq!(mode(&it.folder), 0o700);
    assert_eq!(it.load('b').unwrap().unwrap(), "new");
}

#[test]
fn a_replaced_folder_is_noticed_by_the_first_read_that_misses() {
    let it = Fixture::with("old");
    assert_eq!(it.load('a').unwrap().unwrap(), "old");
    fs::rename(&it.folder, it.root.path().join("aside")).unwrap();
    let other = FileDriver::new(&it.folder, BOUNDS, Durability::Process);
    wait(other.create(&id('b'), &text("new"), NOW)).unwrap();
    assert_eq!(it.load('b').unwrap().unwrap(), "new");
    assert_eq!(it.load('a'), Ok(None));
}

#[test]
fn a_file_in_the_folders_place_is_an_error_of_reading_and_of_writing() {
    let it = Fixture::new();
    fs::create_dir_all(it.folder.parent().unwrap()).unwrap();
    fs::write(&it.folder, "not a folder").unwrap();
    let error = it.load('a').unwrap_err();
    assert_eq!(error.code(), Code::Read);
    assert_eq!(error.cause().unwrap().code.as_deref(), Some("ENOTDIR"));
    assert_eq!(code(it.create('a', "new")), Some(Code::Write));
    assert_eq!(code(wait(it.driver.destroy(&id('a')))), Some(Code::Write));
    assert_eq!(code(wait(it.driver.sweep(NOW, 1))), Some(Code::Write));
}

#[test]
fn a_read_only_folder_refuses_the_write_and_keeps_the_record() {
    if is_root() {
        return; // Permissions do not bind root.
    }
    let it = Fixture::with("old");
    fs::set_permissions(&it.folder, fs::Permissions::from_mode(0o500)).unwrap();
    let error = it.replace('a', "old", "new").unwrap_err();
    assert_eq!(error.code(), Code::Write);
    assert_eq!(error.cause().unwrap().code.as_deref(), Some("EACCES"));
    assert_eq!(it.load('a').unwrap().unwrap(), "old");
}

#[test]
fn no_error_names_a_session() {
    let it = Fixture::with("old");
    fs::create_dir(it.path('b')).unwrap();
    let errors = [
        it.load('b').unwrap_err(),
        it.replace('b', "old", "new").unwrap_err(),
        wait(it.driver.destroy(&id('b'))).unwrap_err(),
    ];
    for error in errors {
        assert!(!format!("{error:?}").contains(id('b').as_str()), "{error}");
    }
}

#[test]
fn a_failed_write_leaves_no_draft_and_the_old_record() {
    let it = Fixture::with("old");
    fs::create_dir(it.path('b')).unwrap();
    let dir = it.driver.disk.folder.ready().unwrap();
    for durability in [Durability::Process, Durability::Disk] {
        use super::draft::{Draft, store_new};
        use std::os::fd::AsFd;
        // A file changes places with no record, and is renamed over no folder.
        let name = match durability {
            Durability::Process => id('c'),
            Durability::Disk => id('b'),
        };
        let draft = Draft::write(dir.as_fd(), "new", NOW, durability).unwrap();
        assert!(!cfg!(target_os = "linux") || draft.take_place(name.as_str(), durability).is_err());
        assert!(store_new(dir.as_fd(), id('a').as_str(), "new", NOW, durability).is_err());
    }
    assert_eq!(it.names(), [id('a').as_str(), id('b').as_str()]);
    assert_eq!(it.load('a').unwrap().unwrap(), "old");
}

#[test]
fn a_full_disk_refuses_the_write_and_keeps_the_record() {
    const NAME: &str =
        "driver::file::tests::faults::a_full_disk_refuses_the_write_and_keeps_the_record";
    if !is_run_again() {
        let root = tempfile::tempdir().unwrap();
        let mount = "mount -t tmpfs -o size=64k tmpfs \"$TMPDIR\"";
        let isolated = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["-rm", "sh", "-c", script]);
            command.env("TMPDIR", root.path());
            command
        };
        if !isolated(mount)
            .status()
            .is_ok_and(|status| status.success())
        {
            println!("skipped: this system does not let a test mount a small disk");
            return;
        }
        let script = format!("{mount} && exec \"$0\" --exact {NAME}");
        return run_again(&mut isolated(&script));
    }
    let it = Fixture::with("old");
    let error = it.replace('a', "old", &"x".repeat(200_000)).unwrap_err();
    assert_eq!(error.code(), Code::Write);
    assert_eq!(error.cause().unwrap().code.as_deref(), Some("ENOSPC"));
    assert_eq!(
        code(it.create('b', &"x".repeat(200_000))),
        Some(Code::Write)
    );
    assert_eq!(it.load('a').unwrap().unwrap(), "old");
    assert_eq!(it.names(), [id('a').as_str()]);
    assert_eq!(it.replace('a', "old", "new"), Ok(Replaced::Replaced));
}

#[test]
fn a_process_out_of_descriptors_gets_errors_until_it_has_some_again() {
    const NAME: &str = "driver::file::tests::faults::a_process_out_of_descriptors_gets_errors_until_it_has_some_again";
    if !is_run_again() {
        let script = format!("ulimit -n 64; exec \"$0\" --exact {NAME}");
        return run_again(Command::new("sh").args(["-c", &script]));
    }
    let it = Fixture::with("old");
    let all: Vec<fs::File> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    for (expected, error) in [
        (Code::Read, it.load('a').unwrap_err()),
        (Code::Write, it.create('b', "new").unwrap_err()),
    ] {
        assert_eq!(error.code(), expected);
        assert_eq!(error.cause().unwrap().code.as_deref(), Some("EMFILE"));
    }
    drop(all);
    assert_eq!(it.load('a').unwrap().unwrap(), "old");
    assert_eq!(it.create('b', "new"), Ok(Created::Created));
}

/// What `patiently` makes of work that fails in this way, twice, before it succeeds.
fn after_two(fault: Fault) -> Result<u32> {
    let it = Fixture::new();
    let tries = Arc::new(AtomicU32::new(0));
    let work = move |_: &Disk| match tries.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Err(fault),
        tried => Ok(tried),
    };
    wait(it.driver.elsewhere(Verb::Read, work))
}

#[test]
fn what_may_pass_is_tried_again() {
    assert_eq!(after_two(Fault::Busy), Ok(2));
    assert_eq!(after_two(Fault::System(Errno::MFILE)), Ok(2));
    let error = after_two(Fault::System(Errno::NOENT)).unwrap_err();
    assert_eq!(error.cause().unwrap().code.as_deref(), Some("ENOENT"));
    let error = after_two(Fault::System(Errno::IO)).unwrap_err();
    assert_eq!(error.cause().unwrap().code.as_deref(), Some("EIO"));
    assert_eq!(code(after_two(Fault::NotText)), Some(Code::Corrupt));
}
