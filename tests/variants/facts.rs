//! What rendered files say, without spelling: the same facts that today's tool's files were read into.

use std::collections::BTreeMap;

use crate::support::{TestBench, write_program};

/// The machine and the bench that files are rendered for.
pub struct Machine<'a> {
    pub bench: &'a str,
    pub framework: bool,
    /// What redis-server says of itself, if there is one.
    pub redis: Option<&'a str>,
    pub node: bool,
    pub ci: bool,
    pub supervisor_flags: &'a [&'a str],
}

impl Default for Machine<'_> {
    fn default() -> Self {
        Self {
            bench: "develop-bench",
            framework: true,
            redis: Some("Redis server v=7.0.15 sha=00000000:0"),
            node: true,
            ci: false,
            supervisor_flags: &[],
        }
    }
}

impl Machine<'_> {
    /// Such a bench, with these settings and a framework of this version.
    pub fn bench(&self, settings: &str, version: &str) -> TestBench {
        let mut bench = TestBench::named(self.bench);
        bench.make_existing(settings);
        if self.framework {
            let package = format!("__version__ = \"{version}\"\n");
            bench.write("apps/dontmanage/dontmanage/__init__.py", &package);
        }
        // Only these are on the PATH; they are asked for their place and version, and never run.
        let tools = bench.parent().join("tools");
        std::fs::create_dir(&tools).expect("a folder");
        let tool = |name: &str, says: &str| {
            write_program(&tools.join(name), &format!("#!/bin/sh\necho '{says}'\n"));
        };
        if let Some(version) = self.redis {
            tool("redis-server", version);
        }
        if self.node {
            tool("node", "v18.20.4");
        }
        bench.env("PATH", tools.to_str().expect("text"));
        if nix::unistd::Uid::effective().is_root() {
            bench.env("BENCH_USER", "root");
        }
        if self.ci {
            bench.env("CI", "true");
        }
        bench
    }
}

/// Keys and values, in no order.
pub type Section = BTreeMap<String, String>;

/// What the files of a bench say.
#[derive(Debug, PartialEq, Eq)]
pub struct Facts {
    /// By server, what today's tool writes; our additions are left out.
    pub redis: BTreeMap<String, Section>,
    /// In order.
    pub procfile: Vec<(String, String)>,
    /// By section.
    pub supervisor: BTreeMap<String, Section>,
}

/// The directives that today's tool writes. Its `aclfile` is empty, and left out on purpose.
const DIRECTIVES: [&str; 9] =
    ["dbfilename", "dir", "pidfile", "bind", "port", "maxmemory", "maxmemory-policy", "appendonly", "save"];

impl Facts {
    pub fn of(settings: &str, version: &str) -> Self {
        Self::on(&Machine::default(), settings, version)
    }

    pub fn on(machine: &Machine<'_>, settings: &str, version: &str) -> Self {
        let bench = machine.bench(settings, version);
        bench.run(&["setup", "redis"]).success();
        bench.run(&["setup", "procfile"]).success();
        let flags = ["setup", "supervisor", "--yes", "--skip-supervisord"];
        bench.run(&[&flags, machine.supervisor_flags].concat()).success();
        Self::read(&bench)
    }

    /// The names of the units that `bench setup systemd` writes.
    pub fn units(machine: &Machine<'_>, settings: &str, version: &str) -> Vec<String> {
        let bench = machine.bench(settings, version);
        bench.run(&["setup", "systemd", "--yes"]).success();
        let units = bench.path("config/systemd").read_dir().expect("units");
        units.map(|unit| unit.expect("a unit").file_name().into_string().expect("text")).collect()
    }

    fn read(bench: &TestBench) -> Self {
        let placeholders = [
            (format!("{}/", bench.root().display()), "<BENCH>/"),
            (format!("{}/tools/", bench.parent().display()), "<TOOLS>/"),
            (env!("CARGO_BIN_EXE_bench").to_owned(), "<BENCH_CMD>"),
        ];
        let read = |below: &str| {
            let mut text = bench.read(below).replace(&format!("={}\n", bench.root().display()), "=<BENCH>\n");
            for (path, placeholder) in &placeholders {
                text = text.replace(path, placeholder);
            }
            text
        };
        let mut redis = BTreeMap::new();
        for server in ["redis_cache", "redis_queue", "redis_socketio"] {
            let file = format!("config/{server}.conf");
            if bench.path(&file).exists() {
                redis.insert(server.to_owned(), directives(&read(&file), server));
            }
        }
        Self {
            redis,
            procfile: procfile(&read("Procfile")),
            supervisor: sections(&read("config/supervisor.conf")),
        }
    }
}

fn directives(text: &str, server: &str) -> Section {
    let documented =
        DIRECTIVES.iter().filter(|&&name| server == "redis_cache" || !name.starts_with("maxmemory"));
    let names: Vec<_> = documented.collect();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter(|(name, _)| names.contains(&name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn procfile(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(": ").expect("a line of a Procfile"));
    pairs.map(|(name, command)| (name.to_owned(), command.to_owned())).collect()
}

/// The sections of an ini file.
pub fn sections(text: &str) -> BTreeMap<String, Section> {
    let mut sections = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with([';', '#'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
            sections.insert(section.clone(), Section::new());
        } else {
            let (key, value) = line.split_once('=').expect("a key and a value");
            let section = sections.get_mut(&section).expect("a section");
            assert_eq!(section.insert(key.to_owned(), value.to_owned()), None, "{key} twice");
        }
    }
    sections
}
