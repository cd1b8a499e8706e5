//! Requests that are recorded as activity by the load of their session.

use super::*;

impl Fixture {
    /// A session that is stored, on a storage that records visits.
    fn recorded() -> (Self, SessionId) {
        let it = Fixture::new();
        it.driver.records_visits.set(true);
        let (session, plan) = it.changed();
        at_once(it.save(&session, plan)).unwrap();
        (it, session.id())
    }

    /// A request for it, which has just begun.
    fn visit(&self, id: SessionId) -> Session {
        let visit = Session::new(id, true);
        let opened = at_once(self.manager.load(&visit, &self.backing));
        let live = FakeLive::default();
        self.manager.settle(&visit, &live, opened).unwrap();
        visit
    }
}

#[test]
fn a_request_that_was_recorded_as_it_began_is_recorded_once_more_if_it_took_long() {
    let (it, id) = Fixture::recorded();
    for (took, touches) in [(0, 0), (99, 0), (100, 1), (5_000, 1)] {
        let visit = it.visit(id);
        it.driver.calls.borrow_mut().clear();
        it.wind(took);
        let saved = at_once(it.save(&visit, Plan::Touch));
        assert_eq!(saved, Ok(Saved::Done));
        assert_eq!(*it.driver.calls.borrow(), vec!["touch"; touches], "{took}");
        assert_eq!(visit.cookie.get(), Cookie::Due);
    }
}

#[test]
fn a_long_request_finds_its_session_gone_and_sends_no_cookie() {
    let (it, id) = Fixture::recorded();
    let visit = it.visit(id);
    at_once(it.driver.memory.destroy(&id)).unwrap();
    it.wind(100);
    at_once(it.save(&visit, Plan::Touch)).unwrap();
    assert_eq!(it.manager.cookie(&visit, None), None);
}
