//! Flushing: exactly one site's keys, in bounded steps, whatever the sites are called.

use std::collections::BTreeSet;

use dontmanage_cache::{
    Cache, Client, ClientOptions, Connection, Flush, Key, KeyPrefix, Lifetime, Pipeline, Reply, Value,
    escape_glob,
};
use proptest::prelude::*;

use crate::server::{Server, free_port, patient};

/// Names that would reach each other's keys if they were taken for patterns.
const NAMES: [&str; 14] =
    ["a", "ab", "a*", "*", "?", "[x]", "x", "[a-z]", "[^x]", "a\\", "a\\*", "\\", "a?", "user:a"];

fn prefix(name: &str) -> KeyPrefix {
    KeyPrefix::new(name).expect("a prefix")
}

fn client(server: &Server) -> Client {
    Client::with_options(server.url(), ClientOptions::new().deadlines(patient()))
}

fn keys(redis: &mut Connection) -> BTreeSet<String> {
    let Reply::Array(keys) = redis.command(&[b"KEYS", b"*"]).expect("keys") else { panic!("no list") };
    keys.iter().map(|key| String::from_utf8_lossy(key.as_bytes().expect("a key")).into_owned()).collect()
}

fn fill(server: &Server) -> BTreeSet<String> {
    let client = client(server);
    for name in NAMES {
        let cache = Cache::new(client.clone(), prefix(name));
        for key in ["k", "b|k", "*", "user:x"] {
            cache.set_value(key, &Value::from(1), Lifetime::NONE).expect("set");
        }
        cache.hset("h", "f", &Value::from(1)).expect("hset");
        cache.set_value(Key::from("k").user("ann"), &Value::from(1), Lifetime::NONE).expect("set");
        cache.set_value(Key::from("shared").shared(), &Value::from(1), Lifetime::NONE).expect("set");
    }
    keys(&mut server.connection())
}

#[test]
fn each_site_loses_its_own_keys_and_no_other_loses_any() {
    let server = Server::start();
    let mut left = fill(&server);
    assert_eq!(left.len(), NAMES.len() * 6 + 1);
    for name in NAMES {
        let report = Flush::of([prefix(name)]).run(&client(&server)).expect("a flush");
        left.retain(|key| !key.starts_with(&format!("{name}|")));
        assert_eq!(keys(&mut server.connection()), left, "{name}");
        assert_eq!((report.matched, report.removed), (6, 6), "{name}");
    }
    assert_eq!(left, BTreeSet::from(["shared".to_owned()]));
}

#[test]
fn all_sites_are_flushed_in_one_walk_and_shared_keys_survive() {
    let server = Server::start();
    fill(&server);
    server.connection().command(&[b"SET", b"stranger|k", b"1"]).expect("set");
    let report = Flush::of(NAMES.map(prefix)).run(&client(&server)).expect("a flush");
    let left = BTreeSet::from(["shared".to_owned(), "stranger|k".to_owned()]);
    assert_eq!(keys(&mut server.connection()), left);
    let each: Vec<_> = NAMES.iter().map(|name| (prefix(name), 6)).collect();
    assert_eq!(report.by_prefix, each);
    assert_eq!(report.removed, 6 * NAMES.len() as u64);
}

#[test]
fn a_dry_run_counts_shows_samples_and_removes_nothing() {
    let server = Server::start();
    let before = fill(&server);
    let report = Flush::of([prefix("a*")]).dry_run(true).run(&client(&server)).expect("a dry run");
    assert_eq!((report.matched, report.removed), (6, 0));
    assert_eq!(report.samples.len(), 6);
    assert!(report.samples.iter().all(|key| key.starts_with(b"a*|")), "{:?}", report.samples);
    assert_eq!(keys(&mut server.connection()), before);
}

#[test]
fn a_large_site_goes_in_steps_that_are_told() {
    let server = Server::start();
    let mut pipeline = Pipeline::new();
    for number in 0..20_000 {
        pipeline.add(&[b"SET", format!("big|{number}").as_bytes(), b"1"]);
        pipeline.add(&[b"SET", format!("other|{number}").as_bytes(), b"1"]);
    }
    server.connection().pipeline(&pipeline).expect("keys");
    let mut steps = Vec::new();
    let report = Flush::of([prefix("big")])
        .on_progress(|so_far| steps.push((so_far.scanned, so_far.removed)))
        .run(&client(&server))
        .expect("a flush");
    assert_eq!((report.total, report.scanned), (40_000, 40_000));
    assert_eq!((report.matched, report.removed), (20_000, 20_000));
    assert_eq!(report.samples.len(), 10);
    assert!(steps.len() > 20, "{} steps", steps.len());
    assert!(steps.is_sorted(), "it only goes forward");
    assert_eq!(server.connection().command(&[b"DBSIZE"]).expect("count"), Reply::Int(20_000));

    // The server saw no command that stops the others for long.
    let stats = server.connection().info("commandstats").expect("its commands");
    for command in ["keys", "flushdb", "flushall", "del"] {
        assert_eq!(stats.get(&format!("cmdstat_{command}")), None);
    }
}

#[test]
fn a_flush_without_sites_does_nothing() {
    let server = Server::start();
    let before = fill(&server);
    let report = Flush::of([]).run(&client(&server)).expect("nothing to do");
    assert_eq!(report.removed, 0);
    assert_eq!(keys(&mut server.connection()), before);
}

#[test]
fn a_flush_without_a_server_says_so() {
    let url = dontmanage_cache::RedisUrl::tcp("127.0.0.1", free_port());
    let nobody = Client::with_options(url, ClientOptions::new().on_event(|_| {}));
    let error = Flush::of([prefix("a")]).run(&nobody).expect_err("nobody listens");
    assert!(error.source.is_refused(), "{error}");
    assert_eq!(error.report.removed, 0);
}

#[test]
fn no_text_is_a_pattern_once_it_is_escaped() {
    let server = Server::start();
    let redis = std::cell::RefCell::new(server.connection());
    let text = || proptest::collection::vec(prop::sample::select(b"ab*?[]^-\\x".to_vec()), 1..6);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) };
    proptest!(config, |(a in text(), b in text())| {
        let mut redis = redis.borrow_mut();
        redis.command(&[b"FLUSHDB"]).expect("empty");
        for text in [&a, &b] {
            redis.command(&[b"SET", &[text, &b"|k"[..]].concat(), b"1"]).expect("set");
        }
        // The pattern alone, by the server's own matching.
        let pattern = [escape_glob(&a), b"|*".to_vec()].concat();
        let Reply::Array(parts) = redis.command(&[b"SCAN", b"0", b"MATCH", &pattern]).expect("scan") else {
            panic!("no list")
        };
        let want = Reply::Array(vec![Reply::Bulk([&a[..], b"|k"].concat())]);
        prop_assert_eq!(&parts[1], &want, "{:?} {:?}", a.escape_ascii().to_string(), b.escape_ascii().to_string());
    });
}
