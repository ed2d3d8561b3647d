//! A site's values, bare and signed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dontmanage_cache::{
    Cache, CacheError, Client, ClientOptions, Date, Key, KeyPrefix, Lifetime, Rejection, SigningKey, Ttl,
    Value,
    pickle::{PickleError, UnpicklableError},
};

use crate::server::{Server, patient};

fn client(server: &Server) -> Client {
    Client::with_options(server.url(), ClientOptions::new().deadlines(patient()))
}

fn bare(server: &Server, prefix: &str) -> Cache {
    Cache::new(client(server), KeyPrefix::new(prefix).expect("a prefix"))
}

fn signed(server: &Server, prefix: &str) -> Cache {
    bare(server, prefix).with_signing_key(SigningKey::from_bytes([7; 32]))
}

/// The same test for a cache with signed and one with bare values.
fn each(test: impl Fn(&Server, Cache)) {
    let server = Server::start();
    test(&server, bare(&server, "bare"));
    test(&server, signed(&server, "signed"));
}

fn raw(server: &Server, args: &[&[u8]]) -> dontmanage_cache::Reply {
    server.connection().command(args).expect("the server does it")
}

fn stored(server: &Server, cache: &Cache, key: &str) -> Vec<u8> {
    raw(server, &[b"GET", &cache.make_key(key)]).as_bytes().expect("a value").to_vec()
}

#[test]
fn a_value_comes_back_whatever_its_kind() {
    each(|_, cache| {
        let nested = Value::Dict(vec![
            ("items".into(), Value::List(vec![1.into(), 2.5.into(), Value::None, true.into()])),
            (Value::Tuple(vec![1.into(), "x".into()]), Value::Set(vec!["a".into()])),
            ("day".into(), Date::new(2026, 11, 23).expect("a day").into()),
            ("raw".into(), Value::Bytes(vec![0, 255])),
        ]);
        for value in [nested, Value::None, 0.into(), "".into(), false.into(), Value::List(vec![])] {
            cache.set_value("k", &value, Lifetime::NONE).expect("it is plain data");
            assert_eq!(cache.get_value("k"), Some(value));
        }
        assert_eq!(cache.get_value("other"), None);
        let stats = cache.client().stats();
        assert_eq!((stats.hits, stats.misses, stats.errors), (6, 1, 0), "{stats:?}");
    });
}

#[test]
fn a_large_value_comes_back() {
    each(|_, cache| {
        let value = Value::List((0..50_000).map(|n| Value::from(format!("row {n}"))).collect());
        cache.set_value("k", &value, Lifetime::NONE).expect("set");
        assert_eq!(cache.get_value("k"), Some(value));
    });
}

#[test]
fn sites_users_and_shared_keys_are_kept_apart() {
    each(|_, a| {
        let b = a.for_site(KeyPrefix::new("b").expect("a prefix"));
        let set = |cache: &Cache, key: Key<'_>, text: &str| {
            cache.set_value(key, &text.into(), Lifetime::NONE).expect("set");
        };
        set(&a, "k".into(), "a");
        set(&b, "k".into(), "b");
        set(&a, Key::from("k").user("ann@x.co"), "ann");
        set(&a, Key::from("k").user("ann@x.com"), "ann of com");
        set(&a, Key::from("k").shared(), "all");
        assert_eq!(a.get_value("k"), Some("a".into()));
        assert_eq!(b.get_value("k"), Some("b".into()));
        assert_eq!(a.get_value(Key::from("k").user("ann@x.co")), Some("ann".into()));
        assert_eq!(b.get_value(Key::from("k").user("ann@x.co")), None);
        assert_eq!(b.get_value(Key::from("k").shared()), Some("all".into()), "also by the other site");
    });
}

#[test]
fn a_lifetime_is_redis_own_and_a_set_without_one_drops_it() {
    each(|_, cache| {
        let value = Value::from(1);
        cache.set_value("k", &value, Lifetime::secs(60)).expect("set");
        let Ttl::Left(left) = cache.ttl("k") else { panic!("it has a limit") };
        assert!(left > Duration::from_secs(30) && left <= Duration::from_secs(60), "{left:?}");
        cache.set_value("k", &value, Lifetime::NONE).expect("set");
        assert_eq!(cache.ttl("k"), Ttl::Unlimited);
        assert_eq!(cache.ttl("none"), Ttl::Missing);
    });
}

#[test]
fn a_lifetime_can_be_shortened_lengthened_and_taken_away() {
    each(|server, cache| {
        let value = Value::from(1);
        cache.set_value("k", &value, Lifetime::secs(10)).expect("set");
        assert!(cache.expire_key("k", Lifetime::secs(100)));
        if cache.is_signed() {
            // The end that is signed moves with Redis' own.
            let bytes = stored(server, &cache, "k");
            let ends_at =
                Duration::from_millis(u64::from_be_bytes(bytes[2..10].try_into().expect("8 bytes")));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            assert!(ends_at > now + Duration::from_secs(50), "{ends_at:?} {now:?}");
        }
        assert_eq!(cache.get_value("k"), Some(value.clone()));
        assert!(matches!(cache.ttl("k"), Ttl::Left(left) if left > Duration::from_secs(50)));
        assert!(cache.expire_key("k", Lifetime::NONE));
        assert_eq!((cache.ttl("k"), cache.get_value("k")), (Ttl::Unlimited, Some(value.clone())));
        assert!(!cache.expire_key("none", Lifetime::secs(5)));
        assert!(!cache.expire_key("none", Lifetime::NONE));

        cache.hset("h", "f", &value).expect("hset");
        assert!(cache.expire_key("h", Lifetime::secs(100)), "a hash too");
        assert!(matches!(cache.ttl("h"), Ttl::Left(_)));
        assert_eq!(cache.hget("h", "f"), Some(value));
    });
}

#[test]
fn values_are_deleted_and_counted() {
    each(|_, cache| {
        for key in ["a", "b", "c"] {
            cache.set_value(key, &Value::from(1), Lifetime::NONE).expect("set");
        }
        assert_eq!(cache.exists(["a", "b", "none"]), 2);
        assert!(cache.delete_value("a"));
        assert!(!cache.delete_value("a"));
        assert_eq!(cache.delete_values(["a", "b", "c"]), 2);
        assert_eq!(cache.delete_values::<&str>([]), 0);
        assert_eq!(cache.exists(["a", "b", "c"]), 0);
    });
}

#[test]
fn keys_are_found_by_their_beginning_and_only_the_star_is_wild() {
    each(|_, cache| {
        let other = cache.for_site(KeyPrefix::new("other").expect("a prefix"));
        for key in ["report1", "report[1]", "report[1]x", "re*", "rex", "price", "price_list"] {
            cache.set_value(key, &Value::from(1), Lifetime::NONE).expect("set");
            other.set_value(key, &Value::from(1), Lifetime::NONE).expect("set");
        }
        let names = |beginning: &str| -> Vec<String> {
            let start = cache.prefix().as_str().len() + 1;
            let text = |key: Vec<u8>| String::from_utf8(key[start..].to_vec()).expect("text");
            let mut names: Vec<_> = cache.get_keys(beginning).into_iter().map(text).collect();
            names.sort();
            names
        };
        assert_eq!(names("report[1]"), ["report[1]", "report[1]x"]);
        assert_eq!(names("re*x"), ["report[1]x", "rex"]);
        assert_eq!(names("p"), ["price", "price_list"]);
        assert_eq!(names("").len(), 7);
        assert_eq!(cache.delete_keys("report[1]"), 2);
        assert_eq!(cache.delete_keys("price"), 2);
        assert_eq!(names(""), ["re*", "report1", "rex"]);
        assert_eq!(other.get_keys("").len(), 7, "the other site keeps its own");
    });
}

#[test]
fn hashes_keep_fields_that_change_by_themselves() {
    each(|_, cache| {
        cache.hset("user|admin", "name", &"Admin".into()).expect("hset");
        cache.hset("user|admin", "email", &"admin@example.com".into()).expect("hset");
        cache.hset("user|admin", "none", &Value::None).expect("hset");
        assert_eq!(cache.hget("user|admin", "name"), Some("Admin".into()));
        assert_eq!(cache.hget("user|admin", "none"), Some(Value::None), "a stored None is a hit");
        assert_eq!(cache.hget("user|admin", "phone"), None);
        let mut all = cache.hgetall("user|admin");
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let want = [("email", "admin@example.com".into()), ("name", "Admin".into()), ("none", Value::None)];
        assert_eq!(all, want.map(|(field, value)| (field.as_bytes().to_vec(), value)));
        assert!(cache.hexists("user|admin", "name") && !cache.hexists("user|admin", "phone"));
        assert_eq!(cache.hkeys("user|admin").len(), 3);
        assert_eq!(cache.hdel("user|admin", &["name", "phone"]), 1);
        assert_eq!(cache.hdel::<&str>("user|admin", &[]), 0);
        assert_eq!(cache.hget("user|admin", "name"), None);
        assert_eq!(cache.hgetall("nobody"), vec![]);
    });
}

#[test]
fn without_a_key_the_bytes_are_the_bare_pickle() {
    let server = Server::start();
    let cache = bare(&server, "site");
    cache.set_value("k", &"hi".into(), Lifetime::NONE).expect("set");
    assert_eq!(stored(&server, &cache, "k"), b"\x80\x05\x8c\x02hi.");
    // What an older framework wrote, in protocol 0.
    raw(&server, &[b"SET", b"site|old", b"(lp0\nI1\naVx\np1\na."]);
    assert_eq!(cache.get_value("old"), Some(Value::List(vec![1.into(), "x".into()])));
}

#[test]
fn a_signed_value_is_a_miss_wherever_it_was_not_put() {
    let server = Server::start();
    let cache = signed(&server, "site");
    let strict = cache.strict();
    cache.set_value("k", &"secret".into(), Lifetime::secs(100)).expect("set");
    cache.hset("h", "f", &"secret".into()).expect("hset");
    let value = stored(&server, &cache, "k");
    let field = raw(&server, &[b"HGET", b"site|h", b"f"]).as_bytes().expect("a field").to_vec();

    let rejected = |result: Result<Option<Value>, CacheError>, want: Rejection| match result {
        Err(CacheError::Rejected(got)) => assert_eq!(got, want),
        other => panic!("not rejected: {other:?}"),
    };
    raw(&server, &[b"SET", b"site|k2", &value]);
    rejected(strict.get_value("k2"), Rejection::Signature);
    raw(&server, &[b"SET", b"other|k", &value]);
    rejected(
        cache.for_site(KeyPrefix::new("other").expect("a prefix")).strict().get_value("k"),
        Rejection::Signature,
    );
    raw(&server, &[b"HSET", b"site|h", b"f2", &field]);
    rejected(strict.hget("h", "f2"), Rejection::Signature);
    raw(&server, &[b"SET", b"site|h2", &field]);
    rejected(strict.get_value("h2"), Rejection::Signature);
    raw(&server, &[b"SET", b"site|cut", &value[..value.len() - 1]]);
    rejected(strict.get_value("cut"), Rejection::Signature);
    raw(&server, &[b"SET", b"site|bare", b"\x80\x05\x8c\x02hi."]);
    rejected(strict.get_value("bare"), Rejection::Unsigned);
    let foreign = bare(&server, "site").with_signing_key(SigningKey::from_bytes([8; 32]));
    rejected(foreign.strict().get_value("k"), Rejection::Signature);
    rejected(bare(&server, "site").strict().get_value("k"), Rejection::NoKey);

    // A copy that is put back after the end of its lifetime.
    cache.set_value("short", &"old".into(), Lifetime::secs(1)).expect("set");
    let old = stored(&server, &cache, "short");
    crate::server::wait_for("the end of the lifetime", || cache.get_value("short").is_none());
    raw(&server, &[b"SET", b"site|short", &old]);
    rejected(strict.get_value("short"), Rejection::Expired);

    // To workers, each is a miss, and counted.
    let before = cache.client().stats();
    for key in ["k2", "cut", "bare", "short"] {
        assert_eq!(cache.get_value(key), None);
    }
    let stats = cache.client().stats();
    assert_eq!((stats.rejected - before.rejected, stats.misses - before.misses), (4, 4));
    assert_eq!(stats.hits, before.hits);
    assert_eq!(cache.hgetall("h"), vec![(b"f".to_vec(), "secret".into())], "the moved field is left out");
}

#[test]
fn what_is_no_plain_data_is_a_miss_and_counted() {
    let server = Server::start();
    let cache = bare(&server, "site");
    raw(&server, &[b"SET", b"site|k", b"cos\nsystem\n(S'true'\ntR."]);
    assert_eq!(cache.get_value("k"), None);
    let stats = cache.client().stats();
    assert_eq!((stats.unreadable, stats.misses, stats.hits), (1, 1, 0), "{stats:?}");
    let error = cache.strict().get_value("k").expect_err("strict tells");
    let CacheError::Unreadable(PickleError::Unsupported { global }) = error else { panic!("{error}") };
    assert_eq!(global, "os.system");
}

#[test]
fn a_value_that_python_could_not_take_is_an_error_also_for_workers() {
    let server = Server::start();
    let cache = bare(&server, "site");
    let value = Value::Set(vec![Value::List(vec![])]);
    assert_eq!(cache.set_value("k", &value, Lifetime::NONE), Err(UnpicklableError::Unhashable));
    assert_eq!(cache.client().stats().dropped_writes, 0);
}

#[test]
fn pickles_made_elsewhere_travel_in_the_same_envelope() {
    each(|_, cache| {
        let strict = cache.strict();
        strict.set_pickle("k", b"cdecimal\nDecimal\n(V1\ntR.", Lifetime::secs(60)).expect("set");
        let bytes = strict.get_pickle("k", <[u8]>::to_vec).expect("get");
        assert_eq!(bytes.as_deref(), Some(&b"cdecimal\nDecimal\n(V1\ntR."[..]));
        assert_eq!(strict.get_pickle("none", <[u8]>::len).expect("get"), None);
    });
}
