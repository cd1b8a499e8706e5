//! Laws of payloads: every text comes back as it was given, up to the limit and no further.

use crate::driver::{Bounds, Created, Removed, Replaced};
use crate::error::{Code, Result};
use crate::session_id::SessionId;

use super::Fixture;
use super::subject::{BOUNDS, START, Subject, at, id};

/// A limit that a law reaches quickly. It is a multiple of four, for characters of four bytes.
const SMALL: Bounds = Bounds {
    max_payload: 4_096,
    ..BOUNDS
};

pub(crate) fn a_payload_of_no_bytes_is_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, "");
}

pub(crate) fn a_payload_of_one_byte_is_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, "x");
}

pub(crate) fn a_payload_of_64_kilobytes_is_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, &"0123456789abcdef".repeat(4_096));
}

pub(crate) fn a_payload_of_a_mebibyte_is_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, &"x".repeat(BOUNDS.max_payload));
}

pub(crate) fn quotes_and_backslashes_are_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, r#"{"q":"\"","b":"\\","s":"it's","t":"`${x}`"}"#);
    assert_kept(fixture, r#"'"\'; DROP TABLE sessions; -- %s ? $1 :a"#);
}

pub(crate) fn line_breaks_are_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, "{\r\n\t\"a\":\"b\\n\"\n}\r\n");
}

pub(crate) fn space_at_either_end_is_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, " \t{}\n ");
}

pub(crate) fn text_that_javascript_and_html_stumble_over_is_kept(fixture: &dyn Fixture) {
    assert_kept(
        fixture,
        "{\"a\":\"</script><!--\",\"b\":\"\u{2028}\u{2029}\"}",
    );
}

pub(crate) fn the_escape_of_a_lone_surrogate_is_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, r#"{"a":"\ud800","b":"\udc00\ud800"}"#);
}

pub(crate) fn control_characters_and_nul_are_kept(fixture: &dyn Fixture) {
    let controls: String = (0u8..32).chain([127]).map(char::from).collect();
    assert_kept(fixture, &format!("a{controls}b"));
    assert_kept(fixture, "\0");
}

pub(crate) fn characters_of_every_length_are_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, "aé日\u{fffd}\u{ffff}😀\u{10ffff}e\u{301}\u{feff}");
    assert_kept(fixture, "\u{feff}{}");
}

pub(crate) fn text_that_looks_like_another_type_is_kept(fixture: &dyn Fixture) {
    for text in ["007", "1e3", "1.0", "null", "NULL", "true", "0x10", "NaN"] {
        assert_kept(fixture, text);
    }
}

pub(crate) fn text_that_is_encoded_already_is_kept(fixture: &dyn Fixture) {
    assert_kept(fixture, r#""{\"a\":\"b\"}""#);
    assert_kept(fixture, r#""\"\\\"x\\\"\"""#);
    assert_kept(fixture, "%7B%22a%22%3A1%7D+e30=");
}

pub(crate) fn a_payload_may_grow_and_shrink(fixture: &dyn Fixture) {
    let driver = Subject::of(fixture);
    let sizes = [3, 70_000, 0, 1, 200_000, 10];
    let texts = sizes.map(|size| "y".repeat(size));
    driver.create(&id("a"), &texts[0], START);
    for pair in texts.windows(2) {
        let replaced = driver.replace(&id("a"), &pair[0], &pair[1], at(1));
        assert_eq!(replaced, Replaced::Replaced);
        assert_stored(&driver, &id("a"), &pair[1]);
    }
}

pub(crate) fn a_payload_at_the_limit_is_stored(fixture: &dyn Fixture) {
    let driver = Subject::bounded(fixture, SMALL);
    let full = "x".repeat(SMALL.max_payload);
    assert_eq!(driver.create(&id("a"), &full, START), Created::Created);
    assert_stored(&driver, &id("a"), &full);
    driver.create(&id("b"), "small", START);
    assert_eq!(
        driver.replace(&id("b"), "small", &full, START),
        Replaced::Replaced
    );
    assert_stored(&driver, &id("b"), &full);
}

pub(crate) fn the_limit_counts_the_payload_and_not_its_encoding(fixture: &dyn Fixture) {
    let driver = Subject::bounded(fixture, SMALL);
    for (name, text) in [("quote", "\""), ("backslash", "\\"), ("nul", "\0")] {
        let full = text.repeat(SMALL.max_payload);
        assert_eq!(driver.create(&id(name), &full, START), Created::Created);
        assert_stored(&driver, &id(name), &full);
    }
}

pub(crate) fn the_limit_counts_bytes_and_not_characters(fixture: &dyn Fixture) {
    let driver = Subject::bounded(fixture, SMALL);
    let full = "😀".repeat(SMALL.max_payload / 4);
    assert_eq!(driver.create(&id("a"), &full, START), Created::Created);
    assert_stored(&driver, &id("a"), &full);
    let over = driver.try_create(&id("b"), &format!("{full}é"), START);
    assert_too_large(over);
}

pub(crate) fn create_beyond_the_limit_stores_nothing(fixture: &dyn Fixture) {
    let driver = Subject::bounded(fixture, SMALL);
    let over = "x".repeat(SMALL.max_payload + 1);
    assert_too_large(driver.try_create(&id("a"), &over, START));
    assert_eq!(driver.load(&id("a"), START), None);
    assert_eq!(driver.create(&id("a"), "fits", START), Created::Created);
}

pub(crate) fn replace_beyond_the_limit_leaves_the_record_whole(fixture: &dyn Fixture) {
    let driver = Subject::bounded(fixture, SMALL);
    driver.create(&id("a"), "kept", START);
    let before = driver.load(&id("a"), START);
    let over = "x".repeat(SMALL.max_payload + 1);
    assert_too_large(driver.try_replace(&id("a"), "kept", &over, at(1)));
    assert_eq!(driver.load(&id("a"), at(1)), before);
}

pub(crate) fn a_stored_payload_beyond_the_limit_is_an_error_and_stays(fixture: &dyn Fixture) {
    let writer = Subject::of(fixture);
    let Some(reader) = Subject::another_bounded(fixture, SMALL) else {
        return;
    };
    let over = "x".repeat(SMALL.max_payload + 1);
    writer.create(&id("a"), &over, START);
    assert_too_large(reader.try_load(&id("a"), START));
    assert_stored(&writer, &id("a"), &over);
}

/// The text survives `create` and `replace`, and is then what `remove` expects.
fn assert_kept(fixture: &dyn Fixture, text: &str) {
    let driver = Subject::of(fixture);
    let id = id("kept");
    driver.create(&id, text, START);
    assert_stored(&driver, &id, text);
    let away = driver.replace(&id, text, "between", at(1));
    let back = driver.replace(&id, "between", text, at(2));
    assert_eq!([away, back], [Replaced::Replaced, Replaced::Replaced]);
    assert_stored(&driver, &id, text);
    assert_eq!(driver.remove(&id, text), Removed::Removed);
}

/// Shows no more of a text than a reader can take in.
fn assert_stored(driver: &Subject, id: &SessionId, text: &str) {
    let stored = driver.payload(id, at(2));
    let shown = |text: &str| text.chars().take(80).collect::<String>();
    assert!(
        stored.as_deref() == Some(text),
        "stored are {:?} bytes, {:?}, and not the {} bytes of {:?}",
        stored.as_ref().map(String::len),
        stored.as_deref().map(shown),
        text.len(),
        shown(text)
    );
}

fn assert_too_large<T>(result: Result<T>) {
    let code = result.err().map(|error| error.code());
    assert_eq!(code, Some(Code::TooLarge));
}
