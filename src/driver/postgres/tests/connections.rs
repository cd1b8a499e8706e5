//! Connections: how many there are, and what follows when they end, are too many or say nothing.

use std::thread;
use std::time::Instant;

use super::*;
use crate::error::Code;

#[test]
fn there_are_no_more_connections_than_the_pool_may_have() {
    let Some(place) = Place::new() else { return };
    let server = server(&format!("{}?poolSize=3", place.address));
    let pool = Pool::new(
        Dial::new(&server, BOUNDS).unwrap(),
        3,
        Duration::from_secs(1),
    );
    run(async {
        let held = [pool.take().await, pool.take().await, pool.take().await];
        let fourth = tokio::time::timeout(Duration::from_millis(50), pool.take()).await;
        assert!(fourth.is_err());
        for held in held {
            held.unwrap().give_back();
        }
        assert!(pool.take().await.is_ok());
    });
}

#[test]
fn a_call_survives_that_all_connections_were_ended() {
    let Some(place) = Place::new() else { return };
    let driver = place.with_connections(3);
    for round in 0..5 {
        place.sql(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%{}%' AND pid <> pg_backend_pid()",
            place.table.name()
        ));
        let payload = text(&round.to_string());
        let created = wait(driver.create(&id('a'), &payload, NOW));
        assert_eq!(created, Ok(Created::Created), "round {round}");
        assert_eq!(
            wait(driver.remove(&id('a'), &payload)),
            Ok(Removed::Removed)
        );
        let loads: Vec<_> = (0..20).map(|_| driver.load(&id('a'), NOW)).collect();
        for load in loads {
            assert_eq!(wait(load), Ok(None));
        }
    }
}

impl Place {
    /// A driver that has so many connections.
    fn with_connections(&self, size: usize) -> Box<dyn Driver> {
        let address = format!("{}?poolSize={size}", self.address);
        let driver = self.driver_for(&address, BOUNDS);
        let loads: Vec<_> = (0..4 * size).map(|_| driver.load(&id('a'), NOW)).collect();
        for load in loads {
            assert_eq!(wait(load), Ok(None));
        }
        driver
    }
}

#[test]
fn a_row_that_somebody_else_holds_is_given_up_in_time_and_its_connection_is_used_again() {
    let Some(place) = Place::new() else { return };
    let bounds = Bounds {
        write_patience: Millis(400),
        ..BOUNDS
    };
    let driver = place.driver_for(&format!("{}?poolSize=1", place.address), bounds);
    wait(driver.create(&id('a'), &text("x"), NOW)).unwrap();
    place.with_client(async |client| {
        client.batch_execute(&place.hold('a')).await.unwrap();
        let begun = Instant::now();
        let replaced = driver.replace(&id('a'), &text("x"), &text("y"), NOW).await;
        // No time-out: the server has answered, and goes on serving others.
        let error = replaced.unwrap_err();
        assert_eq!(error.code(), Code::Write);
        assert_eq!(error.cause().unwrap().code.as_deref(), Some("57014"));
        assert!(begun.elapsed() < Duration::from_millis(1_500));
        let loaded = driver.load(&id('a'), NOW).await.unwrap();
        assert_eq!(loaded.map(|record| record.payload), Some(text("x")));
        client.batch_execute("ROLLBACK").await.unwrap();
    });
    let replaced = wait(driver.replace(&id('a'), &text("x"), &text("y"), NOW));
    assert_eq!(replaced, Ok(Replaced::Replaced));
}

#[test]
fn nobody_at_the_address_is_an_error_with_the_systems_name_for_it() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver_for("postgres://postgres:geheim@127.0.0.1:1/test", BOUNDS);
    let read = wait(driver.load(&id('a'), NOW)).unwrap_err();
    let written = wait(driver.create(&id('a'), &text("x"), NOW)).unwrap_err();
    assert_eq!((read.code(), written.code()), (Code::Read, Code::Write));
    assert_eq!(read.cause().unwrap().code.as_deref(), Some("ECONNREFUSED"));
    assert!(!format!("{read:?} {written:?} {driver:?}").contains("geheim"));
}

#[test]
fn a_listener_that_says_nothing_is_given_up_in_time() {
    let Some(place) = Place::new() else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let bounds = Bounds {
        read_patience: Millis(300),
        ..BOUNDS
    };
    let driver = place.driver_for(
        &format!("postgres://postgres@127.0.0.1:{port}/test"),
        bounds,
    );
    let begun = Instant::now();
    let error = wait(driver.load(&id('a'), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    assert!(begun.elapsed() < Duration::from_millis(1_500));
}

#[test]
fn what_is_no_postgresql_is_an_error() {
    let Some(place) = Place::new() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
        }
    });
    let address = format!("postgres://postgres@127.0.0.1:{port}/test");
    let error = wait(place.driver_for(&address, BOUNDS).load(&id('a'), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Read);
    drop(answering);
}

#[test]
fn a_database_that_is_not_there_is_an_error_with_its_sqlstate() {
    let Some(place) = Place::new() else { return };
    let address = place.address.replace("/test", "/no_such_database");
    let error = wait(place.driver_for(&address, BOUNDS).load(&id('a'), NOW)).unwrap_err();
    assert_eq!(error.cause().unwrap().code.as_deref(), Some("3D000"));
}

#[test]
fn the_databases_own_isolation_does_not_decide_what_a_conflict_is() {
    let Some(place) = Place::new() else { return };
    let role = format!("rust_strict_{}", process::id());
    place.sql(&format!(
        r#"CREATE ROLE "{role}" LOGIN SUPERUSER; ALTER ROLE "{role}" SET default_transaction_isolation = 'serializable'"#
    ));
    let address = place.address.replace("postgres@", &format!("{role}@"));
    let (one, other) = (
        place.driver_for(&address, BOUNDS),
        place.driver_for(&address, BOUNDS),
    );
    wait(one.create(&id('a'), &text("0"), NOW)).unwrap();
    for round in 0..20 {
        let (base, next) = (text(&round.to_string()), text(&(round + 1).to_string()));
        let first = one.replace(&id('a'), &base, &next, NOW);
        let second = other.replace(&id('a'), &base, &next, NOW);
        let outcomes = [wait(first).unwrap(), wait(second).unwrap()];
        assert!(outcomes.contains(&Replaced::Replaced));
        assert!(outcomes.contains(&Replaced::Conflict(next)), "{outcomes:?}");
    }
    drop((one, other));
    place.sql("DROP TABLE {table}");
    place.sql(&format!(r#"DROP ROLE "{role}""#));
}

#[test]
fn a_connection_compiles_no_statement_however_dear_its_plan() {
    let Some(place) = Place::new() else { return };
    let dial = Dial::new(&server(&place.address), BOUNDS).unwrap();
    let jit = run(async {
        let connection = dial.connect(0).await.unwrap();
        let shown = connection.client.query_one("SHOW jit", &[]).await.unwrap();
        shown.get::<_, String>(0)
    });
    assert_eq!(jit, "off");
}
