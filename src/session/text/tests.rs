//! What counts as JSON, where members lie, and what JavaScript writes back unchanged.

use super::*;

fn members(text: &str) -> Vec<(&str, &str)> {
    match scan(text, 100) {
        Ok(Root::Object(members) | Root::Array(members)) => members
            .iter()
            .map(|m| (&text[m.key.clone()], &text[m.value.clone()]))
            .collect(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn members_are_found_with_their_ranges() {
    let text = r#" { "a" : 1 , "b\"c":{"x":[1,{}]},"d":"}," , "e":[] } "#;
    assert_eq!(
        members(text),
        [
            (r#""a""#, "1"),
            (r#""b\"c""#, r#"{"x":[1,{}]}"#),
            (r#""d""#, r#""},""#),
            (r#""e""#, "[]"),
        ]
    );
    assert_eq!(
        members("[1, \"two\",[]]"),
        [("", "1"), ("", "\"two\""), ("", "[]")]
    );
    assert!(members("{}").is_empty());
}

#[test]
fn a_repeated_key_stands_where_it_first_stood_with_its_last_value() {
    assert_eq!(
        members(r#"{"a":1,"b":2,"\u0061":3}"#),
        [(r#""a""#, "3"), (r#""b""#, "2")]
    );
}

#[test]
fn what_json_parse_refuses_is_refused() {
    for bad in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "nul",
        "truefalse",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "[1 2]",
        "{} {}",
        "\u{feff}{}",
        "[}",
        "{]",
        "NaN",
        "'a'",
        "\"\\u12",
        "{\"a\":1]",
        "[\"\u{1f}\"]",
    ] {
        assert_eq!(scan(bad, 100), Err(Fault::Malformed), "{bad:?}");
    }
    for good in [
        "0",
        "-0",
        "1.5e+3",
        "\"\u{7f}é\"",
        "true",
        " null ",
        "\"12345678\\n\"",
    ] {
        assert!(scan(good, 100).is_ok(), "{good:?}");
    }
}

#[test]
fn depth_is_bounded_without_recursion() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(scan(&nested(100), 100).is_ok());
    assert_eq!(scan(&nested(101), 100), Err(Fault::TooDeep));
    assert_eq!(scan(&"[".repeat(1_000_000), 1000), Err(Fault::TooDeep));
}

#[test]
fn strings_decode_and_quote_as_json_does() {
    assert_eq!(decode(r#""a\u00e9\ud83d\ude00\n\/\"""#), "aé😀\n/\"");
    assert_eq!(decode(r#""\ud800x""#), "\u{FFFD}x");
    assert_eq!(
        quote("a\"\\\n\u{1}é\u{7f}"),
        "\"a\\\"\\\\\\n\\u0001é\u{7f}\""
    );
}

#[test]
fn only_what_javascript_surely_writes_back_is_canonical() {
    for text in [
        "1",
        "-5",
        "\"a\"",
        "[1,\"b\",{\"c\":null}]",
        "{}",
        "true",
        "\"1\"",
        "[\"1\"]",
    ] {
        assert!(is_canonical(text), "{text}");
    }
    for text in [
        "1.0",
        "1e3",
        "-0",
        "1234567890123456",
        "\"\\u0041\"",
        "[1, 2]",
        "{\"1\":2}",
    ] {
        assert!(!is_canonical(text), "{text}");
    }
}

#[test]
fn array_indices_are_canonical_decimals() {
    assert_eq!(array_index("0"), Some(0));
    assert_eq!(array_index("4294967294"), Some(u32::MAX - 1));
    for key in ["", "01", "-1", "4294967295", "1.0", "99999999999", "a"] {
        assert_eq!(array_index(key), None, "{key}");
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        let _ = scan(&text, 10);
        let _ = decode(&text);
        let _ = is_canonical(&text);
    }

    #[test]
    fn what_is_quoted_decodes_to_itself(text in proptest::prelude::any::<String>()) {
        let quoted = quote(&text);
        proptest::prop_assert!(scan(&quoted, 1).is_ok());
        proptest::prop_assert_eq!(decode(&quoted), text);
    }
}

#[test]
fn a_member_is_found_among_strings_that_look_like_the_end_of_it() {
    let text = r#" { "a" : "}\"," , "b":[{"c":"]"},[]],"c" : {"d":{"e":-1.5e3 }} ,"\u0064":true, "last":null } "#;
    for (key, value) in [
        ("a", Some(r#""}\",""#)),
        ("b", Some(r#"[{"c":"]"},[]]"#)),
        ("c", Some(r#"{"d":{"e":-1.5e3 }}"#)),
        ("d", Some("true")),
        ("last", Some("null")),
        ("e", None),
        ("", None),
    ] {
        assert_eq!(member(text, key), value, "{key}");
    }
    assert_eq!(member(r#"{"a":1,"b":2,"a":3}"#, "a"), Some("3"));
    assert_eq!(member(r#"{"\\":1}"#, r"\"), Some("1"));
    assert_eq!(member(r#"{"\\":1}"#, r"\\"), None);
    assert_eq!(member("{}", "a"), None);
    assert_eq!(member(r#"["a"]"#, "a"), None);
}

proptest::proptest! {
    #[test]
    fn a_member_is_found_where_a_scan_finds_it(pairs in proptest::collection::vec(("[a-c\\\\\"é]{0,2}", "[x\\\\\"{}\\[\\],: ]{0,6}", 0..4u8), 0..6), space in "[ \n]{0,2}") {
        let quoted = |text: &str| format!("{text:?}").replace("\\'", "'");
        let value = |(_, text, kind): &(String, String, u8)| match kind {
            0 => quoted(text),
            1 => format!("[{space}{}{space},{{{space}{}:1}}]", quoted(text), quoted(text)),
            2 => format!("{{{}{space}:{space}[-1.5e+3,null]{space}}}", quoted(text)),
            _ => "false".to_owned(),
        };
        let members: Vec<_> = pairs.iter().map(|pair| format!("{space}{}{space}:{space}{}{space}", quoted(&pair.0), value(pair))).collect();
        let text = format!("{space}{{{}}}{space}", members.join(","));
        let Ok(Root::Object(found)) = scan(&text, 100) else {
            panic!("{text}");
        };
        for wanted in &found {
            let key = decode(&text[wanted.key.clone()]);
            proptest::prop_assert_eq!(member(&text, &key), Some(&text[wanted.value.clone()]));
        }
        proptest::prop_assert_eq!(member(&text, "none"), None);
    }
}
