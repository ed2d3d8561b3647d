//! Functions under `#[redis_cache]`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use dontmanage_cache::{
    Cache, Client, ClientOptions, Date, KeyPrefix, SigningKey, Ttl, redis_cache, with_cache, with_user,
};
use serde::{Deserialize, Serialize};

use crate::server::{Server, patient};

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

fn ran() {
    RUNS.set(RUNS.get() + 1);
}

/// How often bodies run during `work`.
fn runs<T>(work: impl FnOnce() -> T) -> u32 {
    let before = RUNS.get();
    work();
    RUNS.get() - before
}

fn cache(server: &Server, site: &str) -> Cache {
    let client = Client::with_options(server.url(), ClientOptions::new().deadlines(patient()));
    Cache::new(client, KeyPrefix::new(site).expect("a prefix"))
        .with_signing_key(SigningKey::from_bytes([7; 32]))
}

fn on_a_site(test: impl FnOnce(&Cache)) {
    let server = Server::start();
    let cache = cache(&server, "site");
    with_cache(&cache, || test(&cache));
}

fn lifetime(cache: &Cache, function: &str) -> Duration {
    let keys = cache.get_keys(function);
    assert_eq!(keys.len(), 1, "{function}");
    let key = String::from_utf8(keys[0].clone()).expect("text");
    match cache.ttl(key.strip_prefix("site|").expect("the site's")) {
        Ttl::Left(left) => left,
        Ttl::Unlimited => Duration::MAX,
        other => panic!("{other:?}"),
    }
}

#[redis_cache]
fn slow_add(a: i64, b: i64) -> i64 {
    ran();
    a + b
}

#[redis_cache(ttl = "1m 30s")]
fn short() -> Option<i64> {
    ran();
    None
}

#[redis_cache(ttl = "none", lock = false)]
fn for_ever(mut text: String) -> String {
    ran();
    text.push('!');
    text
}

#[test]
fn a_second_call_does_not_run_the_body() {
    on_a_site(|cache| {
        assert_eq!(runs(|| assert_eq!((slow_add(40, 2), slow_add(40, 2)), (42, 42))), 1);
        assert_eq!(runs(|| assert_eq!(slow_add(2, 40), 42)), 1, "other arguments");
        assert_eq!(runs(|| assert_eq!((short(), short()), (None, None))), 1, "None is an answer");
        let both = || assert_eq!(for_ever("x".to_owned()), "x!");
        assert_eq!(runs(|| (both(), both())), 1);
        assert_eq!(lifetime(cache, "redis.decorated.short::").as_secs().div_ceil(10) * 10, 90);
        assert_eq!(lifetime(cache, "redis.decorated.for_ever::"), Duration::MAX);
        slow_add::clear_cache_for(2, 40);
        assert_eq!(lifetime(cache, "redis.decorated.slow_add::").as_secs().div_ceil(100) * 100, 3600);
    });
}

#[test]
fn clearing_is_for_one_function_or_one_call() {
    on_a_site(|_| {
        slow_add(1, 1);
        slow_add(1, 2);
        short();
        assert!(slow_add::clear_cache_for(1, 1));
        assert!(!slow_add::clear_cache_for(1, 1));
        assert_eq!(runs(|| (slow_add(1, 1), slow_add(1, 2))), 1);
        assert_eq!(slow_add::clear_cache(), 2);
        assert_eq!(runs(|| (slow_add(1, 1), slow_add(1, 2), short())), 2);
        assert!(slow_add::cache_stats().computed >= 5);
        assert!(
            dontmanage_cache::memo::function_stats()
                .iter()
                .any(|(name, _)| name == "redis.decorated.slow_add")
        );
    });
}

#[test]
fn without_a_cache_it_is_the_plain_function() {
    assert_eq!(runs(|| assert_eq!((slow_add(1, 2), slow_add(1, 2)), (3, 3))), 2);
    assert_eq!(slow_add::clear_cache(), 0);
}

#[test]
fn sites_have_answers_of_their_own() {
    let server = Server::start();
    let (one, other) = (cache(&server, "one"), cache(&server, "other"));
    let call = |site: &Cache| runs(|| assert_eq!(with_cache(site, || slow_add(1, 2)), 3));
    assert_eq!((call(&one), call(&other), call(&one), call(&other)), (1, 1, 0, 0));
    with_cache(&one, slow_add::clear_cache);
    assert_eq!((call(&one), call(&other)), (1, 0));
}

#[redis_cache(ttl = 60, user)]
fn for_me(number: u8) -> u8 {
    ran();
    number
}

#[redis_cache(user = "Administrator")]
fn for_administrator() -> u8 {
    ran();
    1
}

#[redis_cache(shared)]
fn for_all() -> u8 {
    ran();
    1
}

#[test]
fn users_have_answers_of_their_own() {
    on_a_site(|cache| {
        let call = |user: &str| runs(|| with_user(user, || assert_eq!(for_me(1), 1)));
        assert_eq!((call("ann"), call("ben"), call("ann"), call("ben")), (1, 1, 0, 0));
        assert_eq!(runs(|| (for_me(1), for_me(1))), 2, "nobody's answer is kept");
        assert!(with_user("ann", || for_me::clear_cache_for(1)));
        assert_eq!((call("ann"), call("ben")), (1, 0));
        assert_eq!(for_me::clear_cache(), 2, "every user's");
        assert_eq!((call("ann"), call("ben")), (1, 1));

        assert_eq!(runs(|| (for_administrator(), for_administrator())), 1);
        assert_eq!(cache.get_keys("user:Administrator:").len(), 1);
        assert_eq!(for_administrator::clear_cache(), 1);
        let other = cache.for_site(KeyPrefix::new("other").expect("a prefix"));
        assert_eq!(runs(|| (for_all(), with_cache(&other, for_all))), 1);
        assert_eq!(for_all::clear_cache(), 1);
    });
}

type Checked<T> = Result<T, String>;

#[redis_cache]
fn checked(number: i32) -> Checked<i32> {
    ran();
    if number < 0 { Err(format!("{number} is negative")) } else { Ok(number) }
}

#[redis_cache]
fn parsed(text: &str) -> Result<i32, std::num::ParseIntError> {
    ran();
    let number = text.parse()?;
    if number == 0 {
        return Ok(-1);
    }
    Ok(number)
}

#[test]
fn errors_are_not_kept_and_answers_are() {
    on_a_site(|_| {
        assert_eq!(runs(|| assert_eq!((checked(1), checked(1)), (Ok(1), Ok(1)))), 1);
        assert_eq!(runs(|| (checked(-1), checked(-1))), 2, "also by another name of `Result`");
        assert_eq!(runs(|| assert_eq!((parsed("0"), parsed("0")), (Ok(-1), Ok(-1)))), 1);
        assert_eq!(runs(|| assert!(parsed("x").is_err() && parsed("x").is_err())), 2);
        assert!(checked::clear_cache_for(1));
    });
}

#[redis_cache]
fn permitted(number: u32) -> Option<()> {
    ran();
    (number > 0).then_some(())
}

#[redis_cache]
#[expect(clippy::option_option, reason = "what is tried")]
fn changed_to(number: u32) -> Option<Option<u32>> {
    ran();
    (number > 0).then(|| number.checked_sub(2))
}

#[test]
fn an_answer_that_would_come_back_as_another_is_computed_each_time() {
    on_a_site(|_| {
        for _ in 0..2 {
            assert_eq!((permitted(0), permitted(1)), (None, Some(())));
            assert_eq!((changed_to(0), changed_to(1), changed_to(2)), (None, Some(None), Some(Some(0))));
        }
        assert_eq!(runs(|| (permitted(0), changed_to(0), changed_to(2))), 0);
        assert_eq!(runs(|| (permitted(1), changed_to(1))), 2);
    });
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Order {
    day: Date,
    lines: BTreeMap<String, f64>,
}

#[redis_cache]
fn total(order: &Order, taxed: bool, note: Option<&str>) -> (f64, Order) {
    ran();
    let _ = (taxed, note);
    (order.lines.values().sum(), order.clone())
}

#[test]
fn arguments_are_told_apart_by_their_content() {
    on_a_site(|_| {
        let day = Date::new(2026, 11, 23).expect("a day");
        let order = Order { day, lines: BTreeMap::from([("apple".to_owned(), 1.5)]) };
        let same = order.clone();
        assert_eq!(runs(|| assert_eq!(total(&order, true, None), total(&same, true, None))), 1);
        let other = Order { day: Date::new(2026, 11, 24).expect("a day"), ..same };
        assert_eq!(runs(|| total(&other, true, None)), 1);
        assert_eq!(runs(|| total(&order, false, None)), 1);
        assert_eq!(runs(|| total(&order, true, Some("None"))), 1);
        assert_eq!(total(&order, true, None).1, order);
    });
}

#[redis_cache(key = "{number}")]
fn by_format(number: u32, _connection: &std::sync::Mutex<()>) -> u32 {
    ran();
    number
}

struct Shop {
    id: u32,
    factor: u32,
}

impl Shop {
    #[redis_cache(key = (self.id, number))]
    fn price(&self, number: u32) -> u32 {
        ran();
        self.factor * number
    }

    #[redis_cache(associated, ttl = "1h")]
    fn tax(number: u32) -> Result<u32, String> {
        ran();
        Self { id: 0, factor: 2 }.doubled(number).ok_or_else(|| "too large".to_owned())
    }

    fn doubled(&self, number: u32) -> Option<u32> {
        number.checked_mul(self.factor)
    }
}

struct Stall;

impl Stall {
    #[redis_cache(associated)]
    fn tax(number: u32) -> Result<u32, String> {
        ran();
        Ok(number)
    }
}

#[test]
fn a_key_can_be_said_and_methods_need_one() {
    on_a_site(|_| {
        let nothing = std::sync::Mutex::new(());
        assert_eq!(runs(|| (by_format(1, &nothing), by_format(1, &nothing), by_format(2, &nothing))), 2);
        let (one, other) = (Shop { id: 1, factor: 10 }, Shop { id: 2, factor: 20 });
        assert_eq!(runs(|| assert_eq!((one.price(2), one.price(2), other.price(2)), (20, 20, 40))), 2);
        assert!(one.price_clear_cache_for(2));
        assert_eq!(runs(|| (one.price(2), other.price(2))), 1);
        assert_eq!(Shop::price_clear_cache(), 2);
        assert_eq!(
            runs(|| assert_eq!((Shop::tax(3), Stall::tax(3), Shop::tax(3)), (Ok(6), Ok(3), Ok(6)))),
            2
        );
        assert_eq!(Shop::tax_clear_cache(), 1);
        assert_eq!(runs(|| (Shop::tax(3), Stall::tax(3))), 1);
        assert_eq!(runs(|| (Shop::tax(u32::MAX), Shop::tax(u32::MAX))), 2, "errors are not kept");
        assert!(Shop::tax_cache_stats().failed >= 2);
    });
}

fn one() -> u32 {
    #[redis_cache]
    fn local() -> u32 {
        1
    }
    local()
}

fn two() -> u32 {
    #[redis_cache]
    fn local() -> u32 {
        2
    }
    local()
}

mod inner {
    #[super::redis_cache]
    pub fn local() -> u32 {
        3
    }
}

#[test]
fn namesakes_never_share_answers() {
    on_a_site(|_| {
        for _ in 0..2 {
            assert_eq!((one(), two(), inner::local()), (1, 2, 3));
        }
        assert_eq!(inner::local::clear_cache(), 1);
    });
}

#[redis_cache(name = "shop.same")]
fn named() -> u32 {
    1
}

#[redis_cache(name = "shop.same")]
fn named_alike() -> u32 {
    2
}

#[test]
#[should_panic(expected = "two functions under `#[redis_cache]` are called `shop.same`")]
fn two_functions_of_one_name_are_a_mistake() {
    on_a_site(|_| {
        assert_eq!(named(), 1);
        named_alike();
    });
}

#[redis_cache]
fn fibonacci(number: u64) -> u64 {
    ran();
    if number < 2 { number } else { fibonacci(number - 1) + fibonacci(number - 2) }
}

#[test]
fn a_function_may_call_itself() {
    on_a_site(|_| assert_eq!(runs(|| assert_eq!(fibonacci(30), 832_040)), 31));
}

#[test]
fn a_panic_leaves_the_call_to_the_next() {
    #[redis_cache]
    fn shaky(panics: bool) -> u32 {
        ran();
        assert!(!panics || RUNS.get().is_multiple_of(2), "shaky");
        7
    }
    on_a_site(|_| {
        RUNS.set(0);
        let first = std::panic::catch_unwind(|| shaky(true));
        assert!(first.is_err());
        assert_eq!(runs(|| assert_eq!((shaky(true), shaky(true)), (7, 7))), 1);
    });
}
