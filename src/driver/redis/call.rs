//! What is asked about one key: it is read, a script is run on it, or the one and then the other in one trip.
//!
//! Knows no connection: writes what others send.

use smallvec::SmallVec;

use super::resp::{self, Outgoing, Part, Value};
use super::scripts::Script;
use crate::session_id::SessionId;

/// A key, in the pieces that make it up: no request has to put them together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'t> {
    prefix: &'t str,
    is_lease: bool,
    id: &'t SessionId,
}

impl<'t> Key<'t> {
    /// The key of a record.
    pub(super) fn of_record(prefix: &'t str, id: &'t SessionId) -> Self {
        Key {
            prefix,
            is_lease: false,
            id,
        }
    }

    /// The key of a lease.
    pub(super) fn of_lease(prefix: &'t str, id: &'t SessionId) -> Self {
        Key {
            is_lease: true,
            ..Self::of_record(prefix, id)
        }
    }

    fn pieces(&self) -> [&str; 3] {
        let middle = if self.is_lease { "lock:" } else { "" };
        [self.prefix, middle, self.id.as_str()]
    }

    pub(super) fn whole(&self) -> String {
        self.pieces().concat()
    }
}

/// What is asked about one key.
#[derive(Debug)]
pub(super) struct Call<'t> {
    pub(super) key: Key<'t>,
    /// Payload and last activity are read, before a script runs.
    is_read: bool,
    script: Option<&'static Script>,
    arguments: SmallVec<[Part<'t>; 5]>,
}

/// How a server is told which script to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By its digest, which the server may not know.
    Digest,
    /// By its text, after which the server knows the digest.
    Text,
}

/// A call as it goes out.
pub(super) struct Formed<'c, 't> {
    call: &'c Call<'t>,
    form: Form,
    /// For a server that takes over the key's slot just now.
    is_asking: bool,
}

impl<'t> Call<'t> {
    /// Gives payload and last activity, each nil where it is not there.
    pub(super) fn read(key: Key<'t>) -> Self {
        Call {
            key,
            is_read: true,
            script: None,
            arguments: SmallVec::new(),
        }
    }

    /// Gives what the script gives.
    pub(super) fn run(script: &'static Script, key: Key<'t>, arguments: &[Part<'t>]) -> Self {
        Call {
            key,
            is_read: false,
            script: Some(script),
            arguments: arguments.into(),
        }
    }

    /// Gives a list of what was there before, as `read` does, and what the script gives.
    pub(super) fn read_and_run(
        script: &'static Script,
        key: Key<'t>,
        arguments: &[Part<'t>],
    ) -> Self {
        Call {
            is_read: true,
            ..Self::run(script, key, arguments)
        }
    }

    pub(super) fn in_form(&self, form: Form) -> Formed<'_, 't> {
        Formed {
            call: self,
            form,
            is_asking: false,
        }
    }
}

impl Formed<'_, '_> {
    pub(super) fn asking(self) -> Self {
        Formed {
            is_asking: true,
            ..self
        }
    }

    /// What was answered, without the answers to `ASKING`.
    pub(super) fn essence(&self, answer: Value) -> Value {
        match answer {
            Value::List(all) if self.is_asking => {
                let mut own: Vec<_> = all.into_iter().skip(1).step_by(2).collect();
                match own.len() {
                    1 => own.remove(0),
                    _ => Value::List(own),
                }
            }
            answer => answer,
        }
    }

    /// Writes a command; the server is told before each that it is meant.
    fn write_one(&self, bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        if self.is_asking {
            bytes.extend_from_slice(b"*1\r\n$6\r\nASKING\r\n");
        }
        write(bytes);
        1 + usize::from(self.is_asking)
    }

    fn write_read(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(b"*4\r\n$5\r\nHMGET\r\n");
        resp::write_pieces(bytes, &self.call.key.pieces());
        bytes.extend_from_slice(b"$7\r\npayload\r\n$12\r\nlastActivity\r\n");
    }

    fn write_run(&self, script: &Script, bytes: &mut Vec<u8>) {
        let Call { key, arguments, .. } = self.call;
        resp::write_length(bytes, b'*', 4 + arguments.len());
        match self.form {
            Form::Digest => bytes.extend_from_slice(script.by_digest()),
            Form::Text => {
                resp::write_text(bytes, "EVAL");
                resp::write_text(bytes, script.text());
            }
        }
        // So many keys.
        resp::write_text(bytes, "1");
        resp::write_pieces(bytes, &key.pieces());
        for argument in arguments {
            argument.write_to(bytes);
        }
    }
}

impl Outgoing for Formed<'_, '_> {
    fn write_to(&self, bytes: &mut Vec<u8>) -> usize {
        let mut commands = 0;
        if self.call.is_read {
            commands += self.write_one(bytes, |bytes| self.write_read(bytes));
        }
        if let Some(script) = self.call.script {
            commands += self.write_one(bytes, |bytes| self.write_run(script, bytes));
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SCRIPT: Script = Script::new("return 1");
    const KEY: &str = "$41\r\nk0123456789012345678901234567890123456789\r\n";
    const ASKING: &str = "*1\r\n$6\r\nASKING\r\n";

    fn id() -> SessionId {
        SessionId::parse(&"0123456789".repeat(4)).unwrap()
    }

    fn read() -> String {
        format!("*4\r\n$5\r\nHMGET\r\n{KEY}$7\r\npayload\r\n$12\r\nlastActivity\r\n")
    }

    fn run() -> String {
        format!("*5\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n1\r\n{KEY}$2\r\n-7\r\n")
    }

    fn written(formed: &Formed<'_, '_>) -> (String, usize) {
        let mut bytes = Vec::new();
        let commands = formed.write_to(&mut bytes);
        (String::from_utf8_lossy(&bytes).into_owned(), commands)
    }

    #[test]
    fn a_key_is_read_and_then_a_script_is_run_on_it() {
        let (id, arguments) = (id(), [Part::Number(-7)]);
        let key = Key::of_record("k", &id);
        let both = Call::read_and_run(&SCRIPT, key, &arguments);
        assert_eq!(written(&both.in_form(Form::Text)), (read() + &run(), 2));
        let alone = Call::run(&SCRIPT, key, &arguments);
        assert_eq!(written(&alone.in_form(Form::Text)), (run(), 1));
        let alone = Call::read(key);
        assert_eq!(written(&alone.in_form(Form::Digest)), (read(), 1));
    }

    #[test]
    fn a_script_is_known_by_its_digest() {
        let id = id();
        let alone = Call::run(&SCRIPT, Key::of_record("k", &id), &[]);
        // SHA-1 of the text.
        let digest = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        let told = format!("*4\r\n$7\r\nEVALSHA\r\n$40\r\n{digest}\r\n$1\r\n1\r\n{KEY}");
        assert_eq!(written(&alone.in_form(Form::Digest)), (told, 1));
    }

    #[test]
    fn a_server_that_takes_a_slot_over_is_asked_for_each_command_and_its_consent_is_no_answer() {
        let (id, arguments) = (id(), [Part::Number(-7)]);
        let key = Key::of_record("k", &id);
        let both = Call::read_and_run(&SCRIPT, key, &arguments);
        let asking = both.in_form(Form::Text).asking();
        let told = [ASKING, &read(), ASKING, &run()].concat();
        assert_eq!(written(&asking), (told, 4));
        let [ok, found, ran] = [9, 1, 2].map(Value::Int);
        let all = vec![ok.clone(), found.clone(), ok.clone(), ran.clone()];
        let own = Value::List(vec![found.clone(), ran]);
        assert_eq!(asking.essence(Value::List(all)), own);
        let alone = Call::read(key);
        let asking = alone.in_form(Form::Text).asking();
        assert_eq!(asking.essence(Value::List(vec![ok, found.clone()])), found);
    }

    #[test]
    fn the_key_of_a_lease_is_another_than_that_of_its_record() {
        let id = id();
        let lease = Key::of_lease("k:", &id);
        assert_eq!(lease.whole(), format!("k:lock:{}", id.as_str()));
    }
}
