//! Lines of a Procfile that run redis-server in other ways than the rendered one.

use crate::support::{TestBench, write_program};

#[test]
fn a_redis_server_is_recognised_however_its_line_hands_over_to_it() {
    for line in [
        "exec redis-server config/redis_cache.conf",
        "sh -c 'redis-server config/redis_cache.conf'",
        "LC_ALL=C redis-server config/redis_cache.conf 2>> logs/redis.error.log",
        "nice -n 5 redis-server config/redis_cache.conf",
    ] {
        let bench = TestBench::with_redis("");
        bench.write("Procfile", &format!("redis_cache: {line}\nweb: sleep 1000\n"));
        let mut running = bench.start(&[]);
        running.says("web ready");
        let said = running.stdout();
        let ready = said.find("Ready to accept connections");
        assert!(ready.is_some() && ready < said.find("web ready"), "{line}: {said}");
        running.interrupt();
    }
}

#[test]
fn a_redis_server_that_is_named_by_its_path_is_the_one_that_runs() {
    let bench = TestBench::with_redis("");
    let own = bench.path("own/redis-server");
    std::fs::create_dir(bench.path("own")).expect("a folder");
    write_program(&own, "#!/bin/sh\necho my own\nexec redis-server \"$@\"\n");
    bench.write("Procfile", &format!("redis_cache: {} config/redis_cache.conf\n", own.display()));
    let mut running = bench.start(&[]);
    running.says("redis_cache | my own");
    running.is("redis_cache", "ready");
    running.interrupt();
    std::fs::remove_file(&own).expect("a file to remove");
    bench.run(&["start"]).code(1).says("own/redis-server");
}

#[test]
fn a_cache_without_a_port_is_reached_by_its_socket() {
    let bench = TestBench::existing("{}");
    let socket = bench.path("config/redis_cache.sock");
    bench.write(
        "sites/common_site_config.json",
        &format!(r#"{{"redis_cache": "unix://{}"}}"#, socket.display()),
    );
    bench.run(&["setup", "redis"]).success();
    bench.write("Procfile", "redis_cache: redis-server config/redis_cache.conf\nweb: echo at $DONTMANAGE_REDIS_CACHE; exec sleep 1000\n");
    let mut running = bench.start(&[]);
    let line = running.says("web         | at");
    assert!(line.ends_with(&format!("unix://{}", socket.display())), "{line}");
    running.is("redis_cache", "ready");
    running.interrupt();
}

#[test]
fn a_password_in_the_url_is_used_to_ask() {
    let bench = TestBench::existing("{}");
    let port = crate::support::free_port();
    bench.write(
        "sites/common_site_config.json",
        &format!(r#"{{"redis_cache": "redis://:s3cret@127.0.0.1:{port}"}}"#),
    );
    bench.run(&["setup", "redis"]).success();
    bench.write("Procfile", "redis_cache: redis-server config/redis_cache.conf\nweb: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    assert!(!running.stdout().contains("s3cret"), "{}", running.stdout());
    running.interrupt();
}

#[test]
fn an_old_line_for_a_server_on_another_machine_is_refused() {
    let bench = TestBench::existing(r#"{"redis_cache": "rediss://cache.example.com:6380"}"#);
    bench.write("Procfile", "redis_cache: redis-server config/redis_cache.conf\nweb: sleep 1000\n");
    bench.run(&["start"]).code(1).says("is of another machine").says("bench setup procfile");
}
