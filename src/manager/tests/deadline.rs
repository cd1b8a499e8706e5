//! Operations on a storage that hangs end with an error in their time, and leave nothing behind.

use super::*;

/// What both timeouts are by default.
const LIMIT: i64 = 2_000;

#[test]
fn a_load_is_given_up_after_its_time_and_the_session_is_detached() {
    let it = Fixture::with(&[("readTimeout", 70.0), ("saveTimeout", 9_000.0)]);
    it.driver.mood.set(Mood::Hung);
    let session = Session::new(SessionId::generate().unwrap(), true);
    let mut loading = Running::begin(it.manager.load(&session, &it.backing));
    it.wind(69);
    assert!(loading.poll().is_pending());
    it.wind(1);
    let Opened::Failed(error) = loading.outcome() else {
        panic!("nothing was read");
    };
    assert_eq!(error.code(), Code::Timeout);
    let message = "cannot read the session: the storage did not answer within 70 ms";
    assert_eq!(error.message(), message);
    assert_eq!(it.manager.stats.read_errors.get(), 1);
    let settled = it
        .manager
        .settle(&session, &FakeLive::default(), Opened::Failed(error));
    assert!(matches!(settled, Ok(Settled::Detached(_))));
    assert_eq!(session.stage.get(), Stage::Detached);
}

#[test]
fn a_save_is_given_up_after_its_time_and_a_session_that_was_never_stored_sends_no_cookie() {
    let it = Fixture::with(&[("readTimeout", 9_000.0), ("saveTimeout", 70.0)]);
    it.driver.mood.set(Mood::Hung);
    let (session, plan) = it.changed();
    let saving = Running::begin(it.save(&session, plan));
    it.wind(70);
    let error = saving.outcome().unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    let message = "cannot save the session: the storage did not answer within 70 ms";
    assert_eq!(error.message(), message);
    assert_eq!(it.manager.stats.write_errors.get(), 1);
    assert_eq!(it.manager.cookie(&session, None), None);
}

#[test]
fn after_a_save_that_was_given_up_the_next_one_stores_the_change() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Hung);
    let (session, plan) = it.changed();
    let saving = Running::begin(it.save(&session, plan));
    it.wind(LIMIT);
    assert_eq!(code_of(saving.outcome()), Code::Timeout);
    it.driver.mood.set(Mood::Well);
    let plan = it.change(&session, "2");
    assert_eq!(at_once(it.save(&session, plan)), Ok(Saved::Done));
    assert!(it.stored(&session).unwrap().contains("\"n\":2"));
    assert!(it.manager.cookie(&session, None).is_some());
}

#[test]
fn a_save_that_was_given_up_lets_the_next_of_its_session_in_and_is_announced_no_more() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Hung);
    let (session, plan) = it.changed();
    let first = Running::begin(it.save(&session, plan));
    it.driver.mood.set(Mood::Well);
    it.wind(LIMIT / 2);
    let plan = it.change(&session, "2");
    let mut second = Running::begin(it.save(&session, plan));
    let twin = Session::new(session.id(), true);
    let loading = Running::begin(it.manager.load(&twin, &it.backing));
    it.wind(LIMIT / 2);
    assert_eq!(code_of(first.outcome()), Code::Timeout);
    assert!(matches!(second.poll(), Poll::Ready(Ok(Saved::Done))));
    assert!(matches!(loading.outcome(), Opened::Found(_)));
    at_once(it.manager.creating.done(&session.id()));
    assert_eq!(it.manager.under_way.get(), 0);
}

#[test]
fn a_wait_behind_another_save_counts_as_time() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Hung);
    let (session, plan) = it.changed();
    let first = Running::begin(it.save(&session, plan));
    let calls = it.driver.calls.borrow().len();
    let plan = it.change(&session, "2");
    let second = Running::begin(it.save(&session, plan));
    it.wind(LIMIT);
    assert_eq!(code_of(second.outcome()), Code::Timeout);
    assert_eq!(it.driver.calls.borrow().len(), calls, "it was only queued");
    assert_eq!(code_of(first.outcome()), Code::Timeout);
}

#[test]
fn what_is_at_hand_makes_no_timer_and_answers_even_when_its_time_is_over() {
    let it = Fixture::new();
    let (session, plan) = it.changed();
    let saving = it.save(&session, plan);
    it.wind(10 * LIMIT);
    assert_eq!(at_once(saving), Ok(Saved::Done));
}

#[test]
fn a_deadline_that_a_busy_thread_missed_leaves_time_for_the_answer_behind_it() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Hung);
    let session = Session::new(SessionId::generate().unwrap(), true);
    let mut loading = Running::begin(it.manager.load(&session, &it.backing));
    it.wind(2 * LIMIT);
    assert!(loading.poll().is_pending());
    it.wind(99);
    assert!(loading.poll().is_pending());
    it.wind(1);
    assert!(matches!(loading.outcome(), Opened::Failed(_)));
}

#[test]
fn more_operations_than_can_be_waited_for_are_refused_at_once_and_only_until_some_have_ended() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Hung);
    let session = Session::new(SessionId::generate().unwrap(), true);
    let load = || it.manager.load(&session, &it.backing);
    let mut waiting: Vec<_> = (0..10_000).map(|_| Running::begin(load())).collect();
    let Opened::Failed(error) = at_once(load()) else {
        panic!("there are too many");
    };
    assert_eq!(error.code(), Code::Timeout);
    assert_eq!(
        error.message(),
        "cannot read the session: 10000 operations are under way already"
    );
    let (other, plan) = it.changed();
    let refused = at_once(it.save(&other, plan));
    assert_eq!(code_of(refused), Code::Timeout);
    waiting.pop();
    drop(Running::begin(load()));
}

#[test]
fn a_sweep_that_hangs_is_given_up_and_another_one_can_begin() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Hung);
    let sweeping = Running::begin(it.manager.sweep(&it.backing));
    assert_eq!(at_once(it.manager.sweep(&it.backing)), Ok(()));
    assert_eq!(it.manager.stats.swept.get(), 0);
    it.wind(30_000);
    assert_eq!(code_of(sweeping.outcome()), Code::Timeout);
    it.driver.mood.set(Mood::Well);
    assert_eq!(at_once(it.manager.sweep(&it.backing)), Ok(()));
    assert_eq!(it.manager.stats.swept.get(), 1);
}

#[test]
fn records_that_handlers_ask_for_have_the_same_time() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Hung);
    let id = SessionId::generate().unwrap();
    let text = Arc::from("{}");
    let reading = Running::begin(it.manager.read_record(&id, &it.backing));
    let writing = Running::begin(it.manager.write_record(&id, &text, &it.backing));
    let removing = Running::begin(it.manager.destroy_record(&id, &it.backing));
    it.wind(LIMIT);
    assert_eq!(code_of(reading.outcome()), Code::Timeout);
    assert_eq!(code_of(writing.outcome()), Code::Timeout);
    assert_eq!(code_of(removing.outcome()), Code::Timeout);
}

#[test]
fn a_driver_waits_for_others_a_little_less_than_its_caller_waits_for_it() {
    for (limit, patience) in [(1, 0), (10, 9), (2_000, 1_900), (60_000, 57_000)] {
        let it = Fixture::with(&[("readTimeout", limit as f64), ("saveTimeout", 9_000.0)]);
        let bounds = bounds(&it.manager.config, Millis(0));
        assert_eq!(bounds.read_patience, Millis(patience));
        assert_eq!(bounds.write_patience, Millis(8_550));
    }
}

#[test]
fn a_destroy_that_hangs_or_is_refused_ends_the_session_and_its_cookie_all_the_same() {
    let it = Fixture::new();
    it.driver.mood.set(Mood::Hung);
    let session = Session::new(SessionId::generate().unwrap(), true);
    let destroying = Running::begin(it.manager.destroy(&session, &it.backing));
    it.wind(LIMIT);
    assert_eq!(code_of(destroying.outcome()), Code::Timeout);
    assert_eq!(session.cookie.get(), Cookie::Removed);
    let other = Session::new(SessionId::generate().unwrap(), true);
    it.manager.under_way.set(10_000);
    let refused = at_once(it.manager.destroy(&other, &it.backing));
    assert_eq!(code_of(refused), Code::Timeout);
    assert_eq!(other.cookie.get(), Cookie::Removed);
    assert_eq!(it.manager.stats.write_errors.get(), 2);
}
