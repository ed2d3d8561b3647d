//! Those who look on: what they see is whole, and they hold up nobody.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use procfs::process::Process;

use crate::support::{TestBench, pass, until};

#[test]
fn a_follower_sees_the_last_words_too() {
    let bench = TestBench::with_programs(
        "web: while :; do echo tick; sleep 0.05; done\njob: while ! test -e go; do sleep 0.02; done; echo whole; printf part\n",
    );
    bench.write("bench.toml", "[programs.job]\nrestart = \"never\"\n");
    let mut running = bench.start(&[]);
    running.is("job", "ready");
    let mut follower =
        bench.command(&["logs", "-f", "-n", "0"]).stdout(Stdio::piped()).spawn().expect("a follower");
    let stdout = follower.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(stdout).lines().map(|line| line.expect("a line"));
    assert_eq!(lines.next().expect("a line"), "web | tick");
    bench.write("go", "");
    running.is("job", "stopped");
    running.interrupt();
    follower.wait().expect("a follower");
    let seen: Vec<String> = lines.filter(|line| line != "web | tick").collect();
    assert_eq!(seen, ["job | whole", "job | part"]);
}

/// The processor time that a process took so far.
fn ticks(pid: i32) -> u64 {
    let stat = Process::new(pid).and_then(|process| process.stat()).expect("a process");
    stat.utime + stat.stime
}

/// Fails if a process is busy for a second in which there is nothing to do.
#[track_caller]
fn is_idle(pid: i32) {
    let before = ticks(pid);
    pass(Duration::from_secs(1));
    let took = ticks(pid) - before;
    assert!(took < procfs::ticks_per_second() / 4, "{took} ticks in a second");
}

#[test]
fn a_follower_that_hung_up_half_and_reads_nothing_costs_nothing() {
    let bench = TestBench::with_programs("web: yes | head -n 300000; exec sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let mut client = UnixStream::connect(bench.path("config/bench.sock")).expect("a connection");
    client
        .write_all(b"{\"command\":\"logs\",\"programs\":[],\"lines\":100000,\"follow\":true}\n")
        .expect("a request");
    client.read_exact(&mut [0; 1000]).expect("some lines");
    client.shutdown(Shutdown::Write).expect("half an end");
    until("the flood is over", || {
        let size = std::fs::metadata(bench.path("logs/web.log")).map_or(0, |meta| meta.len());
        (size >= 600_000).then_some(())
    });
    is_idle(running.supervisor());
    running.interrupt();
}

#[test]
fn a_supervisor_without_descriptors_left_does_not_spin() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let supervisor = running.supervisor();
    let open = std::fs::read_dir(format!("/proc/{supervisor}/fd")).expect("its files").count();
    let limit = |limit: usize| {
        let status = std::process::Command::new("prlimit")
            .args(["--pid", &supervisor.to_string(), &format!("--nofile={limit}:20000")])
            .status();
        assert!(status.expect("prlimit").success());
    };
    limit(open);
    let clients: Vec<UnixStream> =
        (0..3).filter_map(|_| UnixStream::connect(bench.path("config/bench.sock")).ok()).collect();
    is_idle(supervisor);
    limit(1024);
    drop(clients);
    running.is("web", "ready");
    running.interrupt();
}
