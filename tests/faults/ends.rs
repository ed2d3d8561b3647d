//! Ends that used to take longer, or less long, than they may.

use std::os::unix::fs::FileExt;

use nix::fcntl::OFlag;
use rustix::process::Signal;

use crate::support::{TestBench, alive, send, started_below, until};

#[test]
fn a_program_in_backoff_does_not_hold_up_the_end_of_what_it_depends_on() {
    let bench = TestBench::with_programs("first: sleep 1000\nsecond: exit 1\nthird: sleep 1000\n");
    bench.write(
        "bench.toml",
        "[programs.second]\ndepends_on = [\"first\"]\nready = { exec = \"test -e go\" }\n\
         [programs.third]\ndepends_on = [\"second\"]\n",
    );
    let mut running = bench.start(&[]);
    // Late enough that the next start is seconds away.
    running.says("second starting again in");
    running.says("(restart 6 of 10)");
    let began = std::time::Instant::now();
    running.interrupt();
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{}", running.stdout());
}

#[test]
fn one_signal_that_reaches_guard_and_supervisor_is_one_wish() {
    let bench = TestBench::with_programs(
        "web: trap 'sleep 0.5; echo done; exit 0' TERM; echo set; while :; do sleep 0.05; done\n",
    );
    let mut running = bench.start(&[]);
    running.says("| set");
    let supervisor = running.supervisor();
    // As `killall bench` and systemd do.
    running.signal(Signal::TERM);
    send(supervisor, Signal::TERM);
    assert_eq!(running.end().code(), Some(143));
    assert!(running.stdout().contains("web   | done"), "{}", running.stdout());
}

#[test]
fn a_terminal_that_hangs_up_twice_is_one_hang_up() {
    let bench = TestBench::with_programs(
        "web: trap 'sleep 0.5; echo done; exit 0' TERM; echo set; while :; do sleep 0.05; done\n",
    );
    let mut running = bench.start(&[]);
    running.says("| set");
    running.signal(Signal::HUP);
    running.says("stopping (");
    // The shell and the kernel both say it.
    running.signal(Signal::HUP);
    assert_eq!(running.end().code(), Some(129));
    assert!(running.stdout().contains("web   | done"), "{}", running.stdout());
}

#[test]
fn a_bench_put_aside_with_ctrl_z_can_be_stopped() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    running.signal(Signal::TSTP);
    bench.run(&["stop"]).success();
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn a_supervisor_that_hangs_is_named_with_what_to_do() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let supervisor = running.supervisor();
    send(supervisor, Signal::STOP);
    bench
        .run(&["stop"])
        .code(1)
        .says(&format!("the supervisor, pid {supervisor}, does not answer"))
        .says("SIGKILL");
    send(supervisor, Signal::KILL);
    running.end();
    assert_eq!(started_below(bench.root()), [0; 0]);
}

#[test]
fn programs_stopped_by_name_leave_the_bench_up() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    bench.run(&["stop", "web"]).success();
    assert!(alive(running.pid()));
    bench.run(&["restart", "web"]).success();
    running.is("web", "ready");
    running.interrupt();
}

#[test]
fn a_client_that_waits_for_a_restart_learns_that_the_bench_is_stopped() {
    let bench = TestBench::with_programs("web: sleep 1000\nnever: sleep 1000\n");
    bench.write("bench.toml", "[programs.never]\nready = { exec = \"false\" }\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bench.run(&["restart", "never"]));
        until("the restart is under way", || (running.instance("never")["restarts"] == 1).then_some(()));
        bench.run(&["stop"]).success();
        waiting.join().expect("a client").code(1).says("the bench is being stopped");
    });
    running.end();
}

#[test]
fn a_client_that_waits_for_a_restart_learns_that_it_was_stopped_or_waits_in_vain() {
    let bench = TestBench::with_programs("web: sleep 1000\nneeds: sleep 1000\nnever: sleep 1000\n");
    bench.write(
        "bench.toml",
        "[programs.never]\nready = { exec = \"false\" }\n[programs.needs]\ndepends_on = [\"web\"]\n",
    );
    let mut running = bench.start(&[]);
    running.is("needs", "ready");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bench.run(&["restart", "never"]));
        until("the restart is under way", || (running.instance("never")["restarts"] == 1).then_some(()));
        bench.run(&["stop", "never"]).success();
        waiting.join().expect("a client").code(1).says("never was stopped");
    });
    bench.run(&["stop", "web"]).success();
    bench.run(&["restart", "needs"]).code(1).says("needs waits for web, which is stopped");
    running.interrupt();
}

#[test]
fn a_closed_terminal_ends_the_bench_in_order() {
    let bench = TestBench::with_programs(
        "web: trap 'sleep 0.5; echo done; exit 0' TERM; echo set; while :; do sleep 0.05; done\n",
    );
    // Not inherited by what other tests start: then it would never close.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = nix::pty::posix_openpt(flags).expect("a terminal");
    nix::pty::grantpt(&master).expect("a terminal");
    nix::pty::unlockpt(&master).expect("a terminal");
    let name = nix::pty::ptsname_r(&master).expect("its name");
    let slave = std::fs::File::options().read(true).write(true).open(name).expect("its side");
    let side = || std::process::Stdio::from(slave.try_clone().expect("its side"));
    let mut command = std::process::Command::new("setsid");
    let start = bench.command(&["start"]);
    command
        .args(["--ctty", "--wait"])
        .arg(start.get_program())
        .args(start.get_args())
        .current_dir(bench.root());
    let mut child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("a started bench");
    drop(command);
    drop(slave);
    let log = || std::fs::read_to_string(bench.path("logs/web.log")).unwrap_or_default();
    until("the program runs", || log().contains("set").then_some(()));
    drop(master);
    until("the bench ends", || child.try_wait().expect("a child"));
    until("nothing is left", || started_below(bench.root()).is_empty().then_some(()));
    assert!(log().contains("done"), "{}", log());
}

#[test]
fn a_detached_bench_in_which_a_program_failed_is_not_called_up() {
    let bench = TestBench::with_programs("web: sleep 1000\nbad: no-such-command\n");
    bench
        .run(&["start", "--detach"])
        .code(5)
        .says("bad failed; the rest of the bench runs")
        .says("bench restart bad");
    bench.run(&["stop"]).success();
}

#[test]
fn the_logs_of_a_stopped_bench_are_read_from_their_end() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    // As a shell's redirection leaves it: of any size, here 8 GiB without a disk.
    let log = std::fs::File::create(bench.path("logs/web.log")).expect("a file");
    log.set_len(8 << 30).expect("a long file");
    log.write_all_at(b"\nthe last line\n", (8 << 30) - 15).expect("a written line");
    nix::unistd::mkfifo(&bench.path("logs/fifo.log"), nix::sys::stat::Mode::S_IRUSR).expect("a fifo");
    let output = bench.run(&["logs", "-n", "1"]).success();
    assert_eq!(output.stdout, "web | the last line\n");
}

#[test]
fn three_hundred_processes_start_and_end() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let start = bench.command(&["start", "-m", "web=300"]);
    let mut command = std::process::Command::new("prlimit");
    // Fewer than they need, unless more are asked for.
    command.arg("--nofile=256:4096").arg(start.get_program()).args(start.get_args());
    let quiet = command.current_dir(bench.root()).stdout(std::process::Stdio::null());
    let mut child = quiet.spawn().expect("a started bench");
    let status = until("all are ready", || {
        let output = bench.run(&["status", "--json"]);
        (output.stdout.matches("\"ready\"").count() == 300).then_some(output.stdout)
    });
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let pid = status["programs"][299]["pid"].as_i64().expect("a pid");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    assert_eq!(files.split_whitespace().nth(3), Some("256"), "programs keep the limit of the shell");
    bench.run(&["stop"]).success();
    assert_eq!(child.wait().expect("a child").code(), Some(0));
    assert_eq!(started_below(bench.root()), [0; 0]);
}
