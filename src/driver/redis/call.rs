//! What is asked about one key: it is read, a script is run on it, or the one and then the other in one trip.
//!
//! Knows no connection: writes what others send.

use smallvec::SmallVec;

use super::resp::{self, Outgoing, Part, Value};
use super::scripts::Script;

/// What is asked about one key.
#[derive(Debug)]
pub(super) struct Call<'t> {
    pub(super) key: &'t str,
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
    pub(super) fn read(key: &'t str) -> Self {
        Call {
            key,
            is_read: true,
            script: None,
            arguments: SmallVec::new(),
        }
    }

    /// Gives what the script gives.
    pub(super) fn run(script: &'static Script, key: &'t str, arguments: &[Part<'t>]) -> Self {
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
        key: &'t str,
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
        resp::write_text(bytes, self.call.key);
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
        resp::write_text(bytes, key);
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
    const READ: &str = "*4\r\n$5\r\nHMGET\r\n$1\r\nk\r\n$7\r\npayload\r\n$12\r\nlastActivity\r\n";
    const RUN: &str = "*5\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n1\r\n$1\r\nk\r\n$2\r\n-7\r\n";
    const ASKING: &str = "*1\r\n$6\r\nASKING\r\n";

    fn written(formed: &Formed<'_, '_>) -> (String, usize) {
        let mut bytes = Vec::new();
        let commands = formed.write_to(&mut bytes);
        (String::from_utf8_lossy(&bytes).into_owned(), commands)
    }

    #[test]
    fn a_key_is_read_and_then_a_script_is_run_on_it() {
        let arguments = [Part::Number(-7)];
        let both = Call::read_and_run(&SCRIPT, "k", &arguments);
        let text = both.in_form(Form::Text);
        assert_eq!(written(&text), ([READ, RUN].concat(), 2));
        let run = Call::run(&SCRIPT, "k", &arguments);
        assert_eq!(written(&run.in_form(Form::Text)), (RUN.to_owned(), 1));
        let read = Call::read("k");
        assert_eq!(written(&read.in_form(Form::Digest)), (READ.to_owned(), 1));
    }

    #[test]
    fn a_script_is_known_by_its_digest() {
        let run = Call::run(&SCRIPT, "k", &[]);
        // SHA-1 of the text.
        let digest = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        let told = format!("*4\r\n$7\r\nEVALSHA\r\n$40\r\n{digest}\r\n$1\r\n1\r\n$1\r\nk\r\n");
        assert_eq!(written(&run.in_form(Form::Digest)), (told, 1));
    }

    #[test]
    fn a_server_that_takes_a_slot_over_is_asked_for_each_command_and_its_consent_is_no_answer() {
        let arguments = [Part::Number(-7)];
        let both = Call::read_and_run(&SCRIPT, "k", &arguments);
        let asking = both.in_form(Form::Text).asking();
        assert_eq!(written(&asking), ([ASKING, READ, ASKING, RUN].concat(), 4));
        let [ok, read, ran] = [9, 1, 2].map(Value::Int);
        let all = vec![ok.clone(), read.clone(), ok.clone(), ran.clone()];
        let own = Value::List(vec![read.clone(), ran]);
        assert_eq!(asking.essence(Value::List(all)), own);
        let alone = Call::read("k");
        let asking = alone.in_form(Form::Text).asking();
        assert_eq!(asking.essence(Value::List(vec![ok, read.clone()])), read);
    }
}
