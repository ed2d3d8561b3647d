//! `bench cache get`, `set`, `delete`, `keys`, `ttl`, `stats`

use std::process::Command;

use serde_json::Value;

use crate::support::{TestBench, TestRedis, on_terminal, until};

/// A bench of two sites, `one` (its database is `_abc`) and `two`, and its cache.
fn bench() -> (TestRedis, TestBench) {
    let redis = TestRedis::start();
    let bench = TestBench::existing(&format!("{{\"redis_cache\": \"{}\"}}", redis.url()));
    bench.write("sites/one/site_config.json", "{\"db_name\": \"_abc\"}");
    bench.write("sites/two/site_config.json", "{}");
    (redis, bench)
}

/// The same with a signing key.
fn signing_bench() -> (TestRedis, TestBench) {
    let (redis, bench) = bench();
    bench.write("config/cache.key", &format!("{}\n", "5a".repeat(32)));
    (redis, bench)
}

/// What a program of Python prints, given bytes.
fn python(program: &str, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("python3");
    command.args(["-c", &format!("import datetime, pickle, sys\n{program}")]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("python3");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), input).expect("a reading program");
    let output = child.wait_with_output().expect("python3 to end");
    assert!(output.status.success(), "{program}");
    output.stdout
}

fn pickled(expression: &str, protocol: u32) -> Vec<u8> {
    python(&format!("sys.stdout.buffer.write(pickle.dumps({expression}, protocol={protocol}))"), b"")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_python_pickled_is_shown_as_python_shows_it() {
    let (redis, bench) = bench();
    // Each value by its old and its new protocols, as `[shown, pickle, pickle, …]`.
    let program = r"import json
d = datetime
values = [None, True, -12345678901234567890123, 1.5e300, 'ö\'\n', b'\x00ab', [1, [2, ()], (3,)],
    {'a': 1, 2: None, (1, 'x'): {'deep': [True]}}, {7}, d.datetime(2026, 11, 23, 2, 53, 52, 7),
    d.timedelta(days=1, seconds=5)]
print(json.dumps([[repr(v)] + [list(pickle.dumps(v, protocol=p)) for p in (2, 4, 5)] for v in values]))";
    let values: Vec<Vec<Value>> = serde_json::from_slice(&python(program, b"")).expect("a list of lists");
    for value in values {
        let shown = value[0].as_str().expect("a text");
        for pickle in &value[1..] {
            let pickle: Vec<u8> = serde_json::from_value(pickle.clone()).expect("bytes");
            redis.cli_with(&["SET", "_abc|k"], &pickle);
            let output = bench.run(&["cache", "get", "k", "--site", "one"]).success();
            assert_eq!(output.stdout.trim_end(), shown, "{pickle:?}");
        }
    }
}

#[test]
fn what_is_set_here_is_what_python_unpickles() {
    let (redis, bench) = bench();
    let unpickle = "print(repr(pickle.loads(sys.stdin.buffer.read())))";
    for (value, flags, shown) in [
        ("a text", &[][..], "'a text'"),
        ("42", &[], "'42'"),
        ("-1", &[], "'-1'"),
        ("42", &["--json"], "42"),
        ("null", &["--json"], "None"),
        ("123456789012345678901234567890", &["--json"], "123456789012345678901234567890"),
        ("{\"b\": [1.5, true], \"a\": {\"c\": \"ö\"}}", &["--json"], "{'b': [1.5, True], 'a': {'c': 'ö'}}"),
    ] {
        let args = [&["cache", "set", "k", value, "--site", "one"][..], flags].concat();
        let output = bench.run(&args).success();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
        let stored = redis.cli_bytes(&["GET", "_abc|k"], b"");
        assert_eq!(
            String::from_utf8_lossy(&python(unpickle, &stored)).trim_end(),
            shown,
            "{value} {flags:?}"
        );
    }
    bench.run(&["cache", "set", "--site", "one", "k", "--json", "--", "-7"]).success();
    assert_eq!(bench.run(&["cache", "get", "k", "--site", "one"]).success().stdout, "-7\n");
    bench.run(&["cache", "set", "k", "{'a': 1}", "--json", "--site", "one"]).code(2).says("no JSON");
}

#[test]
fn values_are_printed_as_json_where_asked() {
    let (redis, bench) = bench();
    redis.cli_with(&["SET", "_abc|k"], &pickled("{'at': datetime.date(2026, 11, 23), 'of': (1, 2**70)}", 5));
    let output = bench.run(&["cache", "get", "k", "--site", "one", "--json"]).success();
    assert_eq!(output.stdout, "{\"at\":\"2026-11-23\",\"of\":[1,1180591620717411303424]}\n");
}

#[test]
fn sites_and_users_have_keys_of_their_own() {
    let (redis, bench) = bench();
    bench.run(&["cache", "set", "k", "of the site", "--site", "one"]).success();
    bench.run(&["cache", "set", "k", "of ann", "--site", "one", "--user", "ann@x.co"]).success();
    let mut keys: Vec<_> = redis.cli(&["KEYS", "*"]).lines().map(str::to_owned).collect();
    keys.sort();
    assert_eq!(keys, ["_abc|k", "_abc|user:ann@x.co:k"]);
    let get = |args: &[&str]| bench.run(&[&["cache", "get", "k", "--site"][..], args].concat());
    assert_eq!(get(&["one"]).success().stdout, "'of the site'\n");
    assert_eq!(get(&["one", "--user", "ann@x.co"]).success().stdout, "'of ann'\n");
    let missing = get(&["two"]).code(1).says("there is no `k` in the cache of site `two`");
    assert_eq!(missing.stdout, "");
    get(&["onne"]).code(2).says("did you mean `one`?");
}

#[test]
fn a_lifetime_is_kept_shown_and_ends() {
    let (redis, bench) = bench();
    bench.run(&["cache", "set", "k", "x", "--site", "one", "--ttl", "2h"]).success();
    let left: u64 = redis.cli(&["TTL", "_abc|k"]).parse().expect("a number");
    assert!((7100..=7200).contains(&left), "{left}");
    let shown = bench.run(&["cache", "ttl", "k", "--site", "one"]).success().stdout;
    assert!(shown.starts_with("2h") || shown.starts_with("1h 59m"), "{shown}");
    let left = json(&bench.run(&["cache", "ttl", "k", "--site", "one", "--json"]).success().stdout);
    assert!(left["ttl_s"].as_f64().is_some_and(|left| left > 7100.0 && left <= 7200.0), "{left}");

    bench.run(&["cache", "set", "k", "x", "--site", "one"]).success();
    assert_eq!(bench.run(&["cache", "ttl", "k", "--site", "one"]).success().stdout, "no limit\n");
    bench.run(&["cache", "set", "short", "x", "--site", "one", "--ttl", "1s"]).success();
    until("its time is over", || (redis.cli(&["EXISTS", "_abc|short"]) == "0").then_some(()));
    bench.run(&["cache", "ttl", "short", "--site", "one"]).code(1).says("there is no `short`");
    for ttl in ["0s", "10", "-5s", "soon"] {
        bench
            .run(&["cache", "set", "k", "x", "--site", "one", &format!("--ttl={ttl}")])
            .code(2)
            .says("--ttl");
    }
}

#[test]
fn hashes_are_read_whole_and_by_field() {
    let (redis, bench) = bench();
    redis.cli_with(&["HSET", "_abc|h", "roles"], &pickled("['a', 'b']", 5));
    bench.run(&["cache", "set", "h", "{\"x\": 1}", "--json", "--field", "meta", "--site", "one"]).success();
    let get = |args: &[&str]| bench.run(&[&["cache", "get", "h", "--site", "one"][..], args].concat());
    assert_eq!(get(&["--field", "roles"]).success().stdout, "['a', 'b']\n");
    assert_eq!(json(&get(&["--json"]).success().stdout)["meta"]["x"], 1);
    get(&["--field", "none"]).code(1).says("there is no field `none` of `h` in the cache of site `one`");
    redis.cli(&["HSET", "_abc|h", "odd", "no pickle"]);
    let output = get(&[]).success().says("field `odd` is left out");
    assert!(
        output.stdout.contains("'roles': ['a', 'b']") && !output.stdout.contains("odd"),
        "{}",
        output.stdout
    );
    // A value by the name of a hash, and the other way round, is said to be of the wrong kind.
    bench.run(&["cache", "set", "v", "x", "--site", "one"]).success();
    bench.run(&["cache", "get", "v", "--field", "f", "--site", "one"]).code(1).says("WRONGTYPE");
}

#[test]
fn lists_and_sets_are_shown_and_other_kinds_named() {
    let (redis, bench) = bench();
    redis.cli(&["RPUSH", "_abc|l", "a", "1"]);
    redis.cli(&["SADD", "_abc|s", "a"]);
    redis.cli(&["ZADD", "_abc|z", "1", "a"]);
    let get = |key| bench.run(&["cache", "get", key, "--site", "one"]);
    assert_eq!(get("l").success().stdout, "[b'a', b'1']\n");
    assert_eq!(get("s").success().stdout, "[b'a']\n");
    get("z").code(1).says("`z` is a zset");
}

#[test]
fn a_signed_value_is_read_only_where_it_was_put() {
    let (redis, bench) = signing_bench();
    bench.run(&["cache", "set", "k", "signed", "--site", "one"]).success();
    let get = |key, site| bench.run(&["cache", "get", key, "--site", site]);
    assert_eq!(get("k", "one").success().stdout, "'signed'\n");

    let stored = redis.cli_bytes(&["GET", "_abc|k"], b"");
    assert_eq!(stored[0], 0xdc);
    redis.cli_with(&["SET", "_abc|moved"], &stored);
    redis.cli_with(&["SET", "two|k"], &stored);
    get("moved", "one").code(1).says("its signature is not right for this key");
    get("k", "two").code(1).says("its signature is not right for this key");
    redis.cli_with(&["SET", "_abc|bare"], &pickled("1", 5));
    get("bare", "one").code(1).says("it is not signed").says("`bench cache delete bare --site one`");

    bench.write("config/cache.key", &format!("{}\n", "5b".repeat(32)));
    get("k", "one").code(1).says("its signature is not right for this key");
    std::fs::remove_file(bench.path("config/cache.key")).expect("a removed file");
    get("k", "one").code(1).says("there is no key to check it with");
    assert_eq!(get("bare", "one").success().stdout, "1\n");
}

#[test]
fn a_bench_that_does_not_sign_leaves_its_key_alone() {
    let (redis, bench) = signing_bench();
    bench.write("bench.toml", "[redis_cache]\nsign = false\n");
    bench.run(&["cache", "set", "k", "x", "--site", "one"]).success();
    assert_eq!(redis.cli_bytes(&["GET", "_abc|k"], b"")[0], 0x80, "a bare pickle");
}

#[test]
fn a_signing_key_that_is_none_is_an_error_that_does_not_show_it() {
    let (_redis, bench) = signing_bench();
    bench.write("config/cache.key", "s3cret\n");
    let output = bench.run(&["cache", "get", "k", "--site", "one"]).code(2).says("holds no signing key");
    assert!(
        output.stderr.contains("config/cache.key") && !output.stderr.contains("s3cret"),
        "{}",
        output.stderr
    );

    std::fs::remove_file(bench.path("config/cache.key")).expect("a removed file");
    std::os::unix::fs::symlink("not-mounted", bench.path("config/cache.key")).expect("a link");
    bench.run(&["cache", "set", "k", "1", "--site", "one"]).code(2).says("what it points at is not there");
}

#[test]
fn a_pickle_that_would_run_code_is_named_and_never_run() {
    let (redis, bench) = bench();
    let marker = bench.path("ran");
    let program = format!(
        "import os\nclass Evil:\n    def __reduce__(self): return os.system, ('touch {}',)\n\
         sys.stdout.buffer.write(pickle.dumps(Evil()))",
        marker.display()
    );
    redis.cli_with(&["SET", "_abc|k"], &python(&program, b""));
    bench.run(&["cache", "get", "k", "--site", "one"]).code(1).says("the value of `k` is no plain data");
    assert!(!marker.exists());
    for (what, bytes) in
        [("cut off", &pickled("[1, 2, 3]", 5)[..8]), ("text", b"hello"), ("depth", &b"(".repeat(400_000))]
    {
        redis.cli_with(&["SET", "_abc|k"], bytes);
        let output = bench.run(&["cache", "get", "k", "--site", "one"]).code(1).says("is no plain data");
        assert_eq!(output.stdout, "", "{what}");
    }
}

#[test]
fn keys_are_listed_in_order_without_the_prefix() {
    let (redis, bench) = bench();
    for key in ["_abc|b", "_abc|a2", "_abc|a1", "_abc|a*x", "two|z", "shared", "_abcd|q"] {
        redis.cli(&["SET", key, "x"]);
    }
    let list = |args: &[&str]| bench.run(&[&["cache", "keys", "--site", "one"][..], args].concat()).success();
    assert_eq!(list(&[]).stdout, "a*x\na1\na2\nb\n");
    assert_eq!(list(&["a"]).stdout, "a*x\na1\na2\n");
    assert_eq!(list(&["a[12]"]).stdout, "");
    let some = list(&["-n", "1"]);
    assert_eq!((some.stdout.as_str(), some.stderr.as_str()), ("a*x\n", "3 more keys are not shown\n"));
    let all = json(&list(&["--json", "-n", "2"]).stdout);
    assert_eq!((all["keys"][1].as_str(), all["total"].as_u64()), (Some("a1"), Some(4)));
}

#[test]
fn a_key_tells_a_terminal_nothing_and_a_pipe_everything() {
    let (redis, bench) = bench();
    redis.cli_with(&["EVAL", "redis.call('SET', '_abc|' .. ARGV[1], 'x')", "0"], b"\x1b[2J\xff");
    let args = ["cache", "keys", "--site", "one"];
    let (status, shown) = on_terminal(bench.command(&args), "", "");
    assert_eq!((status, shown.trim_end()), (Some(0), "\\u{1b}[2J\\xff"));
    let output = bench.command(&args).output().expect("a run");
    assert_eq!(output.stdout, b"\x1b[2J\xff\n");
}

#[test]
fn deleting_counts_what_was_there() {
    let (redis, bench) = bench();
    for key in ["_abc|a", "_abc|ab", "two|a", "a"] {
        redis.cli(&["SET", key, "x"]);
    }
    let output = bench.run(&["cache", "delete", "a", "none", "a*", "--site", "one"]).success();
    assert_eq!(output.stdout, "removed 1 of 3 keys\n");
    assert_eq!(redis.cli(&["EXISTS", "_abc|a", "_abc|ab", "two|a", "a"]), "3");
}

#[test]
fn statistics_tell_the_server_and_the_sites_biggest_keys() {
    let (redis, bench) = bench();
    bench.run(&["cache", "set", "small", "x", "--site", "one"]).success();
    bench.run(&["cache", "set", "big", &"x".repeat(100_000), "--site", "one"]).success();
    bench.run(&["cache", "set", "other", "x", "--site", "two"]).success();
    bench.run(&["cache", "get", "small", "--site", "one"]).success();
    bench.run(&["cache", "get", "none", "--site", "one"]).code(1);

    let output = bench.run(&["cache", "stats", "--site", "one"]).success();
    for part in [&format!("pid {}", redis.pid()), "keys begin with `_abc|`", "keys      2\n", "hit rate "] {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    let stats = json(&bench.run(&["cache", "stats", "--site", "one", "--json"]).success().stdout);
    assert_eq!(stats["process_id"], redis.pid());
    assert!(stats["hits"].as_u64() >= Some(1), "{stats}");
    assert_eq!(stats["site"]["keys"], 2);
    assert_eq!(stats["site"]["biggest"][0]["key"], "big");
    let (bytes, biggest) = (&stats["site"]["bytes"], &stats["site"]["biggest"][0]["bytes"]);
    assert!(biggest.as_u64() > Some(100_000) && bytes.as_u64() > biggest.as_u64(), "{stats}");
    let alone = json(&bench.run(&["cache", "stats", "--json"]).success().stdout);
    assert!(alone.get("site").is_none(), "{alone}");
}

#[test]
fn memory_of_many_keys_is_judged_by_a_part_of_them() {
    let (redis, bench) = bench();
    redis.cli(&[
        "EVAL",
        "for i = 1, 150000 do redis.call('SET', '_abc|' .. i, string.rep('x', 100)) end",
        "0",
    ]);
    let stats = json(&bench.run(&["cache", "stats", "--site", "one", "--json"]).success().stdout);
    let site = &stats["site"];
    assert_eq!(site["keys"], 150_000);
    assert!(
        site["keys_measured"].as_u64().is_some_and(|measured| (50_000..=100_000).contains(&measured)),
        "{site}"
    );
    // Each takes 100 bytes and its overhead.
    assert!(site["bytes"].as_u64().is_some_and(|bytes| (15_000_000..60_000_000).contains(&bytes)), "{site}");
}

#[test]
fn a_cache_that_is_away_is_unhealthy_for_every_command() {
    let (mut redis, bench) = bench();
    redis.kill();
    for command in [
        &["get", "k", "--site", "one"][..],
        &["set", "k", "x", "--site", "one"],
        &["delete", "k", "--site", "one"],
        &["keys", "--site", "one"],
        &["ttl", "k", "--site", "one"],
        &["stats"],
        &["stats", "--site", "one"],
    ] {
        let output = bench.run(&[&["cache"], command].concat()).code(5).says("no redis-server listens");
        assert!(output.stderr.contains("`bench start`"), "{}", output.stderr);
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn a_full_cache_that_evicts_nothing_says_so() {
    let (redis, bench) = bench();
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    bench.run(&["cache", "set", "k", "x", "--site", "one"]).code(5).says("OOM");
}

#[test]
fn a_reader_that_goes_away_ends_the_list_quietly() {
    let (redis, bench) = bench();
    redis.cli(&["EVAL", "for i = 1, 50000 do redis.call('SET', '_abc|' .. i, 'x') end", "0"]);
    let mut child = bench
        .command(&["cache", "keys", "--site", "one"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("a run");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    let (_redis, bench) = bench();
    let mut command = bench.command(&["cache", "stats"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full"));
    let output = command.output().expect("a run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write to stdout: no space left on device"), "{said}");
}
