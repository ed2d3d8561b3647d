//! Questions of several callers in one round trip.

use std::time::{Duration, Instant};

use dontmanage_cache::memo::{Canonical, Look, Memo, MemoOptions};
use dontmanage_cache::{
    Answer, Cache, Call, Client, ClientOptions, Deadlines, Found, KeyPrefix, Lifetime, Question, Reply,
    Scope, SigningKey, Store, Ttl,
};

use crate::proxy::{Mood, Proxy};
use crate::server::{PATIENCE, Server};

fn patient(url: dontmanage_cache::RedisUrl) -> Client {
    let deadlines = Deadlines::default().connect(PATIENCE).reply(PATIENCE);
    Client::with_options(url, ClientOptions::new().deadlines(deadlines))
}

fn find(key: &str) -> Question {
    Question::Find { key: key.into(), timed: true }
}

fn find_field(key: &str, field: &str) -> Question {
    Question::FindField { key: key.into(), field: field.into(), timed: true }
}

fn set(key: &str, pickle: &str, lifetime: Lifetime) -> Question {
    Question::Set { key: key.into(), pickle: pickle.into(), lifetime }
}

fn pickles(answers: &[Answer]) -> Vec<Option<&[u8]>> {
    answers
        .iter()
        .map(|answer| match answer {
            Answer::Found(Found { pickle, .. }) => Some(pickle.as_slice()),
            _ => None,
        })
        .collect()
}

#[test]
fn each_question_gets_its_own_answer_signed_or_not() {
    let server = Server::start();
    let client = patient(server.url());
    let key = SigningKey::from_file_text(&"ab".repeat(32)).expect("a key");
    for signing_key in [None, Some(&key)] {
        let store = Store::new(&client, signing_key);
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let mut writes = [
            set("a", "1", Lifetime::NONE),
            set("b", "2", Lifetime::secs(60)),
            Question::SetField { key: "h".into(), field: "f".into(), pickle: "3".into(), timed: false },
            Question::Command { call: Call::Write, words: words(&["SADD", "s", "x", "y"]) },
        ];
        let answers = store.ask_all(&mut writes);
        assert!(matches!(answers[..3], [Answer::Done, Answer::Done, Answer::Done]), "{answers:?}");
        assert!(matches!(answers[3], Answer::Reply(Reply::Int(_))), "{answers:?}");

        let mut reads = [
            find("b"),
            find("missing"),
            find_field("h", "f"),
            find("h"),
            Question::Command { call: Call::Read, words: words(&["SCARD", "s"]) },
            find("a"),
        ];
        let answers = store.ask_all(&mut reads);
        assert_eq!(
            pickles(&answers),
            [Some(&b"2"[..]), None, Some(&b"3"[..]), None, None, Some(&b"1"[..])],
            "{answers:?}"
        );
        assert!(matches!(answers[3], Answer::Refused), "a hash is no value: {answers:?}");
        assert!(matches!(answers[4], Answer::Reply(Reply::Int(2))), "{answers:?}");
        let Answer::Found(Found { left: Ttl::Left(left), .. }) = &answers[0] else { panic!("{answers:?}") };
        assert!(*left > Duration::from_secs(30) && *left <= Duration::from_secs(60), "{left:?}");
        assert!(matches!(&answers[5], Answer::Found(Found { left: Ttl::Unlimited, .. })), "{answers:?}");
    }
}

#[test]
fn a_value_of_another_place_is_missing() {
    let server = Server::start();
    let client = patient(server.url());
    let key = SigningKey::from_file_text(&"ab".repeat(32)).expect("a key");
    let store = Store::new(&client, Some(&key));
    store.set(b"from", b"1", Lifetime::NONE).expect("a server");
    client.command(Call::Write, &[b"COPY", b"from", b"to"]).expect("a server");
    assert!(matches!(store.ask_all(&mut [find("to")])[..], [Answer::Missing]));
    assert_eq!(client.stats().rejected, 1);
}

#[test]
fn all_are_answered_within_one_deadline_by_a_server_that_drips() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    let deadline = Duration::from_millis(300);
    let deadlines = Deadlines::default().connect(PATIENCE).reply(deadline);
    let client = Client::with_options(proxy.url(), ClientOptions::new().deadlines(deadlines));
    let store = Store::new(&client, None);
    // Each reply by itself is in time.
    proxy.set(Mood::Drip(Duration::from_millis(10)));
    let mut many: Vec<_> = (0..200).map(|number| find(&format!("k{number}"))).collect();
    let start = Instant::now();
    let answers = store.ask_all(&mut many);
    assert!(start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
    assert!(matches!(answers.first(), Some(Answer::Missing)), "the first came in time");
    assert!(matches!(answers.last(), Some(Answer::Away)));
    let unanswered = answers.iter().filter(|answer| matches!(answer, Answer::Away)).count() as u64;
    assert_eq!(client.stats().errors, unanswered, "each is counted");
    assert!(client.is_paused() && client.stats().outages == 1);
}

#[test]
fn a_reply_of_the_wrong_kind_answers_nobody() {
    let server = Server::start();
    let proxy = Proxy::before(server.port());
    for forged in [&b"+OK\r\n:1\r\n$-1\r\n"[..], b"+OK\r\n:1\r\n$1\r\nx\r\n+OK\r\n", b"+OK\r\nhello\r\n"] {
        let client = patient(proxy.url());
        proxy.set(Mood::Forge(forged.to_vec()));
        let answers = Store::new(&client, None).ask_all(&mut [set("k", "1", Lifetime::NONE), find("k")]);
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Away)), "{answers:?}");
    }
}

#[test]
fn a_connection_that_died_while_idle_is_replaced_without_a_miss() {
    let server = Server::start();
    let client = patient(server.url());
    let store = Store::new(&client, None);
    store.set(b"k", b"1", Lifetime::NONE).expect("a server");
    server.connection().command(&[b"CLIENT", b"KILL", b"TYPE", b"normal"]).expect("killed");
    assert_eq!(pickles(&store.ask_all(&mut [find("k")])), [Some(&b"1"[..])]);
    server.connection().command(&[b"CLIENT", b"KILL", b"TYPE", b"normal"]).expect("killed");
    let push = vec![b"LPUSH".to_vec(), b"l".to_vec(), b"1".to_vec()];
    let answers = store.ask_all(&mut [Question::Command { call: Call::Once, words: push }]);
    assert!(matches!(answers[..], [Answer::Away]), "what must not be done twice is not tried twice");
    assert_eq!(client.stats().dropped_writes, 1);
}

#[test]
fn a_full_server_is_told_of_once_for_all_writes() {
    let server = Server::with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let lines: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::default();
    let sink = lines.clone();
    let options = ClientOptions::new()
        .deadlines(Deadlines::default().connect(PATIENCE).reply(PATIENCE))
        .on_event(move |event| sink.lock().expect("the lines").push(event.to_string()));
    let client = Client::with_options(server.url(), options);
    let store = Store::new(&client, None);
    for _ in 0..3 {
        let answers =
            store.ask_all(&mut [set("a", "1", Lifetime::NONE), find("a"), set("b", "1", Lifetime::NONE)]);
        assert!(matches!(answers[..], [Answer::Refused, Answer::Missing, Answer::Refused]), "{answers:?}");
    }
    assert_eq!(lines.lock().expect("the lines").len(), 1, "{lines:?}");
    assert_eq!((client.stats().dropped_writes, client.stats().errors), (6, 6));
}

#[test]
fn a_client_tells_without_waiting_whether_it_would_ask() {
    let mut server = Server::start();
    let deadlines = Deadlines::default().connect(PATIENCE).reply(PATIENCE);
    let options = ClientOptions::new().deadlines(deadlines).look_aside(true);
    let client = Client::with_options(server.url(), options);
    assert!(client.ready().is_ok());
    server.kill();
    assert!(client.ping().is_err());
    assert!(client.ready().is_err() && client.stats().skipped == 1);
    server.restart();
    crate::server::wait_for("the server is back", || client.ready().is_ok());
}

#[test]
fn a_functions_answer_is_peeked_at_and_its_look_goes_on_from_there() {
    let server = Server::start();
    let client = patient(server.url());
    let cache = Cache::new(client.clone(), KeyPrefix::new("site").expect("a prefix"));
    let options = MemoOptions::new().lifetime(Lifetime::secs(60)).stale(Duration::from_secs(60));
    let memo = Memo::new("m.f", options);
    let call = || memo.call(&cache, Scope::Site, &Canonical::new());
    let peek = |call: dontmanage_cache::memo::Call| {
        let mut questions = [call.peek()];
        let answer = cache.store().ask_all(&mut questions).remove(0);
        let [Question::Peek(call)] = questions else { panic!("it stays what it is") };
        (answer, call)
    };
    let gets = || memo.stats().hits + memo.stats().misses;

    let (answer, mut first) = peek(call());
    assert!(matches!(answer, Answer::Missing));
    let Look::Compute(ticket) = first.look(|_| Some(())) else { panic!("it is the first") };
    assert_eq!(gets(), 1, "asked for once");
    let (answer, mut second) = peek(call());
    assert!(matches!(answer, Answer::Missing));
    assert!(matches!(second.look(|_| Some(())), Look::Busy));
    assert!(ticket.store_pickle(b"42"));
    assert!(matches!(second.look(|pickle| Some(pickle.to_vec())), Look::Fresh(pickle) if pickle == b"42"));

    let (answer, _) = peek(call());
    let Answer::Found(Found { pickle, left: Ttl::Left(left), .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(pickle, b"42");
    assert!(left <= Duration::from_secs(60), "{left:?}");

    // Old now: less than the grace is left.
    let key = second.key().to_vec();
    client.command(Call::Write, &[b"EXPIRE", &key, b"30"]).expect("a server");
    let (answer, mut third) = peek(call());
    assert!(matches!(answer, Answer::Missing), "{answer:?}");
    let Look::Refresh(pickle, ticket) = third.look(|pickle| Some(pickle.to_vec())) else { panic!("old") };
    assert_eq!(pickle, b"42");
    drop(ticket);

    client.command(Call::Write, &[b"DEL", &key]).expect("a server");
    let (_, within) = peek(call().within_itself());
    let mut within = within;
    assert!(matches!(within.look(|_| Some(())), Look::Compute(_)), "it is not waited for");
}

#[test]
fn a_call_does_without_a_server_and_a_ticket_ends_without_a_word_to_it() {
    let server = Server::start();
    let client = patient(server.url());
    let cache = Cache::new(client.clone(), KeyPrefix::new("site").expect("a prefix"));
    let memo = Memo::new("m.f", MemoOptions::new().lease(Duration::from_millis(200)));
    let call = || memo.call(&cache, Scope::Site, &Canonical::new());
    let Look::Compute(ticket) = call().look(|_| Some(())) else { panic!("it is the first") };
    let lock = [call().key(), b":lock"].concat();
    let commands = client.stats();
    ticket.abandon();
    call().do_without().keep_nowhere(7);
    assert_eq!(client.stats().dropped_writes, commands.dropped_writes + 1);
    assert_eq!((memo.stats().failed, memo.stats().computed, memo.stats().errors), (1, 1, 2));
    // Nobody has taken it back, and nobody renews it.
    assert!(client.command(Call::Read, &[b"PTTL", &lock]).expect("a server").as_int() > Some(-2));
    crate::server::wait_for("the end of the lease", || match call().look(|_| Some(())) {
        Look::Compute(ticket) => {
            ticket.abandon();
            true
        }
        _ => false,
    });
}

#[test]
fn a_field_is_set_in_a_hash_that_keeps_its_lifetime_which_is_told() {
    let server = Server::start();
    let client = patient(server.url());
    let store = Store::new(&client, None);
    let set = |field: &str| Question::SetField {
        key: "h".into(),
        field: field.into(),
        pickle: "1".into(),
        timed: true,
    };
    let minute = |left: &Ttl| matches!(left, Ttl::Left(left) if (30..=60).contains(&left.as_secs()));
    assert!(matches!(store.ask_all(&mut [set("a")])[..], [Answer::Stored(Ttl::Unlimited)]));
    assert!(matches!(store.hset_timed(b"h", b"b", b"2"), Ok(Ttl::Unlimited)));
    store.expire(b"h", Lifetime::secs(60)).expect("a server");
    let answers = store.ask_all(&mut [set("c"), find("missing")]);
    assert!(matches!(&answers[..], [Answer::Stored(left), Answer::Missing] if minute(left)), "{answers:?}");
    assert!(matches!(store.hset_timed(b"h", b"d", b"2"), Ok(left) if minute(&left)));
    store.set(b"value", b"1", Lifetime::NONE).expect("a server");
    assert!(store.hset_timed(b"value", b"f", b"2").is_err(), "a value is no hash");
}
