//! Settings that are wrong: every command that reads them says all that is wrong, where, and how to mend
//! it, and ends with 2. Nothing is written.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Output, TestBench};

/// Every command that reads settings.
const READERS: &[&[&str]] = &[
    &["config", "show"],
    &["setup", "config"],
    &["setup", "redis"],
    &["setup", "procfile"],
    &["setup", "supervisor", "--yes", "--skip-supervisord"],
    &["setup", "systemd", "--yes"],
    &["start"],
    &["cache", "ping"],
];

#[track_caller]
fn refused(bench: &TestBench, what: &[&str]) {
    for line in READERS {
        let mut output: Output = bench.run(line).code(2).says("error: ").says("where: ");
        for part in what {
            output = output.says(part);
        }
        assert_eq!(output.stdout, "", "{line:?}");
    }
    let config = std::fs::read_dir(bench.path("config")).expect("a folder");
    let names: Vec<_> = config.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, ["pids"], "something was written");
    assert!(!bench.path("Procfile").exists());
}

#[test]
fn json_that_can_not_be_read_is_named_with_line_and_column() {
    for (text, what, place) in [
        ("{\"redis_cache\": \"redis://127.0.0.1:13000\",", "cut off", "json:1 column 42"),
        ("", "empty", "json:1 column 1"),
        ("[1, 2]", "holds a list", "json:1 column 1"),
        ("\n\"x\"", "holds a single value", "json:2 column 1"),
        ("{\n \"a\": True }", "neither", "json:2 column 7"),
        ("{\n \"webserver_port\": 1,\n \"webserver_port\": 2\n}", "twice", "json:3 webserver_port"),
    ] {
        refused(&TestBench::existing(text), &[what, "sites/common_site_config.", place, "fix: "]);
    }
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let bench = TestBench::existing("{}");
    std::fs::write(bench.path("bench.toml"), b"[web]\n# \xff\n").expect("a file");
    refused(&bench, &["is not UTF-8 text", "bench.toml:2"]);
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let bench = TestBench::existing("{}");
    let file = bench.path("sites/common_site_config.json");
    if nix::unistd::Uid::effective().is_root() {
        // No mode keeps root from reading; a folder in its place does.
        std::fs::remove_file(&file).expect("a file to remove");
        std::fs::create_dir(&file).expect("a folder");
    } else {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).expect("a mode");
    }
    for line in READERS {
        bench.run(line).code(2).says("common_site_config.json");
    }
}

#[test]
fn files_without_end_are_not_read() {
    let bench = TestBench::existing("{}");
    bench.write("bench.toml", &"# x\n".repeat(300_000));
    bench.run(&["config", "show"]).code(2).says("longer than 1048576 bytes");
    bench.write("bench.toml", "");
    bench.write("sites/common_site_config.json", &format!("{{\"a\": {}", "[".repeat(100_000)));
    bench.run(&["config", "show"]).code(2).says("nested too deeply");
    bench.write("sites/common_site_config.json", "{}");
    bench.write("bench.toml", &format!("{} = 1", vec!["a"; 100_000].join(".")));
    bench.run(&["config", "show"]).code(2).says("nested too deeply");
    bench.write("bench.toml", &format!("a = {}", "[".repeat(100_000)));
    bench.run(&["config", "show"]).code(2).says("bench.toml:1");
}

#[test]
fn sizes_that_are_none_are_refused_by_every_command() {
    for value in ["0", "-5", "\"50MBs\"", "null", "737.5", "\"1gbx\""] {
        let bench = TestBench::existing(&format!("{{\n \"cache_maxmemory\": {value}\n}}"));
        refused(
            &bench,
            &["`cache_maxmemory` is", "sites/common_site_config.json:2 cache_maxmemory", "fix: "],
        );
    }
    for value in ["0", "-5", "\"50MBs\"", "512"] {
        let bench = TestBench::existing("{}");
        bench.write("bench.toml", &format!("[redis_cache]\nmaxmemory = {value}\n"));
        refused(&bench, &["`redis_cache.maxmemory` is", "bench.toml:2 redis_cache.maxmemory", "fix: "]);
    }
}

#[test]
fn one_gigabyte_is_a_size_in_both_files() {
    let bench = TestBench::existing("{\"cache_maxmemory\": \"1gb\"}");
    assert_eq!(bench.run(&["config", "get", "redis_cache.maxmemory"]).success().stdout, "1gb\n");
    bench.write("bench.toml", "redis_cache.maxmemory = \"1gb\"");
    assert_eq!(bench.run(&["config", "get", "redis_cache.maxmemory"]).success().stdout, "1gb\n");
}

#[test]
fn numbers_that_are_none_are_refused_by_every_command() {
    for (key, value) in [
        ("background_workers", "\"four\""),
        ("gunicorn_workers", "\"3\""),
        ("workers", "[\"reports\"]"),
        ("redis_cache", "\"redis://127.0.0.1:99999\""),
        ("webserver_port", "99999"),
    ] {
        let bench = TestBench::existing(&format!("{{\n \"{key}\": {value}\n}}"));
        refused(&bench, &[&format!("sites/common_site_config.json:2 {key}"), "fix: "]);
    }
}

#[test]
fn two_servers_on_one_port_are_refused() {
    let bench = TestBench::existing(
        "{\"redis_cache\": \"redis://127.0.0.1:13000\",\n\"redis_queue\": \"redis://localhost:13000\"}",
    );
    refused(
        &bench,
        &["redis_cache and redis_queue both have the port 13000", "json:1 redis_cache", "json:2 redis_queue"],
    );
}

#[test]
fn a_socket_that_is_too_long_is_refused_with_its_length() {
    let path = format!("/run/{}.sock", "x".repeat(120));
    let bench = TestBench::existing(&format!("{{\"redis_cache\": \"unix://{path}\"}}"));
    refused(&bench, &[&format!("{} bytes", path.len()), "107"]);
    let bench = TestBench::existing("{}");
    bench.write("bench.toml", &format!("redis_cache.socket = \"{path}\"\n"));
    refused(&bench, &[&format!("{} bytes", path.len()), "107", "bench.toml:1 redis_cache.socket"]);
}

#[test]
fn a_line_break_is_refused_in_every_text_and_odd_signs_are_not() {
    const TEXTS: &[(&str, bool)] = &[
        ("bench.name", false),
        ("bench.user", false),
        ("redis_cache.url", false),
        ("redis_cache.bind", false),
        ("redis_cache.socket", true),
        ("redis_cache.binary", true),
        ("redis_cache.maxmemory_policy", false),
        ("redis_cache.extra.notify-keyspace-events", true),
        ("redis_queue.url", false),
        ("redis_queue.socket", true),
        ("programs.web.command", true),
        ("programs.web.stop_signal", false),
        ("programs.web.env.A", true),
        ("programs.web.ready", false),
    ];
    for (key, takes_anything) in TEXTS {
        let bench = TestBench::existing("{}");
        bench.write("bench.toml", &format!("{key} = \"a\\nport 1\"\n"));
        bench.run(&["config", "show"]).code(2).says(&format!("bench.toml:1 {key}"));
        if *takes_anything {
            let odd = "a % \\\" ' ; # $X";
            bench.write("bench.toml", &format!("{key} = \"{odd}\"\n"));
            let shown = bench.run(&["config", "get", key]).success().stdout;
            assert!(shown.contains("a % \" ' ; # $X"), "{key}: {shown}");
        }
    }
    for (key, legacy) in [("redis_cache", "redis_cache"), ("dontmanage_user", "dontmanage_user")] {
        let bench = TestBench::existing(&format!("{{\"{key}\": \"redis://127.0.0.1:1\\nsave 1 1\"}}"));
        bench.run(&["config", "show"]).code(2).says("line break").says(&format!("json:1 {legacy}"));
    }
}

#[test]
fn all_mistakes_of_all_places_are_told_at_once() {
    let mut bench = TestBench::existing("{\n \"gunicorn_workers\": \"3\"\n}");
    bench.write("bench.toml", "[redis_cache]\nmaxmemroy = \"1gb\"\nport = 0\n");
    bench.env("BENCH_SOCKETIO_PORT", "x");
    let output = bench.run(&["config", "show"]).code(2);
    assert_eq!(output.stderr.matches("error: ").count(), 4, "{}", output.stderr);
    output
        .says("did you mean `redis_cache.maxmemory`?")
        .says("bench.toml:3 redis_cache.port")
        .says("sites/common_site_config.json:2 gunicorn_workers")
        .says("$BENCH_SOCKETIO_PORT");
}

#[test]
fn what_is_no_bench_is_said_to_be_none() {
    let bench = TestBench::empty();
    for line in READERS {
        bench.run(line).code(2).says("not inside a bench").says("bench init");
    }
    assert!(std::fs::read_dir(bench.root()).expect("a folder").next().is_none(), "something was written");
}

#[test]
fn commands_work_from_below_and_from_elsewhere() {
    let bench = TestBench::existing("{\"webserver_port\": 8123}");
    std::fs::create_dir_all(bench.path("sites/a/b")).expect("a folder");
    let mut below = bench.command(&["config", "get", "web.port"]);
    below.current_dir(bench.path("sites/a/b"));
    assert_eq!(crate::support::run(below).success().stdout, "8123\n");
    let root = bench.root().to_str().expect("text");
    let mut elsewhere = bench.command(&["-C", root, "config", "get", "web.port"]);
    elsewhere.current_dir("/");
    assert_eq!(crate::support::run(elsewhere).success().stdout, "8123\n");
}
