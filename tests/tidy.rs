//! House rules of the source tree, each as a test.

#![allow(
    clippy::unwrap_used,
    reason = "a tree that cannot be read fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below `src/`, with its path from there and its text.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    let text = |path: PathBuf| {
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    found.into_iter().map(text).collect()
}

fn is_test_file(name: &str) -> bool {
    ["tests.rs", "tests/", "conformance", "fake.rs"]
        .iter()
        .any(|part| name.contains(part))
}

/// The same, without tests.
fn product() -> Vec<(String, String)> {
    let without_tests = |(name, text): (String, String)| {
        let end = text.find("\n#[cfg(test)]\nmod tests").unwrap_or(text.len());
        (name, text[..end].to_owned())
    };
    sources()
        .into_iter()
        .filter(|(name, _)| !is_test_file(name))
        .map(without_tests)
        .collect()
}

/// Lines of code, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn only_the_binding_names_napi() {
    for (name, text) in product() {
        let allowed = name.starts_with("binding/");
        assert!(
            allowed || !code(&text).any(|line| line.contains("napi")),
            "{name}"
        );
    }
}

#[test]
fn only_drivers_do_input_and_output() {
    let storage = ["std::fs", "rustix::fs", "rusqlite", "File::"];
    for (name, text) in product() {
        let names_storage = |line: &str| storage.iter().any(|word| line.contains(word));
        assert!(
            name.starts_with("driver/") || !code(&text).any(names_storage),
            "{name}"
        );
    }
}

#[test]
fn below_the_manager_nothing_reads_a_clock() {
    for (name, text) in product() {
        let reads = |line: &str| line.contains("SystemTime") || line.contains("Clock::");
        let allowed = name == "clock.rs" || name == "manager.rs" || name.starts_with("manager/");
        // The binding chooses which clock a manager is given.
        assert!(
            allowed || name.starts_with("binding/") || !code(&text).any(reads),
            "{name}"
        );
    }
}

#[test]
fn the_pure_rings_and_the_drivers_do_not_know_each_other() {
    let rings = ["session", "cookie", "payload", "driver"];
    for (name, text) in product() {
        for other in rings {
            let own = name.split('/').next().unwrap();
            if rings.contains(&own) && own != other {
                let import = format!("crate::{other}::");
                assert!(
                    !code(&text).any(|line| line.contains(&import)),
                    "{name} knows {other}"
                );
            }
        }
    }
}

#[test]
fn only_the_binding_is_unsafe_and_says_why() {
    for (name, text) in sources() {
        let lines: Vec<_> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if !line.contains("unsafe {") || line.trim_start().starts_with("//") {
                continue;
            }
            assert!(name.starts_with("binding/"), "{name}:{}", number + 1);
            let before = &lines[number.saturating_sub(4)..number];
            let explained = before.iter().any(|line| line.contains("SAFETY"));
            assert!(explained, "{name}:{}: no reason given", number + 1);
        }
    }
}

#[test]
fn every_file_opens_with_its_job() {
    for (name, text) in sources() {
        assert!(text.starts_with("//! "), "{name}");
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 500, "{name} has {lines} lines");
    }
}

#[test]
fn nothing_outside_tests_unwraps() {
    for (name, text) in product() {
        assert!(
            !code(&text).any(|line| line.contains(".unwrap()")),
            "{name}"
        );
    }
}

#[test]
fn there_are_no_drawers_for_odds_and_ends() {
    for (name, _) in sources() {
        let file = name.rsplit('/').next().unwrap();
        assert!(
            !["utils.rs", "util.rs", "helpers.rs", "common.rs"].contains(&file),
            "{name}"
        );
    }
}
