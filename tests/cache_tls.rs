//! A cache that is reached by TLS: `rediss://` in the settings.

use crate::support::{Authority, Output, Paper, TestBench, TestRedis};

fn bench_of(url: &str) -> TestBench {
    let mut bench = TestBench::existing(&format!("{{\"redis_cache\": \"{url}\"}}"));
    if nix::unistd::Uid::effective().is_root() {
        bench.env("BENCH_USER", "root");
    }
    bench
}

fn url(redis: &TestRedis, query: &str) -> String {
    format!("rediss://127.0.0.1:{}?{query}", redis.tls_port())
}

fn ping(url: &str) -> Output {
    bench_of(url).run(&["cache", "ping"])
}

#[test]
fn a_cache_by_tls_is_pinged_filled_asked_and_flushed() {
    let authority = Authority::new();
    let redis = TestRedis::start_with_tls(&authority.issue());
    let bench = bench_of(&url(&redis, &authority.trusted()));
    let output = bench.run(&["cache", "ping"]).success();
    assert!(output.stdout.contains(&format!("pid {}", redis.pid())), "{}", output.stdout);
    assert_eq!(output.stderr, "");
    bench.run(&["new-site", "a"]).success();
    bench.run(&["new-site", "b"]).success();
    let large = "x".repeat(100_000);
    for site in ["a", "b"] {
        bench.run(&["cache", "set", "--site", site, "k", &format!("\"{large}\"")]).success();
    }
    assert!(bench.run(&["cache", "get", "--site", "a", "k"]).success().stdout.contains(&large));
    assert_eq!(bench.run(&["cache", "keys", "--site", "a"]).success().stdout.lines().count(), 1);
    bench.run(&["cache", "stats"]).success();
    bench.run(&["cache", "flush", "--site", "a"]).success();
    bench.run(&["cache", "get", "--site", "a", "k"]).code(1);
    bench.run(&["cache", "get", "--site", "b", "k"]).success();
}

#[test]
fn what_is_wrong_is_named_with_how_to_mend_it() {
    let authority = Authority::new();
    let trusted = authority.trusted();
    let refused = |paper: &Paper, query: &str| {
        let redis = TestRedis::start_with_tls(paper);
        ping(&url(&redis, query)).code(5)
    };
    let output =
        refused(&authority.issue_expired(), &trusted).says("error: the server's certificate has expired");
    output.says(" days ago").says("fix: give the server a new certificate");
    refused(&authority.issue_for(&["cache.example"]), &trusted)
        .says("not for `127.0.0.1`")
        .says("cache.example")
        .says("fix: use a name that the certificate has");
    refused(&authority.self_signed(), &trusted).says("nobody who is trusted here").says("?ssl_ca_certs=");
    refused(&authority.issue(), "ssl_ca_certs=/nowhere/ca.pem")
        .says("`ssl_ca_certs` names `/nowhere/ca.pem`")
        .says("No such file");

    let plain = TestRedis::start();
    let crossed = format!("{}?{trusted}", plain.url().replace("redis://", "rediss://"));
    ping(&crossed)
        .code(5)
        .says("speaks no TLS at this port")
        .says("fix: use the server's TLS port, or write `redis://`");
    let secured = TestRedis::start_with_tls(&authority.issue());
    ping(&format!("redis://127.0.0.1:{}", secured.tls_port()))
        .code(5)
        .says("speaks TLS, and the URL does not ask for it")
        .says("fix: write `rediss://`");
    secured.cli(&["CONFIG", "SET", "tls-auth-clients", "yes"]);
    ping(&url(&secured, &trusted)).code(5).says("asks for a client certificate").says("?ssl_certfile=");
    let ours = authority.issue_for(&["worker"]);
    let (certificate, key) = (ours.certificate.display(), ours.key.display());
    ping(&url(&secured, &format!("{trusted}&ssl_certfile={certificate}&ssl_keyfile={key}"))).success();
}

#[test]
fn whom_the_system_trusts_is_trusted_unless_the_url_names_somebody() {
    let authority = Authority::new();
    let redis = TestRedis::start_with_tls(&authority.issue());
    let mut bench = bench_of(&url(&redis, ""));
    bench.env("SSL_CERT_FILE", &authority.file().display().to_string());
    bench.run(&["cache", "ping"]).success();
    bench.env("SSL_CERT_FILE", "/nowhere/ca.pem");
    bench.run(&["cache", "ping"]).code(5).says("trusts nobody").says("apt-get install ca-certificates");
    let mut named = bench_of(&url(&redis, &authority.trusted()));
    named.env("SSL_CERT_FILE", "/nowhere/ca.pem").run(&["cache", "ping"]).success();
}

#[test]
fn a_certificate_that_is_not_verified_is_warned_of() {
    let authority = Authority::new();
    let redis = TestRedis::start_with_tls(&authority.self_signed());
    let bench = bench_of(&url(&redis, "ssl_cert_reqs=none"));
    let output =
        bench.run(&["cache", "ping", "--json"]).success().says("warning: the certificate of the cache at");
    assert!(output.stdout.starts_with("{\"ok\":true"), "{}", output.stdout);
    output.says("`ssl_cert_reqs=none`");
    bench.write("Procfile", "web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    assert!(running.stderr().contains("is not verified"), "{}", running.stderr());
    running.interrupt();
}

#[test]
fn an_option_that_is_not_understood_is_refused_where_it_stands() {
    let bench = bench_of("rediss://cache.example?ssl_cert_reqs=maybe");
    bench
        .run(&["config", "show"])
        .code(2)
        .says("`ssl_cert_reqs=maybe`")
        .says("json:1 redis_cache")
        .says("correct the option");
    let bench = bench_of("redis://cache.example");
    bench
        .run(&["config", "set", "redis_cache.url", "redis://h?ssl_ca_certs=/ca.pem"])
        .code(2)
        .says("`rediss://`");
    let good = "rediss://u:p%40@h:6380/1?ssl_ca_certs=/ca.pem&ssl_check_hostname=false";
    bench.run(&["config", "set", "redis_cache.url", good]).success();
    assert_eq!(bench.run(&["config", "get", "redis_cache.url"]).success().stdout.trim_end(), good);
}

/// A bench with a server of its own that speaks TLS and shows this certificate.
fn bench_with_server(paper: &Paper, trusted: &str) -> TestBench {
    let port = crate::support::free_port();
    let bench = bench_of(&format!("rediss://127.0.0.1:{port}?{trusted}"));
    // By its address alone it is another machine's, perhaps at the end of a tunnel.
    bench.run(&["setup", "redis"]).success();
    assert!(!bench.path("config/redis_cache.conf").exists());
    let [certificate, key, issuer] =
        [&paper.certificate, &paper.key, &paper.issuer].map(|path| path.display());
    bench.write(
        "bench.toml",
        &format!(
            "[redis_cache]\nbind = \"127.0.0.1\"\n[redis_cache.extra]\ntls-cert-file = \"{certificate}\"\n\
             tls-key-file = \"{key}\"\ntls-ca-cert-file = \"{issuer}\"\ntls-auth-clients = \"no\"\n"
        ),
    );
    bench.run(&["setup", "redis"]).success();
    bench.write("Procfile", "redis_cache: redis-server config/redis_cache.conf\nweb: sleep 1000\n");
    bench
}

#[test]
fn a_server_of_this_machine_by_tls_is_ready_when_it_answers_by_tls() {
    let authority = Authority::new();
    let bench = bench_with_server(&authority.issue(), &authority.trusted());
    let mut running = bench.start(&[]);
    running.is("redis_cache", "ready");
    running.is("web", "ready");
    bench.run(&["cache", "ping"]).success();
    running.interrupt();
}

#[test]
fn a_server_of_this_machine_that_is_not_trusted_is_not_ready_and_why_is_said() {
    let authority = Authority::new();
    let bench = bench_with_server(&authority.issue_for(&["cache.example"]), &authority.trusted());
    let mut running = bench.start(&[]);
    running.says("redis_cache is not ready yet: the server's certificate is not for `127.0.0.1`");
    running.is("web", "waiting");
    running.interrupt();
}

/// What a worker does with its cache, in Python.
const WORKER: &str = r#"
import dontmanage

dontmanage.init("a")
cache = dontmanage.cache
cache.set_value("k", "x" * (1 << 20))
cache.hset("h", "f", {"a": 1})
dontmanage.local.cache.clear()
assert cache.get_value("k") == "x" * (1 << 20)
assert cache.hgetall("h") == {"f": {"a": 1}}
pipe = cache.pipeline()
pipe.incr(cache.make_key("n")).incr(cache.make_key("n"))
assert pipe.execute() == [1, 2]
print("worked by TLS", cache.connected(), flush=True)
"#;

#[test]
fn a_worker_of_bench_start_uses_a_cache_by_tls() {
    let authority = Authority::new();
    let redis = TestRedis::start_with_tls(&authority.issue());
    let bench = bench_of(&url(&redis, &authority.trusted()));
    bench.run(&["setup", "env"]).success();
    bench.run(&["new-site", "a"]).success();
    bench.write("apps/worker.py", WORKER);
    bench.write("Procfile", "worker: cd sites && ../env/bin/python ../apps/worker.py && sleep 1000\n");
    let mut running = bench.start(&[]);
    running.says("worked by TLS True");
    running.interrupt();
    assert!(redis.cli(&["KEYS", "*|k"]).contains("|k"), "it is in the server");
}
