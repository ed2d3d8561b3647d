//! Documents under leases: every step of readers and writers by hand, in every order that hurts.

use std::time::{Duration, Instant};

use dontmanage_cache::{
    Backoff, Cache, Client, ClientOptions, DOCUMENT_LIFETIME, Deadlines, Documents, KeyPrefix, Lease, Look,
    Reply, SigningKey,
};

use crate::server::{PATIENCE, Server, wait_for};

fn cache_of(server: &Server) -> Cache {
    let deadlines = Deadlines::default().connect(PATIENCE).reply(PATIENCE);
    with_deadlines(server, deadlines)
}

fn with_deadlines(server: &Server, deadlines: Deadlines) -> Cache {
    // A breaker that stays open: nothing may depend on its closing in time.
    let options =
        ClientOptions::new().deadlines(deadlines).backoff(Backoff::new(PATIENCE, PATIENCE)).on_event(|_| {});
    Cache::new(Client::with_options(server.url(), options), KeyPrefix::new("site").expect("a prefix"))
}

fn documents_of(server: &Server) -> Documents {
    Documents::new(&cache_of(server))
}

/// A reader who has found nothing, and goes on to read the database.
fn reads(documents: &Documents) -> Lease {
    match documents.look("Item", "apple") {
        Look::Read(lease) => lease,
        other => panic!("a lease was expected, not {other:?}"),
    }
}

fn stored(documents: &Documents) -> Option<Vec<u8>> {
    match documents.look("Item", "apple") {
        Look::Found(found) => Some(found.pickle),
        _ => None,
    }
}

fn fill(documents: &Documents, bytes: &[u8]) {
    let lease = reads(documents);
    assert!(documents.fill(lease, bytes, DOCUMENT_LIFETIME), "nobody is in the way");
}

fn keys(server: &Server, pattern: &str) -> Vec<String> {
    let Ok(Reply::Array(keys)) = server.connection().command(&[b"KEYS", pattern.as_bytes()]) else {
        panic!("KEYS answers a list")
    };
    keys.iter()
        .filter_map(|key| key.as_bytes().map(|key| String::from_utf8_lossy(key).into_owned()))
        .collect()
}

#[test]
fn what_was_read_before_a_commit_is_not_stored_after_it() {
    let server = Server::start();
    let (reader, writer) = (documents_of(&server), documents_of(&server));
    // The writer may begin before the reader has his lease or after, and end before he stores or after.
    for begins_first in [true, false] {
        for ends_first in [true, false] {
            let mut change = writer.writes();
            if begins_first {
                assert!(change.touch("Item", "apple"));
                assert!(matches!(reader.look("Item", "apple"), Look::Around), "it is being written");
                assert!(change.committing());
                assert!(change.committed());
                continue;
            }
            let lease = reads(&reader);
            assert!(change.touch("Item", "apple"));
            assert!(change.committing());
            if ends_first {
                assert!(change.committed());
                assert!(!reader.fill(lease, b"old", DOCUMENT_LIFETIME));
            } else {
                assert!(!reader.fill(lease, b"old", DOCUMENT_LIFETIME));
                assert!(change.committed());
            }
            assert_eq!(stored(&reader), None);
        }
    }
    fill(&reader, b"new");
    assert_eq!(stored(&reader).as_deref(), Some(&b"new"[..]));
}

#[test]
fn what_was_stored_goes_with_the_first_touch() {
    let server = Server::start();
    let documents = documents_of(&server);
    fill(&documents, b"old");
    let mut change = documents.writes();
    assert!(change.touch("Item", "apple"));
    assert!(change.holds("Item", "apple"));
    assert!(!change.holds("Item", "pear"));
    assert!(change.holds_doctype("Item"));
    assert_eq!(stored(&documents), None);
    assert!(change.rolled_back());
    assert!(change.is_empty());
    fill(&documents, b"old");
}

#[test]
fn readers_who_miss_at_once_share_a_lease_and_one_of_them_stores() {
    let server = Server::start();
    let documents = documents_of(&server);
    let (one, two) = (reads(&documents), reads(&documents));
    assert!(documents.fill(one, b"read", DOCUMENT_LIFETIME));
    assert!(!documents.fill(two, b"read", DOCUMENT_LIFETIME), "it is there already");
    assert_eq!(stored(&documents).as_deref(), Some(&b"read"[..]));
    assert!(keys(&server, "*lease*").is_empty(), "a lease that has been used is gone");
}

#[test]
fn two_writers_at_once_both_keep_readers_from_storing() {
    let server = Server::start();
    let documents = documents_of(&server);
    let (mut one, mut two) = (documents.writes(), documents.writes());
    assert!(one.touch("Item", "apple"));
    assert!(two.touch("Item", "apple"));
    assert!(one.committed());
    assert!(matches!(documents.look("Item", "apple"), Look::Around), "the other is still writing");
    assert!(two.rolled_back());
    fill(&documents, b"new");
    assert!(keys(&server, "*writers*").is_empty(), "no mark is left");
    assert!(keys(&server, "*changes*").is_empty(), "no mark is left");
}

#[test]
fn a_writer_who_dies_keeps_others_from_storing_for_a_while() {
    let server = Server::start();
    let documents = documents_of(&server).mark(Duration::from_millis(300));
    fill(&documents, b"old");
    let mut change = documents.writes();
    assert!(change.touch("Item", "apple"));
    // Killed: it tells nobody.
    std::mem::forget(change);
    assert!(matches!(documents.look("Item", "apple"), Look::Around));
    wait_for("the mark's end", || matches!(documents.look("Item", "apple"), Look::Read(_)));
    fill(&documents, b"new");
}

#[test]
fn a_dead_writers_mark_is_not_kept_alive_by_living_ones() {
    let server = Server::start();
    let documents = documents_of(&server).mark(Duration::from_millis(300));
    let mut dead = documents.writes();
    assert!(dead.touch("Item", "apple"));
    std::mem::forget(dead);
    let began = Instant::now();
    let is_free = || {
        let mut change = documents.writes();
        assert!(change.touch("Item", "apple"));
        assert!(change.committed());
        matches!(documents.look("Item", "apple"), Look::Read(_))
    };
    wait_for("the mark's end, while others write", is_free);
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn a_reader_who_dies_or_takes_too_long_stores_nothing() {
    let server = Server::start();
    let documents = documents_of(&server).lease(Duration::from_millis(100));
    let lease = reads(&documents);
    wait_for("the lease's end", || keys(&server, "*document_lease::Item::apple").is_empty());
    assert!(!documents.fill(lease, b"late", DOCUMENT_LIFETIME));
    assert_eq!(stored(&documents), None);
    drop(reads(&documents));
    fill(&documents, b"new");
}

#[test]
fn a_restart_takes_the_leases_along() {
    let mut server = Server::start();
    let documents = documents_of(&server);
    let lease = reads(&documents);
    server.kill();
    server.restart();
    assert!(!documents.fill(lease, b"old", DOCUMENT_LIFETIME));
    assert_eq!(stored(&documents), None);
}

#[test]
fn a_commit_is_exact_though_the_server_has_lost_the_writers_mark() {
    let mut server = Server::start();
    let (reader, writer) = (documents_of(&server), documents_of(&server));
    let mut change = writer.writes();
    assert!(change.touch("Item", "apple"));
    server.kill();
    server.restart();
    // A lease of the new server, from before the commit.
    let lease = reads(&reader);
    let early = reads(&reader);
    assert!(reader.fill(early, b"old", DOCUMENT_LIFETIME), "nobody remembers the writer");
    assert!(change.committing());
    assert!(change.committed());
    assert!(!reader.fill(lease, b"old", DOCUMENT_LIFETIME));
    assert_eq!(stored(&reader), None);
}

#[test]
fn a_commit_is_exact_though_its_begin_did_not_reach_the_server() {
    let mut server = Server::start();
    let (reader, writer) = (documents_of(&server), documents_of(&server));
    server.kill();
    let mut change = writer.writes();
    assert!(!change.touch("Item", "apple"), "nobody is there");
    assert!(!change.committing());
    server.restart();
    fill(&reader, b"old");
    // Although calls of this client are held back for now.
    assert!(change.committed());
    assert_eq!(stored(&reader), None);
}

#[test]
fn a_touch_that_did_not_reach_the_server_is_made_up_for_before_the_commit() {
    let mut server = Server::start();
    let reader = documents_of(&server);
    let hasty = Deadlines::default().connect(PATIENCE).reply(PATIENCE);
    let options = ClientOptions::new()
        .deadlines(hasty)
        .backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(2)))
        .on_event(|_| {});
    let client = Client::with_options(server.url(), options);
    let writer = Documents::new(&Cache::new(client, KeyPrefix::new("site").expect("a prefix")));
    server.kill();
    let mut change = writer.writes();
    assert!(!change.touch("Item", "apple"));
    server.restart();
    fill(&reader, b"old");
    wait_for("the touch is made up for", || change.committing());
    assert!(matches!(reader.look("Item", "apple"), Look::Around), "nothing is there, nobody may store");
    assert!(change.committed());
}

#[test]
fn the_mark_of_a_long_transaction_is_renewed_before_its_commit() {
    let server = Server::start();
    let documents = documents_of(&server).mark(Duration::from_millis(400));
    let mut change = documents.writes();
    assert!(change.touch("Item", "apple"));
    wait_for("the mark's end", || matches!(documents.look("Item", "apple"), Look::Read(_)));
    fill(&documents, b"old");
    assert!(change.committing());
    assert!(matches!(documents.look("Item", "apple"), Look::Around));
    assert!(change.committed());
    assert_eq!(stored(&documents), None);
}

#[test]
fn a_stopped_server_at_the_commit_leaves_nothing_old() {
    let server = Server::start();
    let reader = documents_of(&server);
    let hasty = Deadlines::default().connect(PATIENCE).reply(Duration::from_millis(300));
    let writer = Documents::new(&with_deadlines(&server, hasty));
    fill(&reader, b"old");
    let mut change = writer.writes();
    assert!(change.touch("Item", "apple"));
    server.signal("-STOP");
    assert!(!change.committed(), "it does not answer");
    server.signal("-CONT");
    // What was there went with the touch, and the mark holds until the process has made up for its end.
    assert_eq!(stored(&reader), None);
    wait_for("the end is made up for", || matches!(reader.look("Item", "apple"), Look::Read(_)));
    wait_for("and the mark is gone", || keys(&server, "*writers*").is_empty());
}

#[test]
fn what_could_not_be_told_at_all_is_told_as_soon_as_the_server_is_back() {
    let server = Server::start();
    let reader = documents_of(&server);
    let hasty = Deadlines::default().connect(PATIENCE).reply(Duration::from_millis(300));
    let writer = Documents::new(&with_deadlines(&server, hasty));
    fill(&reader, b"old");
    server.signal("-STOP");
    let mut change = writer.writes();
    assert!(!change.touch("Item", "apple"));
    assert!(!change.committed());
    let began = Instant::now();
    assert!(matches!(writer.look("Item", "apple"), Look::Around), "this process knows better");
    assert!(began.elapsed() < Duration::from_secs(5), "and does not wait for the server");
    server.signal("-CONT");
    wait_for("the others know too", || stored(&reader).is_none());
    wait_for("this process believes the server again", || {
        matches!(writer.look("Item", "apple"), Look::Read(_))
    });
}

#[test]
fn a_doctype_is_changed_as_a_whole() {
    let server = Server::start();
    let documents = documents_of(&server);
    fill(&documents, b"old");
    let Look::Read(pear) = documents.look("Item", "pear") else { panic!("nothing is stored") };
    let mut change = documents.writes();
    assert!(change.touch_doctype("Item"));
    assert!(change.holds("Item", "anything"));
    assert_eq!(stored(&documents), None);
    assert!(!documents.fill(pear, b"old", DOCUMENT_LIFETIME), "it was read before");
    assert!(matches!(documents.look("Item", "pear"), Look::Around));
    assert!(matches!(documents.look("Item group", "pear"), Look::Read(_)), "another doctype");
    assert!(change.committed());
    fill(&documents, b"new");
}

#[test]
fn a_doctypes_end_clears_what_was_stored_after_its_mark_was_lost() {
    let server = Server::start();
    let documents = documents_of(&server);
    let mut change = documents.writes();
    assert!(change.touch_doctype("Item"));
    server.connection().command(&[b"UNLINK", b"site|document_writers::Item"]).expect("UNLINK");
    fill(&documents, b"old");
    assert!(change.committed());
    assert_eq!(stored(&documents), None);
}

#[test]
fn what_is_invalidated_by_hand_goes_and_so_do_its_leases() {
    let server = Server::start();
    let documents = documents_of(&server);
    let by_hand: [fn(&Documents) -> bool; 3] = [
        |documents| documents.invalidate("Item", "apple"),
        |documents| documents.invalidate_doctype("Item"),
        Documents::invalidate_all,
    ];
    for invalidate in by_hand {
        fill(&documents, b"old");
        assert!(invalidate(&documents));
        assert_eq!(stored(&documents), None);
        let lease = reads(&documents);
        assert!(invalidate(&documents));
        assert!(!documents.fill(lease, b"old", DOCUMENT_LIFETIME));
        let times = match documents.look_last_modified("Item") {
            Look::Read(lease) => lease,
            other => panic!("a lease was expected, not {other:?}"),
        };
        assert!(invalidate(&documents));
        assert!(!documents.fill(times, b"old", DOCUMENT_LIFETIME));
    }
}

#[test]
fn a_flush_of_the_site_takes_the_leases_first() {
    let server = Server::start();
    let cache = cache_of(&server);
    let documents = Documents::new(&cache);
    let lease = reads(&documents);
    cache.flush().expect("the site is flushed");
    assert!(!documents.fill(lease, b"old", DOCUMENT_LIFETIME));
}

#[test]
fn the_time_of_a_doctypes_last_change_goes_with_every_change() {
    let server = Server::start();
    let documents = documents_of(&server);
    let read = || match documents.look_last_modified("Item") {
        Look::Read(lease) => lease,
        other => panic!("a lease was expected, not {other:?}"),
    };
    assert!(documents.fill(read(), b"monday", DOCUMENT_LIFETIME));
    assert!(matches!(documents.look_last_modified("Item"), Look::Found(found) if found.pickle == b"monday"));
    let mut change = documents.writes();
    assert!(change.touch("Item", "apple"));
    assert!(matches!(documents.look_last_modified("Item"), Look::Around));
    assert!(change.committed());
    let lease = read();
    let mut change = documents.writes();
    assert!(change.touch("Item", "pear"));
    assert!(change.committed());
    assert!(!documents.fill(lease, b"monday", DOCUMENT_LIFETIME));
    assert!(documents.fill(read(), b"tuesday", DOCUMENT_LIFETIME));
    let Ok(Reply::Int(left)) = server.connection().command(&[b"TTL", b"site|last_modified"]) else {
        panic!("TTL answers a number")
    };
    assert!((3590..=3600).contains(&left), "{left}");
}

#[test]
fn a_full_server_still_takes_changes() {
    let server = Server::with(&["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"]);
    let documents = documents_of(&server);
    fill(&documents, b"old");
    let lease = reads_of(&documents, "pear");
    let mut redis = server.connection();
    let mut number = 0;
    while redis.command(&[b"SET", format!("fill{number}").as_bytes(), &vec![b'x'; 100_000]]).is_ok() {
        number += 1;
    }
    assert!(!documents.fill(lease, &vec![b'x'; 100_000], DOCUMENT_LIFETIME), "there is no room");
    let mut change = documents.writes();
    assert!(change.touch("Item", "apple"));
    assert!(matches!(documents.look("Item", "apple"), Look::Around));
    assert!(change.committed());
    assert!(!matches!(documents.look("Item", "apple"), Look::Found(_)));
}

fn reads_of(documents: &Documents, name: &str) -> Lease {
    match documents.look("Item", name) {
        Look::Read(lease) => lease,
        other => panic!("a lease was expected, not {other:?}"),
    }
}

#[test]
fn where_scripts_are_forbidden_nothing_is_stored_and_old_entries_still_go() {
    let server = Server::start();
    let mut redis = server.connection();
    let rule: [&[u8]; 9] =
        [b"ACL", b"SETUSER", b"default", b"on", b"nopass", b"~*", b"+@all", b"-@scripting", b"&*"];
    redis.command(&[b"SET", b"site|document_cache::Item::apple", b"old"]).expect("SET");
    redis.command(&rule).expect("the rule is taken");
    let documents = documents_of(&server);
    assert!(stored(&documents).is_some());
    let mut change = documents.writes();
    assert!(change.touch("Item", "apple"));
    assert!(matches!(documents.look("Item", "apple"), Look::Around));
    assert!(change.committed());
}

#[test]
fn an_entry_that_is_not_trusted_is_replaced() {
    let server = Server::start();
    let key = SigningKey::from_file_text(&"ab".repeat(32)).expect("a key");
    let documents = Documents::new(&cache_of(&server).with_signing_key(key));
    server.connection().command(&[b"SET", b"site|document_cache::Item::apple", b"forged"]).expect("SET");
    fill(&documents, b"read");
    assert_eq!(stored(&documents).as_deref(), Some(&b"read"[..]));
}

#[test]
fn a_transaction_of_many_documents_ends_in_few_round_trips() {
    let server = Server::start();
    let documents = documents_of(&server);
    let mut change = documents.writes();
    for number in 0..1000 {
        let name = number.to_string();
        let lease = reads_of(&documents, &name);
        assert!(documents.fill(lease, b"old", DOCUMENT_LIFETIME));
        assert!(change.touch("Item", &name));
    }
    assert!(change.committing());
    assert!(change.committed());
    assert!(keys(&server, "*document_*::Item::*").is_empty());
    assert!(keys(&server, "*writers*").is_empty());
}

#[test]
fn a_transaction_that_is_dropped_is_taken_for_rolled_back() {
    let server = Server::start();
    let documents = documents_of(&server);
    let mut change = documents.writes();
    assert!(change.touch("Item", "apple"));
    drop(change);
    fill(&documents, b"old");
}
