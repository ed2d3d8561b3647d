//! What the code must look like from above: which part may use which, and where dangerous things may be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From the ground up. A part may use those of the floors below its own, and nothing else.
const FLOORS: [&[&str]; 10] = [
    &["exit_code"],
    &["error"],
    &["names", "files"],
    &["settings"],
    &["procfile"],
    &["render", "probe", "python"],
    &["supervise"],
    &["control"],
    &["cli"],
    &["main"],
];

/// The part of unit tests alone, which any of them may use.
const TESTING: &str = "testing";

/// Words that a part may not contain, because what they stand for is another part's business.
const OTHERS_BUSINESS: [(&str, &[&str]); 4] = [
    ("settings", &["clap::", "tera::", "TcpStream", "UnixStream", "Instant::now", "SystemTime"]),
    ("render", &["clap::", "toml_edit::", "std::fs", "std::process", "TcpStream", "UnixStream"]),
    ("supervise", &["clap::", "tera::", "toml_edit::"]),
    ("control", &["clap::", "tera::", "toml_edit::"]),
];

struct Source {
    path: PathBuf,
    /// Without comments.
    code: String,
}

impl Source {
    /// The module below the crate's root that the file belongs to.
    fn part(&self) -> &str {
        let below = self.path.strip_prefix(root().join("src")).expect("a file of src/");
        let first = below.iter().next().and_then(|name| name.to_str()).expect("a name");
        first.trim_end_matches(".rs")
    }

    /// Its code without the unit tests, which stand at the end of a file.
    fn without_tests(&self) -> &str {
        self.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// The modules of the crate's root that it names, by `crate::name` or `crate::{name, …}`.
    fn uses(&self) -> BTreeSet<&str> {
        self.code.split("crate::").skip(1).flat_map(imported).collect()
    }
}

/// The first names of what stands behind `crate::`.
fn imported(text: &str) -> Vec<&str> {
    let word = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(list) = text.strip_prefix('{') else { return vec![&text[..word(text)]] };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut fresh = true;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' => fresh = depth == 0,
            _ if c.is_alphabetic() && fresh => {
                names.push(&list[at..at + word(&list[at..])]);
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files of a folder of the project.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a readable file");
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let code = code.flat_map(|line| [line, "\n"]).collect();
                found.push(Source { path, code });
            }
        }
    }
    assert!(!found.is_empty(), "no Rust file in {folder}");
    found
}

fn floor(part: &str) -> usize {
    FLOORS
        .iter()
        .position(|parts| parts.contains(&part))
        .unwrap_or_else(|| panic!("`{part}` has no floor in tests/architecture.rs: give it one"))
}

#[test]
fn parts_use_only_the_floors_below_them() {
    let mut wrong = Vec::new();
    let mut used = 0;
    for source in sources("src").iter().filter(|source| source.part() != TESTING) {
        for name in source.uses() {
            let by_tests = name == TESTING && !source.without_tests().contains("crate::testing");
            if name == source.part() || by_tests {
                continue;
            }
            used += 1;
            if name == TESTING || floor(name) >= floor(source.part()) {
                wrong.push(format!("{}: {} uses {name}", source.path.display(), source.part()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of dependencies:\n{}", wrong.join("\n"));
    assert!(used > 50, "only {used} uses were found: the test reads the sources wrongly");
}

#[test]
fn each_part_leaves_to_others_what_is_theirs() {
    let sources = sources("src");
    for (part, words) in OTHERS_BUSINESS {
        for source in sources.iter().filter(|source| source.part() == part) {
            let found: Vec<_> = words.iter().filter(|word| source.without_tests().contains(**word)).collect();
            assert!(found.is_empty(), "{}: `{part}` has no business with {found:?}", source.path.display());
        }
    }
}

#[test]
fn the_cache_library_knows_nothing_of_benches() {
    for source in sources("cache/src") {
        for word in ["bench.toml", "common_site_config", "site_config.json", "std::process::Command"] {
            assert!(!source.code.contains(word), "{}: {word}", source.path.display());
        }
    }
}

#[test]
fn unsafe_code_is_in_one_file() {
    let allowed = root().join("src/supervise/spawn.rs");
    for source in ["src", "cache/src"].into_iter().flat_map(sources).filter(|source| source.path != allowed) {
        let mut words = source.code.split(|c: char| !c.is_alphanumeric() && c != '_');
        let let_pass =
            ["allow(unsafe_code", "expect(unsafe_code"].iter().any(|text| source.code.contains(text));
        let found = words.any(|word| word == "unsafe") || let_pass;
        assert!(!found, "{}: unsafe code belongs into src/supervise/spawn.rs", source.path.display());
    }
}

#[test]
fn tests_wait_for_conditions_and_not_for_time() {
    let support = root().join("tests/support");
    let call = concat!("thread::", "sleep");
    for source in sources("tests").iter().filter(|source| !source.path.starts_with(&support)) {
        assert!(!source.code.contains(call), "{}: use `until`", source.path.display());
    }
}

#[test]
fn no_file_is_named_for_what_is_left_over() {
    for source in ["src", "cache", "tests"].into_iter().flat_map(sources) {
        let names: Vec<_> = source.path.strip_prefix(root()).expect("below").iter().collect();
        for name in names {
            let stem = name.to_str().expect("a readable name").trim_end_matches(".rs");
            assert!(
                !["util", "utils", "helper", "helpers", "misc"].contains(&stem),
                "{}: name it after what it does",
                source.path.display()
            );
        }
    }
}

#[test]
fn lists_of_imports_are_read_to_their_end() {
    assert_eq!(imported("error::Result;"), ["error"]);
    assert_eq!(imported("{files, render};"), ["files", "render"]);
    assert_eq!(imported("{error::{Error, Result}, names::Port};"), ["error", "names"]);
}
