//! A bench that today's tool made sees no change: the names, commands, keys, formulas and order of what
//! is rendered, for settings of many kinds. Each test states the rule and what it changes of `layouts`.

pub mod facts;
mod layouts;

use facts::{Facts, Machine};
use layouts::{current, legacy};

const URLS: &str = r#""redis_cache": "redis://127.0.0.1:13000", "redis_queue": "redis://127.0.0.1:11000",
    "redis_socketio": "redis://127.0.0.1:13000", "webserver_port": 8000, "socketio_port": 9000,
    "file_watcher_port": 6787, "cache_maxmemory": 737, "gunicorn_workers": 5"#;

const OLD_URLS: &str = r#""redis_cache": "redis://localhost:13000", "redis_queue": "redis://localhost:11000",
    "redis_socketio": "redis://localhost:12000", "webserver_port": 8000, "socketio_port": 9000,
    "file_watcher_port": 6787, "cache_maxmemory": 737, "gunicorn_workers": 5"#;

/// The usual settings and these.
fn with(settings: &str) -> String {
    format!("{{{URLS}{settings}}}")
}

#[test]
fn the_current_layout_is_today_s() {
    assert_eq!(Facts::of(&with(""), "15.0.0"), current());
}

#[test]
fn the_older_layout_is_today_s() {
    assert_eq!(Facts::of(&format!("{{{OLD_URLS}}}"), "14.30.0"), legacy());
    // Also when nothing is set up yet.
    let nothing_yet = r#"{"cache_maxmemory": 737, "gunicorn_workers": 5, "webserver_port": 8000}"#;
    assert_eq!(Facts::of(nothing_yet, "14.30.0"), legacy());
}

#[test]
fn ports_come_from_the_urls() {
    let settings = r#"{"redis_cache": "redis://127.0.0.1:13001", "redis_queue": "redis://127.0.0.1:11007",
        "redis_socketio": "redis://127.0.0.1:13001", "webserver_port": 8010, "cache_maxmemory": 737,
        "gunicorn_workers": 5}"#;
    let mut expected = current();
    expected.redis("redis_cache", "port", "13001");
    expected.redis("redis_queue", "port", "11007");
    expected.procfile("web", "bench serve --port 8010");
    expected.replace_in_supervisor("web", "command", "127.0.0.1:8000", "127.0.0.1:8010");
    assert_eq!(Facts::of(settings, "15.0.0"), expected);
}

#[test]
fn a_url_without_a_port_means_6379_and_a_bare_port_this_machine() {
    for (url, port) in [("\"redis://127.0.0.1\"", "6379"), ("13005", "13005")] {
        let settings = with("").replacen("\"redis://127.0.0.1:13000\"", url, 1);
        let mut expected = current();
        expected.redis("redis_cache", "port", port);
        assert_eq!(Facts::of(&settings, "15.0.0"), expected, "{url}");
    }
}

#[test]
fn without_a_port_in_the_settings_the_web_command_has_none() {
    let settings = with("").replace("\"webserver_port\": 8000, ", "");
    let mut expected = current();
    expected.procfile("web", "bench serve");
    assert_eq!(Facts::of(&settings, "15.0.0"), expected);
}

#[test]
fn sizes_are_whole_mebibytes() {
    for (size, written) in
        [("512", "512mb"), ("1024", "1024mb"), ("\"1gb\"", "1024mb"), ("\"512mb\"", "512mb")]
    {
        let settings = with("").replace("\"cache_maxmemory\": 737", &format!("\"cache_maxmemory\": {size}"));
        let mut expected = current();
        expected.redis("redis_cache", "maxmemory", written);
        assert_eq!(Facts::of(&settings, "15.0.0"), expected, "{size}");
    }
}

#[test]
fn background_workers_are_the_processes_of_each_queue() {
    let mut expected = current();
    for worker in ["short-worker", "long-worker"] {
        expected.supervisor(worker, "numprocs", "4");
    }
    assert_eq!(Facts::of(&with(", \"background_workers\": 4"), "15.0.0"), expected);
}

#[test]
fn a_queue_of_the_bench_has_workers_of_its_own() {
    let queues = r#", "background_workers": 3, "workers": {"reports": {"timeout": 3000, "background_workers": 2},
        "mail": {"timeout": 60}}"#;
    let mut expected = current();
    for worker in ["short-worker", "long-worker"] {
        expected.supervisor(worker, "numprocs", "3");
    }
    expected.add_queue("reports", "3000", "2", true);
    expected.add_queue("mail", "60", "3", true);
    assert_eq!(Facts::of(&with(queues), "15.0.0"), expected);
}

#[test]
fn a_queue_of_the_older_layout_stays_out_of_the_group() {
    let settings = format!(
        r#"{{{OLD_URLS}, "background_workers": 4, "workers": {{"reports": {{"timeout": 3000, "background_workers": 2}}}}}}"#
    );
    let mut expected = legacy();
    for worker in ["default-worker", "short-worker", "long-worker"] {
        expected.supervisor(worker, "numprocs", "4");
    }
    expected.add_queue("reports", "3000", "2", false);
    assert_eq!(Facts::of(&settings, "14.30.0"), expected);
}

#[test]
fn queues_are_merged_only_after_14_18_0() {
    let merged = current();
    let mut apart = current();
    apart.supervisor_apart();
    for (version, expected) in [
        ("16.0.0-dev", &merged),
        ("14.18.1", &merged),
        ("14.18.0", &apart),
        ("13.9.0", &apart),
        ("nonsense", &apart),
    ] {
        assert_eq!(&Facts::of(&with(""), version), expected, "{version}");
    }
}

#[test]
fn the_web_servers_numbers_follow_their_formulas() {
    for (settings, words) in [
        (
            r#""gunicorn_workers": 8, "http_timeout": 600, "gunicorn_max_requests": 1205"#,
            "-w 8 --max-requests 1205 --max-requests-jitter 120 -t 600",
        ),
        (r#""gunicorn_workers": 1"#, "-w 1 --max-requests 0 --max-requests-jitter 0 -t 120"),
        (
            r#""gunicorn_workers": 1, "gunicorn_max_requests": 99"#,
            "-w 1 --max-requests 99 --max-requests-jitter 9 -t 120",
        ),
        (r#""gunicorn_workers": 2"#, "-w 2 --max-requests 5000 --max-requests-jitter 500 -t 120"),
    ] {
        let mut expected = current();
        let usual = "-w 5 --max-requests 5000 --max-requests-jitter 500 -t 120";
        expected.replace_in_supervisor("web", "command", usual, words);
        let settings = with("").replace("\"gunicorn_workers\": 5", settings);
        assert_eq!(Facts::of(&settings, "15.0.0"), expected, "{settings}");
    }
}

#[test]
fn gunicorn_has_two_workers_for_each_cpu_and_one_more() {
    let settings = with("").replace(", \"gunicorn_workers\": 5", "");
    let cpus = std::thread::available_parallelism().expect("a number of CPUs");
    let mut expected = current();
    expected.replace_in_supervisor("web", "command", "-w 5", &format!("-w {}", 2 * cpus.get() + 1));
    assert_eq!(Facts::of(&settings, "15.0.0"), expected);
}

#[test]
fn redis_can_be_left_out_of_supervisor() {
    let machine = Machine { supervisor_flags: &["--skip-redis"], ..Machine::default() };
    let mut expected = current();
    expected.remove_from_supervisor("redis");
    assert_eq!(Facts::on(&machine, &with(""), "15.0.0").supervisor, expected.supervisor);
}

#[test]
fn a_name_in_any_script_stays_the_name() {
    let machine = Machine { bench: "büro-бенч-例", ..Machine::default() };
    assert_eq!(Facts::on(&machine, &with(""), "15.0.0"), current().of_bench("büro-бенч-例"));
}

#[test]
fn nothing_is_watched_in_continuous_integration() {
    let machine = Machine { ci: true, ..Machine::default() };
    let mut expected = current();
    expected.remove_from_procfile("watch");
    assert_eq!(Facts::on(&machine, &with(""), "15.0.0"), expected);
}

#[test]
fn without_node_supervisor_has_no_socketio() {
    let machine = Machine { node: false, ..Machine::default() };
    let mut expected = current();
    expected.remove_from_supervisor("node-socketio");
    assert_eq!(Facts::on(&machine, &with(""), "15.0.0"), expected);
    assert!(!Facts::units(&machine, &with(""), "15.0.0").iter().any(|unit| unit.contains("socketio")));
}

#[test]
fn without_redis_server_no_file_says_none() {
    let machine = Machine { redis: None, ..Machine::default() };
    let bench = machine.bench(&with(""), "15.0.0");
    bench.run(&["setup", "redis"]).success();
    bench.run(&["setup", "procfile"]).success();
    assert!(bench.read("Procfile").starts_with("redis_cache: redis-server config/redis_cache.conf\n"));
    for target in [&["setup", "supervisor", "--skip-supervisord"][..], &["setup", "systemd"]] {
        bench.run(target).code(1).says("apt-get install redis-server").says("--skip-redis");
        let mut without = target.to_vec();
        without.push("--skip-redis");
        bench.run(&without).success();
    }
    assert!(!bench.read("config/supervisor.conf").contains("None"));
}

#[test]
fn keys_of_other_matters_change_nothing() {
    let others = r#", "dns_multitenant": true, "serve_default_site": false, "custom_key": {"a": [1]}"#;
    assert_eq!(Facts::of(&with(others), "15.0.0"), current());
}

#[test]
fn an_older_redis_server_changes_nothing_that_today_s_tool_writes() {
    for version in ["Redis server v=6.2.7", "Redis server v=6.0.16", "Valkey server v=8.0.1"] {
        let machine = Machine { redis: Some(version), ..Machine::default() };
        assert_eq!(Facts::on(&machine, &with(""), "15.0.0"), current(), "{version}");
    }
}

#[test]
fn a_redis_elsewhere_is_neither_written_nor_started() {
    let settings = with("").replacen("redis://127.0.0.1:13000", "redis://cache.example.com:6379", 1);
    let mut expected = current();
    expected.redis.remove("redis_cache");
    expected.remove_from_procfile("redis_cache");
    expected.remove_from_supervisor("redis-cache");
    assert_eq!(Facts::of(&settings, "15.0.0"), expected);
}

#[test]
fn a_bench_without_a_framework_runs_its_redis_servers() {
    let machine = Machine { framework: false, ..Machine::default() };
    let mut expected = current();
    for program in ["web", "socketio", "watch", "schedule", "worker"] {
        expected.remove_from_procfile(program);
    }
    for program in ["web", "schedule", "worker", "socketio"] {
        expected.remove_from_supervisor(program);
    }
    assert_eq!(Facts::on(&machine, &with(""), ""), expected);
}
