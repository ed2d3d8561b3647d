//! The two layouts that benches have today, written down as tables, and what settings change of them.

use std::collections::BTreeMap;

use super::facts::{Facts, Section};

const WEB: &str = "<BENCH>/env/bin/gunicorn -b 127.0.0.1:8000 -w 5 --max-requests 5000 \
                   --max-requests-jitter 500 -t 120";
const APP: &str = "dontmanage.app:application --preload";
const LOGS: &str = "1>> logs/worker.log 2>> logs/worker.error.log";

/// A program of supervisor: name, command, priority, log, directory, and what else it says.
type Row<'a> = (&'a str, String, &'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

/// The framework from 15 on: two redis servers, merged queues.
pub fn current() -> Facts {
    let retries = ("startretries", "10");
    let always = ("autorestart", "true");
    let workers = |stop| {
        vec![
            always,
            retries,
            ("stopwaitsecs", stop),
            ("killasgroup", "true"),
            ("numprocs", "1"),
            ("process_name", "%(program_name)s-%(process_num)d"),
        ]
    };
    let rows: &[Row<'_>] = &[
        (
            "dontmanage-web",
            format!("{WEB} --graceful-timeout 30 {APP}"),
            "4",
            "web",
            "<BENCH>/sites",
            &[always, retries, ("stopwaitsecs", "40"), ("killasgroup", "true")],
        ),
        // As today's tool has it: no `autorestart`.
        ("dontmanage-schedule", "<BENCH_CMD> schedule".into(), "3", "schedule", "<BENCH>", &[retries]),
        (
            "dontmanage-short-worker",
            "<BENCH_CMD> worker --queue short,default".into(),
            "4",
            "worker",
            "<BENCH>",
            &workers("360"),
        ),
        (
            "dontmanage-long-worker",
            "<BENCH_CMD> worker --queue long,default,short".into(),
            "4",
            "worker",
            "<BENCH>",
            &workers("1560"),
        ),
        ("redis-cache", server("redis_cache"), "1", "redis-cache", "<BENCH>/sites", &[always, retries]),
        ("redis-queue", server("redis_queue"), "1", "redis-queue", "<BENCH>/sites", &[always, retries]),
        ("node-socketio", "<BENCH_CMD> socketio".into(), "4", "node-socketio", "<BENCH>", &[always, retries]),
    ];
    Facts {
        redis: BTreeMap::from([conf("redis_cache", "13000"), conf("redis_queue", "11000")]),
        procfile: pairs(&[
            ("redis_cache", "redis-server config/redis_cache.conf"),
            ("redis_queue", "redis-server config/redis_queue.conf"),
            ("web", "bench serve --port 8000"),
            ("socketio", "bench socketio"),
            ("watch", "bench watch"),
            ("schedule", "bench schedule"),
            ("worker", &format!("bench worker {LOGS}")),
        ]),
        supervisor: sections(
            rows,
            &[
                ("web", "dontmanage-web,node-socketio"),
                ("workers", "dontmanage-schedule,dontmanage-short-worker,dontmanage-long-worker"),
                ("redis", "redis-cache,redis-queue"),
            ],
        ),
    }
}

/// The framework before: a third redis server for socketio, a program for each queue, no grace for the
/// web server, no retries.
pub fn legacy() -> Facts {
    let always = ("autorestart", "true");
    let workers = |stop| {
        vec![
            always,
            ("stopwaitsecs", stop),
            ("killasgroup", "true"),
            ("numprocs", "1"),
            ("process_name", "%(program_name)s-%(process_num)d"),
        ]
    };
    let worker = |queue: &str| format!("<BENCH_CMD> worker --queue {queue}");
    let socketio = "<TOOLS>/node <BENCH>/apps/dontmanage/socketio.js";
    let redis = |name| server(name);
    let rows: &[Row<'_>] = &[
        ("dontmanage-web", format!("{WEB} {APP}"), "4", "web", "<BENCH>/sites", &[always]),
        ("dontmanage-schedule", "<BENCH_CMD> schedule".into(), "3", "schedule", "<BENCH>", &[always]),
        ("dontmanage-default-worker", worker("default"), "4", "worker", "<BENCH>", &workers("1560")),
        ("dontmanage-short-worker", worker("short"), "4", "worker", "<BENCH>", &workers("360")),
        ("dontmanage-long-worker", worker("long"), "4", "worker", "<BENCH>", &workers("1560")),
        ("redis-cache", redis("redis_cache"), "1", "redis-cache", "<BENCH>/sites", &[always]),
        ("redis-queue", redis("redis_queue"), "1", "redis-queue", "<BENCH>/sites", &[always]),
        ("redis-socketio", redis("redis_socketio"), "1", "redis-socketio", "<BENCH>/sites", &[always]),
        ("node-socketio", socketio.into(), "4", "node-socketio", "<BENCH>", &[always]),
    ];
    let schedule_and_workers =
        "dontmanage-schedule,dontmanage-default-worker,dontmanage-short-worker,dontmanage-long-worker";
    Facts {
        redis: BTreeMap::from([
            conf("redis_cache", "13000"),
            conf("redis_queue", "11000"),
            conf("redis_socketio", "12000"),
        ]),
        procfile: pairs(&[
            ("redis_cache", "redis-server config/redis_cache.conf"),
            ("redis_socketio", "redis-server config/redis_socketio.conf"),
            ("redis_queue", "redis-server config/redis_queue.conf"),
            ("web", "bench serve --port 8000"),
            ("socketio", "<TOOLS>/node apps/dontmanage/socketio.js"),
            ("watch", "bench watch"),
            ("schedule", "bench schedule"),
            ("worker", &format!("bench worker {LOGS}")),
        ]),
        supervisor: sections(
            rows,
            &[
                ("web", "dontmanage-web,node-socketio"),
                ("workers", schedule_and_workers),
                ("redis", "redis-cache,redis-queue,redis-socketio"),
            ],
        ),
    }
}

fn server(name: &str) -> String {
    format!("<TOOLS>/redis-server <BENCH>/config/{name}.conf")
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn conf(name: &str, port: &str) -> (String, Section) {
    let mut directives = pairs(&[
        ("dbfilename", &format!("{name}.rdb")),
        ("dir", "<BENCH>/config/pids"),
        ("pidfile", &format!("<BENCH>/config/pids/{name}.pid")),
        ("bind", "127.0.0.1"),
        ("port", port),
    ]);
    if name == "redis_cache" {
        directives.extend(pairs(&[
            ("maxmemory", "737mb"),
            ("maxmemory-policy", "allkeys-lru"),
            ("appendonly", "no"),
            ("save", "\"\""),
        ]));
    }
    (name.to_owned(), directives.into_iter().collect())
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::effective()).expect("users").expect("a user").name
}

fn sections(rows: &[Row<'_>], groups: &[(&str, &str)]) -> BTreeMap<String, Section> {
    let mut sections = BTreeMap::new();
    for (name, command, priority, log, directory, more) in rows {
        let mut section = pairs(more);
        section.extend(pairs(&[
            ("command", command),
            ("priority", priority),
            ("autostart", "true"),
            ("stdout_logfile", &format!("<BENCH>/logs/{log}.log")),
            ("stderr_logfile", &format!("<BENCH>/logs/{log}.error.log")),
            ("user", &user()),
            ("directory", directory),
        ]));
        sections.insert(format!("program:develop-bench-{name}"), section.into_iter().collect());
    }
    for (name, programs) in groups {
        let programs = programs.split(',').map(|program| format!("develop-bench-{program}"));
        let section = Section::from([("programs".to_owned(), programs.collect::<Vec<_>>().join(","))]);
        sections.insert(format!("group:develop-bench-{name}"), section);
    }
    sections
}

impl Facts {
    pub fn redis(&mut self, server: &str, directive: &str, value: &str) {
        let conf = self.redis.get_mut(server).expect("a server");
        value.clone_into(conf.get_mut(directive).expect("a directive"));
    }

    pub fn procfile(&mut self, name: &str, command: &str) {
        let entry = self.procfile.iter_mut().find(|(program, _)| program == name).expect("a program");
        command.clone_into(&mut entry.1);
    }

    pub fn remove_from_procfile(&mut self, name: &str) {
        let before = self.procfile.len();
        self.procfile.retain(|(program, _)| program != name);
        assert_eq!(self.procfile.len() + 1, before);
    }

    fn section(&mut self, ending: &str) -> &mut Section {
        let mut found = self.supervisor.iter_mut().filter(|(name, _)| {
            name.strip_prefix("program:").is_some_and(|name| name.ends_with(&format!("-{ending}")))
        });
        let (_, section) = found.next().expect("a program");
        assert!(found.next().is_none(), "one program");
        section
    }

    pub fn supervisor(&mut self, program: &str, key: &str, value: &str) {
        self.section(program).insert(key.to_owned(), value.to_owned());
    }

    pub fn replace_in_supervisor(&mut self, program: &str, key: &str, old: &str, new: &str) {
        let value = self.section(program).get_mut(key).expect("a value");
        assert!(value.contains(old), "{value}");
        *value = value.replace(old, new);
    }

    /// Removes the programs whose names hold this, from their groups too; an empty group goes.
    pub fn remove_from_supervisor(&mut self, part: &str) {
        self.supervisor.retain(|name, _| !(name.starts_with("program:") && name.contains(part)));
        for section in self.supervisor.values_mut() {
            if let Some(programs) = section.get_mut("programs") {
                let kept: Vec<_> = programs.split(',').filter(|program| !program.contains(part)).collect();
                *programs = kept.join(",");
            }
        }
        self.supervisor
            .retain(|_, section| section.get("programs").is_none_or(|programs| !programs.is_empty()));
    }

    /// A queue of the bench's own.
    pub fn add_queue(&mut self, queue: &str, timeout: &str, count: &str, in_group: bool) {
        let name = format!("develop-bench-dontmanage-{queue}-worker");
        let mut section = self.section("long-worker").clone();
        for (key, value) in [
            ("command", format!("<BENCH_CMD> worker --queue {queue}")),
            ("stopwaitsecs", timeout.to_owned()),
            ("numprocs", count.to_owned()),
        ] {
            section.insert(key.to_owned(), value);
        }
        self.supervisor.insert(format!("program:{name}"), section);
        if in_group {
            let group = self.supervisor.get_mut("group:develop-bench-workers").expect("a group");
            let programs = group.get_mut("programs").expect("programs");
            programs.push(',');
            programs.push_str(&name);
        }
        self.procfile.push((format!("worker_{queue}"), format!("bench worker --queue {queue} {LOGS}")));
    }

    /// One program for each queue, as older frameworks need it.
    pub fn supervisor_apart(&mut self) {
        self.supervisor("short-worker", "command", "<BENCH_CMD> worker --queue short");
        self.supervisor("long-worker", "command", "<BENCH_CMD> worker --queue long");
        let mut default = self.section("long-worker").clone();
        default.insert("command".to_owned(), "<BENCH_CMD> worker --queue default".to_owned());
        self.supervisor.insert("program:develop-bench-dontmanage-default-worker".to_owned(), default);
        let group = self.supervisor.get_mut("group:develop-bench-workers").expect("a group");
        let programs = group.get_mut("programs").expect("programs");
        *programs = programs.replace(
            "develop-bench-dontmanage-short-worker",
            "develop-bench-dontmanage-default-worker,develop-bench-dontmanage-short-worker",
        );
    }

    /// The same for a bench of another name.
    pub fn of_bench(self, name: &str) -> Self {
        let renamed = |text: &String| text.replace("develop-bench", name);
        let section =
            |section: &Section| section.iter().map(|(key, value)| (key.clone(), renamed(value))).collect();
        let supervisor = self.supervisor.iter().map(|(name, keys)| (renamed(name), section(keys))).collect();
        Self { supervisor, ..self }
    }
}
