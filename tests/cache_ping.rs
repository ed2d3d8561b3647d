//! `bench cache ping`

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Output, TestBench, TestRedis};

fn bench_of(url: &str) -> TestBench {
    TestBench::existing(&format!("{{\"redis_cache\": \"{url}\"}}"))
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.stdout))
}

#[test]
fn a_cache_that_answers_tells_its_latency_version_and_memory() {
    let redis = TestRedis::start_with("maxmemory 50mb\nmaxmemory-policy allkeys-lru");
    let bench = bench_of(&redis.url());
    let output = bench.run(&["cache", "ping"]).success();
    assert!(output.stdout.starts_with("redis_cache answers in "), "{}", output.stdout);
    for part in [&redis.url(), &format!("pid {}", redis.pid()), "of 50.00 MiB, allkeys-lru"] {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    assert_eq!(output.stderr, "");

    let answer = json(&bench.run(&["cache", "ping", "--json"]).success());
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["process_id"], redis.pid());
    assert_eq!(answer["maxmemory_bytes"], 50 * 1024 * 1024);
    assert!(answer["latency_ms"].as_f64().is_some_and(|time| time > 0.0 && time < 1000.0), "{answer}");
}

#[test]
fn the_socket_is_asked_before_the_url() {
    let redis = TestRedis::start();
    // The URL leads to nobody.
    let bench = bench_of("redis://127.0.0.1:1");
    bench.write("bench.toml", &format!("[redis_cache]\nsocket = \"{}\"\n", redis.socket().display()));
    let output = bench.run(&["cache", "ping"]).success();
    assert!(output.stdout.contains(&format!("unix://{}", redis.socket().display())), "{}", output.stdout);
}

#[test]
fn a_socket_that_a_killed_server_left_behind_does_not_hide_the_url() {
    let mut killed = TestRedis::start();
    killed.kill();
    assert!(killed.socket().exists());
    let redis = TestRedis::start();
    let bench = bench_of(&redis.url());
    bench.write("bench.toml", &format!("[redis_cache]\nsocket = \"{}\"\n", killed.socket().display()));
    assert_eq!(json(&bench.run(&["cache", "ping", "--json"]).success())["process_id"], redis.pid());
}

#[test]
fn nobody_there_is_unhealthy_and_asks_whether_the_bench_is_running() {
    let mut redis = TestRedis::start();
    redis.kill();
    let bench = bench_of(&redis.url());
    let output = bench.run(&["cache", "ping"]).code(5).says("error: no redis-server listens");
    assert!(
        output.stderr.contains(&redis.url()) && output.stderr.contains("`bench start`"),
        "{}",
        output.stderr
    );
    assert_eq!(output.stdout, "");

    let answer = json(&bench.run(&["cache", "ping", "--json"]).code(5));
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["error"], "no redis-server listens");
}

#[test]
fn a_stopped_server_is_unhealthy_within_the_deadline() {
    let redis = TestRedis::start();
    redis.freeze();
    let started = Instant::now();
    bench_of(&redis.url()).run(&["cache", "ping"]).code(5).says("does not answer in time");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_password_that_differs_is_named_and_never_shown() {
    let redis = TestRedis::start_with("requirepass s3cret");
    bench_of(&redis.url()).run(&["cache", "ping"]).code(5).says("(NOAUTH)");
    let with = |password: &str| bench_of(&redis.url().replace("//", &format!("//:{password}@")));
    let output = with("hunter2").run(&["cache", "ping"]).code(5).says("(WRONGPASS)");
    assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    let output = with("s3cret").run(&["cache", "ping"]).success();
    assert!(!output.stdout.contains("s3cret"), "{}", output.stdout);
}

#[test]
fn another_program_on_the_port_is_shown_by_its_words() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // Listens first, so that hanging up does not cut off what it says.
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    let bench = bench_of(&format!("redis://127.0.0.1:{port}"));
    bench.run(&["cache", "ping"]).code(5).says("no redis-server: it says `SSH-2.0-OpenSSH_9.2`");
}

#[test]
fn outside_a_bench_there_is_nothing_to_ask() {
    TestBench::empty().run(&["cache", "ping"]).code(2).says("not inside a bench");
}
