//! Sockets whose last bytes wait for the end of the event loop's turn, so that the responses of a turn leave together.
//!
//! A client that sleeps has to be woken for what it is sent, and where that is dear (a virtual machine, another core that rests) it
//! costs more than all the rest of a session. Responses that leave right after one another find it awake. It is the system that
//! holds them, by the socket option `TCP_CORK`: what was written is sent when the socket is uncorked or closed, also by the end of
//! the process, and no later than 200 ms after it was written (tcp(7)). Only Linux has it so; elsewhere nothing is held.
#![cfg_attr(
    target_os = "linux",
    allow(
        unsafe_code,
        reason = "sockets of Node's are known by their numbers; an option of a socket changes no memory"
    )
)]

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::js::Scope;
use crate::panics::point;

/// Longest that a response waits for others that are made meanwhile.
const LONGEST: Duration = Duration::from_millis(1);
/// Most that wait for one another.
const MOST: usize = 64;

thread_local! {
    static CORKED: RefCell<Corked> = const { RefCell::new(Corked::NONE) };
}

/// The sockets that this thread's requests have corked, by their file descriptors.
#[derive(Debug)]
struct Corked {
    sockets: Vec<i32>,
    since: Option<Instant>,
}

impl Corked {
    const NONE: Self = Self {
        sockets: Vec::new(),
        since: None,
    };

    /// Holds back what is written to a socket from now on; gives whether it does.
    fn cork(&mut self, socket: i32) -> bool {
        let now = Instant::now();
        let is_due = |since: Instant| now.duration_since(since) >= LONGEST;
        if self.sockets.len() >= MOST || self.since.is_some_and(is_due) {
            self.uncork();
        }
        let is_corked = set_cork(socket, true);
        if is_corked {
            self.sockets.push(socket);
            self.since.get_or_insert(now);
        }
        is_corked
    }

    /// Lets everything go. Of a socket that was closed meanwhile the number may be another's by now, who loses nothing.
    fn uncork(&mut self) {
        for socket in self.sockets.drain(..) {
            set_cork(socket, false);
        }
        self.since = None;
    }
}

#[cfg(target_os = "linux")]
fn set_cork(socket: i32, is_corked: bool) -> bool {
    if socket < 0 {
        return false;
    }
    // SAFETY: the number is not -1, and is used in this call alone. Should it be no socket's any more, the system refuses it.
    let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket) };
    rustix::net::sockopt::set_tcp_cork(socket, is_corked).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn set_cork(_socket: i32, _is_corked: bool) -> bool {
    false
}

/// See `direct.d.ts`.
pub fn cork_socket(_: Scope, socket: f64) -> bool {
    point("entry");
    CORKED.with_borrow_mut(|corked| corked.cork(socket as i32))
}

/// See `direct.d.ts`.
pub fn uncork_sockets(_: Scope) {
    point("entry");
    CORKED.with_borrow_mut(Corked::uncork);
}

#[cfg(all(test, target_os = "linux"))]
#[allow(
    clippy::unwrap_used,
    reason = "a socket that cannot be had fails the test"
)]
mod tests {
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
}
