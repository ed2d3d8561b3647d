//! A server that is away, slow, full or confused: calls go on without it, cheaply, and say so once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dontmanage_cache::{
    Backoff, Cache, CacheError, Call, Client, ClientOptions, Deadlines, Event, KeyPrefix, Lifetime, Pipeline,
    RedisError, RedisUrl, Reply, ServerErrorKind, Value,
};

use crate::proxy::{Mood, Proxy};
use crate::server::{PATIENCE, Server, free_port, wait_for};

/// A cache that keeps what it would have logged.
struct Watched {
    cache: Cache,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Watched {
    /// With deadlines that only a sick server misses, and a breaker that stays open.
    fn patient(url: RedisUrl) -> Self {
        let deadlines = Deadlines::default().connect(PATIENCE).reply(PATIENCE);
        Self::new(url, deadlines, Backoff::new(PATIENCE, PATIENCE))
    }

    /// With a short deadline for replies.
    fn hasty(url: RedisUrl) -> Self {
        let deadlines = Deadlines::default().connect(PATIENCE).reply(Duration::from_millis(400));
        Self::new(url, deadlines, Backoff::new(PATIENCE, PATIENCE))
    }

    fn new(url: RedisUrl, deadlines: Deadlines, backoff: Backoff) -> Self {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = lines.clone();
        let options =
            ClientOptions::new().deadlines(deadlines).backoff(backoff).on_event(move |event: &Event<'_>| {
                sink.lock().expect("the lines").push(event.to_string());
            });
        let client = Client::with_options(url, options);
        Self { cache: Cache::new(client, KeyPrefix::new("site").expect("a prefix")), lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("the lines").clone()
    }

    /// Every kind of call, each of which must come back with nothing.
    fn assert_all_do_without(&self) {
        let cache = &self.cache;
        assert_eq!(cache.get_value("k"), None);
        assert_eq!(cache.set_value("k", &Value::from(1), Lifetime::secs(60)), Ok(()));
        assert!(!cache.delete_value("k"));
        assert_eq!(cache.delete_keys("k"), 0);
        assert_eq!(cache.exists(["k"]), 0);
        assert!(!cache.expire_key("k", Lifetime::secs(1)));
        assert_eq!(cache.ttl("k"), dontmanage_cache::Ttl::Missing);
        assert_eq!(cache.get_keys(""), Vec::<Vec<u8>>::new());
        assert_eq!(cache.hset("h", "f", &Value::from(1)), Ok(()));
        assert_eq!(cache.hget("h", "f"), None);
        assert_eq!(cache.hgetall("h"), vec![]);
        assert_eq!(cache.hdel("h", &["f"]), 0);
        assert!(!cache.hexists("h", "f"));
        assert_eq!(cache.hkeys("h"), Vec::<Vec<u8>>::new());
        assert!(!cache.connected());
        assert!(cache.flush().is_err(), "a flush that was not done is always told");
    }
}

#[test]
fn an_absent_server_is_asked_once_and_then_left_alone() {
    let watched = Watched::patient(RedisUrl::tcp("127.0.0.1", free_port()));
    watched.assert_all_do_without();
    let stats = watched.cache.client().stats();
    assert_eq!((stats.errors, stats.outages, stats.connects), (1, 1, 0), "{stats:?}");
    assert!(stats.skipped >= 15, "{stats:?}");
    assert_eq!(stats.dropped_writes, 6, "{stats:?}");
    assert!(watched.cache.client().is_paused());
    assert_eq!(watched.lines().len(), 1, "{:?}", watched.lines());
    let error = watched.cache.strict().get_value("k").expect_err("strict tells");
    assert!(matches!(error, CacheError::Redis(RedisError::Paused { .. })), "{error}");
}

#[test]
fn a_stopped_server_costs_one_deadline_and_then_nothing() {
    let server = Server::start();
    let watched = Watched::hasty(server.url());
    watched.cache.set_value("k", &Value::from(1), Lifetime::NONE).expect("set");
    server.signal("-STOP");
    watched.assert_all_do_without();
    let stats = watched.cache.client().stats();
    assert_eq!((stats.errors, stats.outages), (1, 1), "one call waited: {stats:?}");
    assert!(stats.skipped >= 15, "{stats:?}");
    assert_eq!(watched.lines().len(), 1, "{:?}", watched.lines());
    server.signal("-CONT");
}

#[test]
fn the_end_of_an_outage_is_found_by_one_call_and_told_once() {
    let mut server = Server::start();
    let deadlines = Deadlines::default().connect(PATIENCE).reply(PATIENCE);
    let quick = Backoff::new(Duration::from_millis(10), Duration::from_millis(40));
    let watched = Watched::new(server.url(), deadlines, quick);
    watched.cache.set_value("k", &Value::from(1), Lifetime::NONE).expect("set");
    server.kill();
    wait_for("the outage to be noticed", || watched.cache.get_value("k").is_none());
    server.restart();
    let value = Value::from(2);
    wait_for("the server to be found again", || {
        watched.cache.set_value("k", &value, Lifetime::NONE).expect("set");
        watched.cache.get_value("k").is_some()
    });
    let lines = watched.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("away") && lines[1].contains("back after"), "{lines:?}");
    assert_eq!(watched.cache.client().stats().outages, 1);
}

#[test]
fn a_connection_that_died_while_idle_is_replaced_without_a_miss() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let watched = Watched::patient(proxy.url());
    let cache = &watched.cache;
    cache.set_value("k", &Value::from(1), Lifetime::NONE).expect("set");
    proxy.hang_up();
    assert_eq!(cache.get_value("k"), Some(Value::from(1)));
    proxy.hang_up();
    assert_eq!(cache.hset("h", "f", &Value::from(1)), Ok(()));
    assert_eq!(cache.hget("h", "f"), Some(Value::from(1)));
    let stats = cache.client().stats();
    assert_eq!((stats.errors, stats.connects, stats.dropped_writes), (0, 3, 0), "{stats:?}");

    // What must not be done twice is not repeated.
    proxy.hang_up();
    let error = cache.client().command(Call::Once, &[b"INCR", b"n"]).expect_err("not repeated");
    assert!(matches!(error, RedisError::Closed { .. }), "{error}");
}

#[test]
fn a_late_reply_never_reaches_another_caller() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let deadlines = Deadlines::default().connect(PATIENCE).reply(Duration::from_millis(60));
    // No pause at all, so that the next call follows at once on the late one.
    let watched = Watched::new(proxy.url(), deadlines, Backoff::new(Duration::ZERO, Duration::ZERO));
    let mut redis = server.connection();
    for number in 0..20 {
        let (key, value) = (format!("site|k{number}"), format!("K\x01{number}."));
        redis.command(&[b"SET", key.as_bytes(), value.as_bytes()]).expect("set");
    }
    let mut answered = 0;
    for round in 0..60usize {
        proxy.set(if round % 3 == 0 { Mood::Late(Duration::from_millis(90)) } else { Mood::Fair });
        let key = format!("site|k{}", round % 20);
        let got = watched.cache.client().command(Call::Read, &[b"GET", key.as_bytes()]);
        if let Ok(reply) = got {
            assert_eq!(reply, Reply::Bulk(format!("K\x01{}.", round % 20).into_bytes()), "{key}");
            answered += 1;
        }
    }
    assert!(answered >= 20, "{answered} calls were answered");
    assert!(watched.cache.client().stats().errors > 0, "some replies were late");
}

#[test]
fn threads_never_get_each_others_replies_from_a_server_that_comes_and_goes() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let deadlines = Deadlines::default().connect(PATIENCE).reply(Duration::from_millis(25));
    let watched = Watched::new(proxy.url(), deadlines, Backoff::new(Duration::ZERO, Duration::ZERO));
    let mut redis = server.connection();
    for thread in 0..4 {
        let key = format!("t{thread}");
        redis.command(&[b"SET", key.as_bytes(), key.as_bytes()]).expect("set");
    }
    let client = watched.cache.client();
    let answered: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    let key = format!("t{thread}");
                    let mut answered = 0;
                    for _ in 0..150 {
                        if let Ok(reply) = client.command(Call::Read, &[b"GET", key.as_bytes()]) {
                            assert_eq!(reply, Reply::Bulk(key.clone().into_bytes()));
                            answered += 1;
                        }
                    }
                    answered
                })
            })
            .collect();
        for round in 0..30 {
            proxy.set(match round % 4 {
                0 => Mood::Late(Duration::from_millis(40)),
                1 => Mood::Cut(3),
                _ => Mood::Fair,
            });
            std::thread::sleep(Duration::from_millis(3));
            if round % 5 == 0 {
                proxy.hang_up();
            }
        }
        proxy.set(Mood::Fair);
        callers.into_iter().map(|caller| caller.join().expect("no wrong reply")).sum()
    });
    assert!(answered > 0, "some calls were answered");
}

#[test]
fn confused_servers_are_misses_within_the_deadline() {
    let server = Server::start();
    let cases = [
        Mood::Drip(Duration::from_millis(100)),
        Mood::Cut(0),
        Mood::Cut(2),
        Mood::Forge(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        Mood::Forge(b"$1073741824\r\n".to_vec()),
        Mood::Forge(b"$5".to_vec()),
        Mood::Forge(b"*2\r\n$1\r\na\r\n".to_vec()),
        Mood::Forge(b":1\r\n:2\r\n".to_vec()),
        Mood::Slam,
    ];
    for mood in cases {
        let proxy = Proxy::before(server.port());
        let watched = Watched::hasty(proxy.url());
        watched.cache.set_value("k", &Value::from(12345), Lifetime::NONE).expect("set");
        proxy.hang_up();
        proxy.set(mood.clone());
        assert_eq!(watched.cache.get_value("k"), None, "{mood:?}");
        let stats = watched.cache.client().stats();
        assert_eq!((stats.errors, stats.hits), (1, 0), "{mood:?}: {stats:?}");
    }
}

#[test]
fn a_reply_of_the_wrong_kind_closes_the_connection() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let watched = Watched::patient(proxy.url());
    assert_eq!(watched.cache.get_value("k"), None);
    proxy.set(Mood::Forge(b":1\r\n".to_vec()));
    let error = watched.cache.strict().get_value("k").expect_err("no GET answers a number");
    assert!(matches!(error, CacheError::Redis(RedisError::NotRedis { .. })), "{error}");
}

#[test]
fn a_server_killed_in_the_middle_of_a_reply_is_a_miss() {
    let mut server = Server::start();
    let proxy = Proxy::before(server.port());
    let watched = Watched::patient(proxy.url());
    watched.cache.set_value("k", &Value::from("x".repeat(1 << 20)), Lifetime::NONE).expect("set");
    proxy.set(Mood::Cut(1000));
    server.kill();
    assert_eq!(watched.cache.get_value("k"), None);
}

#[test]
fn a_full_server_is_still_read() {
    let server = Server::with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let watched = Watched::patient(server.url());
    let mut redis = server.connection();
    redis.command(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).expect("room");
    watched.cache.set_value("k", &Value::from(1), Lifetime::NONE).expect("set");
    redis.command(&[b"CONFIG", b"SET", b"maxmemory", b"1"]).expect("full");

    for _ in 0..3 {
        assert_eq!(watched.cache.set_value("k2", &Value::from(1), Lifetime::NONE), Ok(()));
        assert_eq!(watched.cache.get_value("k"), Some(Value::from(1)), "reads go on");
    }
    let stats = watched.cache.client().stats();
    assert_eq!((stats.errors, stats.dropped_writes, stats.outages), (3, 3, 0), "{stats:?}");
    let error = watched.cache.strict().set_value("k2", &Value::from(1), Lifetime::NONE).expect_err("full");
    let CacheError::Redis(error) = error else { panic!("{error}") };
    assert_eq!(error.server_error().map(dontmanage_cache::ServerError::kind), Some(ServerErrorKind::Oom));

    redis.command(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).expect("room");
    watched.cache.set_value("k2", &Value::from(1), Lifetime::NONE).expect("set");
    let lines = watched.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("OOM") && lines[1].contains("again"), "{lines:?}");
}

#[test]
fn a_replica_is_read_and_not_written() {
    let server = Server::start();
    let watched = Watched::patient(server.url());
    watched.cache.set_value("k", &Value::from(1), Lifetime::NONE).expect("set");
    let port = free_port().to_string();
    server.connection().command(&[b"REPLICAOF", b"127.0.0.1", port.as_bytes()]).expect("a replica of nobody");
    assert_eq!(watched.cache.set_value("k", &Value::from(2), Lifetime::NONE), Ok(()));
    assert_eq!(watched.cache.get_value("k"), Some(Value::from(1)));
    let stats = watched.cache.client().stats();
    assert_eq!((stats.dropped_writes, stats.outages), (1, 0), "{stats:?}");
    assert!(watched.lines()[0].contains("READONLY"), "{:?}", watched.lines());
}

#[test]
fn a_wrong_or_missing_password_is_an_outage_with_its_reason() {
    let server = Server::with(&["--requirepass", "right"]);
    for (url, reason) in [(server.url(), "NOAUTH"), (server.url().with_login(None, "wrong"), "WRONGPASS")] {
        let watched = Watched::patient(url);
        watched.assert_all_do_without();
        let stats = watched.cache.client().stats();
        assert_eq!((stats.errors, stats.outages), (1, 1), "{reason}: {stats:?}");
        let lines = watched.lines();
        assert!(lines.len() == 1 && lines[0].contains(reason), "{lines:?}");
        assert!(!lines[0].contains("wrong"), "the password is not shown: {lines:?}");
    }
}

#[test]
fn a_server_that_is_still_loading_is_an_outage() {
    let mut server = Server::start();
    // Each key is loaded slowly, so that the server is loading for long enough to be seen.
    let mut redis = server.connection();
    let mut pipeline = Pipeline::new();
    for number in 0..2000 {
        pipeline.add(&[b"SET", format!("{number}").as_bytes(), &[b'x'; 1024]]);
    }
    redis.pipeline(&pipeline).expect("keys");
    redis.command(&[b"SAVE"]).expect("saved");
    server.kill();
    server.restart_loading(&["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"]);
    let watched = Watched::patient(server.url());
    assert_eq!(watched.cache.get_value("k"), None);
    assert_eq!(watched.cache.client().stats().outages, 1);
    assert!(watched.lines()[0].contains("LOADING"), "{:?}", watched.lines());
}

#[test]
fn a_key_of_another_type_is_a_miss_and_no_outage() {
    let server = Server::start();
    let watched = Watched::patient(server.url());
    watched.cache.hset("k", "f", &Value::from(1)).expect("hset");
    assert_eq!(watched.cache.get_value("k"), None);
    assert_eq!(watched.cache.hget("k", "f"), Some(Value::from(1)));
    assert_eq!(watched.cache.client().stats().outages, 0);
    assert_eq!(watched.lines(), Vec::<String>::new());
}

#[test]
fn the_defaults_are_those_that_are_promised() {
    let deadlines = Deadlines::default();
    assert_eq!((deadlines.connect.as_millis(), deadlines.reply.as_millis()), (250, 500));
    assert_eq!(deadlines.max_reply, 512 << 20);
    let backoff = Backoff::default();
    assert_eq!((backoff.first.as_millis(), backoff.longest.as_secs()), (100, 5));
}

#[test]
fn threads_share_the_connections_of_a_client() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let watched = Watched::patient(proxy.url());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &watched.cache;
            scope.spawn(move || {
                for number in 0..200 {
                    let (key, value) = (format!("{thread}"), Value::from(number));
                    cache.set_value(&key, &value, Lifetime::NONE).expect("set");
                    assert_eq!(cache.get_value(&key), Some(value));
                }
            });
        }
    });
    assert!(proxy.accepted() < 40, "{} connections for 1600 calls", proxy.accepted());
}
