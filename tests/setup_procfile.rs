//! `bench setup procfile`, and honcho, which reads what we write.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{TestBench, free_port, pass, run, started_below, until};

/// honcho, which `make test` puts into an environment of the repository.
fn honcho() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/tests/bin/honcho");
    assert!(path.exists(), "{} is missing: run `make test`", path.display());
    path
}

/// A program that ends, with what it started, when the test lets it go.
struct Ended<'a>(Child, &'a TestBench);

/// How long honcho may take to end: at times it never does, when a signal meets it at the wrong moment.
const PATIENCE: Duration = Duration::from_secs(10);

impl Ended<'_> {
    fn end(&mut self) {
        let pid = Pid::from_raw(self.0.id().cast_signed()).expect("a process id");
        // Not waited for yet, so the id is still its own.
        let _ = kill_process(pid, Signal::TERM);
        let asked = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
            pass(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
        // Its children are no concern of this test.
        for pid in started_below(self.1.root()) {
            let _ = kill_process(Pid::from_raw(pid).expect("a process id"), Signal::KILL);
        }
        until("honcho's children are gone", || started_below(self.1.root()).is_empty().then_some(()));
    }
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

fn answers(port: u16) -> Option<()> {
    let port = port.to_string();
    let output = Command::new("redis-cli").args(["-p", &port, "PING"]).output().expect("redis-cli");
    (output.stdout == b"PONG\n").then_some(())
}

#[test]
fn honcho_starts_the_redis_servers_and_the_bench_s_own_programs() {
    let (cache, queue) = (free_port(), free_port());
    let bench = TestBench::existing(&format!(
        r#"{{"redis_cache": "redis://127.0.0.1:{cache}", "redis_queue": "redis://127.0.0.1:{queue}"}}"#
    ));
    let command = r#"printf '%s' "it's; $((1 + 1))" > ticked; exec sleep 600"#;
    bench.write("bench.toml", &format!("[programs.tick]\ncommand = '''{command}'''\n"));
    bench.run(&["setup", "redis"]).success();
    bench.run(&["setup", "procfile"]).success();
    let child = Command::new(honcho())
        .arg("start")
        .current_dir(bench.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("honcho");
    let mut started = Ended(child, &bench);
    until("redis_cache answers", || answers(cache));
    until("redis_queue answers", || answers(queue));
    until("the bench's own program runs", || {
        std::fs::read_to_string(bench.path("ticked")).ok().filter(|text| text == "it's; 2")
    });
    started.end();
}

#[test]
fn honcho_finds_every_program_of_a_framework_s_bench() {
    let mut bench = TestBench::existing(r#"{"webserver_port": 8000, "workers": {"mail": {"timeout": 60}}}"#);
    bench.write("apps/dontmanage/dontmanage/__init__.py", "__version__ = '15.0.0'\n");
    bench.env("BENCH_USER", &user());
    bench.run(&["setup", "procfile"]).success();
    let mut check = Command::new(honcho());
    check.arg("check").current_dir(bench.root());
    let output = run(check).success();
    let programs = "(redis_cache, redis_queue, web, socketio, watch, schedule, worker, worker_mail)";
    assert!(format!("{}{}", output.stdout, output.stderr).contains(programs), "{output:?}");
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::effective()).expect("users").expect("a user").name
}

#[test]
fn the_example_is_what_the_documented_bench_has() {
    let mut bench = TestBench::named("develop");
    bench.make_existing(r#"{"webserver_port": 8000}"#);
    bench.write("apps/dontmanage/dontmanage/__init__.py", "__version__ = '15.0.0'\n");
    bench.env("BENCH_USER", &user());
    bench.run(&["setup", "procfile"]).success();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("Procfile.example");
    let example = std::fs::read_to_string(example).expect("Procfile.example");
    assert_eq!(bench.read("Procfile"), example, "copy the left side to Procfile.example");
}

#[test]
fn a_command_that_would_be_two_lines_is_refused() {
    let bench = TestBench::existing("{}");
    for value in ["a\\nevil: rm", "a\\rb", "a\\u0000b", "\\u001b[2J"] {
        bench.write("bench.toml", &format!("[programs.own]\ncommand = \"{value}\"\n"));
        bench.run(&["setup", "procfile"]).code(2).says("programs.own.command");
        assert!(!bench.path("Procfile").exists());
    }
}

#[test]
fn a_command_of_the_settings_replaces_the_framework_s() {
    let mut bench = TestBench::existing("{}");
    bench.write("apps/dontmanage/dontmanage/__init__.py", "__version__ = '15.0.0'\n");
    bench.env("BENCH_USER", &user());
    bench.write("bench.toml", "[programs.web]\ncommand = \"my-server --port 1\"\n");
    bench.run(&["setup", "procfile"]).success();
    assert!(
        bench.read("Procfile").contains("\nweb: my-server --port 1\nsocketio: "),
        "{}",
        bench.read("Procfile")
    );
}

#[test]
fn redis_can_be_left_out() {
    let bench = TestBench::existing("{}");
    bench.write("bench.toml", "[programs.own]\ncommand = \"true\"\n");
    bench.run(&["setup", "procfile", "--skip-redis"]).success();
    assert!(bench.read("Procfile").starts_with("own: true\n"));
}

#[test]
fn a_server_program_that_the_settings_name_is_quoted_for_the_shell() {
    let bench = TestBench::existing("{}");
    bench.write("bench.toml", "[redis_cache]\nbinary = \"/opt/my redis/it's\"\n");
    bench.run(&["setup", "procfile"]).success();
    let line = bench.read("Procfile").lines().next().expect("a line").to_owned();
    let words = shlex::split(line.strip_prefix("redis_cache: ").expect("the cache")).expect("words");
    assert_eq!(words, ["/opt/my redis/it's", "config/redis_cache.conf"]);
}

#[test]
fn outside_of_a_bench_no_file_is_written() {
    let nothing = TestBench::empty();
    for target in ["redis", "procfile", "supervisor", "systemd", "env", "config", "all"] {
        nothing.run(&["setup", target]).code(2).says("not inside a bench");
    }
    assert_eq!(nothing.root().read_dir().expect("a folder").count(), 0);
}
