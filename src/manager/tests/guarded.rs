//! A storage that hangs is left alone after a few calls, and asked again by and by; one that is only contended is not.

use super::*;

const LIMIT: i64 = 2_000;
/// Calls in a row without an answer that open a circuit.
const IN_A_ROW: usize = 5;
/// After this long a circuit that opened for the first time lets a probe through.
const FIRST_PAUSE: i64 = 50;

impl Fixture {
    /// Loads a visitor's session; winds the clock to the end of the load's time if it has to wait.
    fn load(&self) -> Opened {
        let session = Session::new(SessionId::generate().unwrap(), true);
        let mut loading = Running(Box::pin(self.manager.load(&session, &self.backing)));
        match loading.poll() {
            Poll::Ready(opened) => opened,
            Poll::Pending => {
                self.wind(LIMIT);
                loading.outcome()
            }
        }
    }

    /// Has `IN_A_ROW` loads wait in vain.
    fn wear_out(&self) {
        self.driver.mood.set(Mood::Hung);
        for _ in 0..IN_A_ROW {
            assert_eq!(message(&self.load()), UNANSWERED);
        }
    }
}

const UNANSWERED: &str = "cannot read the session: the storage did not answer within 2000 ms";
const REFUSED: &str = "cannot read the session: the storage did not answer lately";

fn message(opened: &Opened) -> &str {
    match opened {
        Opened::Failed(error) => {
            assert_eq!(error.code(), Code::Timeout);
            error.message()
        }
        _ => "",
    }
}

#[test]
fn after_five_silences_in_a_row_the_storage_is_not_asked_until_a_pause_is_over() {
    let it = Fixture::new();
    it.wear_out();
    let asked = it.driver.calls.borrow().len();
    assert_eq!(asked, IN_A_ROW);
    for _ in 0..100 {
        assert_eq!(message(&it.load()), REFUSED);
    }
    assert_eq!(it.driver.calls.borrow().len(), asked);
    it.wind(FIRST_PAUSE);
    assert_eq!(
        message(&it.load()),
        UNANSWERED,
        "the probe waits its whole time"
    );
    assert_eq!(it.driver.calls.borrow().len(), asked + 1);
    assert_eq!(message(&it.load()), REFUSED);
}

#[test]
fn one_probe_that_is_answered_heals_it() {
    let it = Fixture::new();
    it.wear_out();
    it.wind(FIRST_PAUSE);
    let session = Session::new(SessionId::generate().unwrap(), true);
    let probe = Running::begin(it.manager.load(&session, &it.backing));
    assert_eq!(
        message(&it.load()),
        REFUSED,
        "while the probe is on its way"
    );
    it.wind(LIMIT);
    assert_eq!(message(&probe.outcome()), UNANSWERED);
    it.driver.mood.set(Mood::Well);
    it.wind(2 * FIRST_PAUSE);
    assert!(matches!(it.load(), Opened::Fresh));
    assert!(matches!(it.load(), Opened::Fresh));
}

#[test]
fn a_storage_whose_reads_hang_is_still_written_and_the_other_way_round() {
    let it = Fixture::new();
    it.wear_out();
    it.driver.mood.set(Mood::Well);
    let (session, plan) = it.changed();
    let saved = at_once(it.save(&session, plan));
    assert_eq!(saved, Ok(Saved::Done));
    assert_eq!(message(&it.load()), REFUSED);
}

#[test]
fn waits_behind_saves_of_the_same_session_do_not_count() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Hung);
    let (session, plan) = it.changed();
    let mut saves = vec![Running::begin(it.save(&session, plan))];
    for value in ["2", "3", "4", "5", "6", "7", "8", "9"] {
        let plan = it.change(&session, value);
        saves.push(Running::begin(it.save(&session, plan)));
    }
    it.wind(LIMIT);
    for save in saves {
        // Each that is given up hands the turn to the next, which asks the storage in its last moment.
        assert_eq!(code_of(save.outcome()), Code::Timeout);
    }
    it.driver.mood.set(Mood::Well);
    let (session, plan) = it.changed();
    let saved = at_once(it.save(&session, plan));
    assert_eq!(saved, Ok(Saved::Done));
}

#[test]
fn a_driver_that_says_itself_that_it_is_late_is_left_alone_unless_it_speaks_of_one_record() {
    for locks_records in [true, false] {
        let it = Fixture::new();
        it.driver.locks_records.set(locks_records);
        it.driver.mood.set(Mood::Late);
        for _ in 0..IN_A_ROW {
            assert_eq!(message(&it.load()), "busy");
        }
        let next = if locks_records { "busy" } else { REFUSED };
        assert_eq!(message(&it.load()), next);
    }
}

#[test]
fn a_sweep_that_is_refused_ends_and_another_one_can_begin() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Late);
    for _ in 0..IN_A_ROW {
        assert_eq!(
            code_of(at_once(it.manager.sweep(&it.backing))),
            Code::Timeout
        );
    }
    let refused = at_once(it.manager.sweep(&it.backing)).unwrap_err();
    assert_eq!(
        refused.message(),
        "cannot sweep: the storage did not answer lately"
    );
    it.driver.mood.set(Mood::Well);
    it.wind(FIRST_PAUSE);
    assert_eq!(at_once(it.manager.sweep(&it.backing)), Ok(()));
}

#[test]
fn handlers_that_hang_do_not_speak_for_others() {
    let mut it = Fixture::new();
    it.backing.driver = it.manager.guarded(it.driver.clone(), 1);
    it.wear_out();
    assert_eq!(message(&it.load()), REFUSED);
    it.driver.mood.set(Mood::Well);
    it.backing.driver = it.manager.guarded(it.driver.clone(), 2);
    assert!(matches!(it.load(), Opened::Fresh));
}
