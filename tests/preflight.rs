//! What is found before anything is started.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use crate::support::{TestBench, started_below};

#[test]
fn a_second_start_is_refused_and_names_the_first() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let supervisor = running.supervisor();
    bench.run(&["start"]).code(4).says(&format!("already running, pid {supervisor}")).says("bench stop");
    running.is("web", "ready");
    running.interrupt();
}

#[test]
fn of_two_starts_at_the_same_time_one_runs() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    let mut children: Vec<_> = (0..4)
        .map(|_| bench.command(&["start"]).stdout(std::process::Stdio::null()).spawn().expect("a start"))
        .collect();
    let codes = |children: &mut Vec<std::process::Child>| -> Vec<Option<i32>> {
        children.iter_mut().filter_map(|child| child.try_wait().expect("a child")).map(|s| s.code()).collect()
    };
    let refused = crate::support::until("three are refused", || {
        let codes = codes(&mut children);
        (codes.len() == 3).then_some(codes)
    });
    assert_eq!(refused, [Some(4); 3]);
    bench.run(&["stop"]).success();
    for mut child in children {
        child.wait().expect("a child");
    }
}

#[test]
fn a_port_taken_by_a_stranger_is_named_with_its_owner() {
    let stranger = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = stranger.local_addr().expect("an address").port();
    let bench = TestBench::existing(&format!(r#"{{"redis_cache": "redis://127.0.0.1:{port}"}}"#));
    bench.run(&["setup", "redis"]).success();
    bench.write("Procfile", "redis_cache: redis-server config/redis_cache.conf\nweb: sleep 1000\n");
    let output = bench.run(&["start"]).code(1).says(&format!("port {port} is in use by"));
    assert!(output.stderr.contains(&std::process::id().to_string()), "{}", output.stderr);
    assert_eq!(started_below(bench.root()), [0; 0], "nothing was started");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let one = TcpListener::bind("127.0.0.1:0").expect("a port");
    let two = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let bench = TestBench::existing(&format!(
        r#"{{"redis_cache": "redis://127.0.0.1:{}", "redis_queue": "redis://127.0.0.1:{}"}}"#,
        port(&one),
        port(&two)
    ));
    bench.run(&["setup", "redis"]).success();
    std::fs::remove_file(bench.path("config/redis_queue.conf")).expect("a file to remove");
    bench.write(
        "Procfile",
        "redis_cache: redis-server config/redis_cache.conf\nredis_queue: redis-server config/redis_queue.conf\n",
    );
    bench
        .run(&["start"])
        .code(1)
        .says(&format!("port {} is in use", port(&one)))
        .says(&format!("port {} is in use", port(&two)))
        .says("redis_queue.conf` does not exist");
}

#[test]
fn without_a_redis_server_the_package_is_named() {
    let mut bench = TestBench::with_redis("web: sleep 1000\n");
    bench.env("PATH", "/nonexistent");
    bench.run(&["start"]).code(1).says("redis-server").says("apt-get install redis-server");
}

#[test]
fn a_stale_socket_and_a_stale_pidfile_are_recognised() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    bench.write("config/pids/redis_cache.pid", "999999\n");
    drop(UnixListener::bind(bench.path("config/redis_cache.sock")).expect("a socket"));
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    running.interrupt();
    let said = running.stderr();
    assert!(said.contains("removed a stale pidfile"), "{said}");
    assert!(said.contains("removed a stale socket"), "{said}");
}

#[test]
fn a_living_socket_is_not_taken_over() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    let listener = UnixListener::bind(bench.path("config/redis_cache.sock")).expect("a socket");
    bench.run(&["start"]).code(1).says("another server listens on");
    drop(listener);
}

#[test]
fn outside_a_bench_nothing_is_started() {
    let bench = TestBench::empty();
    bench.run(&["start"]).code(2).says("not inside a bench").says("bench init");
}

#[test]
fn an_unknown_program_names_the_known_ones() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    bench.run(&["start", "wep"]).code(2).says("there is no program `wep`").says("the programs are web");
    bench.write("bench.toml", "[programs.web]\ndepends_on = [\"db\"]\n");
    bench.run(&["start"]).code(2).says("there is no program `db`").says("bench.toml:2");
}

#[test]
fn programs_that_wait_for_each_other_are_refused() {
    let bench = TestBench::with_programs("a: sleep 1000\nb: sleep 1000\n");
    bench.write("bench.toml", "[programs.a]\ndepends_on = [\"b\"]\n[programs.b]\ndepends_on = [\"a\"]\n");
    bench.run(&["start"]).code(2).says("depends on itself");
}

#[test]
fn a_broken_procfile_names_its_line() {
    let bench = TestBench::with_programs("web: sleep 1000\nnot a line of a Procfile\n");
    bench.run(&["start"]).code(2).says("Procfile:2");
}

#[test]
fn a_bench_far_down_the_tree_has_its_control_socket_all_the_same() {
    let bench = TestBench::named(&format!("{}/{}/bench", "d".repeat(100), "e".repeat(100)));
    bench.make_existing("{}");
    bench.write("Procfile", "web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    bench.run(&["stop"]).success();
    running.end();
}
