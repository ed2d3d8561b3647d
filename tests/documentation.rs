//! The examples of the documentation, run by workers that `bench start` has started.

use serde_json::{Value, json};

use crate::support::{Running, SITES, TestBench, until};

/// A bench with two sites, whose worker runs the examples when it is started.
fn bench() -> TestBench {
    let programs: String = ["one", "two"]
        .map(|name| format!("{name}: env/bin/python worker.py {name}.test {name}.json\n"))
        .concat();
    let bench = TestBench::with_redis(&programs);
    for (site, name) in SITES.into_iter().zip(["_1f", "_2e"]) {
        bench.write(&format!("sites/{site}/site_config.json"), &format!("{{\"db_name\": \"{name}\"}}"));
    }
    bench.write("worker.py", include_str!("documentation/worker.py"));
    // A busy machine is to cost time only.
    let patience = "[redis_cache]\ntimeout = \"30s\"\nconnect_timeout = \"30s\"\n";
    let once = "[programs.one]\nrestart = \"never\"\n[programs.two]\nrestart = \"never\"\n";
    bench.write("bench.toml", &[patience, once].concat());
    bench.run(&["setup", "env"]).success();
    bench
}

/// What came of the examples in the worker of a site.
#[track_caller]
fn outcomes(running: &Running<'_>, bench: &TestBench, worker: &str) -> Value {
    let report = bench.path(&format!("{worker}.json"));
    until("the worker has run the examples", || {
        let said = running.stdout();
        assert!(!said.contains("Traceback"), "{said}");
        serde_json::from_str(&std::fs::read_to_string(&report).ok()?).ok()
    })
}

/// What the first worker finds where nobody was before.
#[track_caller]
fn assert_as_documented(said: &Value, site: &str, prefix: &str) {
    assert_eq!(said["strings"], "value");
    assert_eq!(said["strings_of_older_versions"], json!(["value", true]));
    let admin = json!({"name": "Admin", "email": "admin@example.com"});
    assert_eq!(said["hashes"], json!(["Admin", admin, admin]));
    let custom = json!({"answers": [42, 42, 42, 42], "slept": [1, 1]});
    assert_eq!(said["a_custom_cache"], custom, "40 + 2 and 2 + 40 are each computed once");
    assert_eq!(said["a_lifetime"], 2);
    assert_eq!(said["clearing_by_hand"], json!([null, null, null, null]));
    let decorated = json!({"answers": [42, 42, 42, 42], "slept": [1], "slept when cleared": [1, 1]});
    assert_eq!(said["the_decorator"], decorated);
    let with_ttl = &said["the_decorator_with_a_lifetime"];
    assert_eq!((&with_ttl[0], &with_ttl[1], &with_ttl[2]), (&json!(42), &json!(42), &json!([1])));
    assert_eq!(said["complex_types"], true);
    assert_eq!(said["tenants"], json!([format!("{prefix}|mine"), site]));
    assert_eq!(said["the_local_copy"], json!([1, 1, true, null]));
    assert_eq!(said["the_wrapper"], json!([true, 1, true]));
}

#[test]
fn every_example_comes_true_in_a_worker_that_bench_starts() {
    let bench = bench();
    let mut running = bench.start(&[]);
    // Two sites at once: what one has computed is not there for the other.
    let said = ["one", "two"].map(|worker| outcomes(&running, &bench, worker));
    for ((said, site), prefix) in said.iter().zip(SITES).zip(["_1f", "_2e"]) {
        assert_as_documented(said, site, prefix);
        let get = |key: &str| bench.run(&["cache", "get", "--site", site, key]).success().stdout;
        assert_eq!(get("key"), "'value'\n");
        assert_eq!(get("slow_addition|40+2"), "42\n");
        let ttl = bench.run(&["cache", "ttl", "--site", site, "slow_addition|1+1"]).success().stdout;
        assert!(ttl.starts_with("59m") || ttl.starts_with("1h"), "{ttl}");
    }
    running.interrupt();
}

#[test]
fn a_worker_that_is_started_again_finds_what_it_had_computed() {
    let bench = bench();
    let mut running = bench.start(&["one"]);
    let first = outcomes(&running, &bench, "one");
    std::fs::remove_file(bench.path("one.json")).expect("a file");
    bench.run(&["restart", "one"]).success();
    let second = outcomes(&running, &bench, "one");
    assert_ne!(first["pid"], second["pid"]);
    assert_eq!(second["a_custom_cache"], json!({"answers": [42, 42, 42, 42], "slept": []}));
    assert_eq!(second["the_decorator"]["slept"], json!([]));
    let (before, now) = (&first["the_decorator_with_a_lifetime"], &second["the_decorator_with_a_lifetime"]);
    assert_eq!((&now[2], &now[3]), (&json!([]), &before[3]), "the key is the same in every process");
    running.interrupt();
}
