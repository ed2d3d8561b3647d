//! A request's own copy, and many values in one round trip.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dontmanage_cache::memo::{Calls, Canonical, Look, Memo, MemoOptions, Ticket};
use dontmanage_cache::{
    Cache, Client, ClientOptions, KeyPrefix, Lifetime, Limits, Request, Scope, SigningKey, Value, pickle,
};

use crate::proxy::{Hold, Mood, Proxy};
use crate::server::{Server, patient, wait_for};

/// The same test for bare and for signed values: the cache, and another process' cache of the same site.
fn each(test: impl Fn(&Server, &Cache, &Cache)) {
    let server = Server::start();
    let cache = |prefix| {
        let client = Client::with_options(server.url(), ClientOptions::new().deadlines(patient()));
        Cache::new(client, KeyPrefix::new(prefix).expect("a prefix"))
    };
    test(&server, &cache("bare"), &cache("bare"));
    let signed = || cache("signed").with_signing_key(SigningKey::from_bytes([7; 32]));
    test(&server, &signed(), &signed());
}

fn set(cache: &Cache, key: &str, number: i64) {
    cache.set_value(key, &number.into(), Lifetime::NONE).expect("set");
}

/// How many commands the server is sent by `work`.
fn commands(server: &Server, work: impl FnOnce()) -> i64 {
    let mut watcher = server.connection();
    let mut count = || {
        let stats = watcher.info("stats").expect("info");
        stats.get("total_commands_processed").and_then(|count| count.parse::<i64>().ok()).expect("a count")
    };
    let before = count();
    work();
    count() - before - 1
}

#[test]
fn a_request_asks_once_and_the_next_one_asks_again() {
    each(|server, cache, other| {
        set(other, "k", 1);
        let request = cache.request();
        assert_eq!(request.get_value("k"), Some(1.into()));
        set(other, "k", 2);
        let asked = commands(server, || {
            for _ in 0..10 {
                assert_eq!(request.get_value("k"), Some(1.into()), "as at the first look");
            }
        });
        assert_eq!((asked, cache.client().stats().local_hits), (0, 10));
        assert_eq!(cache.get_value("k"), Some(2.into()), "outside of the request");
        assert_eq!(cache.request().get_value("k"), Some(2.into()));
        let clone: Cache = Cache::clone(&request);
        drop(request);
        assert_eq!(clone.get_value("k"), Some(2.into()), "the copy ends with its request");
    });
}

#[test]
fn a_request_sees_what_it_changes_itself() {
    each(|_, cache, other| {
        let request = cache.request();
        set(&request, "k", 1);
        assert_eq!(request.get_value("k"), Some(1.into()));
        set(&request, "k", 2);
        assert_eq!((request.get_value("k"), other.get_value("k")), (Some(2.into()), Some(2.into())));
        assert!(request.delete_value("k"));
        assert_eq!(request.get_value("k"), None);
        set(other, "k", 3);
        assert_eq!(request.get_value("k"), Some(3.into()), "that it was missing is not kept");

        set(&request, "p1", 1);
        set(&request, "p2", 1);
        assert_eq!(request.delete_keys("p"), 2);
        assert_eq!((request.get_value("p1"), request.get_value("p2")), (None, None));

        request.hset("h", "f", &1.into()).expect("hset");
        assert_eq!(request.hget("h", "f"), Some(1.into()));
        request.hset("h", "f", &2.into()).expect("hset");
        assert_eq!(request.hget("h", "f"), Some(2.into()));
        assert_eq!(request.get_value("h"), None, "a hash is no value");
        assert_eq!(request.hdel("h", &["f"]), 1);
        assert_eq!(request.hget("h", "f"), None);

        set(&request, "k", 4);
        cache.flush().expect("flushed");
        assert_eq!(request.get_value("k"), Some(4.into()), "by another's hand");
        request.forget();
        assert_eq!(request.get_value("k"), None);
        set(&request, "k", 5);
        request.flush().expect("flushed");
        assert_eq!(request.get_value("k"), None);
    });
}

#[test]
fn a_value_leaves_the_copy_with_the_end_of_its_lifetime() {
    each(|_, cache, other| {
        let request = cache.request();
        other.set_value("found", &1.into(), Lifetime::secs(1)).expect("set");
        request.set_value("stored", &1.into(), Lifetime::secs(1)).expect("set");
        set(&request, "shortened", 1);
        other.hset("h", "f", &1.into()).expect("hset");
        other.expire_key("h", Lifetime::secs(1));
        assert_eq!(request.get_value("found"), Some(1.into()));
        assert_eq!(request.hget("h", "f"), Some(1.into()));
        assert!(request.expire_key("shortened", Lifetime::secs(1)));
        assert_eq!(request.get_value("shortened"), Some(1.into()));
        wait_for("the end of the lifetimes", || other.exists(["found", "stored", "shortened", "h"]) == 0);
        for key in ["found", "stored", "shortened"] {
            wait_for(key, || request.get_value(key).is_none());
        }
        wait_for("the field", || request.hget("h", "f").is_none());
    });
}

#[test]
fn the_copy_is_bounded() {
    each(|_, cache, _| {
        let request: Request = cache.request_within(Limits::new(10, 4_000));
        for number in 0..100 {
            set(&request, &format!("k{number}"), number);
        }
        request.set_value("large", &"x".repeat(3_000).as_str().into(), Lifetime::NONE).expect("set");
        let before = cache.client().stats().local_hits;
        for number in 0..100 {
            assert_eq!(request.get_value(&format!("k{number}")), Some(number.into()));
        }
        assert!(request.get_value("large").is_some());
        assert!(cache.client().stats().local_hits - before <= 10);
    });
}

#[test]
fn a_write_that_failed_is_not_in_the_copy() {
    let server = Server::start();
    let client =
        Client::with_options(server.url(), ClientOptions::new().deadlines(patient()).on_event(|_| {}));
    let cache = Cache::new(client, KeyPrefix::new("site").expect("a prefix"));
    let request = cache.request();
    set(&request, "k", 1);
    server.connection().command(&[b"CONFIG", b"SET", b"maxmemory-policy", b"noeviction"]).expect("config");
    server.connection().command(&[b"CONFIG", b"SET", b"maxmemory", b"1"]).expect("full");
    set(&request, "k", 2);
    assert_eq!(request.get_value("k"), Some(1.into()), "what others see");
}

#[test]
fn functions_answer_from_the_copy_too() {
    each(|server, cache, other| {
        let request = cache.request();
        let options = MemoOptions::new().lifetime(Lifetime::secs(100));
        for memo in [Memo::new("m.f", options), Memo::new("m.g", options.stale(Duration::from_secs(50)))] {
            let look = |cache: &Cache| {
                memo.call(cache, Scope::Site, &Canonical::new())
                    .look(|bytes| pickle::read(bytes).ok()?.as_int())
            };
            let Look::Compute(ticket) = look(&request) else { panic!("nothing is there yet") };
            assert!(ticket.store(|out| pickle::write(&Value::Int(1), out)).expect("stored"));
            assert_eq!(commands(server, || assert!(matches!(look(&request), Look::Fresh(1)))), 0);
            let next = cache.request();
            assert!(matches!(look(&next), Look::Fresh(1)), "found by another");
            assert_eq!(commands(server, || assert!(matches!(look(&next), Look::Fresh(1)))), 0);
            memo.clear(other, Calls::Site).expect("cleared");
            assert!(matches!(look(&next), Look::Fresh(1)), "by another's hand");
            memo.clear(&next, Calls::Site).expect("cleared");
            assert!(matches!(look(&next), Look::Compute(_)));
            assert!(matches!(look(&request), Look::Fresh(1)), "it has a copy of its own");
            memo.call(&request, Scope::Site, &Canonical::new()).clear();
            assert!(matches!(look(&request), Look::Compute(_)));
        }
    });
}

#[test]
fn many_values_are_one_round_trip() {
    each(|server, cache, _| {
        let request = cache.request();
        let values: Vec<(String, Value)> = (0..50).map(|n| (format!("k{n}"), Value::Int(n))).collect();
        let all = || values.iter().map(|(key, value)| (key.as_str(), value.clone()));
        cache.set_values(all(), Lifetime::secs(60)).expect("set");
        let keys = || ["k1", "missing", "k3", "k1"];
        let want = [Some(Value::Int(1)), None, Some(Value::Int(3)), Some(Value::Int(1))];
        assert_eq!(cache.get_values(keys()), want);
        assert_eq!(request.get_value("k1"), Some(1.into()));
        cache.delete_values(["k1"]);
        assert_eq!(request.get_values(keys()), want, "partly from the copy");
        let asked = commands(server, || {
            assert_eq!(request.get_values(["k1", "k3"]), [want[0].clone(), want[2].clone()]);
        });
        assert_eq!(asked, 0);
        assert_eq!(cache.get_values(["k1", "k2"]), [None, Some(2.into())]);
        assert_eq!(cache.get_values(Vec::<&str>::new()), vec![]);
        let unhashable = Value::Set(vec![Value::List(vec![])]);
        assert!(cache.set_values([("k2", 7.into()), ("x", unhashable)], Lifetime::NONE).is_err());
        assert_eq!(cache.get_value("k2"), Some(2.into()), "none is stored");
        request.set_values([("k2", 8.into())], Lifetime::NONE).expect("set");
        assert_eq!((request.get_value("k2"), cache.get_value("k2")), (Some(8.into()), Some(8.into())));
    });
}

/// What is done in a thread of a request.
type Work<'a> = &'a (dyn Fn(&Cache) + Sync);

/// Has the answer to `late` held back until `meanwhile` is over, in another thread of the request. The server
/// has done what `late` asks by then.
fn overtaken(proxy: &Proxy, late: impl FnOnce() + Send, meanwhile: impl FnOnce()) {
    let hold = Arc::new(Hold::default());
    proxy.set(Mood::Hold(Arc::clone(&hold)));
    std::thread::scope(|scope| {
        let thread = scope.spawn(late);
        wait_for("the late answer", || hold.is_there.load(Ordering::SeqCst));
        proxy.set(Mood::Fair);
        meanwhile();
        hold.may_go.store(true, Ordering::SeqCst);
        thread.join().expect("the late one ends");
    });
}

#[test]
fn what_comes_late_in_one_thread_of_a_request_is_not_known_in_place_of_what_is_newer() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let client = Client::with_options(proxy.url(), ClientOptions::new().deadlines(patient()));
    let bare = Cache::new(client, KeyPrefix::new("site").expect("a prefix"));
    for cache in [bare.clone(), bare.with_signing_key(SigningKey::from_bytes([7; 32]))] {
        let memo = Memo::new("m.f", MemoOptions::new().lock(false));
        let call = |cache: &Cache| memo.call(cache, Scope::Site, &Canonical::new());
        let look = |cache: &Cache| call(cache).look(|bytes| pickle::read(bytes).ok()?.as_int());
        let ticket = |cache: &Cache| match look(cache) {
            Look::Compute(ticket) => ticket,
            _ => panic!("nothing is to be there"),
        };
        let store = |ticket: Ticket, answer: i64| {
            assert!(ticket.store(|out| pickle::write(&answer.into(), out)).expect("stored"));
        };
        let late: [(&str, Work<'_>); 5] = [
            ("a read", &|request| assert_eq!(request.get_value("k"), Some(1.into()))),
            ("a read of many", &|request| assert_eq!(request.get_values(["k"]), [Some(1.into())])),
            ("a read of a field", &|request| assert_eq!(request.hget("h", "f"), Some(1.into()))),
            ("a write", &|request| set(request, "k", 2)),
            ("a write of many", &|request| {
                request.set_values([("k", 2.into())], Lifetime::NONE).expect("set");
            }),
        ];
        let newer: [(&str, Work<'_>); 6] = [
            ("a write", &|request| set(request, "k", 3)),
            ("a write of many", &|request| {
                request.set_values([("k", 3.into())], Lifetime::NONE).expect("set");
            }),
            ("a removal", &|request| assert!(request.delete_value("k"))),
            ("a removal by beginning", &|request| assert_eq!(request.delete_keys("k"), 1)),
            ("a field's write", &|request| request.hset("h", "f", &3.into()).expect("hset")),
            ("a field's removal", &|request| assert_eq!(request.hdel("h", &["f"]), 1)),
        ];
        for ((first, late), (second, newer)) in
            late.iter().flat_map(|late| newer.iter().map(move |newer| (late, newer)))
        {
            set(&cache, "k", 1);
            cache.hset("h", "f", &1.into()).expect("hset");
            let request = cache.request();
            overtaken(&proxy, || late(&request), || newer(&request));
            let known = (request.get_value("k"), request.hget("h", "f"));
            assert_eq!(
                known,
                (cache.get_value("k"), cache.hget("h", "f")),
                "{first} is overtaken by {second}"
            );
        }

        // An answer that is found, or has been computed, while it is cleared.
        let clear_all = |request: &Cache| assert_eq!(memo.clear(request, Calls::Site).expect("cleared"), 1);
        let clear_one = |request: &Cache| assert!(call(request).clear());
        for clear in [&clear_all as Work<'_>, &clear_one] {
            store(ticket(&cache), 1);
            let request = cache.request();
            overtaken(&proxy, || assert!(matches!(look(&request), Look::Fresh(1))), || clear(&request));
            let computed = ticket(&request);
            overtaken(&proxy, || store(computed, 2), || clear(&request));
            drop(ticket(&request));
        }
        store(ticket(&cache), 1);
        let request = cache.request();
        // Its walk has begun.
        overtaken(&proxy, || clear_all(&request), || assert!(matches!(look(&request), Look::Fresh(1))));
        drop(ticket(&request));
    }
}
