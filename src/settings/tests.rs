//! What settings mean, layer by layer, and every mistake that is told apart.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::load::{Flags, Machine, Texts, from_texts};
use super::*;
use crate::error::Error;

const ROOT: &str = "/home/me/develop-bench";

fn version(text: &str) -> Framework {
    FrameworkVersion::from_package(&format!("__version__ = \"{text}\""))
        .map_or(Framework::Unknown, Framework::Version)
}

struct Given {
    texts: Texts,
    env: Vec<(&'static str, &'static str)>,
    flags: Flags,
    framework: Framework,
    root: &'static str,
}

fn json(text: &str) -> Given {
    Given {
        texts: Texts { common_site_config: Some(text.to_owned()), bench_toml: None },
        env: Vec::new(),
        flags: Flags::default(),
        framework: version("15.0.0"),
        root: ROOT,
    }
}

fn toml(text: &str) -> Given {
    let mut given = json("{}");
    given.texts.bench_toml = Some(text.to_owned());
    given
}

impl Given {
    fn toml(mut self, text: &str) -> Self {
        self.texts.bench_toml = Some(text.to_owned());
        self
    }

    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    fn framework(mut self, framework: Framework) -> Self {
        self.framework = framework;
        self
    }

    fn read(&self) -> crate::error::Result<Settings> {
        let env = |name: &str| {
            self.env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let memory = Memory { host: Some(Bytes::from_mib(24105)), cgroup: None };
        let machine = Machine { framework: self.framework, memory, cpus: 2 };
        from_texts(&BenchDir::at(PathBuf::from(self.root)), &self.texts, &env, &self.flags, machine)
    }

    #[track_caller]
    fn good(&self) -> Settings {
        self.read().unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    fn bad(&self) -> Error {
        match self.read() {
            Ok(settings) => panic!("accepted: {settings:#?}"),
            Err(error) => error,
        }
    }
}

#[track_caller]
fn says(given: &Given, parts: &[&str]) {
    let error = given.bad().to_string();
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in\n{error}");
    }
}

#[test]
fn nothing_said_means_the_documented_defaults() {
    let settings = json("{}").good();
    assert_eq!(settings.bench.name.as_str(), "develop-bench");
    let cache = &settings.redis_cache;
    assert_eq!(cache.server.url_text.reveal(), "redis://127.0.0.1:13000");
    assert_eq!(cache.server.socket, Some(PathBuf::from(ROOT).join("config/redis_cache.sock")));
    assert_eq!(cache.maxmemory, MaxMemory::Limit(Bytes::from_mib(1205)));
    assert_eq!(cache.maxmemory_policy, EvictionPolicy::AllkeysLru);
    assert!(cache.server.local && cache.sign && !cache.worker_library);
    assert_eq!(settings.redis_queue.url_text.reveal(), "redis://127.0.0.1:11000");
    assert_eq!(settings.redis_queue.socket, None);
    assert!(matches!(settings.redis_socketio, SocketioRedis::SharesCache));
    let ports = [settings.web.port, settings.socketio_port, settings.watch_port];
    assert_eq!(ports.map(crate::names::Port::number), [8000, 9000, 6787]);
    assert!(!settings.web.port_is_set);
    assert_eq!((settings.web.workers, settings.web.max_requests), (5, 5000));
    assert_eq!(settings.web.timeout, Duration::from_secs(120));
    assert_eq!(settings.workers.count, 1);
    assert_eq!(settings.origins.of("web.port"), &Origin::Default);
    assert!(settings.warnings.is_empty());
}

#[test]
fn the_keys_of_todays_tool_are_read_as_it_reads_them() {
    let settings = json(
        r#"{
 "background_workers": 4,
 "cache_maxmemory": 737,
 "dontmanage_user": "me",
 "file_watcher_port": 6799,
 "gunicorn_max_requests": 1205,
 "gunicorn_workers": 8,
 "http_timeout": 600,
 "redis_cache": "redis://127.0.0.1:13001",
 "redis_queue": "redis://127.0.0.1:11007",
 "redis_socketio": "redis://127.0.0.1:13001",
 "socketio_port": 9010,
 "webserver_port": 8010,
 "workers": {"reports": {"timeout": 3000, "background_workers": 2}, "mails": {}},
 "anything": {"else": ["is", "the framework's"]}
}"#,
    )
    .good();
    assert_eq!(settings.workers.count, 4);
    assert_eq!(settings.redis_cache.maxmemory, MaxMemory::Limit(Bytes::from_mib(737)));
    assert_eq!(settings.bench.user.as_deref(), Some("me"));
    assert_eq!((settings.web.workers, settings.web.max_requests), (8, 1205));
    assert_eq!(settings.web.timeout, Duration::from_secs(600));
    assert_eq!(settings.redis_cache.server.port.map(crate::names::Port::number), Some(13001));
    assert_eq!(settings.redis_queue.port.map(crate::names::Port::number), Some(11007));
    let queues: Vec<_> =
        settings.workers.queues.iter().map(|(n, q)| (n.as_str(), q.count, q.timeout)).collect();
    assert_eq!(
        queues,
        [("reports", Some(2), Duration::from_secs(3000)), ("mails", None, Duration::from_secs(1500))]
    );
    assert_eq!(
        settings.origins.place("redis_cache.maxmemory"),
        "sites/common_site_config.json:3 cache_maxmemory"
    );
    assert_eq!(settings.origins.place("redis_cache.port"), "sites/common_site_config.json:9 redis_cache");
}

#[test]
fn what_todays_tool_takes_for_not_set_is_not_set() {
    let settings = json(
        r#"{"background_workers": 0, "gunicorn_workers": null, "http_timeout": 0, "webserver_port": null,
            "workers": null, "redis_cache": null, "dontmanage_user": ""}"#,
    )
    .good();
    assert_eq!((settings.workers.count, settings.web.workers), (1, 5));
    assert!(!settings.web.port_is_set);
    let settings = json(r#"{"gunicorn_workers": 1, "webserver_port": "8001", "http_timeout": "60"}"#).good();
    assert_eq!((settings.web.max_requests, settings.web.port.number()), (0, 8001));
    assert_eq!(settings.web.timeout, Duration::from_secs(60));
}

#[test]
fn each_layer_wins_over_the_one_below() {
    let mut given = json(r#"{"gunicorn_workers": 2, "dontmanage_user": "a"}"#);
    assert_eq!(given.good().web.workers, 2);
    given = given.toml("[bench]\nuser = \"b\"\n\n[web]\nworkers = 3\n");
    let settings = given.good();
    assert_eq!(settings.web.workers, 3);
    assert_eq!(settings.origins.place("web.workers"), "bench.toml:5 web.workers");
    given = given.env("BENCH_WEB_WORKERS", "4").env("BENCH_USER", "c").env("BENCH_WEB_PORT", "");
    let settings = given.good();
    assert_eq!((settings.web.workers, settings.bench.user.as_deref()), (4, Some("c")));
    assert_eq!(settings.origins.place("web.workers"), "$BENCH_WEB_WORKERS");
    assert!(!settings.web.port_is_set);
    given.flags.user = Some("d".to_owned());
    let settings = given.good();
    assert_eq!(settings.bench.user.as_deref(), Some("d"));
    assert_eq!(settings.origins.place("bench.user"), "--user");
}

#[test]
fn sizes_are_read_from_every_layer() {
    for (given, mib) in [
        (json(r#"{"cache_maxmemory": 512}"#), 512),
        (json(r#"{"cache_maxmemory": "512"}"#), 512),
        (json(r#"{"cache_maxmemory": "512mb"}"#), 512),
        (json(r#"{"cache_maxmemory": "1gb"}"#), 1024),
        (toml("redis_cache.maxmemory = \"737mb\""), 737),
        (json("{}").env("BENCH_REDIS_CACHE_MAXMEMORY", "64mb"), 64),
    ] {
        assert_eq!(given.good().redis_cache.maxmemory, MaxMemory::Limit(Bytes::from_mib(mib)));
    }
    let unlimited = toml("redis_cache.maxmemory = \"unlimited\"").good();
    assert_eq!(unlimited.redis_cache.maxmemory, MaxMemory::Unlimited);
}

#[test]
fn sizes_that_redis_would_misread_are_refused() {
    for (written, what) in [
        ("0", "would mean no limit"),
        ("\"0\"", "would mean no limit"),
        ("\"0mb\"", "would mean no limit"),
        ("-5", "must be more than nothing"),
        ("\"1gbx\"", "must be a size"),
        ("\"50MBs\"", "must be a size"),
        ("null", "is null"),
        ("737.5", "is 737.5"),
        ("true", "is true"),
        ("[1]", "is a list"),
        ("\"\"", "is empty"),
        ("9223372036854775808", "fits in memory"),
        ("8796093022208", "fits in memory"),
        ("\"9223372036854775808b\"", "fits in memory"),
        ("99999999999999999999999999999999999999999999", "must be megabytes"),
    ] {
        let given = json(&format!("{{\n \"cache_maxmemory\": {written}\n}}"));
        says(&given, &[what, "sites/common_site_config.json:2 cache_maxmemory", "fix:"]);
    }
    for written in ["0", "-5", "512", "1.5", "\"50MBs\"", "\"-5mb\"", "\"512\"", "1979-05-27"] {
        let given = toml(&format!("[redis_cache]\nmaxmemory = {written}\n"));
        says(&given, &["`redis_cache.maxmemory` is", "bench.toml:2 redis_cache.maxmemory", "fix:"]);
    }
    says(&json(r#"{"cache_maxmemory": 0}"#), &["\"unlimited\""]);
}

#[test]
fn counts_are_whole_numbers() {
    for (key, written) in [
        ("background_workers", "\"four\""),
        ("background_workers", "\"4\""),
        ("background_workers", "-1"),
        ("background_workers", "1.5"),
        ("background_workers", "true"),
        ("background_workers", "100000"),
        ("gunicorn_workers", "\"3\""),
        ("gunicorn_max_requests", "-1"),
        ("http_timeout", "\"soon\""),
        ("http_timeout", "-1"),
        ("webserver_port", "99999"),
        ("webserver_port", "\"http\""),
        ("workers", "[\"reports\"]"),
        ("workers", "{\"reports\": 4}"),
        ("workers", "{\"re ports\": {}}"),
        ("workers", "{\"reports\": {\"timeout\": \"long\"}}"),
    ] {
        let given = json(&format!("{{\n\n \"{key}\": {written}\n}}"));
        says(&given, &[&format!("sites/common_site_config.json:3 {key}"), "fix: "]);
    }
}

#[test]
fn every_form_of_url_is_understood() {
    let read = |text: &str| json(&format!("{{\"redis_cache\": {text}}}")).good().redis_cache.server;
    let server = read("13001");
    assert_eq!(server.url_text.reveal(), "redis://127.0.0.1:13001");
    let server = read("\"localhost:13001\"");
    assert_eq!(server.url_text.reveal(), "redis://localhost:13001");
    let server = read("\"redis://127.0.0.1\"");
    assert_eq!((server.port.map(crate::names::Port::number), server.local), (Some(6379), true));
    let server = read("\"unix:///run/develop/redis_cache.sock\"");
    assert_eq!((server.port, server.local), (None, true));
    assert_eq!(server.socket, Some(PathBuf::from("/run/develop/redis_cache.sock")));
    let server = read("\"redis://:p%40ss@localhost:13001/1\"");
    assert_eq!(server.url_text.reveal(), "redis://:p%40ss@localhost:13001/1");
    assert_eq!(server.url.password(), Some("p@ss"));
    for text in ["\"redis://10.0.0.7:13000\"", "\"rediss://cache.example:6380\"", "\"rediss://localhost\""] {
        let server = read(text);
        assert!(!server.local && server.socket.is_none(), "{text}");
    }
    let server = read("\"redis://127.0.0.2:13001\"");
    assert_eq!(server.bind.to_string(), "127.0.0.2");
    assert_eq!(read("\"redis://0.0.0.0:13001\"").bind.to_string(), "127.0.0.1");
}

#[test]
fn a_url_that_is_none_is_refused_by_its_key() {
    for (written, what) in [
        ("\"redis://127.0.0.1:99999\"", "`99999` is not a port"),
        ("\"http://127.0.0.1\"", "`http://`"),
        ("\"localhost\"", "`localhost`"),
        ("99999", "must be a port"),
        ("[1]", "must be the address"),
        ("\"redis://127.0.0.1:13000\\nsave 1 1\"", "line break"),
    ] {
        says(&json(&format!("{{\"redis_cache\": {written}}}")), &[what, "json:1 redis_cache", "fix:"]);
    }
    let long = format!("{{\"redis_cache\": \"unix:///{}\"}}", "x".repeat(107));
    says(&json(&long), &["108 bytes", "107"]);
}

#[test]
fn a_port_in_bench_toml_moves_the_url() {
    let settings =
        json(r#"{"redis_cache": "redis://:pw@localhost:13000/1"}"#).toml("redis_cache.port = 13005").good();
    assert_eq!(settings.redis_cache.server.url_text.reveal(), "redis://:pw@localhost:13005/1");
    assert_eq!(settings.origins.place("redis_cache.port"), "bench.toml:1 redis_cache.port");
    let settings =
        toml("redis_cache.port = 13005").env("BENCH_REDIS_CACHE_URL", "redis://127.0.0.1:13006").good();
    assert_eq!(settings.redis_cache.server.url_text.reveal(), "redis://127.0.0.1:13006");
}

#[test]
fn contradictions_within_a_file_are_mistakes() {
    for (text, what) in [
        ("url = \"redis://127.0.0.1:1\"\nport = 2", "the port is 2, but the URL says 1"),
        ("url = \"redis://10.0.0.1:1\"\nbind = \"127.0.0.1\"", "not started here"),
        ("url = \"redis://10.0.0.1:1\"\nsocket = \"x.sock\"", "not started here"),
        ("url = \"redis://127.0.0.1:1\"\nbind = \"10.0.0.9\"", "listens on 10.0.0.9"),
        ("url = \"unix:///a\"\nsocket = \"/b\"", "workers connect to `/a`"),
        ("bind = \"localhost\"", "must be an IP address"),
        ("extra = { port = 1 }", "set `redis_cache.port`"),
        ("extra = { daemonize = true }", "depends on this one"),
        ("extra = { \"a b\" = 1 }", "no directive"),
        ("extra = { lazyfree-lazy-eviction = \"yes\\nport 1\" }", "line break"),
        ("maxmemory_policy = \"lru\"", "`allkeys-lru`"),
        ("sign = \"no\"", "true or false"),
    ] {
        says(&toml(&format!("[redis_cache]\n{text}\n")), &[what, "bench.toml:"]);
    }
}

#[test]
fn a_bind_address_is_what_workers_connect_to() {
    let server = toml("redis_cache.bind = \"10.0.0.9\"").good().redis_cache.server;
    assert_eq!((server.url_text.reveal(), server.local), ("redis://10.0.0.9:13000", true));
    let server = toml("redis_cache.bind = \"0.0.0.0\"").good().redis_cache.server;
    assert_eq!(server.url_text.reveal(), "redis://127.0.0.1:13000");
    assert_eq!(server.bind.to_string(), "0.0.0.0");
}

#[test]
fn two_servers_on_one_port_are_named_both() {
    let given = json(
        r#"{"redis_cache": "redis://127.0.0.1:13000",
        "redis_queue": "redis://localhost:13000"}"#,
    );
    says(
        &given,
        &[
            "redis_cache and redis_queue both have the port 13000",
            "json:1 redis_cache and",
            "json:2 redis_queue",
        ],
    );
    says(
        &toml("redis_queue.port = 13000"),
        &["redis_cache and redis_queue both", "redis_cache.port (default)"],
    );
    says(&toml("[web]\nport = 9001\n[socketio]\nport = 9001"), &["web and socketio both"]);
    toml("[web]\nport = 9000").good();
    json(r#"{"redis_cache": "redis://10.0.0.1:6379", "redis_queue": "redis://10.0.0.2:6379"}"#).good();
}

#[test]
fn old_frameworks_have_a_third_redis_server() {
    let fresh = json("{}").framework(version("14.30.0")).good();
    assert_eq!(fresh.layout, Layout::ThreeRedis);
    assert_eq!(fresh.redis_cache.server.url_text.reveal(), "redis://localhost:13000");
    assert_eq!(fresh.redis_queue.url_text.reveal(), "redis://localhost:11000");
    let SocketioRedis::Own(server) = &fresh.redis_socketio else { panic!("{:?}", fresh.redis_socketio) };
    assert_eq!(server.url_text.reveal(), "redis://localhost:12000");
    let urls = |socketio: &str| {
        json(&format!(r#"{{"redis_cache": "redis://localhost:13000", "redis_socketio": "{socketio}"}}"#))
    };
    for (socketio, framework, layout) in [
        ("redis://localhost:12000", "14.30.0", Layout::ThreeRedis),
        ("redis://localhost:13000", "14.30.0", Layout::Current),
        ("redis://127.0.0.1:13000", "14.30.0", Layout::Current),
        ("redis://localhost:12000", "15.0.0", Layout::Current),
    ] {
        let given = urls(socketio).framework(version(framework));
        assert_eq!(given.good().layout, layout, "{socketio} {framework}");
    }
}

#[test]
fn programs_are_read_with_all_that_is_said_of_them() {
    let settings = toml(
        r#"
[programs.web]
command = "bench serve; echo 100% \"done\""
instances = 2
restart = "on-failure"
stop_signal = "SIGINT"
stop_timeout = "10s"
depends_on = ["redis_cache"]
ready = { tcp = 8000 }
health = { http = "http://127.0.0.1:8000/ping", host = "site1", every = "10s", timeout = "2s", failures = 3 }
memory_limit = "1gb"
env = { KEY = "value", COUNT = 2, FLAG = true }

[programs.idle]
"#,
    )
    .good();
    let names: Vec<_> = settings.programs.keys().map(crate::names::ProgramName::as_str).collect();
    assert_eq!(names, ["web", "idle"]);
    let web = &settings.programs[0];
    assert_eq!(web.command.as_deref(), Some("bench serve; echo 100% \"done\""));
    assert_eq!((web.restart, web.stop_signal), (Some(RestartPolicy::OnFailure), Some(StopSignal::Int)));
    assert_eq!(web.memory_limit, Some(Bytes::from_mib(1024)));
    assert_eq!(web.env["FLAG"], "true");
    assert!(matches!(&web.health, Some(Health { failures: 3, .. })));
}

#[test]
fn mistakes_in_programs_are_refused() {
    for (text, what) in [
        ("comand = \"x\"", "did you mean `programs.web.command`?"),
        ("command = \"a\\nb\"", "holds a line break"),
        ("command = \"\"", "is empty"),
        ("instances = 0", "from 1 to 1000"),
        ("instances = \"2\"", "must be a whole number"),
        ("restart = \"sometimes\"", "`on-failure`"),
        ("stop_signal = 15", "`TERM`"),
        ("stop_timeout = 10", "must be a duration"),
        ("depends_on = \"redis_cache\"", "must be a list"),
        ("depends_on = [\"a b\"]", "not a valid program name"),
        ("depends_on = [\"web\"]", "depends on itself"),
        ("memory_limit = 1000", "must be a size"),
        ("env = { \"A-B\" = 1 }", "no name for a variable"),
        ("env = 3", "must be a table"),
    ] {
        says(&toml(&format!("[programs.web]\n{text}\n")), &[what, "bench.toml:2"]);
    }
    says(&toml("[programs.\"a b\"]\n"), &["not a valid program name", "bench.toml:1"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = json("{\n\"gunicorn_workers\": \"3\",\n\"cache_maxmemory\": 0}")
        .toml("[redis_cache]\nmaxmemroy = \"1gb\"\nport = 0\n[web]\ntimeout = \"10\"\n")
        .env("BENCH_SOCKETIO_PORT", "x")
        .bad();
    assert_eq!(error.problems().len(), 6, "{error}");
    assert_eq!(error.exit_code(), crate::exit_code::ExitCode::Usage);
    let text = error.to_string();
    for part in [
        "did you mean `redis_cache.maxmemory`?",
        "bench.toml:3 redis_cache.port",
        "bench.toml:5 web.timeout",
        "$BENCH_SOCKETIO_PORT",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_key_that_stands_there_twice_is_refused() {
    says(
        &json("{\"webserver_port\": 1,\n \"webserver_port\": 2}"),
        &["twice", "json:2 webserver_port", "lines 1 and 2"],
    );
    json("{\"the_frameworks\": 1, \"the_frameworks\": 2}").good();
    says(&toml("[web]\nport = 1\nport = 2\n"), &["bench.toml:3"]);
}

#[test]
fn no_control_character_gets_into_any_text() {
    for key in super::schema::KEYS.iter().filter(|key| !key.name.ends_with("depends_on")) {
        let name = key.name.replace('*', "x");
        for escape in ["\\n", "\\r", "\\u0000", "\\u001b", "\\u0085"] {
            let given = toml(&format!("{name} = \"a{escape}b\"\n"));
            says(&given, &["bench.toml:1"]);
        }
    }
}

#[test]
fn every_key_of_the_schema_is_read() {
    for key in super::schema::KEYS {
        let name = key.name.replace('*', "x");
        // An empty list is the right value for nothing but a list of names.
        let value = if key.kind == super::schema::Kind::Names { "3" } else { "[]" };
        let given = toml(&format!("{name} = {value}\n"));
        let error = given.bad().to_string();
        assert!(error.contains(&format!("`{name}` ")), "{name} is not read: {error}");
    }
}

#[test]
fn more_memory_than_there_is_is_odd_but_allowed() {
    let settings = toml("redis_cache.maxmemory = \"100gb\"").good();
    assert_eq!(settings.warnings.len(), 1);
    assert!(settings.warnings[0].to_string().contains("24105mb"), "{}", settings.warnings[0]);
}

#[test]
fn a_bench_too_deep_for_a_socket_has_none() {
    let mut given = json("{}");
    given.root =
        "/a/bench/in/a/very/deep/place/that/goes/on/and/on/and/on/until/no/socket/fits/into/it/any/more/xx";
    assert_eq!(given.good().redis_cache.server.socket, None);
    let given = Given { root: given.root, ..toml("redis_cache.socket = \"config/redis_cache.sock\"") };
    says(&given, &["bytes, and the system allows 107", "bench.toml:1 redis_cache.socket"]);
}

#[test]
fn line_ends_of_windows_are_fine() {
    let settings = json("{\r\n \"webserver_port\": 8001\r\n}\r\n").toml("[web]\r\nworkers = 2\r\n").good();
    assert_eq!((settings.web.port.number(), settings.web.workers), (8001, 2));
}

proptest! {
    #[test]
    fn any_settings_parse_or_err(
        key in "[a-z_]{1,12}",
        value in "(null|true|-?[0-9]{1,25}|[0-9]\\.[0-9]|\"[^\"\\\\\\p{C}]{0,20}\"|\\[\\]|\\{\\})",
        which in 0..super::schema::KEYS.len(),
    ) {
        let known = &super::schema::KEYS[which];
        let name = known.legacy.unwrap_or(&key);
        let _ = json(&format!("{{\"{name}\": {value}, \"workers\": {value}}}")).read();
        let _ = toml(&format!("{} = {value}", known.name.replace('*', "x"))).read();
        let _ = toml(&format!("{key} = {value}")).read();
    }

    #[test]
    fn any_text_of_either_file_is_settings_or_an_error(
        common in "([{}\\[\\]:,\"\\\\a-z0-9_ .-]|\\PC){0,60}",
        bench_toml in "(\\[(redis_cache|web|programs\\.x)\\]\n)?([a-z.]{1,10} ?= ?[\\[{\"0-9a-z]{1,8}\n|\\PC){0,20}",
    ) {
        let mut given = json(&common).toml(&bench_toml);
        let _ = given.read();
        given.texts.common_site_config = None;
        let _ = given.read();
    }
}
