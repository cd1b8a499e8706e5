//! What the system does with corked sockets, over real connections.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;

use super::*;

/// A server's side of a connection and the client's.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    (listener.accept().unwrap().0, client)
}

/// What has come by now. On loopback it is there when the call that sends it returns.
fn arrived(mut client: &TcpStream) -> String {
    let mut bytes = [0; 64];
    match client.read(&mut bytes) {
        Ok(count) => String::from_utf8(bytes[..count].to_vec()).unwrap(),
        Err(error) if error.kind() == ErrorKind::WouldBlock => "nothing".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_written_to_corked_sockets_arrives_when_they_are_uncorked() {
    let mut corked = Corked::NONE;
    let connections = [connection(), connection()];
    for (mut server, client) in connections.iter().map(|(server, client)| (server, client)) {
        assert!(corked.cork(server.as_raw_fd()));
        // An instant that is due would let the first one go.
        corked.since = Some(Instant::now() + LONGEST);
        server.write_all(b"answer").unwrap();
        assert_eq!(arrived(client), "nothing");
    }
    corked.uncork();
    for (mut server, client) in connections.iter().map(|(server, client)| (server, client)) {
        assert_eq!(arrived(client), "answer");
        server.write_all(b"more").unwrap();
        assert_eq!(arrived(client), "more");
    }
}

#[test]
fn what_has_waited_long_enough_does_not_wait_for_the_next() {
    let mut corked = Corked::NONE;
    let [(mut first, client), (second, _other)] = [connection(), connection()];
    assert!(corked.cork(first.as_raw_fd()));
    first.write_all(b"answer").unwrap();
    corked.since = Instant::now().checked_sub(LONGEST);
    assert!(corked.cork(second.as_raw_fd()));
    assert_eq!(arrived(&client), "answer");
    assert_eq!(corked.sockets, [second.as_raw_fd()]);
}

#[test]
fn no_more_than_a_number_of_sockets_wait() {
    let mut corked = Corked::NONE;
    let (server, _client) = connection();
    for _ in 0..=MOST {
        assert!(corked.cork(server.as_raw_fd()));
        corked.since = Some(Instant::now() + LONGEST);
    }
    assert_eq!(corked.sockets.len(), 1);
}

#[test]
fn what_was_written_before_a_corked_socket_is_closed_arrives() {
    let mut corked = Corked::NONE;
    let (mut server, client) = connection();
    assert!(corked.cork(server.as_raw_fd()));
    server.write_all(b"answer").unwrap();
    drop(server);
    assert_eq!(arrived(&client), "answer");
}

#[test]
fn only_what_is_a_connection_is_corked() {
    let mut corked = Corked::NONE;
    let file = std::fs::File::open("Cargo.toml").unwrap();
    assert!(!corked.cork(file.as_raw_fd()));
    assert!(!corked.cork(-1));
    assert!(corked.sockets.is_empty() && corked.since.is_none());
}

#[test]
fn where_it_costs_more_responses_are_held_no_longer() {
    let mut corked = Corked::NONE;
    let (server, _client) = connection();
    let (mut spent, mut held, mut unasked) = (Duration::ZERO, 0, 0);
    for _ in 0..60 * STRETCH {
        let answer = match unasked {
            0 => corked.hold(server.as_raw_fd(), || spent),
            _ => 1 - unasked,
        };
        let is_held = unasked == 0 && answer == 1;
        unasked = if is_held { 0 } else { -answer };
        held += i32::from(is_held);
        spent += Duration::from_micros(if is_held { 125 } else { 100 });
    }
    assert!((STRETCH..=6 * STRETCH).contains(&held), "{held}");
}
