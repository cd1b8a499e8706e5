//! Options `lock`, `lockLease` and `lockWait`.

use super::*;
use crate::config::Locking;

const DEFAULT: Locking = Locking {
    is_on: false,
    lease: Millis(10_000),
    wait: Millis(10_000),
};

fn of_call(options: &[(&str, Setting)]) -> Result<Locking> {
    let named = |(name, value): &(&str, Setting)| ((*name).to_owned(), value.clone());
    let options: Vec<_> = options.iter().map(named).collect();
    DEFAULT.of_call(&options)
}

#[test]
fn locking_is_off_and_its_times_are_ten_seconds() {
    assert_eq!(parse(&[]).locking, DEFAULT);
    for absent in [Undefined, Null] {
        let names = ["lock", "lockLease", "lockWait"];
        assert_eq!(
            parse(&names.map(|name| (name, absent.clone()))).locking,
            DEFAULT
        );
    }
}

#[test]
fn locking_is_what_the_options_say() {
    let config = parse(&[
        ("lock", Bool(true)),
        ("lockLease", Number(1.0)),
        ("lockWait", text("2147483647")),
    ]);
    let locking = Locking {
        is_on: true,
        lease: Millis(1),
        wait: Millis(2_147_483_647),
    };
    assert_eq!(config.locking, locking);
}

#[test]
fn other_values_are_refused() {
    refuses(
        "lock",
        "true or false",
        [Number(1.0), text("true"), list([])],
    );
    for name in ["lockLease", "lockWait"] {
        let allowed = "a whole number from 1 to 2147483647";
        let others = [
            Number(0.0),
            Number(-1.0),
            Number(1.5),
            Number(2_147_483_648.0),
            Number(f64::NAN),
            Number(f64::INFINITY),
            text("soon"),
            Bool(true),
        ];
        refuses(name, allowed, others);
    }
}

#[test]
fn a_call_may_want_it_otherwise() {
    let locking = of_call(&[("lock", Bool(true)), ("lockWait", Number(5.0))]);
    let expected = Locking {
        is_on: true,
        wait: Millis(5),
        ..DEFAULT
    };
    assert_eq!(locking, Ok(expected));
    assert_eq!(of_call(&[("lock", Undefined)]), Ok(DEFAULT));
    let on = Locking {
        is_on: true,
        ..DEFAULT
    };
    let off = on.of_call(&[("lock".to_owned(), Bool(false))]);
    assert_eq!(off, Ok(DEFAULT));
}

#[test]
fn a_call_is_told_what_it_cannot_have() {
    let error = of_call(&[("lockwait", Number(5.0))]).unwrap_err();
    assert_eq!(error.code(), Code::Config);
    assert_eq!(
        error.message(),
        "startSession has no option `lockwait`; it has `lock`, `lockLease` and `lockWait`"
    );
    let error = of_call(&[("lockLease", Number(0.0))]).unwrap_err();
    assert_eq!(error.code(), Code::Config);
    assert_eq!(
        error.message(),
        "option `lockLease` must be a whole number from 1 to 2147483647"
    );
}
