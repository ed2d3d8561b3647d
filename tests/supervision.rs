//! Restarts, readiness and health of programs that run.

use rustix::process::Signal;

use crate::support::{TestBench, alive, free_port, send, started_below, until};

#[test]
fn a_crash_is_followed_by_a_new_start() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let first = running.instance_pid("web");
    send(first, Signal::KILL);
    running.says("web ended: killed by SIGKILL");
    running.says("web starting again in");
    running.says_times("web ready", 2);
    let web = running.instance("web");
    assert_eq!(web["restarts"], 1);
    assert_eq!(web["last_exit"]["signal"], 9);
    assert_ne!(web["pid"].as_i64(), Some(first.into()));
    running.interrupt();
}

#[test]
fn a_program_that_keeps_crashing_fails_and_its_last_lines_are_shown() {
    let bench = TestBench::with_programs("web: sleep 1000\nbad: echo the reason; exit 7\n");
    // Fast: the limit of a program that others wait for is lower while it was never ready.
    bench.write("bench.toml", "[programs.bad]\nrestart = \"never\"\n");
    let mut running = bench.start(&[]);
    running.is("bad", "failed");
    running.says("bad failed: exit status 7; it stays down");
    running.says("the last lines of bad:");
    running.says("bench |   the reason");
    assert_eq!(running.instance("bad")["last_exit"]["status"], 7);
    bench.run(&["status"]).code(5);
    assert_eq!(running.interrupt().code(), Some(1));
}

#[test]
fn restarts_wait_longer_and_longer_until_the_limit() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    bench.write("config/redis_cache.conf", "port 0\nno-such-directive yes\n");
    let mut running = bench.start(&[]);
    assert_eq!(running.end().code(), Some(1));
    let said = running.stdout();
    assert!(said.contains("(restart 1 of 2)") && said.contains("(restart 2 of 2)"), "{said}");
    assert!(said.contains("redis_cache failed"), "{said}");
    // redis-server's own words.
    assert!(said.contains("no-such-directive"), "{said}");
    assert!(!said.contains("web ready"), "{said}");
}

#[test]
fn a_redis_that_is_stopped_is_started_again() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("redis_cache", "ready");
    let frozen = running.instance_pid("redis_cache");
    send(frozen, Signal::STOP);
    running.says("redis_cache unhealthy (3 of 3)");
    running.says_times("redis_cache ready", 2);
    assert!(!alive(frozen));
    assert_eq!(running.instance("web")["restarts"], 0);
    running.interrupt();
}

#[test]
fn a_redis_that_answers_again_in_time_is_left_alone() {
    let bench = TestBench::with_redis("");
    let mut running = bench.start(&[]);
    running.is("redis_cache", "ready");
    let pid = running.instance_pid("redis_cache");
    send(pid, Signal::STOP);
    running.says("redis_cache unhealthy (1 of 3)");
    send(pid, Signal::CONT);
    running.says("redis_cache healthy again");
    assert_eq!(running.instance_pid("redis_cache"), pid);
    running.interrupt();
}

#[test]
fn a_redis_that_wants_a_password_is_named_as_such() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    let conf = bench.read("config/redis_cache.conf");
    bench.write("config/redis_cache.conf", &format!("requirepass secret\n{conf}"));
    let mut running = bench.start(&[]);
    let line = running.says("redis_cache is not ready yet");
    assert!(line.contains("password"), "{line}");
    assert_eq!(running.instance("web")["state"], "waiting");
    running.interrupt();
}

#[test]
fn a_command_that_does_not_exist_fails_at_once_and_the_others_run() {
    let bench = TestBench::with_programs("web: sleep 1000\nbad: no-such-command --flag\n");
    let mut running = bench.start(&[]);
    running.says("bad can't be started: `no-such-command` is not found");
    running.is("bad", "failed");
    running.is("web", "ready");
    assert_eq!(running.instance("bad")["restarts"], 0);
    running.interrupt();
}

#[test]
fn exit_on_failure_ends_the_bench() {
    let bench = TestBench::with_programs("web: sleep 1000\nbad: no-such-command\n");
    let mut running = bench.start(&["--exit-on-failure"]);
    assert_eq!(running.end().code(), Some(1));
    assert_eq!(started_below(bench.root()), [0; 0]);
}

#[test]
fn each_kind_of_readiness_holds_back_what_depends_on_it() {
    let port = free_port();
    let listen = |port: u16| {
        format!(
            "python3 -c \"import http.server as h; \
             h.ThreadingHTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()\""
        )
    };
    let notify = "python3 -c \"import os, socket, time; \
                  s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \
                  s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET']); time.sleep(1000)\"";
    for (command, ready) in [
        (listen(port), format!("{{ tcp = {port} }}")),
        (listen(port), format!("{{ http = \"http://127.0.0.1:{port}/\" }}")),
        ("sleep 0.2; touch made; exec sleep 1000".to_owned(), "{ exec = \"test -e made\" }".to_owned()),
        ("sleep 0.2; echo now serving; exec sleep 1000".to_owned(), "{ log = \"serving\" }".to_owned()),
        (notify.to_owned(), "\"notify\"".to_owned()),
    ] {
        let bench = TestBench::with_programs(&format!("first: {command}\nsecond: sleep 1000\n"));
        bench.write(
            "bench.toml",
            &format!("[programs.first]\nready = {ready}\n[programs.second]\ndepends_on = [\"first\"]\n"),
        );
        let mut running = bench.start(&[]);
        running.says("second ready");
        let said = running.stdout();
        assert!(said.find("first ready") < said.find("second ready"), "{ready}: {said}");
        running.interrupt();
    }
}

#[test]
fn an_unhealthy_program_is_started_again() {
    let bench = TestBench::with_programs("web: touch healthy; exec sleep 1000\n");
    bench.write(
        "bench.toml",
        "[programs.web]\nready = { exec = \"test -e healthy\" }\n\
         health = { exec = \"test -e healthy\", every = \"100ms\", timeout = \"1s\", failures = 2 }\n",
    );
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    std::fs::remove_file(bench.path("healthy")).expect("a file to remove");
    running.says("web unhealthy (2 of 2)");
    running.says_times("web ready", 2);
    running.interrupt();
}

#[test]
fn a_probe_that_hangs_is_ended_with_all_it_started() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    bench.write(
        "bench.toml",
        "[programs.web]\nhealth = { exec = \"sleep 777 & sleep 777\", every = \"50ms\", timeout = \"100ms\", failures = 1000 }\n",
    );
    let mut running = bench.start(&[]);
    running.says("web unhealthy (3 of 1000)");
    running.interrupt();
    assert_eq!(started_below(bench.root()), [0; 0]);
}

#[test]
fn a_program_over_its_memory_limit_is_started_again() {
    let bench = TestBench::with_programs(
        "web: python3 -c \"import time; a = bytearray(80 << 20); time.sleep(1000)\"\n",
    );
    bench.write("bench.toml", "[programs.web]\nmemory_limit = \"40mb\"\n");
    let mut running = bench.start(&[]);
    running.says("its limit is 40mb, starting it again");
    running.says_times("web ready", 2);
    running.interrupt();
}

/// As the framework's workers do: each job runs in a child that called `setsid()`.
#[test]
fn a_job_in_a_session_of_its_own_ends_with_its_worker() {
    let bench =
        TestBench::with_programs("worker: sh -c 'setsid sleep 1000 & echo job $!; exec sleep 1000'\n");
    let mut running = bench.start(&[]);
    let job: i32 = running.says("| job").rsplit(' ').next().expect("a pid").parse().expect("a number");
    send(running.instance_pid("worker"), Signal::KILL);
    running.says_times("worker ready", 2);
    until("the job of the killed worker is gone", || (!alive(job)).then_some(()));
    running.interrupt();
}

#[test]
fn a_worker_may_finish_its_job_before_it_stops() {
    let bench = TestBench::with_programs(
        "worker: trap 'echo finishing; sleep 0.5; echo job done; exit 0' TERM; echo ready; while :; do sleep 0.05; done\n",
    );
    let mut running = bench.start(&[]);
    running.says("| ready");
    running.interrupt();
    assert!(running.stdout().contains("job done"), "{}", running.stdout());
}
