//! What the settings say about the use of the cache is what Python workers do: those that `bench` starts, and
//! those that somebody else starts in the bench. `bench cache` and they read each other's values.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Running, TestBench, run};

const SITE: &str = "one.test";

/// Reads what `bench cache set` has put there, and leaves something for `bench cache get`.
const WORKER: &str = "
import dontmanage, json
from dontmanage_cache._core import current
dontmanage.init('one.test')
server = current().server
dontmanage.cache.set_value('of the worker', {'a': [1, (2, None)]})
dontmanage.cache.hset('hash', 'field', 'of the worker')
text = dontmanage.cache.get_value('large, of bench')
dontmanage.cache.set_value('large, of the worker', text)
print(json.dumps({'signed': server.signed, 'compress': server.compress_above, 'large': text, 'connect': server.connect_timeout, 'reply': server.reply_timeout,
                  'value': dontmanage.cache.get_value('of bench')}))
";

/// A bench without framework, with the library in its environment.
fn bench() -> TestBench {
    let bench = TestBench::with_redis("");
    bench.write(&format!("sites/{SITE}/site_config.json"), r#"{"db_name": "_1f"}"#);
    bench.write("worker.py", WORKER);
    bench.run(&["setup", "env"]).success();
    bench
}

/// The same, whose workers are patient: the machine may be busy.
fn patient() -> TestBench {
    let bench = bench();
    for name in ["redis_cache_timeout", "redis_cache_connect_timeout"] {
        bench.run(&["config", "set-common-config", "-c", name, "30"]).success();
    }
    bench
}

/// Its redis runs.
fn started(bench: &TestBench) -> Running<'_> {
    let running = bench.start(&[]);
    running.is("redis_cache", "ready");
    running
}

/// The worker, by `bench run`: in the environment that programs of `bench start` have.
#[track_caller]
fn by_bench(bench: &TestBench) -> Value {
    let said = bench.run(&["run", "env/bin/python", "worker.py"]).success();
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

/// The worker, by somebody who knows nothing of bench: what it knows stands in `common_site_config.json`.
#[track_caller]
fn by_itself(bench: &TestBench) -> Value {
    let mut command = Command::new(bench.path("env/bin/python"));
    command.arg("worker.py").current_dir(bench.root()).env_clear();
    let said = run(command).success();
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

/// Both read each other's values, and sign or not.
#[track_caller]
fn assert_agreed(bench: &TestBench, worker: fn(&TestBench) -> Value, signed: bool) -> Value {
    let set = ["cache", "set", "--site", SITE, "--json", "of bench", "[1, 2]"];
    bench.run(&set).success();
    let said = worker(bench);
    assert_eq!((&said["signed"], &said["value"]), (&json!(signed), &json!([1, 2])), "{said}");
    let get =
        |words: &[&str]| bench.run(&[&["cache", "get", "--site", SITE, "--json"], words].concat()).success();
    assert_eq!(get(&["of the worker"]).stdout.replace(char::is_whitespace, ""), r#"{"a":[1,[2,null]]}"#);
    assert_eq!(get(&["hash", "--field", "field"]).stdout.trim(), r#""of the worker""#);
    // Not only do they agree: an unsigned value is a bare pickle.
    for key in ["_1f|of the worker", "_1f|of bench"] {
        let mut ask = Command::new("redis-cli");
        ask.arg("-s").arg(bench.path("config/redis_cache.sock")).args(["GET", key]);
        let raw = ask.output().expect("redis-cli").stdout;
        assert_eq!(raw.starts_with(b"\x80"), !signed, "{key}: {raw:?}");
    }
    said
}

#[test]
fn signing_is_switched_for_bench_and_its_workers_together() {
    let bench = patient();
    let _running = started(&bench);
    for worker in [by_bench as fn(&TestBench) -> Value, by_itself] {
        assert_agreed(&bench, worker, true);
        bench.run(&["config", "set", "redis_cache.sign", "false"]).success();
        // What was signed is a miss for one who does not sign, and no error.
        assert_eq!(worker(&bench)["value"], Value::Null);
        assert_agreed(&bench, worker, false);
        bench.run(&["config", "set", "redis_cache.sign", "true"]).success();
        assert_eq!(worker(&bench)["value"], Value::Null, "what is not signed is not read");
        assert_agreed(&bench, worker, true);
    }
}

#[test]
fn signing_is_switched_by_the_workers_own_file_too() {
    let bench = patient();
    let _running = started(&bench);
    bench.run(&["config", "set-common-config", "-c", "redis_cache_sign", "false"]).success();
    assert_agreed(&bench, by_bench, false);
    assert_agreed(&bench, by_itself, false);
    assert!(bench.run(&["config", "show"]).success().stdout.contains("redis_cache.sign = false"));
    // What bench.toml says goes over it, and is written back.
    bench.write("bench.toml", "[redis_cache]\nsign = true\n");
    assert_agreed(&bench, by_bench, true);
    bench.run(&["setup", "redis"]).success();
    assert_agreed(&bench, by_itself, true);
}

#[test]
fn a_variable_of_the_moment_reaches_the_workers_and_stays_out_of_the_files() {
    let mut bench = patient();
    let before = bench.read("sites/common_site_config.json");
    bench.env("BENCH_REDIS_CACHE_SIGN", "false").env("BENCH_REDIS_CACHE_TIMEOUT", "29s");
    let _running = started(&bench);
    assert_eq!(assert_agreed(&bench, by_bench, false)["reply"], 29.0);
    assert_eq!(bench.read("sites/common_site_config.json"), before);
}

#[test]
fn deadlines_reach_the_workers() {
    let bench = bench();
    let _running = started(&bench);
    for worker in [by_bench as fn(&TestBench) -> Value, by_itself] {
        let said = worker(&bench);
        assert_eq!((&said["connect"], &said["reply"]), (&json!(0.2), &json!(0.2)));
    }
    bench.run(&["config", "set", "redis_cache.timeout", "750ms"]).success();
    bench.run(&["config", "set-common-config", "-c", "redis_cache_connect_timeout", "1.5"]).success();
    for worker in [by_bench as fn(&TestBench) -> Value, by_itself] {
        let said = worker(&bench);
        assert_eq!((&said["connect"], &said["reply"]), (&json!(1.5), &json!(0.75)));
    }
    let shown = bench.run(&["config", "show"]).success().stdout;
    assert!(shown.contains("redis_cache.timeout = \"750ms\""), "{shown}");
    assert!(shown.contains("redis_cache.connect_timeout = \"1s 500ms\""), "{shown}");
    for wrong in ["0s", "2m", "soon"] {
        bench.run(&["config", "set", "redis_cache.timeout", wrong]).code(2).says("redis_cache.timeout");
    }
}

#[test]
fn compression_reaches_the_workers_and_everybody_reads_what_is_compressed() {
    let bench = bench();
    let _running = started(&bench);
    let large = "large ".repeat(2000);
    let stored = |key: &str| {
        let mut ask = Command::new("redis-cli");
        ask.arg("-s").arg(bench.path("config/redis_cache.sock")).args(["--raw", "STRLEN", key]);
        let said = ask.output().expect("redis-cli").stdout;
        String::from_utf8_lossy(&said).trim().parse::<usize>().expect("a length")
    };
    let exchange = |worker: fn(&TestBench) -> Value, compress: &Value| {
        bench.run(&["cache", "set", "--site", SITE, "large, of bench", &large]).success();
        let said = worker(&bench);
        assert_eq!((&said["compress"], &said["large"]), (compress, &json!(large)));
        let get = ["cache", "get", "--site", SITE, "--json", "large, of the worker"];
        let got: Value = serde_json::from_str(&bench.run(&get).success().stdout).expect("JSON");
        assert_eq!(got, json!(large));
        for key in ["_1f|large, of bench", "_1f|large, of the worker"] {
            assert_eq!(stored(key) < 1000, !compress.is_null(), "{key}: {} bytes", stored(key));
        }
    };
    for worker in [by_bench as fn(&TestBench) -> Value, by_itself] {
        exchange(worker, &Value::Null);
        bench.run(&["config", "set", "redis_cache.compress_above", "4kb"]).success();
        exchange(worker, &json!(4096));
        bench.run(&["config", "unset", "redis_cache.compress_above"]).success();
        bench.run(&["config", "set-common-config", "-c", "redis_cache_compress_above", "0"]).success();
    }
    bench.run(&["config", "set-common-config", "-c", "redis_cache_compress_above", "8192"]).success();
    exchange(by_bench, &json!(8192));
    exchange(by_itself, &json!(8192));
    let shown = bench.run(&["config", "show"]).success().stdout;
    assert!(shown.contains("redis_cache.compress_above = \"8kb\""), "{shown}");
    for wrong in ["-1", "0b", "much"] {
        bench
            .run(&["config", "set", "redis_cache.compress_above", wrong])
            .code(2)
            .says("redis_cache.compress_above");
    }
}

#[test]
fn a_worker_of_another_bench_does_not_lead_this_ones_framework_astray() {
    let mut bench = TestBench::with_framework(
        "{}",
        "import os; print(sorted(name for name in os.environ if name.startswith(('DONTMANAGE', 'BENCH_DIR'))))",
    );
    let leading = ["DONTMANAGE_REDIS_CACHE", "DONTMANAGE_REDIS_CACHE_SIGN", "DONTMANAGE_WORKER_LIBRARY"];
    for name in leading {
        bench.env(name, "0");
    }
    let root = bench.root().display().to_string();
    bench.env("BENCH_DIR", &root);
    let own = bench.run(&["version"]).success().stdout;
    assert_eq!(own.trim(), "['BENCH_DIR', 'DONTMANAGE_REDIS_CACHE', 'DONTMANAGE_REDIS_CACHE_SIGN']");
    bench.env("BENCH_DIR", "/of/another");
    assert_eq!(bench.run(&["version"]).success().stdout.trim(), "[]");
}
