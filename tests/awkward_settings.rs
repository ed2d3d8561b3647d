//! Every setting that is text, with every character that means something somewhere: the value arrives as
//! it is, or is refused. It never becomes a directive, a program, a section or a key.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::support::TestBench;

/// A setting of `bench.toml`, with VALUE where the awkward text goes, and a text that is none.
const SETTINGS: [(&str, &str); 13] = [
    ("[bench]\nname = VALUE", "develop-bench"),
    ("[bench]\nuser = VALUE", "root"),
    ("[redis_cache]\nurl = VALUE", "redis://127.0.0.1:13000"),
    ("[redis_cache]\nbind = VALUE", "127.0.0.1"),
    ("[redis_cache]\nsocket = VALUE", "plain"),
    ("[redis_cache]\nbinary = VALUE", "/plain"),
    ("[redis_cache]\nmaxmemory = VALUE", "64mb"),
    ("[redis_cache]\nmaxmemory_policy = VALUE", "allkeys-lru"),
    ("[redis_cache.extra]\ntcp-keepalive = VALUE", "60"),
    ("[redis_cache.extra]\nVALUE = \"1\"", "tcp-keepalive"),
    ("[programs.own]\ncommand = VALUE", "true"),
    ("[programs.own]\ncommand = \"true\"\nenv = { KEY = VALUE }", "plain"),
    ("[programs.own]\ncommand = \"true\"\nenv = { VALUE = \"1\" }", "KEY"),
];

/// Text that would change the meaning of one file or another, if it got there as it is.
const AWKWARD: [&str; 14] = [
    "a\nsave 60 1",
    "a\r\nevil: rm",
    "a\n[program:evil]\ncommand=rm",
    "a\0b",
    "a\u{1b}[2J",
    "a\"b",
    "a'b",
    "a\\",
    "a ;b",
    "a #b",
    "a %(here)s 100% b",
    "$(rm) `rm` $HOME",
    "{{ port }} {% raw %}",
    "../../x",
];

const TARGETS: [&[&str]; 4] = [
    &["setup", "redis"],
    &["setup", "procfile"],
    &["setup", "supervisor", "--skip-supervisord"],
    &["setup", "systemd"],
];

/// Names of directives, programs, sections and keys of all files: everything but values.
fn names(bench: &TestBench) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut note = |file: &str, text: &str, separator: &str| {
        let mut section = String::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
            if line.starts_with('[') && separator == "=" {
                line.clone_into(&mut section);
            }
            let name = line.split(separator).next().unwrap_or_default();
            names.insert(format!("{file} {section} {name}"));
        }
    };
    for (file, separator) in [
        ("config/redis_cache.conf", " "),
        ("config/redis_queue.conf", " "),
        ("Procfile", ":"),
        ("config/supervisor.conf", "="),
    ] {
        note(file, &bench.read(file), separator);
    }
    for unit in bench.path("config/systemd").read_dir().expect("units") {
        let unit = unit.expect("a unit");
        let text = std::fs::read_to_string(unit.path()).expect("a unit");
        note(&unit.file_name().to_string_lossy(), &text, "=");
    }
    names
}

/// The text as a TOML string, or as a key.
fn toml(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c)).expect("text"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn rendered(setting: &str, value: &str) -> Result<BTreeSet<String>, String> {
    let bench = TestBench::existing(r#"{"redis_cache": "redis://127.0.0.1:13000"}"#);
    bench.write("bench.toml", &format!("{}\n", setting.replace("VALUE", &toml(value))));
    let mut refusal = None;
    for target in TARGETS {
        let output = bench.run(target);
        match output.status.code() {
            Some(0) => {}
            // Wrong settings, told as such.
            Some(2) => {
                assert!(output.stderr.starts_with("error: "), "{output:?}");
                refusal = Some(output.stderr);
            }
            _ => panic!("{setting} {value:?}: {output:?}"),
        }
    }
    refusal.map_or_else(|| Ok(names(&bench)), Err)
}

#[test]
fn no_value_becomes_anything_but_a_value() {
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = SETTINGS.iter().map(|setting| scope.spawn(|| try_all(*setting))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread that did not fail")).sum()
    });
    // Refusing everything would be easy.
    assert!(taken > 30, "only {taken} values were taken");
}

/// Tries every awkward text as the value, and says how many were taken.
fn try_all((setting, plain): (&str, &str)) -> usize {
    let usual = rendered(setting, plain).expect("a setting");
    let mut taken = 0;
    for value in AWKWARD {
        match rendered(setting, value) {
            Ok(names) => {
                assert!(!value.chars().any(char::is_control), "{setting} took {value:?}");
                assert_eq!(names, usual, "{setting} {value:?}");
                taken += 1;
            }
            Err(refusal) => {
                assert!(refusal.contains("where: "), "{setting} {value:?}: {refusal}");
                let acts = refusal.chars().any(|c| c.is_control() && c != '\n');
                assert!(!acts, "{refusal:?}");
            }
        }
    }
    taken
}
