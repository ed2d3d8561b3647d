//! Functions whose answers are kept: who computes, who waits, and what is kept.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dontmanage_cache::memo::{Call, Calls, Canonical, Look, Memo, MemoOptions, Ticket};
use dontmanage_cache::{
    Cache, Client, ClientOptions, KeyPrefix, Lifetime, RedisUrl, Scope, SigningKey, Ttl, Value, pickle,
};

use crate::server::{Server, free_port, patient, wait_for};

fn cache(server: &Server) -> Cache {
    let client = Client::with_options(server.url(), ClientOptions::new().deadlines(patient()));
    Cache::new(client, KeyPrefix::new("site").expect("a prefix"))
        .with_signing_key(SigningKey::from_bytes([7; 32]))
}

fn arguments(number: i64) -> Canonical {
    let mut arguments = Canonical::new();
    arguments.int(number);
    arguments
}

fn call(memo: &Memo, cache: &Cache, number: i64) -> Call {
    memo.call(cache, Scope::Site, &arguments(number))
}

fn look(call: &mut Call) -> Look<i64> {
    call.look(|bytes| pickle::read(bytes).ok()?.as_int())
}

fn store(ticket: Ticket, answer: i64) -> bool {
    ticket.store(|out| pickle::write(&Value::from(answer), out)).expect("a number can be stored")
}

fn ticket(look: Look<i64>) -> Ticket {
    match look {
        Look::Compute(ticket) | Look::Refresh(_, ticket) => ticket,
        other => panic!("no ticket: {other:?}"),
    }
}

/// What a decorated function does.
fn answer(memo: &Memo, cache: &Cache, number: i64, compute: impl FnOnce() -> i64) -> i64 {
    let mut call = call(memo, cache, number);
    match call.wait(|bytes| pickle::read(bytes).ok()?.as_int()) {
        Look::Fresh(answer) | Look::Stale(answer) => answer,
        Look::Compute(ticket) | Look::Refresh(_, ticket) => {
            ticket.hold();
            let answer = compute();
            store(ticket, answer);
            answer
        }
        Look::Busy => panic!("waiting does not end so"),
    }
}

#[test]
fn an_answer_is_computed_once_and_kept_for_its_lifetime() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::new("m.f", MemoOptions::new().lifetime(Lifetime::secs(60)));
    assert_eq!(answer(&memo, &cache, 1, || 10), 10);
    assert_eq!(answer(&memo, &cache, 1, || panic!("it is kept")), 10);
    assert_eq!(answer(&memo, &cache, 2, || 20), 20, "other arguments");
    let Ttl::Left(left) = cache.ttl(&memo.key(&arguments(1))) else { panic!("it has an end") };
    assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "{left:?}");
    assert_eq!(cache.get_keys("m.f::").len(), 2, "no lock is left");
    let stats = memo.stats();
    assert_eq!((stats.hits, stats.misses, stats.computed, stats.errors), (1, 2, 2, 0), "{stats:?}");
}

#[test]
fn of_many_callers_one_computes_and_the_others_get_its_answer() {
    let server = Server::start();
    let computed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                // A client of its own for each, as in processes.
                let (memo, cache) = (Memo::new("m.f", MemoOptions::new()), cache(&server));
                let answer = answer(&memo, &cache, 1, || {
                    computed.fetch_add(1, Ordering::SeqCst);
                    wait_for("the others have come", || {
                        let info = server.connection().info("clients").expect("info");
                        info.get("connected_clients").and_then(|count| count.parse().ok()) > Some(15)
                    });
                    42
                });
                assert_eq!(answer, 42);
            });
        }
    });
    assert_eq!(computed.load(Ordering::SeqCst), 1);
}

#[test]
fn the_lock_of_a_dead_process_hangs_nobody() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::new("m.f", MemoOptions::new().lease(Duration::from_millis(300)));
    // What a process leaves that is killed while it computes.
    let lock = [call(&memo, &cache, 1).key(), b":lock"].concat();
    server.connection().command(&[b"SET", &lock, b"token of the dead", b"PX", b"300"]).expect("the lock");
    let start = Instant::now();
    assert!(matches!(look(&mut call(&memo, &cache, 1)), Look::Busy));
    assert_eq!(answer(&memo, &cache, 1, || 7), 7);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(memo.stats().waited, 2);
}

#[test]
fn a_leader_that_fails_lets_the_next_one_on_at_once() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::new("m.f", MemoOptions::new());
    let first = ticket(look(&mut call(&memo, &cache, 1)));
    let mut second = call(&memo, &cache, 1);
    assert!(matches!(look(&mut second), Look::Busy));
    drop(first);
    assert!(store(ticket(look(&mut second)), 2));
    assert_eq!(answer(&memo, &cache, 1, || panic!("it is kept")), 2);
    assert_eq!(memo.stats().failed, 1);
}

#[test]
fn a_lease_is_renewed_while_its_leader_computes() {
    let server = Server::start();
    let cache = cache(&server);
    let lease = Duration::from_secs(1);
    let memo = Memo::new("m.f", MemoOptions::new().lease(lease));
    let leader = ticket(look(&mut call(&memo, &cache, 1)));
    let (start, mut looks) = (Instant::now(), 0);
    let mut other = call(&memo, &cache, 1);
    while start.elapsed() < 3 * lease {
        assert!(matches!(look(&mut other), Look::Busy), "after {:?}", start.elapsed());
        looks += 1;
        std::thread::sleep(other.pause());
    }
    assert!(looks > 5, "{looks}");
    assert!(store(leader, 1), "the lock is still the leader's");
    assert!(matches!(look(&mut other), Look::Fresh(1)));
}

#[test]
fn patience_ends_and_then_a_caller_computes_for_itself() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::new("m.f", MemoOptions::new().patience(Duration::from_millis(100)));
    let _leader = ticket(look(&mut call(&memo, &cache, 1)));
    let start = Instant::now();
    assert_eq!(answer(&memo, &cache, 1, || 5), 5);
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert_eq!(answer(&memo, &cache, 1, || panic!("it is kept")), 5);
}

#[test]
fn an_old_answer_serves_the_others_while_one_refreshes_it() {
    let server = Server::start();
    let cache = cache(&server);
    let options = MemoOptions::new().lifetime(Lifetime::secs(100)).stale(Duration::from_secs(1000));
    // The lock is for missing answers; an old one has one refresher in any case.
    let memo = Memo::new("m.f", options.lock(false));
    assert!(store(ticket(look(&mut call(&memo, &cache, 1))), 1));
    assert!(matches!(look(&mut call(&memo, &cache, 1)), Look::Fresh(1)));
    // As if 200 seconds had passed.
    let key = call(&memo, &cache, 1).key().to_vec();
    server.connection().command(&[b"EXPIRE", &key, b"900"]).expect("expire");

    let Look::Refresh(1, refresher) = look(&mut call(&memo, &cache, 1)) else { panic!("ours to refresh") };
    for _ in 0..3 {
        assert!(matches!(look(&mut call(&memo, &cache, 1)), Look::Stale(1)));
    }
    assert!(store(refresher, 2));
    assert!(matches!(look(&mut call(&memo, &cache, 1)), Look::Fresh(2)));
    assert_eq!(memo.stats().stale, 3);

    server.connection().command(&[b"EXPIRE", &key, b"900"]).expect("expire");
    drop(ticket(look(&mut call(&memo, &cache, 1))));
    assert!(
        matches!(look(&mut call(&memo, &cache, 1)), Look::Refresh(2, _)),
        "a failure leaves it to the next"
    );
}

#[test]
fn what_began_before_a_clear_is_not_kept() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::new("m.f", MemoOptions::new());
    let leader = ticket(look(&mut call(&memo, &cache, 1)));
    memo.clear(&cache, Calls::Site).expect("cleared");
    assert!(!store(leader, 1), "it may have been computed from what is no more");
    let leader = ticket(look(&mut call(&memo, &cache, 1)));
    assert!(!call(&memo, &cache, 1).clear(), "there is no answer yet");
    assert!(!store(leader, 2));
    assert_eq!(memo.stats().outdated, 2);
    assert_eq!(answer(&memo, &cache, 1, || 3), 3);
    assert!(call(&memo, &cache, 1).clear());
    assert_eq!(cache.get_keys(""), Vec::<Vec<u8>>::new());
}

#[test]
fn what_began_before_a_clear_is_not_kept_either_where_each_computes_for_himself() {
    let server = Server::start();
    let cache = cache(&server);
    for clear in [
        |memo: &Memo, cache: &Cache| assert!(!call(memo, cache, 1).clear()),
        |memo: &Memo, cache: &Cache| assert!(memo.clear(cache, Calls::Site).is_ok()),
    ] {
        let memo = Memo::new("m.f", MemoOptions::new().lock(false));
        let (first, second) =
            (ticket(look(&mut call(&memo, &cache, 1))), ticket(look(&mut call(&memo, &cache, 1))));
        clear(&memo, &cache);
        let third = ticket(look(&mut call(&memo, &cache, 1)));
        assert!(!store(first, 1) && !store(second, 2), "they began before");
        assert!(store(third, 3));
        assert!(matches!(look(&mut call(&memo, &cache, 1)), Look::Fresh(3)));
        assert_eq!(memo.stats().outdated, 2);
        assert!(call(&memo, &cache, 1).clear());
    }
}

#[test]
fn of_those_who_compute_each_for_himself_the_first_that_is_done_keeps_his_answer() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::new("m.f", MemoOptions::new().lock(false));
    let tickets: Vec<_> = (0..4).map(|_| ticket(look(&mut call(&memo, &cache, 1)))).collect();
    let kept: Vec<_> =
        (0..).zip(tickets).map(|(number, ticket)| number != 0 && store(ticket, number)).collect();
    assert_eq!(kept, [false, true, false, false], "the first of them failed");
    assert!(matches!(look(&mut call(&memo, &cache, 1)), Look::Fresh(1)));
    assert!(call(&memo, &cache, 1).clear());
    assert!(store(ticket(look(&mut call(&memo, &cache, 1))), 5));
}

#[test]
fn who_has_waited_in_vain_keeps_nothing_that_was_cleared() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::new("m.f", MemoOptions::new().patience(Duration::ZERO));
    let leader = ticket(look(&mut call(&memo, &cache, 1)));
    let impatient = ticket(look(&mut call(&memo, &cache, 1)));
    let anyway = call(&memo, &cache, 1).compute_anyway();
    call(&memo, &cache, 1).clear();
    assert!(!store(impatient, 1) && !store(anyway, 2) && !store(leader, 3));
    let leader = ticket(look(&mut call(&memo, &cache, 1)));
    let impatient = ticket(look(&mut call(&memo, &cache, 1)));
    assert!(store(impatient, 4), "nothing was cleared");
    assert!(!store(leader, 5), "there is an answer");
}

#[test]
fn a_clear_reaches_this_function_of_these_callers_and_nothing_else() {
    let server = Server::start();
    let cache = cache(&server);
    let other_site = cache.for_site(KeyPrefix::new("other").expect("a prefix"));
    let (price, price_list) =
        (Memo::new("m.price", MemoOptions::new()), Memo::new("m.price_list", MemoOptions::new()));
    let star = Memo::new("m.p*", MemoOptions::new());
    let scopes = [
        Scope::Site,
        Scope::User("ann@x.co"),
        Scope::User("ann@x.com"),
        Scope::User("a:m.price"),
        Scope::Shared,
    ];
    let fill = || {
        for memo in [&price, &price_list, &star] {
            for number in 0..3 {
                for scope in scopes {
                    store(memo.call(&cache, scope, &arguments(number)).compute_anyway(), number);
                }
                store(call(memo, &other_site, number).compute_anyway(), number);
            }
        }
        cache.set_value("m.price::own", &Value::from(1), Lifetime::NONE).expect("set");
        assert_eq!(total(&server), 55);
    };
    for (whose, want) in
        [(Calls::Site, 3), (Calls::User("ann@x.co"), 3), (Calls::EveryUser, 9), (Calls::Shared, 3)]
    {
        fill();
        assert_eq!(price.clear(&cache, whose).expect("cleared"), want, "{whose:?}");
        assert_eq!(total(&server), 55 - want, "{whose:?}");
        for scope in scopes {
            let cleared = match (whose, scope) {
                (Calls::Site, Scope::Site)
                | (Calls::Shared, Scope::Shared)
                | (Calls::EveryUser, Scope::User(_)) => true,
                (Calls::User(a), Scope::User(b)) => a == b,
                _ => false,
            };
            let found = matches!(look(&mut price.call(&cache, scope, &arguments(1))), Look::Fresh(1));
            assert_eq!(found, !cleared, "{whose:?} {scope:?}");
        }
    }
}

fn total(server: &Server) -> u64 {
    let total = server.connection().command(&[b"DBSIZE"]).expect("dbsize").as_int().expect("a number");
    u64::try_from(total).expect("a count")
}

#[test]
fn a_function_that_calls_itself_with_the_same_arguments_does_not_wait_for_itself() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::new("m.f", MemoOptions::new());
    let start = Instant::now();
    let sum = answer(&memo, &cache, 1, || answer(&memo, &cache, 1, || 20) + 1);
    assert_eq!(sum, 21);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(answer(&memo, &cache, 1, || panic!("the outer answer is kept")), 21);
    // Once it is over, the thread waits for others again.
    call(&memo, &cache, 1).clear();
    let _leader = ticket(look(&mut call(&memo, &cache, 1)));
    assert!(matches!(look(&mut call(&memo, &cache, 1)), Look::Busy));
}

#[test]
fn without_a_server_every_call_computes_and_costs_little() {
    let client =
        Client::with_options(RedisUrl::tcp("127.0.0.1", free_port()), ClientOptions::new().on_event(|_| {}));
    let cache = Cache::new(client, KeyPrefix::new("site").expect("a prefix"));
    let memo = Memo::new("m.f", MemoOptions::new());
    let start = Instant::now();
    for number in 0..200 {
        assert_eq!(answer(&memo, &cache, 1, || number), number);
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!((memo.stats().hits, memo.stats().errors > 0), (0, true));
}

#[test]
fn a_server_that_takes_no_locks_is_done_without() {
    let server = Server::start();
    let cache = cache(&server);
    let memo = Memo::new("m.f", MemoOptions::new());
    assert_eq!(answer(&memo, &cache, 1, || 1), 1);
    server.connection().command(&[b"CONFIG", b"SET", b"maxmemory", b"1"]).expect("full");
    server.connection().command(&[b"CONFIG", b"SET", b"maxmemory-policy", b"noeviction"]).expect("full");
    assert_eq!(answer(&memo, &cache, 1, || panic!("reads go on")), 1);
    let start = Instant::now();
    assert_eq!(answer(&memo, &cache, 2, || 2), 2);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn where_scripts_are_forbidden_answers_are_kept_all_the_same() {
    let server = Server::start();
    server.connection().command(&[b"ACL", b"SETUSER", b"default", b"-eval", b"-evalsha"]).expect("acl");
    let (cache, memo) = (cache(&server), Memo::new("m.f", MemoOptions::new()));
    assert_eq!(answer(&memo, &cache, 1, || 1), 1);
    assert_eq!(answer(&memo, &cache, 1, || panic!("it is kept")), 1);
    assert_eq!(cache.get_keys("").len(), 1, "the lock is given back");
}

#[test]
fn a_forged_answer_is_computed_anew() {
    let server = Server::start();
    let (cache, memo) = (cache(&server), Memo::new("m.f", MemoOptions::new()));
    assert_eq!(answer(&memo, &cache, 1, || 1), 1);
    let key = call(&memo, &cache, 1).key().to_vec();
    let other = call(&memo, &cache, 2).key().to_vec();
    server.connection().command(&[b"COPY", &key, &other]).expect("moved");
    assert_eq!(answer(&memo, &cache, 2, || 2), 2);
    server.connection().command(&[b"SET", &key, b"cos\nsystem\n(S'true'\ntR."]).expect("forged");
    assert_eq!(answer(&memo, &cache, 1, || 3), 3);
    assert_eq!(cache.client().stats().rejected, 2);
}
