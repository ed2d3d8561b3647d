//! Snapshots of every rendered file, and a lint over the templates.

use std::path::PathBuf;

use super::*;
use crate::settings::{
    BenchDir, Flags, Framework, FrameworkVersion, Machine, Memory, ServerKind, ServerVersion, Settings,
    Texts, from_texts,
};

/// The documentation's bench, on a machine of which nothing is left to chance.
struct Given {
    dir: BenchDir,
    settings: Settings,
    tools: Tools,
}

fn given(framework: Framework, bench_toml: &str) -> Given {
    let dir = BenchDir::at(PathBuf::from("/home/user/benches/develop"));
    let texts = Texts {
        common_site_config: Some(r#"{"cache_maxmemory": 737, "webserver_port": 8000}"#.to_owned()),
        bench_toml: Some(bench_toml.to_owned()),
    };
    let machine = Machine { framework, memory: Memory { host: None, cgroup: None }, cpus: 2 };
    let settings = from_texts(&dir, &texts, &|_| None, &Flags::default(), machine).expect("settings");
    let version = ServerVersion { kind: ServerKind::Redis, major: 7, minor: 0, patch: 15 };
    let tools = Tools {
        bench: "/usr/local/bin/bench".into(),
        redis_server: Some("/usr/bin/redis-server".into()),
        cache_server: Some(KnownServer { version, fingerprint: "0123abcd".to_owned() }),
        node: Some("/usr/bin/node".into()),
        user: "user".to_owned(),
        group: "user".to_owned(),
        ci: false,
        skip_redis: false,
        local_files: Vec::new(),
        worker_library: None,
    };
    Given { dir, settings, tools }
}

const CURRENT: Framework = Framework::Version(FrameworkVersion { major: 15, minor: 0, patch: 0 });
const OLDER: Framework = Framework::Version(FrameworkVersion { major: 14, minor: 10, patch: 0 });

/// Settings that touch everything a template can say.
const RICH: &str = r#"
[redis_cache]
url = "redis://:s3cret%20word@127.0.0.1:13000"
maxmemory_policy = "allkeys-lfu"
extra = { tcp-keepalive = 60 }
[workers.queues.reports]
timeout = "3000s"
count = 2
[programs.web]
env = { LOCALE = "de" }
memory_limit = "1gb"
[programs.own]
command = "exec my-program --rate 50%"
instances = 2
restart = "on-failure"
stop_signal = "INT"
stop_timeout = "5s"
env = { KEY = "a b", OTHER = "c" }
"#;

impl Given {
    fn scene(&self) -> Scene<'_> {
        Scene { dir: &self.dir, settings: &self.settings, tools: &self.tools }
    }

    fn files(&self) -> Vec<Rendered> {
        let scene = self.scene();
        let mut files = redis(&scene).expect("redis");
        files.push(procfile(&scene).expect("a Procfile"));
        files.push(supervisor(&scene).expect("supervisor.conf"));
        files.extend(systemd(&scene).expect("units"));
        files
    }
}

fn assert_snapshots(bench: &str, given: &Given) {
    insta::with_settings!({
        snapshot_path => "../../tests/snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
        // It changes with every line above it, and `every_file_is_sealed` is about it.
        filters => [("blake3=[0-9a-f]{64}", "blake3=…")],
    }, {
        for file in given.files() {
            let name = file.path.file_name().expect("a name").to_string_lossy().replace('@', "-at");
            insta::assert_snapshot!(format!("{bench}-{name}"), file.text);
        }
    });
}

#[test]
fn every_file_of_the_documented_bench_is_as_reviewed() {
    assert_snapshots("documented", &given(CURRENT, ""));
}

#[test]
fn every_file_of_a_bench_without_a_framework_is_as_reviewed() {
    assert_snapshots("bare", &given(Framework::None, "[programs.own]\ncommand = \"exec my-program\"\n"));
}

#[test]
fn every_file_of_a_bench_with_many_settings_is_as_reviewed() {
    let mut given = given(OLDER, RICH);
    given.tools.local_files = vec!["redis_cache"];
    assert_snapshots("rich", &given);
}

#[test]
fn the_same_settings_give_the_same_bytes() {
    assert_eq!(given(CURRENT, "").files(), given(CURRENT, "").files());
}

#[test]
fn every_file_is_sealed() {
    for file in given(OLDER, RICH).files() {
        assert_eq!(examine(&file.text), Seal::Intact, "{}", file.path.display());
    }
}

#[test]
fn only_files_with_secrets_are_private() {
    let private = |given: &Given| {
        let files = given.files().into_iter().filter(|file| file.is_private);
        files
            .map(|file| file.path.file_name().expect("a name").to_string_lossy().into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(private(&given(CURRENT, "")), Vec::<String>::new());
    assert_eq!(
        private(&given(OLDER, RICH)),
        ["redis_cache.conf", "supervisor.conf", "develop-dontmanage-web.service", "develop-own@.service"]
    );
}

const TEMPLATES: [(&str, &str); 5] = [
    ("redis.conf", include_str!("../../templates/redis.conf.tera")),
    ("Procfile", include_str!("../../templates/Procfile.tera")),
    ("supervisor.conf", include_str!("../../templates/supervisor.conf.tera")),
    ("service", include_str!("../../templates/service.tera")),
    ("target", include_str!("../../templates/target.tera")),
];

/// What stands between two marks, each time.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let parts = text.split(open).skip(1);
    parts.filter_map(|part| part.split(close).next()).map(|part| part.trim_matches(['-', ' '])).collect()
}

#[test]
fn every_template_quotes_what_it_fills_in_or_fills_in_a_number() {
    const NUMBERS: [&str; 8] = [
        "port",
        "program.priority",
        "program.stop_seconds",
        "program.retries",
        "program.instances",
        "restart_seconds",
        "stop_seconds",
        "memory_bytes",
    ];
    for (name, text) in TEMPLATES {
        for filled in between(text, "{{", "}}") {
            let quoted = filled
                .split_once(" | ")
                .is_some_and(|(_, filter)| filter.contains("key=") && !filter.contains(" | "));
            assert!(quoted || NUMBERS.contains(&filled), "{name}: `{filled}` is not quoted");
        }
    }
}
