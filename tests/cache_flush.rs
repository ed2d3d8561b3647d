//! `bench cache flush`

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{TestBench, TestRedis, on_terminal, until};

/// A bench of these sites (name and database; none has the site's name), and its cache.
fn bench(sites: &[(&str, Option<&str>)]) -> (TestRedis, TestBench) {
    let redis = TestRedis::start();
    let bench = TestBench::existing(&format!("{{\"redis_cache\": \"{}\"}}", redis.url()));
    for (name, database) in sites {
        let config = database.map_or("{}".to_owned(), |database| format!("{{\"db_name\": \"{database}\"}}"));
        bench.write(&format!("sites/{name}/site_config.json"), &config);
    }
    (redis, bench)
}

fn set(redis: &TestRedis, keys: &[&str]) {
    for key in keys {
        redis.cli(&["SET", key, "x"]);
    }
}

/// All keys, in order.
fn keys(redis: &TestRedis) -> Vec<String> {
    let mut keys: Vec<_> = redis.cli(&["KEYS", "*"]).lines().map(str::to_owned).collect();
    keys.sort();
    keys
}

#[test]
fn sites_whose_names_are_patterns_never_touch_each_others_keys() {
    let names = ["a", "ab", "a*", "[x]", "x", "a?", "?", "*"];
    let sites: Vec<_> = names.iter().map(|name| (*name, None)).collect();
    let (redis, bench) = bench(&sites);
    let every = ["a|k", "ab|k", "a*|k", "[x]|k", "x|k", "a?|k", "?|k", "*|k", "abc|k", "a", "shared", "|k"];
    for (site, _) in &sites {
        set(&redis, &every);
        let output = bench.run(&["cache", "flush", "--site", site]).success();
        assert!(output.stdout.starts_with(&format!("removed 1 of 1 keys of `{site}`")), "{}", output.stdout);
        let mut left: Vec<_> = every.iter().map(|key| (*key).to_owned()).collect();
        left.retain(|key| *key != format!("{site}|k"));
        left.sort();
        assert_eq!(keys(&redis), left, "after the flush of `{site}`");
    }
}

#[test]
fn the_database_is_the_prefix_where_there_is_one() {
    let (redis, bench) = bench(&[("one", Some("_abc")), ("_abc", Some("_def"))]);
    set(&redis, &["_abc|k", "_abc|user:ann:k", "one|k", "_def|k"]);
    bench.run(&["cache", "flush", "--site", "one"]).success();
    assert_eq!(keys(&redis), ["_def|k", "one|k"]);
}

#[test]
fn several_sites_go_in_one_walk_and_each_is_counted() {
    let (redis, bench) = bench(&[("one", None), ("two", None), ("three", None)]);
    set(&redis, &["one|1", "one|2", "two|1", "three|1", "shared"]);
    let output = bench.run(&["cache", "flush", "--site", "one", "--site", "two", "--json"]).success();
    let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(report["removed"], 3);
    assert_eq!(report["total"], 5);
    assert_eq!(report["sites"][0]["matched"], 2);
    assert_eq!(report["sites"][1]["matched"], 1);
    assert_eq!(keys(&redis), ["shared", "three|1"]);
}

#[test]
fn a_dry_run_counts_and_shows_keys_and_removes_none() {
    let (redis, bench) = bench(&[("one", None), ("two", None)]);
    redis.cli(&["EVAL", "for i = 1, 30 do redis.call('SET', 'one|k\\27[2J' .. i, 'x') end", "0"]);
    set(&redis, &["two|k"]);
    let output = bench.run(&["cache", "flush", "--site", "one", "--dry-run"]).success();
    assert!(output.stdout.starts_with("would remove 30 of the cache's 31 keys"), "{}", output.stdout);
    assert!(
        output.stdout.contains("\n  one|k\\u{1b}[2J") && output.stdout.contains("… and 20 more"),
        "{}",
        output.stdout
    );
    // Nothing is asked before a dry run of all sites.
    bench.run(&["cache", "flush", "--all-sites", "--dry-run"]).success();
    assert_eq!(redis.cli(&["DBSIZE"]), "31");
}

#[test]
fn all_sites_are_flushed_when_told_so_and_shared_keys_survive() {
    let (redis, bench) = bench(&[("one", Some("_abc")), ("two", None)]);
    set(&redis, &["_abc|k", "two|k", "shared", "gone.site|k"]);
    bench
        .run(&["cache", "flush", "--all-sites"])
        .code(2)
        .says("not asked whether to remove all cached values of 2 sites (one, two)")
        .says("`--yes`");
    assert_eq!(keys(&redis).len(), 4);
    let output = bench.run(&["cache", "flush", "--all-sites", "--yes"]).success();
    assert!(output.stdout.contains("removed 2 of 2 keys of 2 sites"), "{}", output.stdout);
    assert_eq!(keys(&redis), ["gone.site|k", "shared"]);
}

#[test]
fn on_a_terminal_all_sites_are_asked_for() {
    let (redis, bench) = bench(&[("one", None)]);
    set(&redis, &["one|k", "shared"]);
    let flush = || bench.command(&["cache", "flush", "--all-sites"]);
    for no in ["n\n", "\n", "\u{4}"] {
        let (status, shown) = on_terminal(flush(), "[y/N] ", no);
        assert_eq!(status, Some(1), "{shown}");
        assert!(shown.contains("remove all cached values of 1 site (one)? [y/N]"), "{shown}");
        assert!(shown.contains("nothing was removed"), "{shown}");
    }
    assert_eq!(keys(&redis).len(), 2);
    let (status, shown) = on_terminal(flush(), "[y/N] ", "y\n");
    assert_eq!(status, Some(0), "{shown}");
    assert_eq!(keys(&redis), ["shared"]);
}

#[test]
fn a_hundred_thousand_keys_go_in_steps_while_others_are_served() {
    let (redis, bench) = bench(&[("one", None)]);
    redis.cli(&["EVAL", "for i = 1, 100000 do redis.call('SET', 'one|' .. i, 'x') end", "0"]);
    set(&redis, &["two|k"]);
    redis.cli(&["CONFIG", "RESETSTAT"]);
    let output = bench.run(&["cache", "flush", "--site", "one"]).success();
    assert!(output.stdout.starts_with("removed 100,000 of 100,000 keys"), "{}", output.stdout);
    // No terminal, no bar.
    assert_eq!(output.stderr, "");
    assert_eq!(keys(&redis), ["two|k"]);
    // Counted, not timed: on a busy machine any step may take long.
    let stats = redis.cli(&["INFO", "commandstats"]);
    for (command, least) in [("scan", 100), ("unlink", 200)] {
        let calls =
            stats.split_once(&format!("cmdstat_{command}:calls=")).and_then(|(_, rest)| rest.split_once(','));
        let calls: u32 = calls.expect("its statistics").0.parse().expect("a number");
        assert!(calls >= least, "only {calls} steps of `{command}`");
    }
}

#[test]
fn a_bar_is_drawn_on_a_terminal_and_cleared_at_the_end() {
    let (redis, bench) = bench(&[("one", None)]);
    redis.cli(&["EVAL", "for i = 1, 100000 do redis.call('SET', 'one|' .. i, 'x') end", "0"]);
    let mut command = bench.command(&["cache", "flush", "--site", "one"]);
    command.env("TERM", "xterm");
    let (status, shown) = on_terminal(command, "", "");
    assert_eq!(status, Some(0), "{shown}");
    assert!(shown.contains("keys looked at"), "{shown:?}");
    assert!(shown.trim_end().ends_with(" s") && shown.contains("removed 100,000"), "{shown:?}");
}

#[test]
fn an_unknown_site_names_the_known_ones_and_nothing_is_removed() {
    let (redis, bench) = bench(&[("shop.localhost", None), ("blog.localhost", None)]);
    set(&redis, &["shop.localhost|k", "shop|k"]);
    bench
        .run(&["cache", "flush", "--site", "shop.localhos"])
        .code(2)
        .says("there is no site `shop.localhos`")
        .says("did you mean `shop.localhost`?")
        .says("`blog.localhost`, `shop.localhost`");
    bench.run(&["cache", "flush", "--site", "shop.localhost", "--site", "../x"]).code(2).says("`../x`");
    assert_eq!(keys(&redis).len(), 2);
}

#[test]
fn neither_a_site_nor_all_sites_is_wrong_usage() {
    let (_redis, bench) = bench(&[]);
    bench.run(&["cache", "flush"]).code(2).says("--all-sites");
    bench.run(&["cache", "flush", "--site", "a", "--all-sites"]).code(2).says("cannot be used with");
    bench.run(&["cache", "flush", "--all-sites", "--yes"]).code(2).says("no sites");
}

#[test]
fn two_sites_of_one_database_are_said_to_go_together() {
    let (redis, bench) = bench(&[("one", Some("_abc")), ("two", Some("_abc")), ("three", None)]);
    set(&redis, &["_abc|k", "three|k"]);
    bench.run(&["cache", "flush", "--site", "one"]).success().says("`one` has the same `db_name` as `two`");
    let quiet = bench.run(&["-q", "cache", "flush", "--site", "one"]).success();
    assert_eq!(quiet.stderr, "");
    assert_eq!(keys(&redis), ["three|k"]);
}

#[test]
fn a_site_config_that_cannot_be_read_stops_the_flush_before_it_begins() {
    let (redis, bench) = bench(&[("one", None)]);
    set(&redis, &["one|k", "two|k"]);
    for (config, what, place) in [
        ("{\n \"db_name\": \"x\",", "cut off", "sites/two/site_config.json:2 column"),
        ("[\"db_name\"]", "a list", "sites/two/site_config.json:1 column 1"),
        ("", "empty", "sites/two/site_config.json:1"),
        ("{\"db_name\": [1]}", "must be text", "sites/two/site_config.json:1 db_name"),
        ("{\"db_name\": \"a|b\"}", "can't hold `|`", "sites/two/site_config.json db_name"),
    ] {
        bench.write("sites/two/site_config.json", config);
        bench.run(&["cache", "flush", "--site", "two"]).code(2).says(what).says(place);
        bench.run(&["cache", "flush", "--all-sites", "--yes"]).code(2).says(place);
        // Another site's mistake is none of this one's business.
        bench.run(&["cache", "flush", "--site", "one", "--dry-run"]).success();
    }
    assert_eq!(keys(&redis).len(), 2);
}

#[test]
fn a_flush_that_ends_early_says_how_far_it_came() {
    const KEYS: u64 = 500_000;
    let (redis, bench) = bench(&[("one", None)]);
    redis.cli(&["EVAL", &format!("for i = 1, {KEYS} do redis.call('SET', 'one|' .. i, 'x') end"), "0"]);
    let flush = bench
        .command(&["cache", "flush", "--site", "one"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("a run");
    let size = || redis.cli(&["DBSIZE"]).parse::<u64>().expect("a number");
    until("some keys are removed", || (size() < KEYS).then_some(()));
    redis.freeze();
    let output = flush.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(
        said.contains("does not answer in time") && said.contains("the flush ended early, after"),
        "{said}"
    );
    redis.thaw();
    assert!(size() > 0);
    bench.run(&["cache", "flush", "--site", "one"]).success();
    assert_eq!(size(), 0);
}

#[test]
fn a_cache_that_is_away_or_stuck_is_an_error_within_the_deadline() {
    let (mut redis, bench) = bench(&[("one", None)]);
    redis.freeze();
    let started = Instant::now();
    bench.run(&["cache", "flush", "--site", "one"]).code(5).says("does not answer in time");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    redis.thaw();
    redis.kill();
    bench
        .run(&["cache", "flush", "--site", "one"])
        .code(5)
        .says("no redis-server listens")
        .says("`bench start`");
}
