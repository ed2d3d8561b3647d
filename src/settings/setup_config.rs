//! What `bench setup config` puts into `common_site_config.json`: what is not said yet, and nothing
//! else. Ports are chosen so that several benches of a machine can run side by side.

use serde_json::Value as Json;

use super::change::Change;
use super::common_config::CommonConfig;
use super::generation::Layout;
use super::layout::BenchDir;
use super::model::Settings;
use super::reader::{COMMON_SITE_CONFIG, Layer};
use super::source;
use super::url_text::{self, UrlText};
use super::value::{Node, Value};
use super::{change, load};
use crate::error::{Error, Problem, Result};
use crate::names::Port;

/// The settings of a bench beside this one.
struct Sibling(CommonConfig);

/// The directories beside the bench that have a settings file, and those whose file can't be read.
fn siblings(bench: &BenchDir) -> (Vec<Sibling>, Vec<Problem>) {
    let (mut found, mut broken) = (Vec::new(), Vec::new());
    let entries = bench.path().parent().and_then(|parent| std::fs::read_dir(parent).ok());
    // A folder that nobody may list has no siblings that we could know of.
    for entry in entries.into_iter().flatten().flatten() {
        let path = entry.path();
        if path == bench.path() {
            continue;
        }
        let file = path.join(COMMON_SITE_CONFIG);
        // Also false for what lies in a folder that is closed to us, like other people's homes.
        if !file.exists() {
            continue;
        }
        let read =
            source::read(&file, load::JSON_LIMIT).map(|text| text.map(|text| CommonConfig::parse(&text)));
        match read {
            Ok(None) => {}
            Ok(Some(Ok(config))) => found.push(Sibling(config)),
            Ok(Some(Err(error))) => broken.push(unreadable(&file.display().to_string(), &error.what)),
            Err(error) => broken.push(unreadable(
                &file.display().to_string(),
                &error.problems().iter().map(Problem::what).collect::<Vec<_>>().join("; "),
            )),
        }
    }
    (found, broken)
}

fn unreadable(file: &str, why: &str) -> Problem {
    Problem::new(format!(
        "the settings of a bench beside this one can't be read, so its ports are not known: {why}"
    ))
    .at(file)
    .fix("mend that file, and see that the ports differ")
}

/// What the new text depends on, besides the settings.
pub struct Surroundings<'a> {
    /// Who runs the bench, if nothing else is said.
    pub user: &'a str,
    /// Whether nobody else listens on a port.
    pub is_free: &'a dyn Fn(Port) -> bool,
}

/// What `bench setup config` has to do, and what it met with.
pub struct SetupConfig {
    /// None if nothing is missing.
    pub change: Option<Change>,
    /// Benches whose settings can't be read.
    pub warnings: Vec<Problem>,
}

/// Completes `common_site_config.json`. Values that are there stay, whatever they are, unless
/// `bench.toml` or the environment says something else about an address or port.
pub fn setup_config(
    bench: &BenchDir,
    env: change::Env<'_>,
    around: &Surroundings<'_>,
) -> Result<SetupConfig> {
    let settings = load::load(bench, env)?;
    let config = change::common_config(&load::Texts::read(bench)?)?;
    let (siblings, mut warnings) = siblings(bench);
    warnings.extend(settings.warnings.iter().cloned());
    let config = complete(config, &settings, &siblings, around)?;
    let change =
        config.is_changed().then(|| Change { path: bench.common_site_config(), text: config.to_string() });
    Ok(SetupConfig { change, warnings })
}

fn complete(
    mut config: CommonConfig,
    settings: &Settings,
    siblings: &[Sibling],
    around: &Surroundings<'_>,
) -> Result<CommonConfig> {
    for (name, value) in [
        ("background_workers", Json::from(settings.workers.count)),
        ("gunicorn_workers", settings.web.workers.into()),
        ("live_reload", true.into()),
        ("rebase_on_pull", false.into()),
        ("restart_supervisor_on_update", false.into()),
        ("restart_systemd_on_update", false.into()),
        ("serve_default_site", true.into()),
        ("shallow_clone", true.into()),
        ("use_redis_auth", false.into()),
        ("dontmanage_user", settings.bench.user.as_deref().unwrap_or(around.user).into()),
    ] {
        if !config.has(name) {
            config.set(name, &value);
        }
    }
    change::agreed(&mut config, settings);
    allocate(&mut config, settings, siblings, around)?;
    Ok(config)
}

/// Gives a port to what has none.
fn allocate(
    config: &mut CommonConfig,
    settings: &Settings,
    siblings: &[Sibling],
    around: &Surroundings<'_>,
) -> Result<()> {
    let mut taken: Vec<Port> = ALL.iter().filter_map(|(name, _)| port_of(config, name)).collect();
    for (name, first) in ALL {
        if config.has(name) {
            continue;
        }
        if *name == "redis_socketio" && settings.layout == Layout::Current {
            if let Some(cache) = config.text("redis_cache") {
                config.set(name, &cache.into());
            }
            continue;
        }
        let largest = siblings.iter().filter_map(|sibling| port_of(&sibling.0, name)).max();
        let start = largest.map_or(u32::from(first.number()), |port| u32::from(port.number()) + 1);
        let port = (start..=u32::from(u16::MAX))
            .filter_map(|number| Port::new(number.into()).ok())
            .find(|port| !taken.contains(port) && (around.is_free)(*port))
            .ok_or_else(|| {
                Error::failed(
                    Problem::new(format!("there is no free port for `{name}` from {start} on"))
                        .fix(format!("choose one: `bench config set-common-config -c {name} …`")),
                )
            })?;
        taken.push(port);
        if name.starts_with("redis_") {
            let host = if settings.layout == Layout::ThreeRedis { "localhost" } else { "127.0.0.1" };
            config.set(name, &UrlText::tcp(host, port).reveal().into());
        } else {
            config.set(name, &port.number().into());
        }
    }
    Ok(())
}

/// The keys that hold a port, and the port of a first bench. The cache's comes before socketio's,
/// which may be the same.
const ALL: &[(&str, Port)] = &[
    ("webserver_port", load::WEB_PORT),
    ("socketio_port", load::SOCKETIO_PORT),
    ("file_watcher_port", load::WATCH_PORT),
    ("redis_queue", load::QUEUE_PORT),
    ("redis_cache", load::CACHE_PORT),
    ("redis_socketio", load::SOCKETIO_REDIS_PORT),
];

/// The port of this machine that a key names: a number, or a URL's. A server elsewhere takes no port
/// here.
fn port_of(config: &CommonConfig, name: &str) -> Option<Port> {
    let number = config.number(name).map(i128::from).map(Value::Whole);
    let node = Node { value: number.or_else(|| config.text(name).map(Value::Text))?, line: 0 };
    let url = url_text::url(&node, Layer::CommonSiteConfig).ok()??.url;
    url.port().filter(|_| url.is_local()).and_then(|port| Port::new(port.into()).ok())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::settings::load::{Flags, Machine, Texts, from_texts};
    use crate::settings::{Bytes, Framework, FrameworkVersion, Memory};

    fn run(text: &str, toml: Option<&str>, version: u32, siblings: &[&str], used: &[u16]) -> CommonConfig {
        let bench = BenchDir::at(PathBuf::from("/b/develop-bench"));
        let texts = Texts { common_site_config: Some(text.into()), bench_toml: toml.map(str::to_owned) };
        let machine = Machine {
            framework: Framework::Version(FrameworkVersion { major: version, minor: 0, patch: 0 }),
            memory: Memory { host: Some(Bytes::from_mib(24105)), cgroup: None },
            cpus: 2,
        };
        let settings = from_texts(&bench, &texts, &|_| None, &Flags::default(), machine).unwrap();
        let siblings: Vec<_> =
            siblings.iter().map(|text| Sibling(CommonConfig::parse(text).unwrap())).collect();
        let is_free = |port: Port| !used.contains(&port.number());
        let around = Surroundings { user: "me", is_free: &is_free };
        complete(CommonConfig::parse(text).unwrap(), &settings, &siblings, &around).unwrap()
    }

    #[test]
    fn a_new_bench_gets_the_defaults_of_todays_tool() {
        let expected = r#"{
 "background_workers": 1,
 "dontmanage_user": "me",
 "file_watcher_port": 6787,
 "gunicorn_workers": 5,
 "live_reload": true,
 "rebase_on_pull": false,
 "redis_cache": "redis://127.0.0.1:13000",
 "redis_queue": "redis://127.0.0.1:11000",
 "redis_socketio": "redis://127.0.0.1:13000",
 "restart_supervisor_on_update": false,
 "restart_systemd_on_update": false,
 "serve_default_site": true,
 "shallow_clone": true,
 "socketio_port": 9000,
 "use_redis_auth": false,
 "webserver_port": 8000
}"#;
        assert_eq!(run("{}", None, 15, &[], &[]).to_string(), expected);
        let old = expected.replace("127.0.0.1", "localhost");
        let old = old.replace(
            "\"redis_socketio\": \"redis://localhost:13000\"",
            "\"redis_socketio\": \"redis://localhost:12000\"",
        );
        assert_eq!(run("{}", None, 14, &[], &[]).to_string(), old);
    }

    #[test]
    fn each_port_follows_the_largest_of_the_siblings() {
        let config = run(
            "{}",
            None,
            15,
            &[
                r#"{"redis_cache": "redis://127.0.0.1:13000", "redis_queue": "redis://127.0.0.1:11000", "webserver_port": 8000}"#,
                r#"{"redis_cache": "redis://127.0.0.1:13007", "redis_queue": "redis://127.0.0.1:11003", "webserver_port": "8005",
                "redis_socketio": "redis://127.0.0.1:12003", "socketio_port": 9002, "file_watcher_port": 6790}"#,
                r#"{"redis_cache": "redis://10.0.0.1:20000", "redis_queue": 7, "webserver_port": [], "socketio_port": 99999}"#,
            ],
            &[11004, 11005],
        );
        assert_eq!(config.text("redis_cache").as_deref(), Some("redis://127.0.0.1:13008"));
        assert_eq!(config.text("redis_socketio").as_deref(), Some("redis://127.0.0.1:13008"));
        assert_eq!(config.text("redis_queue").as_deref(), Some("redis://127.0.0.1:11006"));
        let numbers =
            ["webserver_port", "socketio_port", "file_watcher_port"].map(|name| config.number(name));
        assert_eq!(numbers, [Some(8006), Some(9003), Some(6791)]);
    }

    #[test]
    fn what_was_set_by_hand_survives() {
        let text = r#"{"redis_cache": "redis://127.0.0.1:13001", "redis_queue": "redis://127.0.0.1:11007",
            "redis_socketio": "redis://127.0.0.1:12009", "webserver_port": 8010, "socketio_port": 9010,
            "file_watcher_port": 6799, "background_workers": 7, "gunicorn_workers": 12, "live_reload": false,
            "serve_default_site": false, "cache_maxmemory": 333, "custom_key": 1.50}"#;
        let config = run(text, None, 15, &[r#"{"redis_cache": "redis://127.0.0.1:14000"}"#], &[]).to_string();
        for kept in [
            "\"background_workers\": 7",
            "\"gunicorn_workers\": 12",
            "\"live_reload\": false",
            "\"serve_default_site\": false",
            "\"cache_maxmemory\": 333",
            "\"custom_key\": 1.50",
            ":13001\"",
            ":11007\"",
            ":12009\"",
            "8010",
            "9010",
            "6799",
            "\"shallow_clone\": true",
        ] {
            assert!(config.contains(kept), "{kept}: {config}");
        }
        let again = run(&config, None, 15, &[], &[]);
        assert!(!again.is_changed());
    }

    #[test]
    fn what_bench_toml_says_is_written_back_for_the_workers() {
        let toml = "[redis_cache]\nport = 13005\n[web]\nport = 8005\n";
        let config = run(
            r#"{"redis_cache": "redis://:pw@localhost:13000/1", "redis_queue": 11009}"#,
            Some(toml),
            15,
            &[],
            &[],
        );
        assert_eq!(config.text("redis_cache").as_deref(), Some("redis://:pw@localhost:13005/1"));
        assert_eq!(config.text("redis_queue").as_deref(), Some("redis://127.0.0.1:11009"));
        assert_eq!(config.number("webserver_port"), Some(8005));
    }

    #[test]
    fn no_two_keys_of_one_bench_get_the_same_port() {
        let config = run(r#"{"webserver_port": 9000}"#, None, 15, &[], &[]);
        assert_eq!(config.number("socketio_port"), Some(9001));
    }
}
