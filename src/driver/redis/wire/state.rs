//! What is asked over a connection, and what has come of the answers.
//!
//! Reads and writes a socket, as far as that goes at once; never waits.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::task::{Context, Poll, Waker};

use rustls::ClientConnection;
use smallvec::SmallVec;

use super::socket::Socket;
use crate::driver::redis::fault::Fault;
use crate::driver::redis::resp::{self, Outgoing, TOO_LONG, Unread, Value};
use crate::driver::remote::Reason;

/// Room for what comes in, at first, and when nothing is left of it.
const ROOM: usize = 64 << 10;
/// Most bytes that one look at a connection takes: whoever looks has other things to do, too.
const MOST_AT_ONCE: usize = 256 << 10;
/// What an answer may have beside the longest text. Units: bytes.
const BESIDE: usize = 1 << 10;
/// Room that is kept for what goes out.
const KEPT: usize = 256 << 10;

/// What one look at a connection took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Everything that had come.
    All,
    /// There may be more.
    APart,
    /// The connection has ended.
    TheLast,
}

#[derive(Default)]
pub(super) struct State {
    tls: Option<Box<ClientConnection>>,
    /// What has not been sent.
    outgoing: Vec<u8>,
    /// Somebody tries again to send it after a while.
    is_retrying: bool,
    incoming: Incoming,
    /// Most bytes of a text that is kept; a whole answer may have a few more.
    longest: usize,
    /// By number.
    questions: Vec<Question>,
    /// Numbers that no question has.
    free: Vec<usize>,
    /// The questions that have no answer, in the order in which they were asked.
    unanswered: VecDeque<usize>,
    /// Why it can no longer be used.
    ended: Option<Reason>,
}

/// What has come in. Shape: nothing, then what was read but belongs to no whole answer yet, then room.
#[derive(Default)]
struct Incoming {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
    /// So many bytes are not kept when they come.
    unwanted: usize,
}

enum Question {
    /// There is none of this number.
    None,
    Asked(Waiting),
    /// Who asked does not want to know any more. So many answers come before the last one.
    GivenUp(usize),
    Answered(Result<Value, Reason>),
}

/// What has come of a question so far.
struct Waiting {
    /// So many answers come before the last one.
    before: usize,
    earlier: Vec<Value>,
    /// Who waits for all of them.
    waker: Option<Waker>,
}

/// Those who are to be woken after one look at a connection.
pub(super) type Awake = SmallVec<[Waker; 32]>;

impl State {
    pub(super) fn new(tls: Option<Box<ClientConnection>>, longest: usize) -> Self {
        State {
            tls,
            longest,
            ..State::default()
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// How many questions have no answer.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// Puts a question among what goes out; gives its number.
    pub(super) fn ask(&mut self, question: &impl Outgoing) -> Result<usize, Fault> {
        if let Some(reason) = &self.ended {
            return Err(Fault::Unsent(reason.clone()));
        }
        let commands = question.write_to(&mut self.outgoing);
        let asked = Question::Asked(Waiting {
            before: commands.saturating_sub(1),
            earlier: Vec::new(),
            waker: None,
        });
        let number = match self.free.pop() {
            Some(number) => {
                self.questions[number] = asked;
                number
            }
            None => {
                self.questions.push(asked);
                self.questions.len() - 1
            }
        };
        self.unanswered.push_back(number);
        Ok(number)
    }

    /// A question's answer, once; of one of several commands, the list of theirs.
    pub(super) fn poll(
        &mut self,
        number: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<Value, Reason>> {
        let question = &mut self.questions[number];
        if let Question::Asked(waiting) = question {
            waiting.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        match std::mem::replace(question, Question::None) {
            Question::Answered(answer) => Poll::Ready(answer),
            other => {
                *question = other;
                Poll::Pending
            }
        }
    }

    /// Nobody wants to know a question's answer any more; its number is another's, as soon as no answer can come.
    pub(super) fn leave(&mut self, number: usize) {
        match &self.questions[number] {
            Question::Asked(waiting) => self.questions[number] = Question::GivenUp(waiting.before),
            Question::GivenUp(_) => {}
            Question::Answered(_) | Question::None => {
                self.questions[number] = Question::None;
                self.free.push(number);
            }
        }
    }

    /// Whether there is something that the system did not take. Who is told so tries again.
    pub(super) fn begins_retrying(&mut self) -> bool {
        let is_told_already = self.is_retrying;
        self.is_retrying |= self.has_outgoing();
        self.is_retrying && !is_told_already
    }

    /// Tries again. Fails with `WouldBlock` where the system does not take all of it.
    pub(super) fn write_again(&mut self, socket: &Socket) -> io::Result<()> {
        self.write(socket)?;
        self.is_retrying = self.has_outgoing();
        match self.is_retrying {
            true => Err(ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    }

    fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends what the system takes.
    pub(super) fn write(&mut self, socket: &Socket) -> io::Result<()> {
        let mut sent = 0;
        let written = loop {
            let left = &self.outgoing[sent..];
            let is_encrypted = |tls: &ClientConnection| tls.wants_write();
            if left.is_empty() && !self.tls.as_deref().is_some_and(is_encrypted) {
                break Ok(());
            }
            let some = match &mut self.tls {
                None => (&mut &*socket).write(left),
                Some(tls) => encrypt(tls, left, socket),
            };
            match some {
                Ok(some) => sent += some,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.outgoing.drain(..sent);
        if self.outgoing.is_empty() {
            self.outgoing.shrink_to(KEPT);
        }
        written
    }

    /// Reads what has come, and brings the answers in it to their questions.
    pub(super) fn read(&mut self, socket: &Socket, awake: &mut Awake) -> io::Result<Received> {
        let mut taken = 0;
        while self.ended.is_none() {
            let room = self.incoming.room();
            let length = room.len();
            let is_enough = taken >= MOST_AT_ONCE;
            let some = match &mut self.tls {
                None if is_enough => return Ok(Received::APart),
                None => (&mut &*socket).read(room),
                Some(tls) => decrypt(tls, room, socket, is_enough),
            };
            match some {
                Ok(0) => return Err(ErrorKind::ConnectionReset.into()),
                Ok(some) => {
                    taken += some;
                    self.incoming.take(some);
                    self.take_answers(awake)?;
                    // What comes next is told anew.
                    if some < length && self.tls.is_none() {
                        return Ok(Received::All);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(match is_enough {
                        true => Received::APart,
                        false => Received::All,
                    });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Received::TheLast)
    }

    fn take_answers(&mut self, awake: &mut Awake) -> io::Result<()> {
        while let Some(first) = self.incoming.unread().first() {
            if self.unanswered.is_empty() && *first != resp::PUSH {
                return Err(foreign());
            }
            match resp::read(self.incoming.unread(), self.longest) {
                Ok((value, length)) => {
                    self.incoming.forget(length);
                    if value != Value::Push {
                        self.answer(value, awake)?;
                    }
                }
                Err(Unread::TooLong(text)) => self.incoming.leave_out(&text),
                Err(Unread::Unfinished)
                    if self.incoming.unread().len() <= self.longest + BESIDE =>
                {
                    break;
                }
                Err(_) => return Err(foreign()),
            }
        }
        Ok(())
    }

    /// Brings an answer to the oldest question.
    fn answer(&mut self, value: Value, awake: &mut Awake) -> io::Result<()> {
        let number = *self.unanswered.front().ok_or_else(foreign)?;
        match &mut self.questions[number] {
            Question::Asked(waiting) if waiting.before > 0 => {
                waiting.before -= 1;
                waiting.earlier.push(value);
                return Ok(());
            }
            Question::GivenUp(before) if *before > 0 => {
                *before -= 1;
                return Ok(());
            }
            Question::Asked(waiting) => {
                awake.extend(waiting.waker.take());
                let answer = together(std::mem::take(&mut waiting.earlier), value);
                self.questions[number] = Question::Answered(Ok(answer));
            }
            question => {
                *question = Question::None;
                self.free.push(number);
            }
        }
        self.unanswered.pop_front();
        Ok(())
    }

    pub(super) fn end(&mut self, reason: Reason) -> Awake {
        let mut awake = Awake::new();
        if self.ended.is_some() {
            return awake;
        }
        for number in self.unanswered.drain(..) {
            let question = &mut self.questions[number];
            match std::mem::replace(question, Question::None) {
                Question::Asked(waiting) => {
                    *question = Question::Answered(Err(reason.clone()));
                    awake.extend(waiting.waker);
                }
                _ => self.free.push(number),
            }
        }
        self.tls = None;
        self.outgoing = Vec::new();
        self.incoming = Incoming::default();
        self.ended = Some(reason);
        awake
    }
}

/// The answer to a question of which these are the answers.
fn together(mut earlier: Vec<Value>, last: Value) -> Value {
    if earlier.is_empty() {
        return last;
    }
    earlier.push(last);
    Value::List(earlier)
}

fn foreign() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the server's answer cannot be read")
}

/// Encrypts some of it, and sends what is encrypted; gives how much was taken.
fn encrypt(tls: &mut ClientConnection, bytes: &[u8], socket: &Socket) -> io::Result<usize> {
    let taken = tls.writer().write(bytes)?;
    while tls.wants_write() {
        match tls.write_tls(&mut &*socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && taken > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

/// Reads and decrypts, where it is not enough; gives how much came. What was read before is taken in any case, since nothing tells of it.
fn decrypt(
    tls: &mut ClientConnection,
    room: &mut [u8],
    socket: &Socket,
    is_enough: bool,
) -> io::Result<usize> {
    loop {
        match tls.reader().read(room) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && !is_enough => {}
            read => return read,
        }
        if tls.read_tls(&mut &*socket)? == 0 {
            return Ok(0);
        }
        tls.process_new_packets().map_err(io::Error::other)?;
    }
}

impl Incoming {
    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }

    /// So many bytes have come into the room.
    fn take(&mut self, some: usize) {
        let unwanted = self.unwanted.min(some);
        self.unwanted -= unwanted;
        let end = self.to + some;
        if unwanted > 0 {
            self.bytes.copy_within(self.to + unwanted..end, self.to);
        }
        self.to = end - unwanted;
    }

    /// Lets a few bytes stand for a text that is too long, which may not have come to its end.
    fn leave_out(&mut self, text: &Range<usize>) {
        let (from, end) = (self.from + text.start, self.from + text.end);
        let come = end.min(self.to);
        let after = from + TOO_LONG.len();
        self.bytes[from..after].copy_from_slice(TOO_LONG);
        self.bytes.copy_within(come..self.to, after);
        self.to -= come - after;
        self.unwanted = end - come;
    }

    fn forget(&mut self, length: usize) {
        self.from += length;
        if self.is_empty() {
            (self.from, self.to) = (0, 0);
            if self.bytes.len() > ROOM {
                self.bytes = Vec::new();
            }
        }
    }

    /// Room for what comes next.
    fn room(&mut self) -> &mut [u8] {
        if self.from > 0 {
            self.bytes.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.to == self.bytes.len() {
            let doubled = (2 * self.bytes.len()).max(ROOM);
            self.bytes.resize(doubled, 0);
        }
        &mut self.bytes[self.to..]
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a socket that cannot be had fails the test"
)]
mod tests;
