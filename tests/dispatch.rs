//! Commands of the framework go to the framework: words, streams and exit status as they are.

use std::io::Write;
use std::process::Stdio;

use crate::support::{TestBench, TestRedis, run};

/// What stands in for the framework's command line: it says what it was given, and ends with the status
/// that its last word names.
const FRAMEWORK: &str = r#"
import os, sys
print(repr(sys.argv[1:]))
print(os.getcwd())
print(sys.stdin.read(), end="")
print("to stderr", file=sys.stderr)
sys.exit(int(sys.argv[-1]) if sys.argv[2] == "end-with" else 0)
"#;

/// A bench with a framework in a real environment.
fn with_framework() -> TestBench {
    TestBench::with_framework("{}", FRAMEWORK)
}

#[test]
fn an_unknown_command_becomes_the_frameworks() {
    let bench = with_framework();
    for (line, words) in [
        (&["serve", "--port", "8000"][..], "['dontmanage', 'serve', '--port', '8000']"),
        (&["--site", "a b", "migrate"], "['dontmanage', '--site', 'a b', 'migrate']"),
        (
            &["worker", "--queue", "short,default", "--burst"],
            "['dontmanage', 'worker', '--queue', 'short,default', '--burst']",
        ),
        (&["-q", "socketio", "-q", ""], "['dontmanage', 'socketio', '-q', '']"),
        (&["new-site", "x"], "['dontmanage', 'new-site', 'x']"),
        (&["use", "x"], "['dontmanage', 'use', 'x']"),
        (&["--site", "all", "clear-cache"], "['dontmanage', '--site', 'all', 'clear-cache']"),
        (&["clear-cache"], "['dontmanage', 'clear-cache']"),
        (&["version"], "['dontmanage', 'version']"),
        (&["--verbose", "start"], "['dontmanage', '--verbose', 'start']"),
    ] {
        let output = bench.run(line).success();
        let cwd = bench.path("sites").canonicalize().expect("a folder");
        assert_eq!(output.stdout, format!("{words}\n{}\n", cwd.display()), "{line:?}");
        assert_eq!(output.stderr, "to stderr\n", "{line:?}");
    }
}

#[test]
fn its_exit_status_and_streams_are_its_own() {
    let bench = with_framework();
    for status in [0, 1, 7, 200] {
        bench.run(&["end-with", &status.to_string()]).code(status);
    }
    let mut child = bench
        .command(&["console"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("bench");
    child.stdin.take().expect("a pipe").write_all(b"typed").expect("a write");
    let output = child.wait_with_output().expect("an end");
    assert!(output.stdout.ends_with(b"typed"), "{output:?}");
}

#[test]
fn it_is_found_from_below_and_from_elsewhere() {
    let bench = with_framework();
    let mut below = bench.command(&["version"]);
    below.current_dir(bench.path("apps/dontmanage"));
    run(below).success();
    let root = bench.root().to_str().expect("text");
    let mut elsewhere = bench.command(&["-C", root, "version"]);
    elsewhere.current_dir("/");
    assert!(run(elsewhere).success().stdout.starts_with("['dontmanage', 'version']"));
}

#[test]
fn our_own_commands_stay_ours() {
    let bench = with_framework();
    assert_eq!(bench.run(&["sites"]).success().stdout, "");
    assert_eq!(bench.run(&["config", "get", "web.port"]).success().stdout, "8000\n");
    for flag in ["-v", "--version", "-V"] {
        assert!(bench.run(&[flag]).success().stdout.starts_with("bench "));
    }
    assert!(bench.run(&["--help"]).success().stdout.contains("start"));
}

#[test]
fn mistakes_in_the_settings_do_not_keep_the_framework_from_running() {
    let bench = with_framework();
    bench.write("bench.toml", "[web]\nworkers = \"two\"\n");
    let output = bench.run(&["version"]);
    if nix::unistd::Uid::effective().is_root() {
        // Root has to know as whom to run it.
        output.code(2).says("web.workers");
    } else {
        output.success();
    }
}

#[test]
fn a_framework_without_its_python_is_an_error_that_says_so() {
    let mut bench = TestBench::existing("{}");
    bench.env("BENCH_USER", "root");
    if !nix::unistd::Uid::effective().is_root() {
        bench.env("BENCH_USER", "nobody");
    }
    bench.write("apps/dontmanage/dontmanage/__init__.py", "__version__ = \"15.0.0\"\n");
    bench.run(&["migrate"]).code(1).says("env/bin/python").says("bench setup env");
}

#[test]
fn without_a_framework_an_unknown_command_names_the_nearest() {
    let bench = TestBench::existing("{}");
    bench.run(&["strat"]).code(2).says("unknown command `strat`").says("did you mean `bench start`?");
    bench.run(&["migrate"]).code(2).says("no framework is installed").says("bench --help");
    bench.run(&["--verbose"]).code(2).says("unknown option `--verbose`");
    bench.run(&["--site", "x", "migrate"]).code(2).says("unknown command `migrate`");
    bench.run(&["--site", "x", "start"]).code(2).says("`--site` does not go before `start`");
    let nowhere = TestBench::empty();
    nowhere.run(&["strat"]).code(2).says("did you mean `bench start`?");
    nowhere.run(&["migrate"]).code(2).says("not inside a bench");
}

#[test]
fn clear_cache_empties_exactly_that_site_where_no_framework_is() {
    let redis = TestRedis::start();
    let bench = TestBench::existing(&format!("{{\"redis_cache\": \"redis://127.0.0.1:{}\"}}", redis.port()));
    for site in ["a", "b", "c"] {
        bench.run(&["new-site", site]).success();
        bench.run(&["cache", "set", "--site", site, "key", "1"]).success();
    }
    let has = |site: &str| bench.run(&["cache", "get", "--site", site, "key"]).status.success();
    bench.run(&["--site", "a", "clear-cache"]).success();
    assert_eq!((has("a"), has("b"), has("c")), (false, true, true));
    bench.run(&["clear-cache"]).code(2).says("no site is named").says("`a`, `b`, `c`");
    bench.run(&["use", "b"]).success();
    bench.run(&["clear-cache"]).success();
    assert_eq!((has("b"), has("c")), (false, true));
    bench
        .run(&["--site=nosuch", "clear-cache"])
        .code(2)
        .says("there is no site `nosuch`")
        .says("`a`, `b`, `c`");
    bench.run(&["--site", "all", "clear-cache"]).success();
    assert!(!has("c"));
}

#[test]
fn clear_cache_says_that_redis_is_stopped() {
    let redis = TestRedis::start();
    let bench = TestBench::existing(&format!("{{\"redis_cache\": \"redis://127.0.0.1:{}\"}}", redis.port()));
    bench.run(&["new-site", "a"]).success();
    drop(redis);
    for site in ["a", "all"] {
        bench
            .run(&["--site", site, "clear-cache"])
            .code(5)
            .says("no redis-server listens")
            .says("bench start");
    }
}

#[test]
fn root_has_to_say_as_whom_the_framework_runs() {
    let mut bench = TestBench::existing("{}");
    bench.write("apps/dontmanage/dontmanage/__init__.py", "__version__ = \"15.0.0\"\n");
    if !nix::unistd::Uid::effective().is_root() {
        // Nobody else has to: whatever the settings say, it is done by who does it.
        bench.write("bench.toml", "bench.user = \"root\"\n");
        bench.run(&["setup", "config"]).success();
        return;
    }
    for line in [&["setup", "redis"][..], &["setup", "procfile"], &["start"], &["migrate"]] {
        bench.run(line).code(1).says("no user is set").says("bench config set bench.user NAME");
    }
    assert!(!bench.path("Procfile").exists());
    bench.env("BENCH_USER", "no-such-user");
    bench.run(&["setup", "redis"]).code(2).says("there is no user `no-such-user`").says("$BENCH_USER");
    bench.env("BENCH_USER", "root");
    bench.run(&["setup", "redis"]).success();
}

#[test]
fn root_becomes_the_benchs_user() {
    use std::os::unix::fs::{MetadataExt, chown};
    let mut bench = TestBench::existing("{}");
    if !nix::unistd::Uid::effective().is_root() {
        bench.run(&["setup", "config"]).success();
        let owner = bench.path("sites/common_site_config.json").metadata().expect("a file").uid();
        assert_eq!(owner, nix::unistd::getuid().as_raw());
        return;
    }
    let nobody = nix::unistd::User::from_name("nobody").expect("users").expect("the user nobody");
    let (uid, gid) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    for below in ["", "apps", "sites", "sites/common_site_config.json", "config", "config/pids", "logs"] {
        chown(bench.path(below), Some(uid), Some(gid)).expect("a new owner");
    }
    chown(bench.parent(), Some(uid), Some(gid)).expect("a new owner");
    bench.run(&["setup", "config"]).code(1).says("belongs to `nobody`").says("sudo -u nobody");
    bench.env("BENCH_USER", "nobody");
    bench.run(&["setup", "config"]).success();
    let file = bench.path("sites/common_site_config.json").metadata().expect("a file");
    assert_eq!((file.uid(), file.gid()), (uid, gid));
    assert!(bench.read("sites/common_site_config.json").contains("\"dontmanage_user\": \"nobody\""));
    let whoami = bench.run(&["setup", "config", "--check"]).success();
    assert_eq!(whoami.stderr, "");
}
