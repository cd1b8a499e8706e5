//! What the options of storage, activity and sweeping may be.

use super::*;

#[test]
fn a_driver_is_any_name() {
    for (value, name) in [
        (text("memory"), "memory"),
        (text("File"), "File"),
        (text("constructor"), "constructor"),
        (text(""), "file"),
        (Null, "file"),
        (Bool(false), "file"),
    ] {
        assert_eq!(with("driver", value).driver, name);
    }
    refuses(
        "driver",
        "the name of a driver",
        [Number(1.0), Bool(true), Function, list([])],
    );
}

#[test]
fn files_is_a_folder_from_the_working_directory() {
    for (value, path) in [
        (text("/var/sessions/"), "/var/sessions"),
        (text("./data/./sessions"), "/srv/app/data/sessions"),
        (text("../sessions"), "/srv/app/../sessions"),
        (text(""), "/srv/app"),
        (Null, "/srv/app/sessions"),
        (Bool(false), "/srv/app/sessions"),
    ] {
        assert_eq!(with("files", value).files, Path::new(path));
    }
    refuses(
        "files",
        "the path of a folder",
        [
            text("a\0b"),
            Number(0.0),
            Bool(true),
            Bytes(vec![1]),
            list([]),
        ],
    );
}

fn database(options: &[(&str, Setting)]) -> Result<Database> {
    parse(options).database
}

#[test]
fn a_table_is_a_plain_name_with_at_most_one_schema() {
    let longest = "a".repeat(63);
    for (value, schema, name) in [
        ("sessions", None, "sessions"),
        ("_s$1", None, "_s$1"),
        ("web.sessions", Some("web"), "sessions"),
        (longest.as_str(), None, longest.as_str()),
    ] {
        let table = database(&[("table", text(value))]).unwrap().table;
        assert_eq!((table.schema(), table.name()), (schema, name));
    }
    let too_long = "a".repeat(64);
    for bad in [
        "",
        ".",
        "a.",
        ".a",
        "a.b.c",
        "1a",
        "$a",
        "a-b",
        "a b",
        "a\"b",
        "a`b",
        "a;drop table b",
        "a'",
        "é",
        "a\0",
        "a\n",
        too_long.as_str(),
    ] {
        let given = [("driver", text("database")), ("table", text(bad))];
        assert!(
            refusal(&given).starts_with("option `table` must be a table's name"),
            "{bad}"
        );
        assert!(database(&[("table", text(bad))]).is_err(), "{bad}");
    }
    for bad in [Null, Number(1.0), list([])] {
        assert!(database(&[("table", bad)]).is_err());
    }
}

#[test]
fn a_touch_interval_that_is_not_set_is_the_drivers() {
    use TouchDefault::{EveryRequest, Seldom};
    for (lifetime, value, default, interval) in [
        (300_000.0, Undefined, EveryRequest, 0),
        (300_000.0, Null, Seldom, 30_000),
        (600_010.0, Undefined, Seldom, 60_000),
        (0.0, Undefined, Seldom, 60_000),
        (5.0, Undefined, Seldom, 0),
        (300_000.0, Number(0.0), Seldom, 0),
        (300_000.0, text("7000"), EveryRequest, 7000),
    ] {
        let config = parse(&[("lifetime", Number(lifetime)), ("touchInterval", value)]);
        assert_eq!(config.touch_interval(default), Millis(interval));
    }
}

#[test]
fn a_lottery_is_merged_with_the_default_item_by_item() {
    for (value, hits, draws) in [
        (list([Number(2.0)]), 2, 100),
        (list([Number(5.0)]), 5, 100),
        (list([]), 2, 100),
        (list([Undefined, Number(7.0)]), 2, 7),
        (list([Number(0.0), Number(1.0), Null]), 0, 1),
        (list([text("1"), text("50")]), 1, 50),
        (Bool(false), 0, 1),
    ] {
        assert_eq!(with("lottery", value).lottery, Lottery { hits, draws });
    }
    refuses(
        "lottery",
        "a list of two whole numbers, [hits, draws], with at least one draw, or false",
        [
            Null,
            Bool(true),
            Number(5.0),
            text("2,100"),
            list([Null, Number(1.0)]),
            list([Number(1.0), Number(0.0)]),
            list([Number(-1.0)]),
            list([Number(0.5)]),
            list([Number(1.0), Number(1e10)]),
        ],
    );
}

#[test]
fn durability_is_up_to_the_process_or_the_disk() {
    assert_eq!(
        with("durability", text("process")).durability,
        Durability::Process
    );
    assert_eq!(
        with("durability", text("disk")).durability,
        Durability::Disk
    );
    assert_eq!(with("durability", Null).durability, Durability::Process);
    refuses(
        "durability",
        "'process' or 'disk'",
        [text(""), text("fsync"), Bool(true)],
    );
}
