//! Rust's own types in the cache.

use std::process::Command;

use dontmanage_cache::{
    Cache, CacheError, Client, ClientOptions, Date, KeyPrefix, Lifetime, SigningKey, StoreError, Value,
};
use serde::{Deserialize, Serialize};

use crate::server::{Server, patient};

fn caches(server: &Server) -> [Cache; 2] {
    let client = Client::with_options(server.url(), ClientOptions::new().deadlines(patient()));
    let bare = Cache::new(client.clone(), KeyPrefix::new("bare").expect("a prefix"));
    let signed = Cache::new(client, KeyPrefix::new("signed").expect("a prefix"));
    [bare, signed.with_signing_key(SigningKey::from_bytes([7; 32]))]
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Price {
    amount: f64,
    currency: String,
    since: Option<Date>,
}

fn price() -> Price {
    Price { amount: 1.5, currency: "EUR".to_owned(), since: Some(Date::new(2026, 11, 23).expect("a day")) }
}

#[test]
fn a_struct_comes_back_as_value_and_as_field() {
    for cache in caches(&Server::start()) {
        assert_eq!(cache.get::<Price>("k"), None);
        cache.set("k", &price(), Lifetime::secs(60)).expect("set");
        assert_eq!(cache.get("k"), Some(price()));
        cache.set_field("h", "f", &price()).expect("set");
        assert_eq!(cache.get_field("h", "f"), Some(price()));
        assert_eq!(cache.get_field::<Price>("h", "g"), None);
        cache.set("none", &None::<Price>, Lifetime::NONE).expect("set");
        assert_eq!(cache.get::<Option<Price>>("none"), Some(None), "a stored None is no miss");
        assert_eq!(cache.get::<Option<Price>>("missing"), None);
    }
}

#[test]
fn another_shape_is_a_miss_and_counted() {
    for cache in caches(&Server::start()) {
        cache.set("k", &(1, "x"), Lifetime::NONE).expect("set");
        let before = cache.client().stats();
        assert_eq!(cache.get::<Price>("k"), None);
        let after = cache.client().stats();
        assert_eq!(after.hits, before.hits);
        assert_eq!((after.misses - before.misses, after.unreadable - before.unreadable), (1, 1));
        let error = cache.strict().get::<(i32, i32)>("k").expect_err("strict tells");
        assert!(matches!(error, CacheError::Shape(_)), "{error}");
        assert!(error.to_string().contains("at `[1]`"), "{error}");
    }
}

#[test]
fn what_is_not_there_is_made_once() {
    for cache in caches(&Server::start()) {
        assert_eq!(cache.get_or_set_with("k", Lifetime::secs(60), price), price());
        assert_eq!(cache.get_or_set_with::<Price>("k", Lifetime::secs(60), || panic!("it is kept")), price());
        let error = cache.set("k2", &std::collections::BTreeMap::from([(vec![1], 1)]), Lifetime::NONE);
        assert!(matches!(error, Err(StoreError::Unpicklable(_))), "{error:?}");
    }
}

#[test]
fn python_reads_what_rust_stores_and_the_other_way_round() {
    let server = Server::start();
    let [cache, _] = caches(&server);
    cache.set("k", &price(), Lifetime::NONE).expect("set");
    let program = "\
import pickle, socket, sys, datetime
redis = socket.socket(socket.AF_UNIX)
redis.connect(sys.argv[1])
file = redis.makefile('rwb')
def ask(*args):
    file.write(b'*%d\\r\\n' % len(args) + b''.join(b'$%d\\r\\n%s\\r\\n' % (len(a), a) for a in args))
    file.flush()
    line = file.readline()
    return file.read(int(line[1:]) + 2)[:-2] if line[:1] == b'$' else line
price = pickle.loads(ask(b'GET', b'bare|k'))
assert price == {'amount': 1.5, 'currency': 'EUR', 'since': datetime.date(2026, 11, 23)}, price
price['amount'], price['since'] = 2, None
ask(b'SET', b'bare|k', pickle.dumps(price))
";
    let output = Command::new("python3")
        .args(["-c", program])
        .arg(server.socket())
        .output()
        .expect("python3 is needed for this test: apt-get install python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(cache.get("k"), Some(Price { amount: 2.0, currency: "EUR".to_owned(), since: None }));
    assert_eq!(cache.get_value("k").and_then(|value| value.get("amount").cloned()), Some(Value::Int(2)));
}

#[test]
fn large_signed_values_are_compressed_if_wanted_and_read_by_everyone() {
    let server = Server::start();
    let options = || ClientOptions::new().deadlines(patient());
    let cache = |options| {
        Cache::new(Client::with_options(server.url(), options), KeyPrefix::new("site").expect("a prefix"))
    };
    let signed = |options| cache(options).with_signing_key(SigningKey::from_bytes([7; 32]));
    let (packing, plain) = (signed(options().compress_above(1000)), signed(options()));
    let size = |key: &str| {
        let reply = server.connection().command(&[b"STRLEN", &plain.make_key(key)]).expect("strlen");
        reply.as_int().expect("a number")
    };
    let large: Vec<String> = (0..500).map(|number| format!("line number {number}")).collect();
    plain.set("plain", &large, Lifetime::NONE).expect("set");
    packing.set("packed", &large, Lifetime::secs(60)).expect("set");
    packing.set("small", "x", Lifetime::NONE).expect("set");
    plain.set("as small", "x", Lifetime::NONE).expect("set");
    assert!(size("packed") * 2 < size("plain"), "{} {}", size("packed"), size("plain"));
    assert_eq!(size("small"), size("as small"));
    for reader in [&packing, &plain] {
        assert_eq!(reader.get::<Vec<String>>("packed").as_ref(), Some(&large));
        assert_eq!(reader.get::<Vec<String>>("plain").as_ref(), Some(&large));
    }
    packing.set_field("h", "f", &large).expect("set");
    assert_eq!(plain.get_field::<Vec<String>>("h", "f").as_ref(), Some(&large));
    assert_eq!(plain.hgetall("h").len(), 1);
    assert!(plain.expire_key("packed", Lifetime::secs(600)), "also signed anew");
    assert_eq!(plain.get::<Vec<String>>("packed").as_ref(), Some(&large));
    // Moved, it is rejected as any other value.
    let copied = server.connection().command(&[b"COPY", &plain.make_key("packed"), &plain.make_key("moved")]);
    copied.expect("copy");
    assert_eq!(plain.get::<Vec<String>>("moved"), None);

    let bare = cache(options().compress_above(1000)).for_site(KeyPrefix::new("bare").expect("a prefix"));
    bare.set("k", &large, Lifetime::NONE).expect("set");
    let stored = server.connection().command(&[b"GET", b"bare|k"]).expect("get");
    assert!(stored.as_bytes().is_some_and(|bytes| bytes.starts_with(b"\x80\x05")), "a bare pickle stays one");
}
