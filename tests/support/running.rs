//! A bench that was started, and what it said so far.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{TestBench, processes, until};

/// A running `bench start`. When it goes, it is killed, and with it, by its guard, all it started.
pub struct Running<'a> {
    bench: &'a TestBench,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl TestBench {
    /// A bench without framework whose `redis_cache` has a free port, with this Procfile after it.
    pub fn with_redis(programs: &str) -> Self {
        let bench =
            Self::existing(&format!(r#"{{"redis_cache": "redis://127.0.0.1:{}"}}"#, super::free_port()));
        bench.run(&["setup", "redis"]).success();
        bench.write("Procfile", &format!("redis_cache: redis-server config/redis_cache.conf\n{programs}"));
        bench
    }

    /// A bench without redis, with this Procfile.
    pub fn with_programs(programs: &str) -> Self {
        let bench = Self::existing("{}");
        bench.write("Procfile", programs);
        bench
    }

    /// Starts `bench start` with these further arguments.
    pub fn start(&self, args: &[&str]) -> Running<'_> {
        let (stdout, stderr) = (self.parent().join("stdout"), self.parent().join("stderr"));
        let file = |path: &PathBuf| Stdio::from(File::create(path).expect("a file"));
        let args: Vec<&str> = ["start"].iter().chain(args).copied().collect();
        let child =
            self.command(&args).stdout(file(&stdout)).stderr(file(&stderr)).spawn().expect("a started bench");
        Running { bench: self, child, stdout, stderr }
    }
}

impl Running<'_> {
    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stdout).expect("its stdout")).into_owned()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).expect("its stderr")).into_owned()
    }

    /// Waits until a line of stdout holds the text; answers the line.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        self.says_times(text, 1)
    }

    /// Waits until so many lines of stdout hold the text; answers the last of them.
    #[track_caller]
    pub fn says_times(&self, text: &str, times: usize) -> String {
        until(&format!("the bench says `{text}` {times} times"), || {
            let said = self.stdout();
            let line = said.lines().filter(|line| line.contains(text)).nth(times - 1).map(str::to_owned);
            assert!(
                line.is_some() || processes::alive(self.pid()),
                "the bench ended and never said `{text}`:\n{said}\n{}",
                self.stderr()
            );
            line
        })
    }

    /// The process that was started: the guard.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What `bench status --json` says, once the bench is up.
    #[track_caller]
    pub fn status(&self) -> serde_json::Value {
        until("the bench answers", || {
            let output = self.bench.run(&["status", "--json"]);
            let up = output.status.code() != Some(3);
            assert!(
                up || processes::alive(self.pid()),
                "the bench ended: {}\n{}",
                self.stdout(),
                self.stderr()
            );
            up.then(|| {
                serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
            })
        })
    }

    /// The supervisor.
    pub fn supervisor(&self) -> i32 {
        number(&self.status()["pid"])
    }

    /// The facts of one instance.
    pub fn instance(&self, name: &str) -> serde_json::Value {
        let status = self.status();
        let programs = status["programs"].as_array().expect("a list");
        let instance = programs.iter().find(|program| program["name"] == name);
        instance.unwrap_or_else(|| panic!("no `{name}` in {status}")).clone()
    }

    /// The process of one instance.
    pub fn instance_pid(&self, name: &str) -> i32 {
        number(&self.instance(name)["pid"])
    }

    /// Waits until an instance is in this state.
    #[track_caller]
    pub fn is(&self, name: &str, state: &str) {
        until(&format!("`{name}` is {state}"), || (self.instance(name)["state"] == state).then_some(()));
    }

    /// Sends a signal to the process that was started.
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        until("the bench ends", || self.child.try_wait().expect("a child"))
    }

    /// Asks it to stop as Ctrl-C does, and waits for its end.
    #[track_caller]
    pub fn interrupt(&mut self) -> ExitStatus {
        self.signal(Signal::INT);
        self.end()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // The supervisor notices and ends everything; the bench's own drop looks after that.
            self.signal(Signal::KILL);
            let _ = self.child.wait();
            let folder = self.bench.root();
            until("the supervisor ends without its guard", || {
                processes::started_below(folder).is_empty().then_some(())
            });
        }
        if std::thread::panicking() {
            eprintln!("--- bench start, stdout\n{}\n--- stderr\n{}", self.stdout(), self.stderr());
        }
    }
}

/// Sends a signal to a process of the test's.
pub fn send(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("a process id"), signal).expect("a process to signal");
}

fn number(value: &serde_json::Value) -> i32 {
    value
        .as_i64()
        .and_then(|number| number.try_into().ok())
        .unwrap_or_else(|| panic!("{value} is no process id"))
}
