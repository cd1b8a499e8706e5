//! Requests that are recorded as activity by the load of their session.

use super::*;

#[test]
fn a_request_that_was_recorded_as_it_began_is_recorded_once_more_if_it_took_long() {
    let it = Fixture::new();
    it.driver.records_visits.set(true);
    let (session, plan) = it.changed();
    at_once(it.manager.save(&session, plan, &it.backing)).unwrap();
    for (took, touches) in [(0, 0), (99, 0), (100, 1), (5_000, 1)] {
        let visit = Session::new(session.id(), true);
        let opened = at_once(it.manager.load(&visit, &it.backing));
        it.manager
            .settle(&visit, &FakeLive::default(), opened)
            .unwrap();
        it.driver.calls.borrow_mut().clear();
        it.wind(took);
        let saved = at_once(it.manager.save(&visit, Plan::Touch, &it.backing));
        assert_eq!(saved, Ok(Saved::Done));
        assert_eq!(*it.driver.calls.borrow(), vec!["touch"; touches], "{took}");
        assert_eq!(visit.cookie.get(), Cookie::Due);
    }
}

#[test]
fn a_long_request_finds_its_session_gone_and_sends_no_cookie() {
    let it = Fixture::new();
    it.driver.records_visits.set(true);
    let (session, plan) = it.changed();
    at_once(it.manager.save(&session, plan, &it.backing)).unwrap();
    let visit = Session::new(session.id(), true);
    let opened = at_once(it.manager.load(&visit, &it.backing));
    it.manager
        .settle(&visit, &FakeLive::default(), opened)
        .unwrap();
    at_once(it.driver.memory.destroy(&session.id())).unwrap();
    it.wind(100);
    at_once(it.manager.save(&visit, Plan::Touch, &it.backing)).unwrap();
    assert_eq!(it.manager.cookie(&visit, None), None);
}
