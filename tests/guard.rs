//! Nothing outlives `bench start`, however it ends.

use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{TestBench, alive, send, started_below, until};

/// A worker with everything that escapes: a child in a session of its own that ignores every signal it
/// can and has emptied its environment, and a double fork.
const RUDE: &str = "web: sleep 1000\n\
    rude: env -i setsid sh -c 'trap \"\" TERM INT HUP; while :; do sleep 0.1; done' & \
    (setsid sleep 1000 &); trap '' TERM INT HUP; while :; do sleep 0.1; done\n";

fn rude_bench() -> TestBench {
    let bench = TestBench::with_redis(RUDE);
    bench.write("bench.toml", "[programs.rude]\nstop_timeout = \"200ms\"\n");
    bench
}

#[track_caller]
fn nothing_is_left(bench: &TestBench) {
    until("nothing of the bench is left", || started_below(bench.root()).is_empty().then_some(()));
}

#[test]
fn a_killed_supervisor_takes_everything_along() {
    let bench = rude_bench();
    let mut running = bench.start(&[]);
    running.is("rude", "ready");
    let supervisor = running.supervisor();
    assert_ne!(supervisor, running.pid(), "the guard is another process");
    send(supervisor, Signal::KILL);
    assert_eq!(running.end().code(), Some(137));
    assert_eq!(started_below(bench.root()), [0; 0], "gone before the guard ends");
    assert!(running.stderr().contains("the supervisor was killed by SIGKILL"), "{}", running.stderr());
}

#[test]
fn a_killed_guard_takes_everything_along() {
    let bench = rude_bench();
    let mut running = bench.start(&[]);
    running.is("rude", "ready");
    running.signal(Signal::KILL);
    running.end();
    nothing_is_left(&bench);
    bench.run(&["status"]).code(3);
}

#[test]
fn a_killed_foreground_group_takes_everything_along() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    let mut command = bench.command(&["start"]);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.stdout(Stdio::null()).spawn().expect("a started bench");
    until("the bench is up", || bench.run(&["status"]).stdout.contains("web          ready").then_some(()));
    let group = rustix::process::Pid::from_raw(child.id().cast_signed()).expect("a pid");
    rustix::process::kill_process_group(group, Signal::KILL).expect("a group to kill");
    child.wait().expect("a child");
    nothing_is_left(&bench);
}

#[test]
fn the_next_start_works_at_once_after_a_kill() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    for _ in 0..3 {
        let mut running = bench.start(&[]);
        running.is("web", "ready");
        send(running.supervisor(), Signal::KILL);
        running.end();
    }
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    assert_eq!(running.interrupt().code(), Some(130));
}

#[test]
fn an_innocent_process_with_a_recycled_number_is_never_signalled() {
    let innocent = Innocent::new();
    let pid = innocent.0.id().cast_signed();
    let bench = TestBench::with_redis("web: sleep 1000\n");
    // As a crash leaves them, and the number has gone to somebody else since.
    bench.write("config/pids/redis_cache.pid", &format!("{pid}\n"));
    bench.write("config/bench.lock", &format!("{pid}\n"));
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    bench.run(&["stop"]).success();
    running.end();
    assert!(alive(pid));
}

/// A process that has nothing to do with any bench.
struct Innocent(std::process::Child);

impl Innocent {
    fn new() -> Self {
        let mut command = std::process::Command::new("sleep");
        let quiet = command.arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("a process"))
    }
}

impl Drop for Innocent {
    fn drop(&mut self) {
        // It may have been killed, which is what the test would tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_program_that_kills_its_own_group_hurts_nobody_else() {
    let bench = TestBench::with_programs("web: sleep 1000\nmad: sleep 0.2; kill -9 0\n");
    bench.write("bench.toml", "[programs.mad]\nrestart = \"never\"\n");
    let mut running = bench.start(&[]);
    running.is("mad", "failed");
    assert_eq!(running.instance("web")["restarts"], 0);
    running.interrupt();
}

#[test]
fn a_supervisor_that_was_stopped_for_a_while_blames_nobody() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let supervisor = running.supervisor();
    send(supervisor, Signal::STOP);
    crate::support::pass(std::time::Duration::from_secs(4));
    send(supervisor, Signal::CONT);
    running.is("redis_cache", "ready");
    assert_eq!(running.instance("redis_cache")["restarts"], 0);
    running.interrupt();
}

/// How much of its own code a process has in memory, and how much there is, in KB.
fn resident_code(pid: i32) -> (u64, u64) {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).expect("its program");
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).expect("its memory");
    let of_program = |line: &&str| line.contains(" r-xp ") && line.ends_with(&program.display().to_string());
    let after = maps.lines().skip_while(|line| !of_program(line));
    let number = |name: &str| {
        let line = after.clone().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    (number("Rss:"), number("Size:"))
}

#[test]
fn code_that_only_a_start_takes_does_not_stay_in_memory() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    for pid in [running.pid(), running.supervisor()] {
        until("most of the code is gone", || {
            let (resident, size) = resident_code(pid);
            (resident < size / 2).then_some(())
        });
    }
    running.interrupt();
}
