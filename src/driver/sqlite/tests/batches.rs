//! Writes that are committed together.

use super::*;
use crate::error::Error;
use crate::panics::caught;
use crate::worker::{collect, send};

/// A driver all of whose writes wait for others.
fn waiting(mut driver: Sqlite) -> Sqlite {
    let shared = Arc::get_mut(&mut driver.shared).unwrap();
    shared.waiting = Writes::new(true);
    driver
}

/// The same with its connections open.
fn busy_driver(place: &Place) -> Sqlite {
    let driver = waiting(place.driver());
    assert_eq!(wait(driver.load(&id('-'), NOW)), Ok(None));
    driver
}

fn create(driver: &Sqlite, fill: char) -> Answer<Created> {
    driver.create(&id(fill), &text("1"), NOW)
}

fn replace(driver: &Sqlite, fill: char, expected: &str) -> Answer<Replaced> {
    driver.replace(&id(fill), &text(expected), &text("2"), NOW)
}

#[test]
fn each_of_the_writes_that_are_committed_together_succeeds_or_fails_by_itself() {
    let place = Place::new();
    let driver = busy_driver(&place);
    for fill in ['a', 'b'] {
        wait(create(&driver, fill)).unwrap();
    }
    let (changed, conflict, gone, there, made) = collect(|| {
        (
            replace(&driver, 'a', "1"),
            replace(&driver, 'b', "another"),
            replace(&driver, 'c', "1"),
            create(&driver, 'a'),
            create(&driver, 'd'),
        )
    });
    assert!(!is_ready(&changed) && !is_ready(&made));
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("1"));
    send();
    assert_eq!(wait(changed), Ok(Replaced::Replaced));
    assert_eq!(wait(conflict), Ok(Replaced::Conflict(text("1"))));
    assert_eq!(wait(gone), Ok(Replaced::Gone));
    assert_eq!(wait(there), Ok(Created::Exists));
    assert_eq!(wait(made), Ok(Created::Created));
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("2"));
    assert_eq!(place.payload_column(id('d')).as_deref(), Some("\"1\""));
}

#[test]
fn a_write_that_the_database_refuses_leaves_the_others_alone() {
    let refusing = r#"CREATE TABLE "sessions" ("id" TEXT PRIMARY KEY, "payload" TEXT, "lastActivity" BIGINT);
        CREATE TRIGGER "no" BEFORE INSERT ON "sessions" WHEN NEW."id" LIKE 'b%'
        BEGIN SELECT RAISE(ROLLBACK, 'not b'); END;"#;
    let place = Place::with_table(refusing);
    let driver = busy_driver(&place);
    let made = collect(|| ['a', 'b', 'c'].map(|fill| create(&driver, fill)));
    send();
    let [a, b, c] = made.map(wait);
    assert_eq!((a, c), (Ok(Created::Created), Ok(Created::Created)));
    let why = b.unwrap_err().cause().map(|cause| cause.message.clone());
    assert!(why.is_some_and(|why| why.contains("not b")));
    assert!(place.payload_column(id('c')).is_some());
}

#[test]
fn writes_wait_for_another_connection_on_another_thread() {
    let place = Place::new();
    let driver = busy_driver(&place);
    let other = place.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let made = collect(|| ['a', 'b'].map(|fill| create(&driver, fill)));
    send();
    other.execute_batch("COMMIT").unwrap();
    for created in made {
        assert_eq!(wait(created), Ok(Created::Created));
    }
}

#[test]
fn a_write_that_was_told_to_be_late_is_not_stored_with_those_beside_it() {
    let place = Place::new();
    let driver = busy_driver(&place);
    let other = place.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let made = collect(|| create(&driver, 'a'));
    let past = Instant::now();
    let late = driver
        .shared
        .waiting
        .add(1, past, |table| table.create(&id('b'), &text("1"), NOW));
    send();
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(wait(made), Ok(Created::Created));
    let late = wait(Answer::later(batch::answer(late.unwrap())));
    assert_eq!(late.map_err(|error| error.code()), Err(Code::Timeout));
    assert_eq!(loaded(&driver, id('b')), None);
}

#[test]
fn what_is_too_much_for_one_commit_is_committed_all_the_same() {
    let place = Place::new();
    let driver = busy_driver(&place);
    let large = text(&"x".repeat(60_000));
    let made = collect(|| {
        let create = |fill| driver.create(&id(fill), &large, NOW);
        ('a'..='z').map(create).collect::<Vec<_>>()
    });
    send();
    for created in made {
        assert_eq!(wait(created), Ok(Created::Created));
    }
}

#[test]
fn writes_of_a_thread_that_is_busy_are_committed_by_another() {
    let place = Place::new();
    let driver = busy_driver(&place);
    let made = collect(|| ['a', 'b'].map(|fill| create(&driver, fill)));
    for created in made {
        assert_eq!(wait(created), Ok(Created::Created));
    }
}

#[test]
fn writes_that_must_reach_the_disk_reach_it_together() {
    let place = Place::new();
    let driver = Sqlite::new(&place.file(), "sessions", BOUNDS, Durability::Disk);
    let made = collect(|| ['a', 'b', 'c'].map(|fill| create(&driver, fill)));
    assert!(made.iter().all(|created| !is_ready(created)));
    send();
    for created in made {
        assert_eq!(wait(created), Ok(Created::Created));
    }
    assert_eq!(loaded(&driver, id('c')).as_deref(), Some("1"));
}

#[test]
fn a_write_that_nobody_waits_for_any_more_is_not_done() {
    let place = Place::new();
    let driver = busy_driver(&place);
    let [kept, given_up] = collect(|| ['a', 'b'].map(|fill| create(&driver, fill)));
    drop(given_up);
    send();
    assert_eq!(wait(kept), Ok(Created::Created));
    assert_eq!(loaded(&driver, id('b')), None);
}

/// Two writes that wait: one that replaces the record `a`, and one that panics.
fn one_that_panics(driver: &Sqlite) -> (Answer<Replaced>, Answer<()>) {
    let panics = |_: &Table| -> Outcome<()> { std::panic::resume_unwind(Box::new("the secret")) };
    collect(|| (replace(driver, 'a', "1"), driver.write(1, panics)))
}

#[test]
fn a_panic_in_one_write_leaves_the_others_alone() {
    let place = Place::new();
    let driver = busy_driver(&place);
    wait(create(&driver, 'a')).unwrap();
    let (replaced, panicked) = one_that_panics(&driver);
    send();
    assert_eq!(wait(replaced), Ok(Replaced::Replaced));
    let panicked = wait(panicked).map_err(|error: Error| error.code());
    assert_eq!(panicked, Err(Code::Internal));
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("2"));
    assert_eq!(wait(create(&driver, 'c')), Ok(Created::Created));
}

#[test]
fn what_a_panic_has_undone_is_not_remembered() {
    let place = Place::new();
    let driver = busy_driver(&place);
    wait(create(&driver, 'a')).unwrap();
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("1"));
    let answers = one_that_panics(&driver);
    let group = driver.shared.waiting.take().unwrap();
    {
        let slot = lock(&driver.shared.in_place);
        let table = &slot.as_ref().unwrap().table;
        assert!(caught(|| group.run(table)).is_err());
    }
    drop(answers);
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("1"));
}

#[test]
fn writes_that_wait_for_others_in_vain_wait_seldom() {
    let place = Place::new();
    let driver = place.open_driver();
    let mut waited = 0;
    for turn in 0..200 {
        let payload = text(&turn.to_string());
        let id = SessionId::generate().unwrap();
        let written = collect(|| driver.create(&id, &payload, NOW));
        waited += usize::from(!is_ready(&written));
        send();
        assert_eq!(wait(written), Ok(Created::Created));
    }
    assert!(waited <= 9, "{waited} of 200");
    let made = collect(|| {
        ('a'..='z')
            .map(|fill| create(&driver, fill))
            .collect::<Vec<_>>()
    });
    send();
    for created in made {
        assert_eq!(wait(created), Ok(Created::Created));
    }
}

/// A driver each of whose writes is gathered, and committed at once.
struct Gathering(Sqlite);

macro_rules! gathered {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $outcome:ty;)*) => {
        $(fn $name(&self, $($argument: $kind),*) -> Answer<$outcome> {
            let answer = collect(|| self.0.$name($($argument),*));
            send();
            answer
        })*
    };
}

impl Driver for Gathering {
    gathered! {
        load(id: &SessionId, now: Millis) -> Option<Record>;
        create(id: &SessionId, payload: &Arc<str>, now: Millis) -> Created;
        replace(id: &SessionId, expected: &Arc<str>, payload: &Arc<str>, now: Millis) -> Replaced;
        remove(id: &SessionId, expected: &Arc<str>) -> Removed;
        touch(id: &SessionId, now: Millis) -> Touched;
        destroy(id: &SessionId) -> ();
        sweep(cutoff: Millis, limit: usize) -> Sweep;
        scan(after: Option<&Cursor>, limit: usize) -> Page;
        acquire(id: &SessionId, owner: Owner, lease: Millis, now: Millis) -> Acquired;
        release(id: &SessionId, owner: Owner) -> ();
    }

    fn shares_leases(&self) -> bool {
        self.0.shares_leases()
    }
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place whose drivers gather all writes.
struct Gathered(Place);

impl Fixture for Gathered {
    fn open(&self, bounds: Bounds) -> Box<dyn Driver> {
        let file = self.0.file();
        let driver = Sqlite::new(&file, "sessions", bounds, Durability::Process);
        Box::new(Gathering(waiting(driver)))
    }

    fn reopen(&self, bounds: Bounds) -> Option<Box<dyn Driver>> {
        Some(self.open(bounds))
    }
}

mod laws {
    use super::*;

    crate::driver::conformance!(Gathered(Place::new()));
}
