//! Supervisor and guard both killed: what is left is told, and ended only when asked.

use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{Running, TestBench, alive, send, started_below, until};

/// Kills the guard and the supervisor so that neither can end anything.
fn kill_both(running: &mut Running<'_>) {
    let supervisor = running.supervisor();
    // Stopped, the guard can't clean up after the supervisor.
    running.signal(Signal::STOP);
    send(supervisor, Signal::KILL);
    running.signal(Signal::KILL);
    running.end();
}

/// Something that does not end with its parent: in a session of its own, deaf to the first signal.
const STUBBORN: &str =
    "web: setsid sh -c 'trap \"\" TERM HUP; echo left $$; while :; do sleep 0.05; done' & exec sleep 1000\n";

fn left(running: &Running<'_>) -> i32 {
    running.says("| left").rsplit(' ').next().expect("a pid").parse().expect("a number")
}

#[test]
fn what_nobody_could_end_is_named_at_the_next_start_and_ended_when_asked() {
    let bench = TestBench::with_programs(STUBBORN);
    let mut running = bench.start(&[]);
    let first = left(&running);
    kill_both(&mut running);
    assert!(alive(first));
    let mut running = bench.start(&[]);
    let second = left(&running);
    let said = running.stderr();
    assert!(
        said.contains(&format!("an earlier run left a process of `web` behind: pid {first} (sh)")),
        "{said}"
    );
    assert!(said.contains("bench stop --leftovers"), "{said}");
    assert!(alive(first), "it is left alone until somebody asks");
    // While the bench runs, only the earlier run is meant.
    let output = bench.run(&["stop", "--leftovers", "--timeout", "1"]).success();
    assert!(output.stderr.contains(&format!("ended pid {first} (sh, of `web`)")), "{}", output.stderr);
    assert!(!alive(first) && alive(second));
    assert_eq!(running.instance("web")["restarts"], 0);
    running.interrupt();
    bench.run(&["stop", "--leftovers"]).success().says("nothing is left of an earlier run");
}

#[test]
fn a_redis_that_was_left_behind_is_named_with_its_port_and_can_be_ended() {
    // The shell between takes the signal of its parent's death, and redis-server lives on.
    let bench = TestBench::with_redis("");
    bench.write("Procfile", "redis_cache: redis-server config/redis_cache.conf || exit 1\n");
    let mut running = bench.start(&[]);
    running.is("redis_cache", "ready");
    kill_both(&mut running);
    let redis = until("the shell is gone", || match started_below(bench.root())[..] {
        [redis] => Some(redis),
        _ => None,
    });
    bench
        .run(&["start"])
        .code(1)
        .says(&format!("is in use by pid {redis} (redis-server)"))
        .says("an earlier run left it behind: run `bench stop --leftovers`");
    assert!(alive(redis));
    bench.run(&["stop", "--leftovers"]).success();
    assert!(!alive(redis));
    let mut running = bench.start(&[]);
    running.is("redis_cache", "ready");
    running.interrupt();
}

#[test]
fn a_start_right_after_both_were_killed_waits_for_a_redis_on_its_way_out() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    for _ in 0..3 {
        let mut running = bench.start(&[]);
        running.is("web", "ready");
        kill_both(&mut running);
    }
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    running.interrupt();
}

/// A process with these marks in its environment that no bench started.
fn marked(run: &str, dir: &std::path::Path) -> std::process::Child {
    let mut command = std::process::Command::new("sleep");
    command.arg("1000").env("BENCH_RUN_ID", run).env("BENCH_DIR", dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process")
}

#[test]
fn what_belongs_to_another_bench_or_to_nobody_is_left_alone() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut others = [
        marked("a run", &bench.root().join("inner")),
        marked("a run", std::path::Path::new("/")),
        std::process::Command::new("sleep")
            .arg("1000")
            .env("BENCH_DIR", bench.root())
            .spawn()
            .expect("a process"),
    ];
    let mut ours = marked("a run", bench.root());
    let output = bench.run(&["stop", "--leftovers"]).success();
    assert_eq!(output.stderr.matches("ended pid").count(), 1, "{}", output.stderr);
    ours.wait().expect("a process");
    // A note about a process that bore this number before.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("an id");
    let pid = others[2].id();
    bench.write("config/pids/redis_cache.run", &format!("{} {pid} 1 run\n", boot.trim()));
    bench.run(&["stop", "--leftovers"]).success().says("nothing is left");
    for other in &mut others {
        assert_eq!(other.try_wait().expect("a process"), None);
        other.kill().expect("a process");
        other.wait().expect("a process");
    }
}
