//! Why a server gave no answer that can be used, without what must not be told.
//!
//! Only sorts errors; what is done about one is decided by who asked.

use super::resp::Value;
use crate::driver::remote::{Failure, Reason};

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no connection; the command was not sent.
    Unsent(Reason),
    /// The connection ended before the answer came.
    Lost(Reason),
    /// The server refused the command, and did nothing; of several it refused one at least.
    Said(Said),
}

/// A server's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Its first word, such as `OOM`.
    pub(super) code: String,
    /// What follows. It may repeat what was sent, so it is for our eyes only.
    pub(super) text: String,
}

/// Refusals whose text repeats nothing that was sent.
const DISCREET: [&str; 12] = [
    "OOM",
    "READONLY",
    "LOADING",
    "MISCONF",
    "NOPERM",
    "NOAUTH",
    "WRONGPASS",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "NOREPLICAS",
    "BUSY",
    "TRYAGAIN",
];
/// The same for refusals that are called `ERR`, by how they begin.
const DISCREET_ERRORS: [&str; 4] = [
    "max number of clients",
    "DB index is out of range",
    "invalid password",
    "SELECT is not allowed in cluster mode",
];

impl Fault {
    pub(super) fn unsent(message: impl Into<String>, code: Option<&str>) -> Self {
        Fault::Unsent(Reason {
            message: message.into(),
            code: code.map(str::to_owned),
        })
    }

    /// The same fault of a command that was part of making the connection.
    pub(super) fn before_sending(self) -> Self {
        match self {
            Fault::Lost(reason) => Fault::Unsent(reason),
            other => other,
        }
    }

    pub(super) fn into_failure(self) -> Failure {
        match self {
            Fault::Unsent(reason) => Failure::Unreached(reason),
            Fault::Lost(reason) => Failure::Broken(reason),
            Fault::Said(said) => Failure::Refused(said.reason()),
        }
    }
}

impl Said {
    fn new(code: &str, text: &str) -> Self {
        let (code, text) = inner_of(text).unwrap_or((code, text));
        Said {
            code: code.to_owned(),
            text: text.to_owned(),
        }
    }

    fn reason(self) -> Reason {
        let is_discreet = DISCREET.contains(&self.code.as_str())
            || DISCREET_ERRORS
                .iter()
                .any(|start| self.text.starts_with(start));
        let text = self.text.split(" script: ").next().unwrap_or_default();
        let message = match text {
            text if is_discreet && !text.is_empty() => text.trim_end_matches('.').to_owned(),
            _ => "the server refused the command".to_owned(),
        };
        Reason {
            message,
            code: Some(self.code),
        }
    }

    /// Where a `MOVED` or an `ASK` leads to. Shape: `slot host:port`.
    pub(super) fn leads_to(&self) -> Option<(String, u16)> {
        let (host, port) = self.text.split(' ').nth(1)?.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    }
}

/// The refusal of a command inside a script, as servers before Redis 7 tell it.
///
/// Shape: `Error running script (call to f_…): @user_script:1: -OOM command not allowed …`.
fn inner_of(text: &str) -> Option<(&str, &str)> {
    let (_, inner) = text
        .strip_prefix("Error running script")?
        .split_once(": -")?;
    inner.split_once(' ')
}

/// An answer; a refusal is none, nor is a list of answers with a refusal.
pub(super) fn answered(value: Value) -> Result<Value, Fault> {
    let refusal = match &value {
        Value::List(all) => all.iter().find_map(refusal_in),
        one => refusal_in(one),
    };
    match refusal {
        Some(said) => {
            let (code, text) = said.split_once(' ').unwrap_or((said, ""));
            Err(Fault::Said(Said::new(code, text)))
        }
        None => Ok(value),
    }
}

fn refusal_in(value: &Value) -> Option<&str> {
    match value {
        Value::Refusal(said) => Some(said),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str, text: &str) -> (String, String) {
        let reason = Said::new(code, text).reason();
        (reason.code.unwrap_or_default(), reason.message)
    }

    #[test]
    fn a_refusal_is_told_with_its_code_and_never_repeats_what_was_sent() {
        let oom = "command not allowed when used memory > 'maxmemory'.";
        for (code, text) in [
            ("OOM", format!("{oom} script: 1f2e, on @user_script:1.")),
            (
                "ERR",
                format!("Error running script (call to f_1f2e): @user_script:1: -OOM {oom}"),
            ),
        ] {
            let told = told(code, &text);
            assert_eq!(told.0, "OOM");
            assert_eq!(told.1, oom.trim_end_matches('.'));
        }
        let repeats =
            "unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'web' 'canary'";
        let refused = "the server refused the command";
        assert_eq!(told("ERR", repeats).1, refused);
        assert_eq!(told("WRONGTYPE", "canary").1, refused);
        assert_eq!(
            told("ERR", "max number of clients reached").1,
            "max number of clients reached"
        );
    }

    #[test]
    fn one_refusal_is_enough_to_refuse_commands_in_a_row() {
        let no = || Value::Refusal("NOSCRIPT No matching script.".into());
        for value in [no(), Value::List(vec![Value::Int(1), no()])] {
            let said = Said::new("NOSCRIPT", "No matching script.");
            assert_eq!(answered(value), Err(Fault::Said(said)));
        }
        let all = Value::List(vec![Value::Int(1), Value::Nil]);
        assert_eq!(answered(all.clone()), Ok(all));
    }

    #[test]
    fn a_redirection_leads_to_a_server() {
        let leads_to = |text| Said::new("MOVED", text).leads_to();
        assert_eq!(
            leads_to("3999 127.0.0.1:6381"),
            Some(("127.0.0.1".to_owned(), 6381))
        );
        assert_eq!(leads_to("3999 ::1:6381"), Some(("::1".to_owned(), 6381)));
        assert_eq!(leads_to("3999 :6381"), Some((String::new(), 6381)));
        for text in ["", "3999", "3999 host", "3999 host:port"] {
            assert_eq!(leads_to(text), None);
        }
    }
}
