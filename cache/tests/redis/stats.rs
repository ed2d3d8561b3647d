//! What the cache did is counted: by prefix of keys, by function, by reason.

use std::sync::Arc;
use std::time::Duration;

use dontmanage_cache::memo::{Canonical, Look, Memo, MemoOptions, function_stats};
use dontmanage_cache::{
    Backoff, Cache, Client, ClientOptions, Key, KeyPrefix, Lifetime, RedisUrl, Scope, ServerState,
    SigningKey, Tally, Value, pickle,
};

use crate::server::{PATIENCE, Server, free_port, patient, wait_for};

fn cache(server: &Server) -> Cache {
    let client = Client::with_options(server.url(), ClientOptions::new().deadlines(patient()));
    Cache::new(client, KeyPrefix::new("site").expect("a prefix"))
        .with_signing_key(SigningKey::from_bytes([7; 32]))
}

fn prefix(cache: &Cache, name: &str) -> Tally {
    cache.client().prefix_stats().prefixes.remove(name).unwrap_or_default()
}

fn none(lifetime: u64) -> Lifetime {
    Lifetime::secs(lifetime)
}

#[test]
fn calls_count_under_the_prefix_of_their_keys_and_all_together() {
    let server = Server::start();
    let cache = cache(&server);
    let value = Value::from("x".repeat(100).as_str());
    cache.set_value("price|apple", &value, none(0)).expect("set");
    cache.set_value("price|pear", &value, none(60)).expect("set");
    assert!(cache.get_value("price|apple").is_some() && cache.get_value("price|plum").is_none());
    cache.hset("meta", "User", &value).expect("hset");
    assert!(cache.hget("meta", "User").is_some() && cache.hget("meta", "Role").is_none());
    assert_eq!(cache.hgetall("meta").len(), 1);
    cache.set_value(Key::from("cart:1").user("ann@x.co"), &value, none(0)).expect("set");
    cache.set_value(Key::from("assets|css").shared(), &value, none(0)).expect("set");
    assert_eq!(cache.get_values(["price|apple", "price|pear", "other"]).len(), 3);
    assert!(cache.delete_value("price|apple"));

    let stats = cache.client().prefix_stats();
    let names: Vec<&String> = stats.prefixes.keys().collect();
    assert_eq!(names, ["assets", "cart", "meta", "other", "price"], "neither site nor user is part of it");
    let price = &stats.prefixes["price"];
    assert_eq!((price.hits, price.local_hits, price.misses), (3, 0, 1));
    assert_eq!((price.writes, price.deletes, price.errors), (2, 1, 0));
    assert!(price.bytes_written >= 2 * 126 && price.bytes_read * 2 == price.bytes_written * 3, "{price:?}");
    assert_eq!((price.read_times.count(), price.write_times.count()), (3, 3));
    assert!(price.read_times.longest() >= price.read_times.quantile(0.5));
    assert!(price.read_times.total() >= price.read_times.longest());
    let meta = &stats.prefixes["meta"];
    assert_eq!((meta.hits, meta.misses, meta.writes), (2, 1, 1));
    assert_eq!(stats.prefixes["other"].misses, 1);

    let (total, all) = (stats.total(), cache.client().stats());
    assert_eq!((total.hits, total.misses, total.writes), (5, 3, 5));
    assert_eq!((all.hits, all.misses, all.writes, all.deletes), (5, 3, 5, 1));
    assert_eq!((all.bytes_read, all.read_times), (total.bytes_read, total.read_times));
}

#[test]
fn what_a_requests_own_copy_answers_is_counted_apart() {
    let server = Server::start();
    let cache = cache(&server);
    cache.set_value("k", &Value::from(1), none(0)).expect("set");
    let request = cache.request();
    for _ in 0..5 {
        assert_eq!(request.get_value("k"), Some(Value::from(1)));
    }
    let tally = prefix(&cache, "k");
    assert_eq!((tally.hits, tally.local_hits, tally.read_times.count()), (5, 4, 1));
}

#[test]
fn each_value_that_is_not_taken_counts_under_its_reason() {
    let server = Server::start();
    let cache = cache(&server);
    let mut raw = server.connection();
    let mut put = |key: &str, bytes: &[u8]| {
        raw.command(&[b"SET", key.as_bytes(), bytes]).expect("set");
    };
    cache.set_value("good", &Value::from("a long enough text"), none(0)).expect("set");
    let good = server.connection().command(&[b"GET", b"site|good"]).expect("get");
    let good = good.as_bytes().expect("bytes").to_vec();
    put("site|unsigned", b"\x80\x05K\x01.");
    put("site|moved", &good);
    put("site|cut", &good[..good.len() - 1]);
    put("site|head", &good[..9]);
    cache
        .strict()
        .set_pickle(
            "deep",
            &[&b"\x80\x05"[..], &b"]".repeat(5000), &b"a".repeat(4999), b"."].concat(),
            none(0),
        )
        .expect("set");
    cache.strict().set_pickle("class", b"\x80\x05cshop\nPrice\n.", none(0)).expect("set");
    cache.strict().set_pickle("short", b"\x80\x05K", none(0)).expect("set");
    cache.strict().set_pickle("odd", b"\x80\x05K\x01K\x02.", none(0)).expect("set");
    for key in ["unsigned", "moved", "cut", "head", "deep", "class", "short", "odd"] {
        assert_eq!(cache.get_value(key), None, "{key}");
        let tally = prefix(&cache, key);
        assert_eq!((tally.hits, tally.misses), (0, 1), "{key}");
        assert_eq!(tally.rejected + tally.unreadable, 1, "{key}");
    }
    assert_eq!(cache.get::<i64>("good"), None, "it is a text");
    let stats = cache.client().stats();
    let told: Vec<(&str, u64)> =
        stats.refusals.by_name().into_iter().filter(|(_, number)| *number > 0).collect();
    assert_eq!(
        told,
        [
            ("unsigned", 1),
            ("bad_signature", 2),
            ("truncated", 2),
            ("too_deep", 1),
            ("unknown_class", 1),
            ("wrong_shape", 1),
            ("malformed", 1)
        ]
    );
    assert_eq!((stats.rejected, stats.unreadable), (4, 5));
}

#[test]
fn a_value_brought_back_after_its_end_counts_as_expired() {
    let server = Server::start();
    let cache = cache(&server);
    cache.set_value("k", &Value::from(1), none(1)).expect("set");
    let value = server.connection().command(&[b"GET", b"site|k"]).expect("get");
    wait_for("the value to end", || cache.exists(["k"]) == 0);
    server.connection().command(&[b"SET", b"site|k", value.as_bytes().expect("bytes")]).expect("set");
    assert_eq!(cache.get_value("k"), None);
    assert_eq!(cache.client().stats().refusals.expired, 1);
}

#[test]
fn failures_are_counted_and_the_servers_state_is_told() {
    let options = ClientOptions::new().backoff(Backoff::new(PATIENCE, PATIENCE)).on_event(|_| {});
    let client = Client::with_options(RedisUrl::tcp("127.0.0.1", free_port()), options);
    let cache = Cache::new(client, KeyPrefix::new("site").expect("a prefix"));
    assert_eq!(cache.client().state(), ServerState::Up, "as far as anybody knows");
    for _ in 0..3 {
        assert_eq!(cache.get_value("k"), None);
    }
    cache.set_value("k", &Value::from(1), none(0)).expect("dropped");
    let tally = prefix(&cache, "k");
    assert_eq!((tally.errors, tally.skipped, tally.writes, tally.misses), (1, 3, 0, 0));
    let stats = cache.client().stats();
    assert_eq!((stats.errors, stats.skipped, stats.dropped_writes), (1, 3, 1));
    let ServerState::Away { since, retry_in } = cache.client().state() else { panic!("it is away") };
    assert!(since < PATIENCE && retry_in <= PATIENCE && retry_in > Duration::ZERO);
}

#[test]
fn counts_begin_anew_when_told_so() {
    let server = Server::start();
    let cache = cache(&server);
    let request = cache.request();
    request.set_value("k", &Value::from(1), none(0)).expect("set");
    assert!(request.get_value("k").is_some());
    let before = cache.client().stats();
    assert!(before.hits + before.writes == 2 && before.counted_for > Duration::ZERO);
    cache.client().reset_stats();
    let mut stats = cache.client().stats();
    stats.counted_for = Duration::ZERO;
    assert_eq!(stats, dontmanage_cache::Stats::default());
    assert!(request.get_value("k").is_some());
    assert_eq!(prefix(&cache, "k").local_hits, 1, "and go on");
}

fn slow_add(cache: &Cache, memo: &Memo, a: i64) -> i64 {
    let mut arguments = Canonical::new();
    arguments.int(a);
    match memo.call(cache, Scope::Site, &arguments).wait(|bytes| pickle::read(bytes).ok()?.as_int()) {
        Look::Compute(ticket) | Look::Refresh(_, ticket) => {
            ticket.store(|out| pickle::write(&Value::from(a + 1), out)).expect("a number");
            a + 1
        }
        Look::Fresh(sum) | Look::Stale(sum) => sum,
        Look::Busy => unreachable!("waiting does not end so"),
    }
}

#[test]
fn a_functions_calls_are_counted_for_the_function_and_under_its_name() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::registered("stats_test.slow_add", MemoOptions::new());
    assert_eq!(slow_add(&cache, &memo, 1), 2);
    let request = cache.request();
    for _ in 0..3 {
        assert_eq!(slow_add(&request, &memo, 1), 2);
    }
    let functions = function_stats();
    let (_, stats) = functions.iter().find(|(name, _)| name == "stats_test.slow_add").expect("it is told");
    assert_eq!((stats.hits, stats.local_hits, stats.misses, stats.computed), (3, 2, 1, 1));
    assert_eq!((stats.read_times.count(), stats.compute_times.count()), (2, 1));
    assert!(stats.bytes_read > 26 && stats.bytes_read == stats.bytes_written, "{stats:?}");
    let tally = prefix(&cache, "stats_test.slow_add");
    assert_eq!((tally.hits, tally.local_hits, tally.misses, tally.writes), (3, 2, 1, 1));
    assert_eq!((tally.bytes_read, tally.bytes_written), (stats.bytes_read, stats.bytes_written));
    memo.reset_stats();
    assert_eq!(memo.stats(), dontmanage_cache::memo::MemoStats::default());
}

#[test]
fn functions_made_anew_at_each_call_count_together_and_do_not_fill_the_memory() {
    for number in 0..3 {
        let memo = Memo::counted("stats_test.nested", MemoOptions::new().lifetime(none(number)));
        assert_eq!(memo.options().fresh_for(), none(number));
        memo.note_local_hit();
    }
    let known = |name: &str| function_stats().into_iter().find(|(known, _)| known == name);
    assert_eq!(known("stats_test.nested").expect("it is told").1.hits, 3);
    for number in 0..2000 {
        let memo = Memo::counted(&format!("stats_test.made{number}"), MemoOptions::new());
        assert_eq!(memo.name(), format!("stats_test.made{number}"));
        memo.note_local_hit();
    }
    assert!(function_stats().len() <= 1100);
    assert!(known("(other functions)").expect("the rest").1.hits >= 900);
}

#[test]
fn threads_count_together() {
    let server = Server::start();
    let cache = Arc::new(cache(&server));
    cache.set_value("k", &Value::from(1), none(0)).expect("set");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|_| assert!(cache.get_value("k").is_some())));
        }
    });
    let tally = prefix(&cache, "k");
    assert_eq!((tally.hits, tally.read_times.count()), (800, 800));
}
