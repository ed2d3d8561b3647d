//! `bench config …` and `bench setup config`: what they print, what they write, and what they leave alone.

use std::net::TcpListener;

use crate::support::{Output, TestBench, free_port};

const COMMON: &str = "sites/common_site_config.json";

fn with_toml(text: &str) -> TestBench {
    let bench = TestBench::existing("{}");
    bench.write("bench.toml", text);
    bench
}

fn json(bench: &TestBench) -> serde_json::Value {
    serde_json::from_str(&bench.read(COMMON)).expect("JSON")
}

/// Nothing was printed: a script sees no difference to today's tool.
fn silent(output: Output) {
    let output = output.success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{}", output.line);
}

#[test]
fn an_edit_keeps_comments_and_order() {
    let text = "# My bench\n\n[redis_cache]  # the cache\n# as documented\nmaxmemory = \"737mb\" # enough\n\n[web]\nworkers = 2\n";
    let bench = with_toml(text);
    silent(bench.run(&["config", "set", "redis_cache.maxmemory", "1gb"]));
    assert_eq!(bench.read("bench.toml"), text.replace("737mb", "1gb"));
    silent(bench.run(&["config", "unset", "redis_cache.maxmemory"]));
    assert_eq!(bench.read("bench.toml"), text.replace("maxmemory = \"737mb\" # enough\n", ""));
    silent(bench.run(&["config", "unset", "redis_cache.maxmemory"]));
}

#[test]
fn a_bad_value_is_refused_and_changes_nothing() {
    let text = "[redis_cache]\nmaxmemory = \"737mb\"\n";
    for (bench, file) in
        [(with_toml(text), "bench.toml"), (TestBench::existing("{\"webserver_port\":8000}"), COMMON)]
    {
        let before = bench.read(file);
        for (key, value, what) in [
            ("redis_cache.maxmemory", "0", "would mean no limit"),
            ("redis_cache.maxmemory", "-5", "maxmemory` is"),
            ("redis_cache.maxmemory", "50MBs", "\"50MBs\""),
            ("redis_cache.url", "redis://h:99999", "`99999` is not a port"),
            ("web.workers", "many", "must be a whole number"),
            ("web.port", "0", "must be a port"),
            ("redis_cache.sign", "perhaps", "true or false"),
            ("programs.web.command", "a\nb", "line break"),
        ] {
            // A port of 0 means "not set" in the file of today's tool, as there.
            if (file, key) == (COMMON, "web.port") {
                continue;
            }
            bench
                .run(&["config", "set", key, value])
                .code(2)
                .says(what)
                .says(key)
                .says("nothing was changed");
            assert_eq!(bench.read(file), before, "{key} {value}");
        }
        bench
            .run(&["config", "set", "redis_cache.maxmemroy", "1gb"])
            .code(2)
            .says("did you mean `redis_cache.maxmemory`?");
    }
}

#[test]
fn an_edit_may_mend_one_of_two_mistakes() {
    let bench = with_toml("[web]\nworkers = \"two\"\nport = 0\n");
    bench.run(&["config", "set", "web.workers", "2"]).success();
    bench.run(&["config", "show"]).code(2).says("bench.toml:3 web.port");
    bench.run(&["config", "set", "web.port", "8000"]).success();
    bench.run(&["config", "show"]).success();
}

#[test]
fn get_prints_the_value_alone() {
    let bench = with_toml(
        "[redis_cache]\nport = 13005\nmaxmemory = \"1gb\"\n\n[programs.web]\nready = { tcp = 8000 }\n",
    );
    for (key, value) in [
        ("redis_cache.maxmemory", "1gb"),
        ("redis_cache.port", "13005"),
        ("redis_cache.url", "redis://127.0.0.1:13005"),
        ("redis_cache.sign", "true"),
        ("programs.web.ready", "{ tcp = 8000 }"),
    ] {
        assert_eq!(bench.run(&["config", "get", key]).success().stdout, format!("{value}\n"), "{key}");
    }
    bench.run(&["config", "get", "bench.user"]).code(1).says("`bench.user` is not set");
    bench.run(&["config", "get", "web.colour"]).code(2).says("unknown key `web.colour`");
}

#[test]
fn show_names_origins_and_hides_passwords() {
    let mut bench = TestBench::existing("{\n \"redis_cache\": \"redis://:s3cret@127.0.0.1:13000\"\n}");
    bench.write("bench.toml", "\u{feff}[redis_cache]\r\nextra = { requirepass = \"s3cret\" }\r\n[programs.web.env]\r\nAPI_TOKEN = \"s3cret\"\r\n");
    bench.env("BENCH_WEB_WORKERS", "3");
    let shown = bench.run(&["config", "show", "--origin"]).success().stdout;
    assert!(!shown.contains("s3cret"), "{shown}");
    let origin = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap_or_default();
        line.rsplit_once("# ").map(|(_, origin)| origin.to_owned()).unwrap_or_default()
    };
    assert_eq!(origin("redis_cache.url"), "sites/common_site_config.json:2");
    assert_eq!(origin("redis_cache.extra.requirepass"), "bench.toml:2");
    assert_eq!(origin("web.workers"), "$BENCH_WEB_WORKERS");
    assert_eq!(origin("web.port"), "default");
    let json = bench.run(&["config", "show", "--json"]).success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["web.workers"], serde_json::json!({"value": 3, "origin": "$BENCH_WEB_WORKERS"}));
    assert!(!json.to_string().contains("s3cret"));
}

#[test]
fn a_bench_of_todays_tool_keeps_its_file_and_gets_no_other() {
    let bench = TestBench::existing("{\"zeta\": 1.50, \"webserver_port\": 8000}");
    bench.run(&["config", "set", "redis_cache.maxmemory", "1gb"]).success();
    bench.run(&["config", "set", "web.timeout", "2m"]).success();
    assert_eq!(
        bench.read(COMMON),
        "{\n \"cache_maxmemory\": 1024,\n \"http_timeout\": 120,\n \"webserver_port\": 8000,\n \"zeta\": 1.50\n}"
    );
    assert!(!bench.path("bench.toml").exists());
    // A key that has no name there needs the other file.
    bench.run(&["config", "set", "redis_cache.maxmemory_policy", "allkeys-lfu"]).success();
    assert_eq!(bench.read("bench.toml"), "[redis_cache]\nmaxmemory_policy = \"allkeys-lfu\"\n");
}

#[test]
fn what_workers_read_is_kept_the_same() {
    let bench = TestBench::existing("{\"redis_cache\": \"redis://:pw@localhost:13000/1\", \"x\": 1e3}");
    bench.write("bench.toml", "");
    bench.run(&["config", "set", "redis_cache.port", "13005"]).success();
    assert_eq!(bench.read(COMMON), "{\n \"redis_cache\": \"redis://:pw@localhost:13005/1\",\n \"x\": 1e3\n}");
}

#[test]
fn socketio_moves_along_with_the_cache_that_it_shares() {
    for version in ["14.30.0", "15.0.0"] {
        let bench = with_toml("");
        bench.write("apps/dontmanage/dontmanage/__init__.py", &format!("__version__ = \"{version}\"\n"));
        let url = "redis://127.0.0.1:13000";
        bench.write(
            "sites/common_site_config.json",
            &format!(r#"{{"redis_cache": "{url}", "redis_socketio": "{url}"}}"#),
        );
        bench.run(&["config", "set", "redis_cache.port", "13077"]).success();
        assert_eq!(json(&bench)["redis_cache"], "redis://127.0.0.1:13077");
        assert_eq!(json(&bench)["redis_socketio"], json(&bench)["redis_cache"]);
        bench.write(
            "sites/common_site_config.json",
            &format!(r#"{{"redis_cache": "{url}", "redis_socketio": "redis://127.0.0.1:12000"}}"#),
        );
        bench.run(&["config", "set", "redis_cache.port", "13078"]).success();
        assert_eq!(json(&bench)["redis_socketio"], "redis://127.0.0.1:12000", "its own server stays");
    }
}

#[test]
fn a_conflict_with_another_setting_is_refused_naming_both() {
    let bench = with_toml("");
    bench
        .run(&["config", "set", "redis_queue.port", "13000"])
        .code(2)
        .says("redis_cache and redis_queue both have the port 13000")
        .says("redis_cache.port (default)")
        .says("nothing was changed");
    assert_eq!(bench.read("bench.toml"), "");
}

#[test]
fn an_unset_key_that_is_still_set_elsewhere_is_said_to_be() {
    let bench = TestBench::existing("{\n \"gunicorn_workers\": 4\n}");
    bench.write("bench.toml", "[web]\nworkers = 2\n");
    bench
        .run(&["config", "unset", "web.workers"])
        .success()
        .says("still set elsewhere")
        .says("sites/common_site_config.json:2 gunicorn_workers");
    bench.run(&["config", "unset", "web"]).code(2).says("`web` is a table");
}

#[test]
fn all_keys_are_listed_with_what_they_are_for() {
    let keys = with_toml("").run(&["config", "keys"]).success().stdout;
    for line in ["redis_cache.maxmemory ", "programs.NAME.env.NAME ", "workers.queues.NAME.timeout "] {
        assert!(keys.lines().any(|key| key.starts_with(line) && key.len() > 50), "{line}: {keys}");
    }
}

#[test]
fn a_value_that_another_layer_overrules_is_said_to_be() {
    let mut bench = with_toml("[web]\nworkers = 2\n");
    bench
        .run(&["config", "set-common-config", "-c", "gunicorn_workers", "4"])
        .success()
        .says("bench.toml:2 web.workers");
    bench.env("BENCH_WEB_WORKERS", "9");
    bench.run(&["config", "set", "web.workers", "3"]).success().says("$BENCH_WEB_WORKERS");
}

#[test]
fn values_of_set_common_config_are_python_literals_or_text() {
    let bench = TestBench::existing("{\"webserver_port\": 8000, \"old\": 1}");
    let line = [
        "config",
        "set-common-config",
        "-c",
        "a",
        "1024",
        "-c",
        "b",
        "true",
        "-c",
        "c",
        "1gb",
        "-c",
        "d",
        "[1,2]",
        "-c",
        "e",
        "redis://127.0.0.1:13000",
        "-c",
        "f",
        "None",
        "-c",
        "g",
        "\"q\"",
        "-c",
        "h",
        "a b",
        "-c",
        "i",
        "-1",
    ];
    silent(bench.run(&line));
    silent(bench.run(&["config", "remove-common-config", "old", "nosuch"]));
    assert_eq!(
        json(&bench),
        serde_json::json!({
            "a": 1024, "b": true, "c": "1gb", "d": [1, 2], "e": "redis://127.0.0.1:13000", "f": null, "g": "q",
            "h": "a b", "i": -1, "webserver_port": 8000
        })
    );
    bench.run(&["config", "set-common-config", "-c", "cache_maxmemory", "0"]).code(2).says("no limit");
    bench.run(&["config", "set-common-config", "-c", "only_a_key"]).code(2);
    assert!(json(&bench).get("cache_maxmemory").is_none());
}

#[test]
fn the_switches_of_todays_tool_go_on_working() {
    let bench = TestBench::existing("{}");
    silent(bench.run(&["config", "http_timeout", "300"]));
    silent(bench.run(&["config", "dns_multitenant", "on"]));
    silent(bench.run(&["config", "serve_default_site", "off"]));
    silent(bench.run(&["config", "rebase_on_pull", "on"]));
    silent(bench.run(&["config", "restart_supervisor_on_update", "on"]));
    silent(bench.run(&["config", "restart_systemd_on_update", "off"]));
    assert_eq!(
        json(&bench),
        serde_json::json!({
            "http_timeout": 300, "dns_multitenant": true, "serve_default_site": false, "rebase_on_pull": true,
            "restart_supervisor_on_update": true, "restart_systemd_on_update": false
        })
    );
    bench.run(&["config", "http_timeout", "abc"]).code(2).says("abc");
    bench.run(&["config", "dns_multitenant", "maybe"]).code(2).says("maybe");
}

#[test]
fn redis_hosts_keep_the_scheme_they_are_given() {
    let bench = TestBench::existing("{}");
    silent(bench.run(&["set-redis-cache-host", "localhost:6379/1"]));
    silent(bench.run(&["set-redis-queue-host", "unix:///run/q.sock"]));
    silent(bench.run(&["set-redis-socketio-host", "rediss://cache.example:6380"]));
    assert_eq!(
        json(&bench),
        serde_json::json!({
            "redis_cache": "redis://localhost:6379/1", "redis_queue": "unix:///run/q.sock",
            "redis_socketio": "rediss://cache.example:6380"
        })
    );
    bench.run(&["set-redis-cache-host", "localhost:99999"]).code(2).says("`99999` is not a port");
}

#[test]
fn setup_config_writes_what_is_missing_and_nothing_else() {
    let bench =
        TestBench::existing("{\"background_workers\": 7, \"live_reload\": false, \"custom_key\": 1.50}");
    silent(bench.run(&["setup", "config"]));
    let text = bench.read(COMMON);
    assert!(
        text.starts_with("{\n \"background_workers\": 7,\n \"custom_key\": 1.50,\n \"dontmanage_user\": "),
        "{text}"
    );
    let written = json(&bench);
    assert_eq!((&written["live_reload"], &written["shallow_clone"]), (&false.into(), &true.into()));
    assert_eq!(written["redis_cache"], written["redis_socketio"]);
    let before = bench.path(COMMON).metadata().expect("a file").modified().expect("a time");
    silent(bench.run(&["setup", "config"]));
    assert_eq!(bench.path(COMMON).metadata().expect("a file").modified().expect("a time"), before);
    silent(bench.run(&["setup", "config", "--check"]));
}

#[test]
fn setup_config_only_looks_when_asked_to() {
    let bench = TestBench::existing("{}");
    bench.run(&["setup", "config", "--check"]).code(1).says("is not complete").says("bench setup config");
    let output = bench.run(&["setup", "config", "--diff"]).success();
    assert!(output.stdout.contains("+ \"shallow_clone\": true"), "{}", output.stdout);
    assert_eq!(bench.read(COMMON), "{}");
}

#[test]
fn ports_follow_the_benches_beside_this_one_and_are_free() {
    let bench = TestBench::existing("{}");
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let taken = (taken.local_addr().expect("its address").port(), taken);
    let sibling = |name: &str, text: &str| {
        let sites = bench.parent().join(name).join("sites");
        std::fs::create_dir_all(&sites).expect("a folder");
        std::fs::write(sites.join("common_site_config.json"), text).expect("a file");
    };
    let cache = taken.0 - 1;
    sibling("b1", &format!("{{\"redis_cache\": \"redis://127.0.0.1:{cache}\", \"webserver_port\": 20000}}"));
    sibling(
        "b2",
        "{\"redis_cache\": \"redis://10.0.0.1:65000\", \"redis_queue\": \"redis://127.0.0.1:21000\"}",
    );
    sibling("b3", "{\"redis_cache\": ");
    let output = bench.run(&["setup", "config"]).success();
    assert!(output.stderr.contains("b3/sites/common_site_config.json"), "{}", output.stderr);
    let written = json(&bench);
    let port = |key: &str| {
        let text = written[key].as_str().unwrap_or_default();
        text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or_default()
    };
    // The next one is taken by this test.
    assert!(port("redis_cache") > taken.0, "{written}");
    assert!(port("redis_queue") > 21000 && written["webserver_port"].as_u64() > Some(20000), "{written}");
}

#[test]
fn a_port_that_is_set_stays() {
    let port = free_port();
    let bench = TestBench::existing(&format!(
        "{{\"redis_cache\": \"redis://localhost:{port}\", \"webserver_port\": 8010}}"
    ));
    let _taken = TcpListener::bind(("127.0.0.1", port)).expect("the port");
    bench.run(&["setup", "config"]).success();
    let written = json(&bench);
    assert_eq!(written["redis_cache"], format!("redis://localhost:{port}"));
    assert_eq!(written["redis_socketio"], format!("redis://localhost:{port}"));
    assert_eq!(written["webserver_port"], 8010);
}
