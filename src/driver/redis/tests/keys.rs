//! What stands in the keys, how long they live, and keys that are none of ours.

use std::sync::Arc;

use super::*;
use crate::driver::redis::scripts::Script;
use crate::driver::{Cursor, Driver as _};

fn text(payload: &str) -> Arc<str> {
    Arc::from(payload)
}

#[test]
fn a_record_is_a_hash_that_lives_a_minute_longer_than_its_session() {
    let place = Place::new();
    if !place.is_available() {
        return;
    }
    let driver = place.driver();
    wait(driver.create(&id('a'), &text("{}"), NOW)).unwrap();
    let mut client = place.client();
    let fields: Vec<(String, String)> = client.hgetall(place.key(id('a'))).unwrap();
    let activity = NOW.0.to_string();
    for field in [("payload", "{}"), ("lastActivity", &activity)] {
        assert!(fields.contains(&(field.0.to_owned(), field.1.to_owned())));
    }
    let lives: i64 = client.pttl(place.key(id('a'))).unwrap();
    assert!((55_000..=61_000).contains(&lives), "{lives} ms");
    client.pexpire::<_, ()>(place.key(id('a')), 1_000).unwrap();
    wait(driver.touch(&id('a'), NOW)).unwrap();
    let lives: i64 = client.pttl(place.key(id('a'))).unwrap();
    assert!((55_000..=61_000).contains(&lives), "{lives} ms");
}

#[test]
fn a_visit_records_the_activity_in_the_same_trip_and_lets_the_key_live_on() {
    let place = Place::new();
    if !place.is_available() {
        return;
    }
    let driver = place.driver();
    wait(driver.create(&id('a'), &text("{}"), NOW)).unwrap();
    let mut client = place.client();
    client.pexpire::<_, ()>(place.key(id('a')), 1_000).unwrap();
    let visited = wait(driver.visit(&id('a'), NOW + Millis(7), Millis(0))).unwrap();
    assert!(visited.unwrap().is_recorded);
    let activity: i64 = client.hget(place.key(id('a')), "lastActivity").unwrap();
    assert_eq!(activity, NOW.0 + 7);
    let lives: i64 = client.pttl(place.key(id('a'))).unwrap();
    assert!((55_000..=61_000).contains(&lives), "{lives} ms");
}

#[test]
fn a_record_whose_activity_lies_ahead_lives_as_much_longer() {
    let place = Place::new();
    if !place.is_available() {
        return;
    }
    let driver = place.driver();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_millis() as i64;
    let ahead = |ms: i64| Millis(now + ms);
    let mut client = place.client();
    let mut is_about = |ms: i64| {
        let lives: i64 = client.pttl(place.key(id('a'))).unwrap();
        assert!((ms + 50_000..=ms + 62_000).contains(&lives), "{lives} ms");
    };
    wait(driver.create(&id('a'), &text("{}"), ahead(3_600_000))).unwrap();
    is_about(3_600_000);
    wait(driver.touch(&id('a'), ahead(7_200_000))).unwrap();
    is_about(7_200_000);
    wait(driver.touch(&id('a'), ahead(0))).unwrap();
    is_about(7_200_000);
    wait(driver.replace(&id('a'), &text("{}"), &text("x"), ahead(1_800_000))).unwrap();
    is_about(1_800_000);
}

#[test]
fn a_lease_lives_a_minute_longer_than_it_runs() {
    let place = Place::new();
    if !place.is_available() {
        return;
    }
    let owner = Owner::generate().unwrap();
    wait(place.driver().acquire(&id('a'), owner, Millis(10_000), NOW)).unwrap();
    let key = format!("{}lock:{}", place.prefix, id('a').as_str());
    let lives: i64 = place.client().pttl(key).unwrap();
    assert!((65_000..=70_000).contains(&lives), "{lives} ms");
}

#[test]
fn what_is_no_session_is_an_error_and_stays() {
    let place = Place::new();
    if !place.is_available() {
        return;
    }
    let mut client = place.client();
    let driver = place.driver();
    client.set::<_, _, ()>(place.key(id('s')), "text").unwrap();
    client
        .hset::<_, _, _, ()>(place.key(id('h')), "payload", "{}")
        .unwrap();
    let fields: [(&str, &[u8]); 2] = [("payload", b"\xff"), ("lastActivity", b"1")];
    client
        .hset_multiple::<_, _, _, ()>(place.key(id('u')), &fields)
        .unwrap();
    for name in ['s', 'h', 'u'] {
        let error = wait(driver.load(&id(name), NOW)).unwrap_err();
        assert_eq!(error.code(), Code::Corrupt, "{name}");
        assert!(client.exists::<_, bool>(place.key(id(name))).unwrap());
    }
    let error = wait(driver.replace(&id('s'), &text("a"), &text("b"), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Corrupt);
    assert_eq!(wait(driver.sweep(NOW, 100)).unwrap().removed, 1);
    assert!(client.exists::<_, bool>(place.key(id('s'))).unwrap());
}

#[test]
fn a_payload_that_is_far_too_large_is_refused_and_the_connection_goes_on() {
    /// A database of the server that nobody else is connected to.
    const APART: u32 = 11;
    let place = Place::new();
    if !place.is_available() {
        return;
    }
    let mut client = place.client();
    redis::cmd("SELECT").arg(APART).exec(&mut client).unwrap();
    for (name, bytes) in [('l', BOUNDS.max_payload + 1), ('x', 32 << 20)] {
        let activity = NOW.0.to_string();
        let fields = [("payload", "x".repeat(bytes)), ("lastActivity", activity)];
        let stored = client.hset_multiple::<_, _, _, ()>(place.key(id(name)), &fields);
        stored.unwrap();
    }
    let mut options = place.options();
    options.database = APART;
    let driver = open(&options, BOUNDS).unwrap();
    wait(driver.create(&id('a'), &text("{}"), NOW)).unwrap();
    let mut connections = || {
        let command = redis::cmd("CLIENT").arg("LIST").to_owned();
        let listed: String = command.query(&mut client).unwrap();
        let is_apart = |line: &&str| line.contains(&format!(" db={APART} "));
        let number = |line: &str| line.split(' ').next().map(str::to_owned);
        listed
            .lines()
            .filter(is_apart)
            .map(number)
            .collect::<Vec<_>>()
    };
    let before = connections();
    for name in ['l', 'x', 'x'] {
        let large = driver.visit(&id(name), NOW, Millis(0));
        let beside = driver.visit(&id('a'), NOW, Millis(0));
        assert_eq!(wait(large).unwrap_err().code(), Code::TooLarge, "{name}");
        assert!(wait(beside).unwrap().is_some());
    }
    let after = connections();
    let keys = ['a', 'l', 'x'].map(|name| place.key(id(name)));
    client.del::<_, ()>(&keys[..]).unwrap();
    assert_eq!(after, before);
}

#[test]
fn a_visit_leaves_what_it_cannot_load_as_it_is() {
    let place = Place::new();
    if !place.is_available() {
        return;
    }
    let (mut client, driver) = (place.client(), place.driver());
    let [large, without] = ['l', 'w'].map(|name| place.key(id(name)));
    let activity = NOW.0 - 500;
    client
        .hset::<_, _, _, ()>(&without, "lastActivity", activity)
        .unwrap();
    let fields = [
        ("payload", "x".repeat(BOUNDS.max_payload + 1)),
        ("lastActivity", activity.to_string()),
    ];
    client
        .hset_multiple::<_, _, _, ()>(&large, &fields)
        .unwrap();
    for (name, key, code) in [('l', large, Code::TooLarge), ('w', without, Code::Corrupt)] {
        let error = wait(driver.visit(&id(name), NOW, Millis(0))).unwrap_err();
        assert_eq!(error.code(), code);
        let (kept, lives): (i64, i64) = (
            client.hget(&key, "lastActivity").unwrap(),
            client.pttl(&key).unwrap(),
        );
        // It lives for ever, as before.
        assert_eq!((kept, lives), (activity, -1), "{key}");
    }
}

#[test]
fn a_sweep_and_a_listing_meet_only_keys_of_their_own_prefix() {
    let place = Place::named("a*[b]?\\");
    if !place.is_available() {
        return;
    }
    let mut client = place.client();
    let others = [
        place.key(id('a')).replace('*', "xx"),
        place.key(id('a')).replace("[b]", "b"),
        format!("{}x", place.key(id('a'))),
        format!("{}{}", place.prefix, "é".repeat(20)),
    ];
    for other in &others {
        client
            .hset::<_, _, _, ()>(other, "lastActivity", "1")
            .unwrap();
    }
    let driver = place.driver();
    wait(driver.create(&id('b'), &text("{}"), NOW)).unwrap();
    let mut ids = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = wait(driver.scan(after.as_ref(), 100)).unwrap();
        ids.extend(page.ids);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids, [id('b')]);
    let mut removed = 0;
    loop {
        let step = wait(driver.sweep(NOW + Millis(1), 100)).unwrap();
        removed += step.removed;
        if step.done {
            break;
        }
    }
    assert_eq!(removed, 1);
    let left = others
        .each_ref()
        .map(|key| client.exists::<_, bool>(key).unwrap());
    client.del::<_, ()>(&others[..]).unwrap();
    assert_eq!(left, [true; 4]);
}

#[test]
fn a_cursor_of_somebody_elses_is_an_error() {
    let place = Place::new();
    if !place.is_available() {
        return;
    }
    for odd in ["", "x y", "1"] {
        let answer = place.driver().scan(Some(&Cursor::from(odd)), 10);
        assert_eq!(wait(answer).unwrap_err().code(), Code::Read);
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error_with_the_systems_name_for_it() {
    let mut options = Place::new().options();
    options.topology = Topology::Single(Address::Tcp("127.0.0.1".to_owned(), 1));
    let driver = open(&options, BOUNDS).unwrap();
    let error = wait(driver.load(&id('a'), NOW)).unwrap_err();
    assert_eq!(error.code(), Code::Read);
    let cause = error.cause().unwrap();
    assert_eq!(cause.code.as_deref(), Some("ECONNREFUSED"));
}

#[test]
fn scripts_that_a_server_does_not_know_are_sent_to_it() {
    let place = Place::new();
    if !place.is_available() {
        return;
    }
    // A comment makes a script that no server has seen.
    let unique = format!("-- {}\nreturn 7", place.prefix);
    let script: &Script = Box::leak(Box::new(Script::new(Box::leak(unique.into_boxed_str()))));
    let server = server(&place.options(), BOUNDS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fresh = id('n');
    let key = Key::of_record(&place.prefix, &fresh);
    let alone = Call::run(script, key, &[]);
    let behind = Call::read_and_run(script, key, &[]);
    let nothing = || vec![Value::List(vec![Value::Nil, Value::Nil]), Value::Int(7)];
    for _ in 0..2 {
        let given = runtime.block_on(server.run(&behind));
        assert_eq!(given, Ok(Value::List(nothing())));
        let given = runtime.block_on(server.run(&alone));
        assert_eq!(given, Ok(Value::Int(7)));
    }
}
