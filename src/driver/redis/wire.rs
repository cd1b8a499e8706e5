//! A connection that is open: what is asked goes out together, and answers come back in the same order.
//!
//! Knows no command. Where the thread that asks has an event loop, that reads the answers, and nobody else is woken for them: a
//! change of threads costs as much as all the rest of a question. Otherwise the pool's thread does.

mod socket;
mod state;

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures_util::future::{Either, select};
use rustls::ClientConnection;
use tokio::sync::Notify;

pub(super) use self::socket::Socket;
use self::socket::Waiter;
use self::state::{Awake, Received, State};
use super::fault::{Fault, answered};
use super::resp::{Outgoing, Value};
use crate::driver::remote::Reason;
use crate::event_loop::{self, Watched};
use crate::worker::{self, Batch};

/// A connection. It is closed when nobody has it any more.
pub(super) struct Wire(Arc<Line>);

/// The connection itself, for whoever reads it.
struct Line {
    socket: Socket,
    state: Mutex<State>,
    /// An event loop reads the answers, no longer the pool's thread.
    is_watched: AtomicBool,
    /// The pool's thread has to look at the connection.
    look: Notify,
}

impl Wire {
    /// The connection over a socket, and what encrypts it. Its answers have `longest` bytes at most. To be called in the pool.
    ///
    /// # Errors
    ///
    /// When the system cannot watch the socket.
    pub(super) fn new(
        socket: Socket,
        tls: Option<Box<ClientConnection>>,
        longest: usize,
    ) -> io::Result<Self> {
        let line = Arc::new(Line {
            socket,
            state: Mutex::new(State::new(tls, longest)),
            is_watched: AtomicBool::new(false),
            look: Notify::new(),
        });
        let waiter = Waiter::of(&line.socket)?;
        tokio::spawn(look_after(line.clone(), waiter));
        Ok(Wire(line))
    }

    /// The server's answer, or the list of its answers to several commands, which nobody else's come between; one that is refused
    /// lets it be a fault. It stays asked when nobody waits for the answer any more.
    pub(super) async fn ask(&self, question: &impl Outgoing) -> Result<Value, Fault> {
        let line = self.0.clone();
        let number = line.state().ask(question)?;
        line.clone().send();
        let answer = Answer { line, number };
        answer.await.map_err(Fault::Lost).and_then(answered)
    }

    /// Lets this thread's event loop read the answers from now on, where it has one.
    pub(super) fn settle(&self) {
        let line = &self.0;
        if line.is_watched.load(Ordering::Relaxed) || !event_loop::is_there() {
            return;
        }
        if event_loop::watch(line.clone()) {
            line.is_watched.store(true, Ordering::Relaxed);
            line.look.notify_one();
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.end(unusable());
    }
}

impl Line {
    /// Lets what is asked go out: at the end of this thread's turn, or at once.
    fn send(self: Arc<Self>) {
        if worker::gathers() {
            worker::gather(self);
        } else if self.is_watched.load(Ordering::Relaxed) {
            self.flush();
        } else {
            self.look.notify_one();
        }
    }

    /// Sends what the system takes now. The rest is tried again, until it is gone.
    fn flush(self: Arc<Self>) {
        let mut state = self.state();
        match state.write(&self.socket) {
            Ok(()) => {
                if state.begins_retrying() {
                    drop(state);
                    worker::go_on(self.retry());
                }
            }
            Err(error) => {
                drop(state);
                self.end(Reason::of_io(&error));
            }
        }
    }

    async fn retry(self: Arc<Self>) {
        let sent = async {
            let waiter = Waiter::of(&self.socket)?;
            loop {
                let send = || self.state().write_again(&self.socket);
                match waiter.send(send).await {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    sent => return sent,
                }
            }
        };
        if let Err(error) = sent.await {
            self.end(Reason::of_io(&error));
        }
    }

    /// Takes the answers that have come to those who wait for them.
    fn receive(&self) -> Received {
        let mut awake = Awake::new();
        let read = self.state().read(&self.socket, &mut awake);
        wake(awake);
        match read {
            Ok(received) => received,
            Err(error) => {
                self.end(Reason::of_io(&error));
                Received::TheLast
            }
        }
    }

    /// Ends it: questions without an answer get none.
    fn end(&self, reason: Reason) {
        let awake = self.state().end(reason);
        // Fails where the other end is gone already.
        self.socket.shut_down().ok();
        self.look.notify_one();
        wake(awake);
    }

    /// Held while the socket is read or written, which never waits.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            let mut state = poisoned.into_inner();
            // Whose the next answer is, is not known any more. Who waits for one finds that out when its time is over.
            state.end(unusable());
            state
        })
    }
}

fn unusable() -> Reason {
    Reason::of_io(&ErrorKind::NotConnected.into())
}

/// Not while the state is held, which whoever is woken may want.
fn wake(awake: Awake) {
    awake.into_iter().for_each(Waker::wake);
}

/// What the pool's thread does for a connection that no event loop watches.
async fn look_after(line: Arc<Line>, waiter: Waiter) {
    loop {
        match select(pin!(waiter.readable()), pin!(line.look.notified())).await {
            Either::Left((Ok(()), _)) => loop {
                match line.receive() {
                    Received::All => break,
                    Received::APart => tokio::task::yield_now().await,
                    Received::TheLast => return,
                }
            },
            Either::Left((Err(_), _)) => return,
            Either::Right(_) => {
                if line.is_watched.load(Ordering::Relaxed) || line.state().has_ended() {
                    return;
                }
                line.clone().flush();
            }
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({} unanswered)", self.0.state().unanswered())
    }
}

impl Batch for Line {
    fn here(self: Arc<Self>) {
        self.flush();
    }

    fn elsewhere(self: Arc<Self>) {
        self.flush();
    }
}

impl Watched for Line {
    fn is_ready(&self) -> bool {
        // What is left is told anew.
        self.receive() != Received::TheLast
    }

    fn is_abandoned(&self) {
        self.end(unusable());
    }
}

/// Waits for an answer.
struct Answer {
    line: Arc<Line>,
    number: usize,
}

impl Future for Answer {
    type Output = Result<Value, Reason>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.line.state().poll(self.number, context)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.line.state().leave(self.number);
    }
}
