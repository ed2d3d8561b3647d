//! `bench status`, `stop`, `restart` and `logs` of a running bench.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use crate::support::{TestBench, alive, started_below, until};

#[test]
fn without_a_running_bench_each_says_so() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    for args in [&["status"][..], &["stop"], &["restart", "web"], &["logs", "-f"]] {
        bench.run(args).code(3).says("the bench is not running").says("bench start");
    }
}

#[test]
fn status_shows_every_field_of_every_program() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let status = running.status();
    assert_eq!(status["bench"], bench.root().display().to_string());
    assert!(alive(running.supervisor()));
    for program in status["programs"].as_array().expect("programs") {
        let fields: Vec<&str> = program.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            ["name", "program", "state", "pid", "restarts", "uptime_s", "rss_bytes", "last_exit"]
        );
        assert!(program["rss_bytes"].as_u64() > Some(100_000), "{program}");
    }
    running.interrupt();
}

#[test]
fn stop_returns_when_nothing_is_left() {
    let bench = TestBench::with_redis("web: trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; done\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    bench.run(&["stop"]).success();
    assert_eq!(started_below(bench.root()), [0; 0]);
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn one_program_can_be_stopped_and_started_again() {
    let bench = TestBench::with_programs("web: sleep 1000\nworker: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let (web, worker) = (running.instance_pid("web"), running.instance_pid("worker"));
    bench.run(&["stop", "web"]).success();
    assert_eq!(running.instance("web")["state"], "stopped");
    assert!(!alive(web) && alive(worker));
    bench.run(&["restart", "web"]).success();
    assert_eq!(running.instance("web")["state"], "ready");
    assert_eq!(running.instance_pid("worker"), worker);
    running.interrupt();
}

#[test]
fn restart_returns_when_the_new_process_is_ready() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let before = running.instance_pid("redis_cache");
    bench.run(&["restart", "redis_cache"]).success();
    let redis = running.instance("redis_cache");
    assert_eq!(redis["state"], "ready");
    assert_ne!(redis["pid"].as_i64(), Some(before.into()));
    running.interrupt();
}

#[test]
fn restart_of_a_program_that_does_not_come_up_fails() {
    let bench =
        TestBench::with_programs("web: sleep 1000\nonce: test ! -e second; touch second; exec sleep 1000\n");
    bench.write("bench.toml", "[programs.once]\nrestart = \"never\"\n");
    bench.write(
        "Procfile",
        "web: sleep 1000\nonce: test ! -e second || exit 3; touch second; exec sleep 1000\n",
    );
    let mut running = bench.start(&[]);
    running.is("once", "ready");
    until("the file is there", || bench.path("second").exists().then_some(()));
    bench.run(&["restart", "once"]).success();
    running.is("once", "failed");
    running.interrupt();
}

#[test]
fn an_unknown_program_names_the_known_ones() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    for args in [["stop", "wep"], ["restart", "wep"], ["logs", "wep"]] {
        let output = bench.run(&args).says("no program `wep`").says("web");
        assert_ne!(output.status.code(), Some(0));
    }
    running.interrupt();
}

#[test]
fn logs_show_the_last_lines_and_follow() {
    let bench = TestBench::with_programs(
        "one: for i in 1 2 3 4 5; do echo one $i; done; while :; do test -e go && echo later && rm go; sleep 0.02; done\n\
         two: echo two; exec sleep 1000\n",
    );
    let mut running = bench.start(&[]);
    running.says("one 5");
    running.says("| two");
    let output = bench.run(&["logs", "one", "-n", "2"]).success();
    assert_eq!(output.stdout, "one | one 4\none | one 5\n");
    let mut follower =
        bench.command(&["logs", "-f", "-n", "0", "one"]).stdout(Stdio::piped()).spawn().expect("a follower");
    let mut lines = BufReader::new(follower.stdout.take().expect("a pipe")).lines();
    let reader = std::thread::spawn(move || lines.next());
    until("the follower sees a new line", || {
        bench.write("go", "");
        reader.is_finished().then_some(())
    });
    let line = reader.join().expect("a reader").expect("a line").expect("a readable line");
    assert_eq!(line, "one | later");
    running.interrupt();
    assert_eq!(follower.wait().expect("a follower").code(), Some(0));
}

#[test]
fn logs_of_a_stopped_bench_come_from_its_files() {
    let bench = TestBench::with_programs("job: echo done\n");
    bench.write("bench.toml", "[programs.job]\nrestart = \"never\"\n");
    bench.start(&[]).end();
    assert_eq!(bench.run(&["logs", "job"]).success().stdout, "job | done\n");
}

#[test]
fn the_socket_is_this_users_alone_and_gone_with_the_bench() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let socket = bench.path("config/bench.sock");
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    running.interrupt();
    assert!(!socket.exists());
}

#[test]
fn nonsense_on_the_socket_disturbs_nobody() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let silent: Vec<UnixStream> =
        (0..80).filter_map(|_| UnixStream::connect(bench.path("config/bench.sock")).ok()).collect();
    drop(silent);
    let mut rude = UnixStream::connect(bench.path("config/bench.sock")).expect("a connection");
    rude.write_all(b"{\"command\": \"format the disk\"}\n").expect("a written line");
    let answers: Vec<String> = BufReader::new(&rude).lines().map(|line| line.expect("a line")).collect();
    assert!(answers[1].contains("not a request"), "{answers:?}");
    let mut endless = UnixStream::connect(bench.path("config/bench.sock")).expect("a connection");
    let block = vec![b'x'; 64 * 1024];
    // Refused after a MiB.
    while endless.write_all(&block).is_ok() {}
    running.is("web", "ready");
    running.interrupt();
}

#[test]
fn run_gives_a_command_the_environment_of_the_bench() {
    let bench = TestBench::with_redis("");
    let output = bench.run(&["run", "sh", "-c", "echo $BENCH_DIR; pwd; exit 7"]).code(7);
    let root = bench.root().display();
    assert_eq!(output.stdout, format!("{root}\n{root}\n"));
    bench.run(&["run", "no-such-command"]).code(127).says("cannot run `no-such-command`");
}
