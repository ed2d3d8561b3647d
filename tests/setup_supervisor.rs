//! `bench setup supervisor`, and supervisord, which reads and runs what we write.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{TestBench, free_port, run, until, write_program};

const SETUP: [&str; 3] = ["setup", "supervisor", "--skip-supervisord"];

fn supervisord() -> PathBuf {
    let path = PathBuf::from("/usr/bin/supervisord");
    assert!(path.exists(), "supervisord is missing: install it with `apt-get install supervisor`");
    path
}

/// A main file that includes the bench's, with sockets of its own, outside of the bench: the include
/// takes patterns, and the bench's path may be anything.
fn main_file(bench: &TestBench) -> PathBuf {
    let folder = bench.parent().join("supervisor");
    std::fs::create_dir_all(&folder).expect("a folder");
    let included = folder.join("bench.conf");
    if !included.exists() {
        symlink(bench.path("config/supervisor.conf"), &included).expect("a link");
    }
    let main = folder.join("main.conf");
    let at = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "[supervisord]\nnodaemon=true\nuser={}\nlogfile={}\npidfile={}\nchildlogdir={}\n[include]\nfiles={}\n",
        user(),
        at("log"),
        at("pid"),
        folder.display(),
        included.display(),
    );
    std::fs::write(&main, text).expect("a file");
    main
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::effective()).expect("users").expect("a user").name
}

/// What supervisord itself makes of the file: every process with its words, folder and environment.
const READER: &str = r"
import json, shlex, sys
from supervisor.options import ServerOptions
options = ServerOptions()
options.realize(['-c', sys.argv[1]])
json.dump([{
    'group': group.name, 'name': process.name, 'words': shlex.split(process.command),
    'directory': process.directory, 'environment': process.environment, 'stop': process.stopwaitsecs,
    'signal': int(process.stopsignal), 'restart': str(process.autorestart), 'log': process.stdout_logfile,
} for group in options.process_group_configs for process in group.process_configs], sys.stdout)
";

pub fn read_by_supervisord(bench: &TestBench) -> Vec<Value> {
    // The Python that supervisord itself runs in.
    let first = std::fs::read_to_string(supervisord()).expect("a script");
    let python = first.lines().next().and_then(|line| line.strip_prefix("#!")).expect("its Python").trim();
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-c", READER]).arg(main_file(bench));
    let output = run(command).success();
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn names(processes: &[Value]) -> Vec<String> {
    let name = |process: &Value| {
        format!("{}:{}", process["group"].as_str().expect("text"), process["name"].as_str().expect("text"))
    };
    let mut names: Vec<_> = processes.iter().map(name).collect();
    names.sort();
    names
}

fn framework_bench(name: &str, settings: &str, version: &str) -> TestBench {
    let mut bench = TestBench::named(name);
    bench.make_existing(settings);
    bench.write("apps/dontmanage/dontmanage/__init__.py", &format!("__version__ = '{version}'\n"));
    write_program(&bench.path("tools/node"), "#!/bin/sh\n");
    let path = format!("{}:/usr/bin:/bin", bench.path("tools").display());
    bench.env("PATH", &path).env("BENCH_USER", &user());
    bench
}

#[test]
fn supervisord_runs_the_file_until_redis_answers() {
    let port = free_port();
    let bench = TestBench::named("a b%c's");
    bench.make_existing(&format!(
        r#"{{"redis_cache": "redis://127.0.0.1:{port}", "redis_queue": "redis://127.0.0.1:{}"}}"#,
        free_port()
    ));
    bench.write(
        "bench.toml",
        "[programs.own]\ncommand = \"printf '%s|%s' \\\"$GREETING\\\" \\\"$PWD\\\" > out; exec sleep 600\"\n\
         env = { GREETING = \"50% of it's here, all; right\" }\n",
    );
    bench.run(&["setup", "redis"]).success();
    bench.run(&SETUP).success();
    let supervisor = start(&bench);
    until("redis answers", || {
        let log = std::fs::read_to_string(bench.parent().join("supervisor/log")).unwrap_or_default();
        assert!(!log.contains("FATAL"), "{log}");
        let port = port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port, "PING"]).output().expect("redis-cli");
        (output.stdout == b"PONG\n").then_some(())
    });
    let expected = format!("50% of it's here, all; right|{}", bench.root().display());
    until("the bench's own program runs", || {
        std::fs::read_to_string(bench.path("out")).ok().filter(|text| *text == expected)
    });
    until("redis has a log", || {
        let log = std::fs::read_to_string(bench.path("logs/redis-cache.log")).ok()?;
        log.contains("Ready to accept connections").then_some(())
    });
    drop(supervisor);
}

/// Starts supervisord with the bench's file.
pub fn start(bench: &TestBench) -> Ended {
    let child = Command::new(supervisord())
        .arg("-c")
        .arg(main_file(bench))
        .current_dir(bench.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("supervisord");
    Ended(child)
}

/// supervisord stops what it runs when it is told to stop.
pub struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.0.id().cast_signed()).expect("a process id");
        // Not waited for yet, so the id is still its own.
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.0.wait();
    }
}

#[test]
fn supervisord_reads_every_layout() {
    let urls = r#""redis_cache": "redis://localhost:13000", "redis_queue": "redis://localhost:11000""#;
    for (settings, version, count) in [
        ("{}".to_owned(), "15.0.0", 7),
        (r#"{"background_workers": 4}"#.to_owned(), "15.0.0", 13),
        (r#"{"workers": {"reports": {"timeout": 3000, "background_workers": 2}}}"#.to_owned(), "15.0.0", 9),
        // Without a timeout, with which today's tool writes a file that supervisord refuses.
        (r#"{"workers": {"mail": {}}}"#.to_owned(), "15.0.0", 8),
        ("{}".to_owned(), "14.10.0", 9),
        (format!("{{{urls}, \"redis_socketio\": \"redis://localhost:12000\"}}"), "14.30.0", 9),
        (format!("{{{urls}, \"redis_socketio\": \"redis://localhost:13000\"}}"), "14.30.0", 7),
    ] {
        let bench = framework_bench("develop-bench", &settings, version);
        bench.run(&SETUP).success();
        let processes = read_by_supervisord(&bench);
        assert_eq!(processes.len(), count, "{settings} {version}: {:?}", names(&processes));
    }
}

#[test]
fn supervisord_reads_the_words_of_a_bench_of_any_name() {
    for name in
        ["a b", "it's", "say \"so\"", "100%", "%(x)s", "a;b", "büro-бенч-例", "back\\slash", "$HOME", "a#b"]
    {
        let bench = framework_bench(name, "{}", "15.0.0");
        bench.run(&SETUP).success();
        let processes = read_by_supervisord(&bench);
        let web = processes
            .iter()
            .find(|process| process["name"].as_str().is_some_and(|name| name.ends_with("web")));
        let web = web.expect("a web server");
        assert_eq!(web["words"][0], bench.path("env/bin/gunicorn").display().to_string(), "{name}");
        assert_eq!(web["directory"], bench.path("sites").display().to_string(), "{name}");
        assert_eq!(web["log"], bench.path("logs/web.log").display().to_string(), "{name}");
    }
}

#[test]
fn what_supervisor_cannot_hold_is_refused() {
    for (name, why) in [("a ;b", "a `;` or `#` after a blank"), ("%(here)s", "in the place of `%(here)s`")] {
        let bench = framework_bench(name, "{}", "15.0.0");
        bench.run(&SETUP).code(2).says(why);
        assert!(!bench.path("config/supervisor.conf").exists());
    }
}

#[test]
fn policies_of_the_settings_reach_supervisor() {
    let bench = framework_bench("develop-bench", "{}", "15.0.0");
    bench.write(
        "bench.toml",
        "[programs.web]\nenv = { A = \"x,y\", B = 'say \"so\" now' }\nstop_timeout = \"1500ms\"\n\
         [programs.worker]\nstop_signal = \"INT\"\n\
         [programs.own]\ncommand = \"my 'own' ; thing # 100%\"\ninstances = 3\nrestart = \"on-failure\"\n",
    );
    bench.run(&SETUP).success();
    assert_eq!(
        bench.path("config/supervisor.conf").metadata().expect("a file").permissions().mode() & 0o777,
        0o600
    );
    let processes = read_by_supervisord(&bench);
    let named = |name: &str| processes.iter().find(|process| process["name"] == name).expect("a process");
    let web = named("develop-bench-dontmanage-web");
    assert_eq!(
        (&web["environment"]["A"], &web["environment"]["B"]),
        (&"x,y".into(), &"say \"so\" now".into())
    );
    assert_eq!(web["stop"], 2);
    assert_eq!(named("develop-bench-dontmanage-short-worker-0")["signal"], 2);
    let own = named("develop-bench-own-2");
    assert_eq!(own["group"], "develop-bench-programs");
    assert_eq!(own["words"], serde_json::json!(["/bin/sh", "-c", "my 'own' ; thing # 100%"]));
    assert!(
        own["restart"].as_str().is_some_and(|class| class.contains("RestartWhenExitUnexpected")),
        "{own}"
    );
}

#[test]
fn without_supervisor_one_line_says_what_is_missing() {
    let mut bench = TestBench::existing("{}");
    std::fs::create_dir(bench.path("bin")).expect("a folder");
    let empty = bench.path("bin").display().to_string();
    bench.env("PATH", &empty);
    bench.run(&["setup", "supervisor"]).code(1).says("no `supervisorctl`").says("--skip-supervisord");
}

#[test]
fn the_settings_note_who_restarts_the_programs() {
    let settings = r#"{"redis_cache": "redis://127.0.0.1:13001", "redis_socketio": "redis://127.0.0.1:13000", "k": [1]}"#;
    let bench = framework_bench("develop-bench", settings, "15.0.0");
    let noted = |supervisor: bool| {
        let text = bench.read("sites/common_site_config.json");
        let settings: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(settings["restart_supervisor_on_update"], supervisor);
        assert_eq!(settings["restart_systemd_on_update"], false);
        assert_eq!(settings["redis_socketio"], "redis://127.0.0.1:13001");
        assert_eq!(settings["k"], serde_json::json!([1]));
    };
    bench.run(&SETUP).success();
    noted(true);
    bench.run(&["setup", "systemd", "--yes"]).success();
    noted(false);
}

#[test]
fn the_user_is_the_one_that_is_named() {
    let bench = framework_bench("develop-bench", "{}", "15.0.0");
    bench.run(&[&SETUP[..], &["--user", &user()]].concat()).success();
    assert!(bench.read("config/supervisor.conf").contains(&format!("\nuser={}\n", user())));
    let file = Path::new("config/supervisor.conf");
    assert!(bench.path("config/supervisor.conf").ends_with(file));
}
