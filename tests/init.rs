//! `bench init`, and the commands for sites.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::support::{Output, TestBench, run};

/// Runs `bench init` with these words, in the folder around the test's directory.
fn init(bench: &TestBench, words: &[&str]) -> Output {
    let mut command = bench.command(&[&["init"], words].concat());
    command.current_dir(bench.parent());
    run(command)
}

#[test]
fn a_new_bench_has_all_that_it_needs() {
    let bench = TestBench::empty();
    let output = init(&bench, &["develop-bench"]).success();
    assert!(
        output.stderr.contains("made the bench") && output.stderr.contains("bench start"),
        "{}",
        output.stderr
    );
    for below in ["apps", "config/pids", "logs", "sites", "env/bin"] {
        assert!(bench.path(below).is_dir(), "{below}");
    }
    let key = bench.read("config/cache.key");
    assert!(key.len() == 65 && key.ends_with('\n') && key.trim().bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(bench.path("config/cache.key").metadata().expect("a file").mode() & 0o777, 0o600);
    assert!(bench.read("bench.toml").contains("bench config show --origin"));
    assert!(bench.read("Procfile").contains("redis_cache: "));
    assert!(bench.read("config/redis_cache.conf").contains("\nmaxmemory "));
    let python =
        Command::new(bench.path("env/bin/python")).args(["-c", "print(6 * 7)"]).output().expect("python");
    assert_eq!(python.stdout, b"42\n");
    bench.run(&["config", "show"]).success();
    for what in ["config", "redis", "procfile"] {
        bench.run(&["setup", what, "--check"]).success();
    }
}

#[test]
fn a_second_init_loses_nothing_and_adds_what_is_missing() {
    let bench = TestBench::empty();
    init(&bench, &["develop-bench"]).success();
    bench.run(&["config", "set", "redis_cache.maxmemory", "64mb"]).success();
    bench.run(&["new-site", "shop.localhost"]).success();
    let files = [
        "bench.toml",
        "config/cache.key",
        "sites/common_site_config.json",
        "sites/shop.localhost/site_config.json",
    ];
    let before = files.map(|file| bench.read(file));
    std::fs::remove_dir_all(bench.path("logs")).expect("a folder");
    let output = init(&bench, &["develop-bench"]).success();
    assert!(output.stderr.contains("completed the bench"), "{}", output.stderr);
    assert_eq!(files.map(|file| bench.read(file)), before);
    assert!(bench.path("logs").is_dir());
}

#[test]
fn a_directory_with_something_else_in_it_is_refused() {
    let bench = TestBench::empty();
    bench.write("thesis.txt", "x");
    init(&bench, &["develop-bench"]).code(1).says("is not empty, and is no bench").says("thesis.txt");
    assert_eq!(std::fs::read_dir(bench.root()).expect("a folder").count(), 1);
    init(&bench, &["develop-bench/thesis.txt"]).code(1).says("thesis.txt");
    // A bench may be kept in git.
    let other = TestBench::empty();
    std::fs::create_dir(other.path(".git")).expect("a folder");
    init(&other, &["develop-bench"]).success();
}

#[test]
fn ports_that_are_taken_are_not_chosen() {
    let bench = TestBench::empty();
    // Whether or not 13000 was free, it is taken now.
    let _taken = TcpListener::bind(("127.0.0.1", 13000));
    init(&bench, &["develop-bench"]).success();
    let port = bench.run(&["config", "get", "redis_cache.port"]).success().stdout;
    let port: u16 = port.trim().parse().expect("a port");
    assert!(port > 13000, "{port}");
    assert!(bench.read("config/redis_cache.conf").contains(&format!("\nport {port}\n")));
}

#[test]
fn a_demonstration_has_two_sites_and_two_programs() {
    let bench = TestBench::empty();
    init(&bench, &["develop-bench", "--demo"]).success();
    assert_eq!(bench.run(&["sites"]).success().stdout, "site1.localhost\nsite2.localhost\n");
    let web = bench.run(&["config", "get", "programs.web.ready"]).success().stdout;
    let port = bench.run(&["config", "get", "web.port"]).success().stdout;
    assert_eq!(web, format!("{{ tcp = {} }}\n", port.trim()));
    bench.run(&["config", "get", "programs.worker.command"]).success();
    let before = bench.read("bench.toml");
    init(&bench, &["develop-bench", "--demo"]).success();
    assert_eq!(bench.read("bench.toml"), before);
}

#[test]
fn a_bench_can_be_made_anywhere() {
    let bench = TestBench::named("my bench, \"the second\"");
    let path = bench.root().to_str().expect("text");
    init(&bench, &[path]).success();
    assert_eq!(bench.run(&["config", "get", "bench.name"]).success().stdout, "my-bench---the-second-\n");
    init(&bench, &["far/away"]).success();
    assert!(bench.parent().join("far/away/bench.toml").is_file());
}

#[test]
fn sites_are_made_listed_and_chosen() {
    let bench = TestBench::existing("{}");
    bench.run(&["new-site", "b.localhost"]).success();
    bench.run(&["new-site", "a.localhost", "--db-name", "_4f"]).success();
    assert_eq!(bench.read("sites/a.localhost/site_config.json"), "{\n \"db_name\": \"_4f\"\n}");
    assert_eq!(bench.run(&["sites"]).success().stdout, "a.localhost\nb.localhost\n");
    assert_eq!(bench.run(&["sites", "--json"]).success().stdout, "[\"a.localhost\",\"b.localhost\"]\n");
    bench.run(&["use", "a.localhost"]).success();
    assert_eq!(bench.read("sites/currentsite.txt"), "a.localhost");
    bench
        .run(&["use", "c.localhost"])
        .code(2)
        .says("there is no site `c.localhost`")
        .says("`a.localhost`, `b.localhost`");
}

#[test]
fn sites_that_would_harm_others_are_refused() {
    let bench = TestBench::existing("{}");
    bench.run(&["new-site", "a.localhost"]).success();
    bench.run(&["new-site", "a.localhost"]).code(1).says("exists already");
    bench.run(&["new-site", "b.localhost", "--db-name", "a.localhost"]).code(1).says("share their cache");
    for name in ["../x", "A", "a b", "-x.", "assets", ""] {
        bench.run(&["new-site", "--", name]).code(2).says("fix: ");
    }
    bench.run(&["new-site", "c.localhost", "--db-name", ""]).code(2).says("can't begin keys");
    assert_eq!(bench.run(&["sites"]).success().stdout, "a.localhost\n");
}
