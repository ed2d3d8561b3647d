//! The settings reference, docs/settings.md: made from the table of keys, so that the two can't differ.

use std::fmt::Write as _;

use super::schema::{KEYS, Key, Kind};

const HEAD: &str = "\
# Settings

`bench.toml` is what a person edits; `sites/common_site_config.json` is what the framework's workers read.
A bench that has only the latter works with the keys that today's tool knows. Where a setting is said more
than once, the later of these wins: default, `common_site_config.json`, `bench.toml`, environment, command
line. `bench config show --origin` tells where each value comes from.

Sizes are whole numbers with a unit (`512mb`, `1gb`), durations as well (`10s`, `500ms`, `1h 30m`). In
`common_site_config.json`, `cache_maxmemory` may also be a number of megabytes, and durations are numbers of
seconds, as they always were. All mistakes are reported at once, each with its file, line and key.

`*` stands for a name of your own.

| key in `bench.toml` | in `common_site_config.json` | variable | takes | what it is |
|---|---|---|---|---|
";

const TAIL: &str = "
`ready` is `\"redis\"`, `\"notify\"` (the program says `READY=1` to `NOTIFY_SOCKET`), `{ tcp = 8000 }`,
`{ http = \"http://127.0.0.1:8000/\", host = \"site1\" }`, `{ exec = \"command\" }` or `{ log = \"text\" }`.
`health` takes the same questions (but for `notify` and `log`) and `every`, `timeout` and `failures`:
`{ http = \"http://127.0.0.1:8000/api/method/ping\", every = \"10s\", timeout = \"2s\", failures = 3 }`.
A redis-server is recognised by itself, and asked every 2 s.
";

fn text() -> String {
    let mut text = HEAD.to_owned();
    for key in KEYS {
        let code = |name: &str| format!("`{name}`");
        let or_dash = |name: Option<String>| name.map_or_else(|| "–".to_owned(), |name| code(&name));
        writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            code(key.name),
            or_dash(legacy(key)),
            or_dash(key.variable()),
            kind(key.kind),
            key.doc
        )
        .expect("a String takes all");
    }
    text + TAIL
}

fn legacy(key: &Key) -> Option<String> {
    match key.name {
        "workers.queues.*.count" => Some("workers.*.background_workers".to_owned()),
        "workers.queues.*.timeout" => Some("workers.*.timeout".to_owned()),
        _ => key.legacy.map(str::to_owned),
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Number => "a whole number",
        Kind::Flag => "true or false",
        Kind::Port => "a port",
        Kind::Url => "an address",
        Kind::Size | Kind::Threshold => "a size",
        Kind::Duration | Kind::Deadline => "a duration",
        Kind::Word => "text, a number or a flag",
        Kind::Names => "a list of names",
        Kind::Probe => "a question, see below",
    }
}

/// `UPDATE_DOCS=1 cargo test reference` writes the file anew.
#[test]
fn the_settings_reference_says_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, text()).expect("a written file");
    }
    assert!(
        std::fs::read_to_string(path).expect("docs/settings.md") == text(),
        "docs/settings.md is out of date: `UPDATE_DOCS=1 cargo test reference`"
    );
}
