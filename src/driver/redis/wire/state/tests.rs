//! Over a pair of sockets, without a server: what is asked, and which answer is whose.

use std::os::unix::net::UnixStream;

use super::*;
use crate::driver::redis::resp::Command;

/// Most bytes of an answer.
const LONGEST: usize = 1 << 20;

/// A connection, and the server's end of it.
struct Place {
    state: State,
    socket: Socket,
    server: UnixStream,
}

/// Commands by their names.
struct InARow<'t>(&'t [&'t str]);

impl Outgoing for InARow<'_> {
    fn write_to(&self, bytes: &mut Vec<u8>) -> usize {
        let write = |name| Command::of(&[name]).write_to(bytes);
        self.0.iter().copied().map(write).sum()
    }
}

impl Place {
    fn new() -> Self {
        let (own, server) = UnixStream::pair().unwrap();
        own.set_nonblocking(true).unwrap();
        server.set_nonblocking(true).unwrap();
        Place {
            state: State::new(None, LONGEST),
            socket: Socket::Unix(own),
            server,
        }
    }

    fn ask(&mut self, commands: &[&str]) -> usize {
        self.state.ask(&InARow(commands)).unwrap()
    }

    /// The server says something, and it is read.
    fn say(&mut self, text: &str) -> io::Result<Received> {
        self.server.write_all(text.as_bytes()).unwrap();
        self.state.read(&self.socket, &mut Awake::new())
    }

    fn answer(&mut self, number: usize) -> Option<Result<Value, Reason>> {
        let mut context = Context::from_waker(Waker::noop());
        match self.state.poll(number, &mut context) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    fn heard(&mut self) -> String {
        let mut bytes = [0; 1000];
        let length = self.server.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }
}

fn number(number: i64) -> Option<Result<Value, Reason>> {
    Some(Ok(Value::Int(number)))
}

#[test]
fn what_is_asked_goes_out_together_and_each_has_its_answer_in_whatever_pieces_they_come() {
    let mut place = Place::new();
    let asked = [place.ask(&["A"]), place.ask(&["B"]), place.ask(&["C"])];
    place.state.write(&place.socket).unwrap();
    assert_eq!(
        place.heard(),
        "*1\r\n$1\r\nA\r\n*1\r\n$1\r\nB\r\n*1\r\n$1\r\nC\r\n"
    );
    for piece in [":1\r\n:", "2", "\r", "\n:3\r\n"] {
        place.say(piece).unwrap();
    }
    // Who asked first need not look first.
    for at in [2, 0, 1] {
        assert_eq!(place.answer(asked[at]), number(at as i64 + 1));
    }
}

#[test]
fn who_waits_is_woken_by_its_answer_and_by_no_other() {
    let mut place = Place::new();
    let (first, second) = (place.ask(&["A"]), place.ask(&["B"]));
    for number in [first, second] {
        assert_eq!(place.answer(number), None);
    }
    place.server.write_all(b":1\r\n").unwrap();
    let mut awake = Awake::new();
    place.state.read(&place.socket, &mut awake).unwrap();
    assert_eq!(awake.len(), 1);
    assert_eq!(place.answer(second), None);
}

#[test]
fn an_answer_that_nobody_waits_for_is_nobody_elses() {
    let mut place = Place::new();
    let (first, second) = (place.ask(&["A"]), place.ask(&["B"]));
    place.state.leave(first);
    // Its number is not given again while its answer is under way.
    let third = place.ask(&["C"]);
    assert_ne!(third, first);
    place.say(":1\r\n:2\r\n:3\r\n").unwrap();
    assert_eq!(place.answer(second), number(2));
    assert_eq!(place.answer(third), number(3));
    assert_eq!(place.ask(&["D"]), first);
}

#[test]
fn commands_in_a_row_are_answered_by_the_list_of_their_answers() {
    let mut place = Place::new();
    let (given_up, row, alone) = (
        place.ask(&["A", "B"]),
        place.ask(&["C", "D"]),
        place.ask(&["E"]),
    );
    place.state.leave(given_up);
    place.say(":1\r\n:2\r\n:3\r\n").unwrap();
    assert_eq!(place.answer(row), None);
    place.say(":4\r\n:5\r\n").unwrap();
    let both = Value::List(vec![Value::Int(3), Value::Int(4)]);
    assert_eq!(place.answer(row), Some(Ok(both)));
    assert_eq!(place.answer(alone), number(5));
}

#[test]
fn a_number_is_given_again_when_its_answer_has_been_taken() {
    let mut place = Place::new();
    for _ in 0..3 {
        let asked = place.ask(&["A"]);
        assert_eq!(asked, 0);
        place.say(":1\r\n").unwrap();
        assert_eq!(place.answer(asked), number(1));
        place.state.leave(asked);
    }
}

#[test]
fn what_nobody_asked_for_ends_the_connection_but_for_pushes() {
    let mut place = Place::new();
    place.say(">1\r\n+invalidate\r\n").unwrap();
    assert!(place.say(":1\r\n").is_err());
    assert!(Place::new().say("HTTP/1.1 400 Bad Request\r\n").is_err());
}

#[test]
fn when_the_connection_ends_who_waits_is_told_and_nothing_more_is_asked() {
    let mut place = Place::new();
    let (asked, given_up) = (place.ask(&["A"]), place.ask(&["B"]));
    assert_eq!(place.answer(asked), None);
    place.state.leave(given_up);
    let reason = Reason::of_io(&ErrorKind::ConnectionReset.into());
    assert_eq!(place.state.end(reason.clone()).len(), 1);
    assert_eq!(place.answer(asked), Some(Err(reason.clone())));
    assert_eq!(place.state.ask(&InARow(&["C"])), Err(Fault::Unsent(reason)));
    assert_eq!(place.state.unanswered(), 0);
}

#[test]
fn the_end_of_the_stream_is_told_after_the_answers_before_it() {
    let mut place = Place::new();
    let asked = place.ask(&["A"]);
    place.server.write_all(b":1\r\n").unwrap();
    place.server.shutdown(std::net::Shutdown::Both).unwrap();
    let read = place.state.read(&place.socket, &mut Awake::new());
    let ended = read.and_then(|_| place.state.read(&place.socket, &mut Awake::new()));
    assert!(ended.is_err());
    assert_eq!(place.answer(asked), number(1));
}

#[test]
fn what_the_system_does_not_take_is_sent_later_in_its_order() {
    let mut place = Place::new();
    let long = "x".repeat(1 << 20);
    place.ask(&[&long]);
    place.ask(&["LAST"]);
    place.state.write(&place.socket).unwrap();
    assert!(place.state.begins_retrying());
    assert!(!place.state.begins_retrying());
    let mut heard = Vec::new();
    let mut room = vec![0; 1 << 20];
    while let Ok(length) = place.server.read(&mut room) {
        heard.extend_from_slice(&room[..length]);
        let sent = place.state.write_again(&place.socket);
        assert!(sent.is_ok() || sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    }
    let mut wanted = Vec::new();
    Command::of(&[&long]).write_to(&mut wanted);
    Command::of(&["LAST"]).write_to(&mut wanted);
    assert!(heard == wanted);
}

#[test]
fn a_long_answer_is_read_and_its_room_given_back() {
    let mut place = Place::new();
    let asked = place.ask(&["A"]);
    let long = "x".repeat(4 * ROOM);
    let told = format!("${}\r\n{long}\r\n", long.len());
    for piece in told.as_bytes().chunks(ROOM / 2) {
        place.say(std::str::from_utf8(piece).unwrap()).unwrap();
    }
    assert_eq!(place.answer(asked), Some(Ok(Value::Text(long.into()))));
    assert!(place.state.incoming.bytes.len() <= ROOM);
}

#[test]
fn a_text_that_is_too_long_is_left_out_in_whatever_pieces_it_comes_and_takes_no_room() {
    let long = format!(
        "*2\r\n${}\r\n{}\r\n:7\r\n:8\r\n",
        LONGEST + 1,
        "x".repeat(LONGEST + 1)
    );
    for piece in [1_000, ROOM, ROOM + 1] {
        let mut place = Place::new();
        let (asked, next) = (place.ask(&["A"]), place.ask(&["B"]));
        for piece in long.as_bytes().chunks(piece) {
            place.say(std::str::from_utf8(piece).unwrap()).unwrap();
        }
        let told = Value::List(vec![Value::TooLong, Value::Int(7)]);
        assert_eq!(place.answer(asked), Some(Ok(told)));
        assert_eq!(place.answer(next), number(8));
        assert!(place.state.incoming.bytes.len() <= ROOM);
    }
}

#[test]
fn the_longest_text_that_is_kept_may_come_without_the_end_of_its_answer() {
    let mut place = Place::new();
    let asked = place.ask(&["A"]);
    let longest = "x".repeat(LONGEST);
    let told = format!("*2\r\n${LONGEST}\r\n{longest}\r\n$13\r\n1795383066943\r\n");
    let (most, rest) = told.split_at(told.len() - 9);
    for piece in most.as_bytes().chunks(ROOM) {
        place.say(std::str::from_utf8(piece).unwrap()).unwrap();
    }
    assert_eq!(place.answer(asked), None);
    place.say(rest).unwrap();
    let texts = [longest, "1795383066943".to_owned()];
    let told = texts.map(|text| Value::Text(text.into())).into();
    assert_eq!(place.answer(asked), Some(Ok(Value::List(told))));
}

#[test]
fn an_answer_without_an_end_is_not_waited_for_for_ever() {
    let mut place = Place::new();
    place.ask(&["A"]);
    let endless = "+".to_owned() + &"x".repeat(ROOM - 1);
    let pieces = (0..).map_while(|_| place.say(&endless).ok());
    assert!(pieces.count() <= LONGEST / ROOM + 1);
    // Nor is what begins without a question.
    assert!(Place::new().say("+").is_err());
}

#[test]
fn one_look_takes_only_so_much_and_the_next_one_goes_on() {
    let mut place = Place::new();
    place.server.set_nonblocking(false).unwrap();
    let mut server = place.server.try_clone().unwrap();
    let pushes = ">1\r\n+x\r\n".repeat(4 * MOST_AT_ONCE / 8);
    let writing = std::thread::spawn(move || server.write_all(pushes.as_bytes()));
    let mut looks = 0;
    while !writing.is_finished() || looks == 0 {
        place.state.read(&place.socket, &mut Awake::new()).unwrap();
        looks += 1;
    }
    assert!(looks >= 3);
    let asked = place.ask(&["A"]);
    while place.state.read(&place.socket, &mut Awake::new()).unwrap() != Received::All {}
    place.say(":7\r\n").unwrap();
    assert_eq!(place.answer(asked), number(7));
}
