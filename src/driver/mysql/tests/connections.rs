//! Connections that are cut, kept, waited for; rows that another transaction holds.

use std::time::{Duration, Instant};

use super::*;
use crate::error::Code;

/// Ends all connections that use the place's table, but not the one that ends them.
fn kill(place: &Place, driver_connections: &[String]) {
    for number in driver_connections {
        place.sql(&format!("KILL {number}"));
    }
}

/// A user of its own, so that its connections can be told from those of other tests.
struct User {
    name: String,
}

impl User {
    fn new(place: &Place) -> Self {
        let name = format!("u_{}", place.table.name());
        place.sql(&format!("CREATE USER '{name}'@'%' IDENTIFIED BY 'hidden'"));
        place.sql(&format!("GRANT ALL ON test.* TO '{name}'@'%'"));
        Self { name }
    }

    fn server(&self, place: &Place) -> config::Server {
        let address = match place.server().address {
            config::Address::Tcp(host, port) => format!("{host}:{port}"),
            config::Address::Socket(..) => "127.0.0.1:3306".into(),
        };
        let database = place.server().database;
        server(&format!(
            "mysql://{}:hidden@{address}/{database}",
            self.name
        ))
    }

    fn connections(&self, place: &Place) -> Vec<String> {
        let sql = "SELECT CAST(ID AS CHAR) FROM information_schema.PROCESSLIST WHERE USER = ";
        let rows = place.sql(&format!("{sql}'{}'", self.name));
        rows.into_iter()
            .map(|mut row| row.take(0).unwrap())
            .collect()
    }
}

fn all(driver: &Remote<MySql>, calls: usize) -> Vec<Result<Option<Record>>> {
    let (id, now) = (id('a'), NOW);
    let answers: Vec<_> = (0..calls).map(|_| driver.load(&id, now)).collect();
    answers.into_iter().map(wait).collect()
}

#[test]
fn as_many_connections_are_made_as_are_wanted_and_no_more_than_are_allowed() {
    let Some(place) = Place::new() else { return };
    let user = User::new(&place);
    let mut server = user.server(&place);
    server.pool_size = 3;
    let driver = place.driver_for(server, BOUNDS);
    assert!(user.connections(&place).is_empty());
    assert!(all(&driver, 1)[0].is_ok());
    assert_eq!(user.connections(&place).len(), 1);
    assert!(all(&driver, 100).iter().all(Result::is_ok));
    let open = user.connections(&place).len();
    assert!((1..=3).contains(&open), "{open}");
    place.sql(&format!("DROP USER '{}'@'%'", user.name));
}

#[test]
fn a_call_on_a_connection_that_was_cut_is_asked_again_on_a_fresh_one() {
    let Some(place) = Place::new() else { return };
    let user = User::new(&place);
    let driver = place.driver_for(user.server(&place), BOUNDS);
    wait(driver.create(&id('a'), &text("{}"), NOW)).unwrap();
    for _ in 0..3 {
        assert!(all(&driver, 50).iter().all(Result::is_ok));
        let open = user.connections(&place);
        assert!(!open.is_empty());
        kill(&place, &open);
        assert!(
            all(&driver, 50)
                .iter()
                .all(|answer| matches!(answer, Ok(Some(_))))
        );
    }
    place.sql(&format!("DROP USER '{}'@'%'", user.name));
}

#[test]
fn a_row_that_another_transaction_holds_is_an_answer_in_time_and_read_all_the_while() {
    let Some(place) = Place::new() else { return };
    let driver = place.driver();
    wait(driver.create(&id('a'), &text("{}"), NOW)).unwrap();
    let opts = options(&place.server());
    let mut holder = run_kept(async { Conn::new(opts).await.unwrap() });
    let hold = format!("SELECT * FROM {} FOR UPDATE", place.table.name());
    holder.run("START TRANSACTION");
    holder.run(&hold);
    let begun = Instant::now();
    let refused = wait(driver.replace(&id('a'), &text("{}"), &text("[]"), NOW)).unwrap_err();
    assert!(begun.elapsed() < Duration::from_millis(2_500));
    assert!(
        [Code::Write, Code::Timeout].contains(&refused.code()),
        "{refused:?}"
    );
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("{}"));
    holder.run("ROLLBACK");
    let replaced = wait(driver.replace(&id('a'), &text("{}"), &text("[]"), NOW));
    assert_eq!(replaced, Ok(Replaced::Replaced));
}

#[test]
fn a_call_that_ran_out_of_time_leaves_no_connection_behind() {
    let Some(place) = Place::new() else { return };
    let user = User::new(&place);
    let mut server = user.server(&place);
    server.pool_size = 2;
    let bounds = Bounds {
        read_patience: Millis(200),
        write_patience: Millis(200),
        ..BOUNDS
    };
    let driver = place.driver_for(server, bounds);
    wait(driver.create(&id('a'), &text("{}"), NOW)).unwrap();
    let mut holder = run_kept(async { Conn::new(options(&place.server())).await.unwrap() });
    holder.run("START TRANSACTION");
    holder.run(&format!("SELECT * FROM {} FOR UPDATE", place.table.name()));
    for _ in 0..3 {
        let late = wait(driver.replace(&id('a'), &text("{}"), &text("[]"), NOW)).unwrap_err();
        assert_eq!(late.code(), Code::Timeout);
    }
    assert_eq!(loaded(&driver, id('a')).as_deref(), Some("{}"));
    holder.run("ROLLBACK");
    // What the server was still waiting for ends by itself; the session is as one of the two wanted it.
    let deadline = Instant::now() + Duration::from_secs(5);
    while user.connections(&place).len() > 2 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(user.connections(&place).len() <= 2);
    place.sql(&format!("DROP USER '{}'@'%'", user.name));
}

#[test]
fn neither_a_password_nor_an_id_is_in_an_error() {
    let Some(place) = Place::new() else { return };
    let mut server = place.server();
    server.user = "nobody_of_that_name".into();
    server.password = super::server("mysql://a:xyzzy-hidden@h/test").password;
    let driver = place.driver_for(server, BOUNDS);
    let error = wait(driver.load(&id('q'), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Read);
    let codes = ["ER_ACCESS_DENIED_ERROR", "ER_NOT_SUPPORTED_AUTH_MODE"];
    let code = error.cause().unwrap().code.as_deref();
    assert!(code.is_some_and(|code| codes.contains(&code)), "{error:?}");
    let told = format!("{error:?} {error} {driver:?}");
    assert!(!told.contains("xyzzy") && !told.contains("qqqq"), "{told}");
}

#[test]
fn a_server_that_is_not_there_is_an_error_at_once() {
    let driver = server("mysql://root@127.0.0.1:1/test");
    let driver = Remote::new(
        MySql::new(&driver, &TableName::parse("t").unwrap(), BOUNDS),
        BOUNDS,
    );
    let error = wait(driver.load(&id('a'), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Read);
    assert_eq!(error.cause().unwrap().code.as_deref(), Some("ECONNREFUSED"));
}

/// A connection that is kept for several statements.
struct Holder {
    runtime: tokio::runtime::Runtime,
    conn: Conn,
}

fn run_kept(connect: impl Future<Output = Conn>) -> Holder {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let conn = runtime.block_on(connect);
    Holder { runtime, conn }
}

impl Holder {
    fn run(&mut self, sql: &str) {
        self.runtime.block_on(self.conn.query_drop(sql)).unwrap();
    }
}
