//! What the file driver does beyond the laws that hold for every driver.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::*;

mod faults;
mod leases;
mod races;
mod spares;

const BOUNDS: Bounds = Bounds {
    idle_timeout: Millis(60_000),
    max_payload: 1 << 20,
    read_patience: Millis(1_900),
    write_patience: Millis(1_900),
};
/// Set for a test that is run by itself.
const AGAIN: &str = "NODE_SESSION_TEST_AGAIN";
const NOW: Millis = Millis(1_700_000_000_123);

/// The conformance suite's: a folder, and any number of drivers on it.
impl crate::driver::conformance::Fixture for TempDir {
    fn open(&self, bounds: Bounds) -> Box<dyn Driver> {
        let folder = self.path().join("sessions");
        Box::new(FileDriver::new(&folder, bounds, Durability::Process))
    }

    fn reopen(&self, bounds: Bounds) -> Option<Box<dyn Driver>> {
        Some(self.open(bounds))
    }
}

mod laws {
    crate::driver::conformance!(tempfile::tempdir().unwrap());
}

fn id(letter: char) -> SessionId {
    SessionId::parse(&letter.to_string().repeat(40)).unwrap()
}

fn text(payload: &str) -> Arc<str> {
    Arc::from(payload)
}

fn wait<T: Unpin>(answer: Answer<T>) -> Result<T> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.build().unwrap().block_on(answer)
}

/// A driver on a folder that is yet to be made.
struct Fixture {
    driver: FileDriver,
    folder: PathBuf,
    root: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("deep/sessions");
        let driver = FileDriver::new(&folder, BOUNDS, Durability::Process);
        Self {
            driver,
            folder,
            root,
        }
    }

    /// The same with one record, `a`, in it.
    fn with(payload: &str) -> Self {
        let this = Self::new();
        assert_eq!(this.create('a', payload), Ok(Created::Created));
        this
    }

    fn path(&self, letter: char) -> PathBuf {
        self.folder.join(id(letter).as_str())
    }

    fn create(&self, letter: char, payload: &str) -> Result<Created> {
        wait(self.driver.create(&id(letter), &text(payload), NOW))
    }

    fn replace(&self, letter: char, expected: &str, payload: &str) -> Result<Replaced> {
        let (expected, payload) = (text(expected), text(payload));
        wait(self.driver.replace(&id(letter), &expected, &payload, NOW))
    }

    fn load(&self, letter: char) -> Result<Option<String>> {
        let record = wait(self.driver.load(&id(letter), NOW))?;
        Ok(record.map(|record| record.payload.to_string()))
    }

    /// Everything that `sweep` removes before `cutoff`.
    fn sweep(&self, cutoff: Millis) -> usize {
        let mut removed = 0;
        loop {
            let step = wait(self.driver.sweep(cutoff, 10)).unwrap();
            removed += step.removed;
            if step.done {
                return removed;
            }
        }
    }

    /// What is in the folder, without spares.
    fn names(&self) -> Vec<String> {
        let mut names = self.all_names();
        names.retain(|name| super::spare::owner(name).is_none());
        names
    }

    fn all_names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn code<T>(result: Result<T>) -> Option<Code> {
    result.err().map(|error| error.code())
}

fn age(path: &Path, at: Millis) {
    let times = super::draft::times(at);
    rustix::fs::utimensat(
        rustix::fs::CWD,
        path,
        &times,
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .unwrap();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs one of these tests again in circumstances that only a process of its own can have.
fn run_again(command: &mut Command) {
    let test = std::env::current_exe().unwrap();
    let output = command.arg(test).env(AGAIN, "1").output().unwrap();
    let ran = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(output.status.success() && ran, "{command:?}: {output:?}");
}

fn is_run_again() -> bool {
    std::env::var_os(AGAIN).is_some()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_file_holds_the_payload_and_nothing_else() {
    let it = Fixture::with("{\"user\":\"žofie\"}");
    assert_eq!(
        fs::read(it.path('a')).unwrap(),
        "{\"user\":\"žofie\"}".as_bytes()
    );
    assert_eq!(it.names(), [id('a').as_str()]);
}

#[test]
fn both_times_of_a_file_are_the_last_activity_to_the_millisecond() {
    let it = Fixture::with("old");
    for later in [0, 1, 999] {
        let now = NOW + Millis(later);
        assert_eq!(
            wait(it.driver.touch(&id('a'), now)).unwrap(),
            Touched::Touched
        );
        it.load('a').unwrap();
        let stat = fs::metadata(it.path('a')).unwrap();
        for (seconds, nanoseconds) in [
            (stat.mtime(), stat.mtime_nsec()),
            (stat.atime(), stat.atime_nsec()),
        ] {
            assert_eq!(seconds * 1000 + nanoseconds / 1_000_000, now.0);
        }
    }
}

#[test]
fn a_file_of_the_original_is_read_as_it_is() {
    let it = Fixture::new();
    fs::create_dir_all(&it.folder).unwrap();
    let original =
        r#"{"_token":"raPm4ioIxi5Lu2usTdOhlH0E9Ah2DKVoaki1ppc0","flash":{"old":[],"new":[]}}"#;
    fs::write(it.path('a'), original).unwrap();
    age(&it.path('a'), NOW - Millis(1000));
    let record = wait(it.driver.load(&id('a'), NOW)).unwrap().unwrap();
    assert_eq!(&*record.payload, original);
    assert_eq!(record.last_activity, NOW - Millis(1000));
    assert_eq!(it.replace('a', original, "{}"), Ok(Replaced::Replaced));
    assert_eq!(mode(&it.path('a')), 0o600);
}

#[test]
fn modes_are_private_whatever_the_umask() {
    const NAME: &str = "driver::file::tests::modes_are_private_whatever_the_umask";
    if is_run_again() {
        let it = Fixture::with("old");
        assert_eq!(mode(&it.folder), 0o700);
        assert_eq!(mode(&it.path('a')), 0o600);
        assert_eq!(it.replace('a', "old", "new"), Ok(Replaced::Replaced));
        assert_eq!(mode(&it.path('a')), 0o600);
        return;
    }
    // Only root gets as far as the files under a umask that takes the owner's right to write.
    let strict = if is_root() { "0277" } else { "0077" };
    for umask in ["0", strict] {
        let script = format!("umask {umask}; exec \"$0\" --exact {NAME}");
        run_again(Command::new("sh").args(["-c", &script]));
    }
}

#[test]
fn a_byte_order_mark_is_part_of_the_text() {
    let it = Fixture::with("\u{feff}{}");
    assert_eq!(it.load('a').unwrap().unwrap(), "\u{feff}{}");
}

#[test]
fn a_sweep_touches_only_idle_sessions_and_dead_drafts() {
    let it = Fixture::with("old");
    it.create('b', "edge").unwrap();
    age(&it.path('a'), NOW - Millis(1));
    let draft = format!(".node-session-{}", "0f".repeat(16));
    let foreign = [
        "README.md",
        ".gitkeep",
        ".node-session-0f",
        &"c".repeat(39),
        &format!("{}.json", "c".repeat(40)),
    ];
    for name in foreign.iter().chain([&draft.as_str()]) {
        fs::write(it.folder.join(name), "foreign").unwrap();
        age(&it.folder.join(name), Millis(0));
    }
    fs::create_dir(it.path('d')).unwrap();
    age(&it.path('d'), Millis(0));
    assert_eq!(it.sweep(NOW), 1);
    let mut left: Vec<String> = foreign.map(str::to_owned).into();
    left.extend([id('b').as_str().to_owned(), id('d').as_str().to_owned()]);
    left.sort();
    assert_eq!(it.names(), left);
}

#[test]
fn a_hot_record_is_read_and_touched_on_the_calling_thread() {
    let at_hand = || {
        let it = Fixture::with("old");
        let loaded = it.driver.load(&id('a'), NOW);
        let touched = it.driver.touch(&id('a'), NOW + Millis(1));
        let ready = (&loaded, &touched);
        let ready = matches!(ready, (Answer::Ready(_), Answer::Ready(_)));
        assert_eq!(wait(touched).unwrap(), Touched::Touched);
        assert_eq!(wait(loaded).unwrap().unwrap().last_activity, NOW);
        ready
    };
    // A thread that is held up at the wrong moment takes the disk for slow.
    assert!(!cfg!(target_os = "linux") || (0..20).any(|_| at_hand()));
}

#[test]
fn a_small_record_is_written_on_the_calling_thread_unless_it_must_reach_the_disk() {
    let at_hand = |durability, payload: &str| {
        let mut it = Fixture::with("old");
        it.driver = FileDriver::new(&it.folder, BOUNDS, durability);
        it.load('a').unwrap();
        let made = it.driver.create(&id('b'), &text(payload), NOW);
        let replaced = it
            .driver
            .replace(&id('a'), &text("old"), &text(payload), NOW);
        let ready = (&made, &replaced);
        let ready = matches!(ready, (Answer::Ready(_), Answer::Ready(_)));
        assert_eq!(wait(made), Ok(Created::Created));
        assert_eq!(wait(replaced), Ok(Replaced::Replaced));
        assert_eq!(it.load('a').unwrap().unwrap(), payload);
        ready
    };
    let (small, large) = ("new", "new".repeat(1 << 15));
    assert!(!cfg!(target_os = "linux") || (0..20).any(|_| at_hand(Durability::Process, small)));
    assert!(!at_hand(Durability::Process, &large));
    assert!(!at_hand(Durability::Disk, small));
}

#[test]
fn an_absent_record_is_known_to_be_absent_on_the_calling_thread_once_asked_for() {
    let it = Fixture::with("old");
    assert_eq!(it.load('b'), Ok(None));
    let at_hand = || matches!(it.driver.load(&id('b'), NOW), Answer::Ready(_));
    assert!(!cfg!(target_os = "linux") || (0..20).any(|_| at_hand()));
}

#[test]
fn a_driver_that_waits_for_the_disk_does_the_same() {
    let mut it = Fixture::new();
    it.driver = FileDriver::new(&it.folder, BOUNDS, Durability::Disk);
    assert_eq!(it.create('a', "old"), Ok(Created::Created));
    assert_eq!(it.replace('a', "old", "new"), Ok(Replaced::Replaced));
    assert_eq!(it.load('a').unwrap().unwrap(), "new");
    let removed = wait(it.driver.remove(&id('a'), &text("new")));
    assert_eq!(removed, Ok(Removed::Removed));
    assert_eq!(it.create('b', "old"), Ok(Created::Created));
    assert_eq!(wait(it.driver.destroy(&id('b'))), Ok(()));
    assert!(it.names().is_empty());
}
