//! Laws of comparison: two payloads are equal when their bytes are.
//!
//! Each law names a difference that a collation, a parser or a C string would overlook.

use std::sync::Arc;

use crate::driver::{Removed, Replaced};

use super::Fixture;
use super::subject::{START, Subject, at, id};

pub(crate) fn payloads_that_differ_in_case_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, r#"{"a":"B"}"#, r#"{"a":"b"}"#);
}

pub(crate) fn payloads_that_differ_in_a_trailing_space_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "{}", "{} ");
}

pub(crate) fn payloads_that_differ_in_a_trailing_newline_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "{}", "{}\n");
}

pub(crate) fn payloads_that_differ_in_the_kind_of_newline_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "a\nb", "a\r\nb");
}

pub(crate) fn payloads_that_differ_in_unicode_normalisation_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "caf\u{e9}", "cafe\u{301}");
}

pub(crate) fn payloads_that_differ_in_an_accent_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "resume", "r\u{e9}sum\u{e9}");
}

pub(crate) fn payloads_that_differ_after_a_nul_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "a\0b", "a\0c");
}

pub(crate) fn payloads_that_differ_in_a_nul_at_the_end_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "a", "a\0");
}

pub(crate) fn payloads_that_differ_in_a_four_byte_character_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "\u{1f600}", "\u{1f601}");
}

pub(crate) fn payloads_that_differ_in_an_invisible_character_differ(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "ab", "a\u{200b}b");
    assert_told_apart(fixture, "ab", "\u{feff}ab");
}

pub(crate) fn payloads_that_are_the_same_number_differ_as_text(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "1", "01");
    assert_told_apart(fixture, "1", "1.0");
}

pub(crate) fn payloads_that_are_the_same_json_differ_as_text(fixture: &dyn Fixture) {
    assert_told_apart(fixture, r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#);
    assert_told_apart(fixture, r#"{"a":1}"#, r#"{"a": 1}"#);
    assert_told_apart(fixture, r#""\u0041""#, r#""A""#);
}

pub(crate) fn an_empty_payload_differs_from_any_other(fixture: &dyn Fixture) {
    assert_told_apart(fixture, "", " ");
    assert_told_apart(fixture, "", "\0");
    assert_told_apart(fixture, "", "null");
}

pub(crate) fn a_payload_differs_from_its_beginning(fixture: &dyn Fixture) {
    let long = "x".repeat(100_000);
    assert_told_apart(fixture, &long, &long[1..]);
}

pub(crate) fn long_payloads_that_differ_in_the_last_byte_differ(fixture: &dyn Fixture) {
    let long = "x".repeat(100_000);
    assert_told_apart(fixture, &format!("{long}a"), &format!("{long}b"));
}

/// Neither payload passes for the other, in `replace` or in `remove`.
fn assert_told_apart(fixture: &dyn Fixture, one: &str, other: &str) {
    let driver = Subject::of(fixture);
    let id = id("compared");
    for (stored, expected) in [(one, other), (other, one)] {
        driver.create(&id, stored, START);
        let current: Arc<str> = Arc::from(stored);
        let replaced = driver.replace(&id, expected, "new", at(1));
        assert_eq!(replaced, Replaced::Conflict(Arc::clone(&current)));
        assert_eq!(driver.remove(&id, expected), Removed::Conflict(current));
        assert_eq!(
            driver.replace(&id, stored, stored, at(2)),
            Replaced::Replaced
        );
        assert_eq!(driver.remove(&id, stored), Removed::Removed);
    }
}
