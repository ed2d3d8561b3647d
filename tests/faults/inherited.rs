//! What whoever starts a bench may leave to it, and must not reach the programs or mislead us.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::{TestBench, alive, started_below, until};

/// `bench start` run by a wrapper that becomes it.
fn wrapped(bench: &TestBench, wrapper: &[&str], args: &[&str]) -> Command {
    let start = bench.command(args);
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(start.get_program()).args(start.get_args());
    command.current_dir(bench.root()).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

#[test]
fn ignored_ends_of_children_do_not_blind_the_supervisor() {
    let bench = TestBench::with_programs("web: sleep 1000\nbad: exit 3\n");
    bench.write("bench.toml", "[programs.bad]\nrestart = \"never\"\n");
    let mut child = wrapped(&bench, &["env", "--ignore-signal=CHLD"], &["start"]).spawn().expect("a start");
    until("the end of `bad` is seen", || bench.run(&["status"]).stdout.contains("failed").then_some(()));
    bench.run(&["stop"]).success();
    child.wait().expect("a child");
}

#[test]
fn nohup_is_honoured() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut child = wrapped(&bench, &["env", "--ignore-signal=HUP"], &["start"]).spawn().expect("a start");
    let pid = child.id().cast_signed();
    until("the bench is up", || bench.run(&["status"]).stdout.contains("ready").then_some(()));
    crate::support::send(pid, Signal::HUP);
    // It would be stopping by the time it answers.
    assert!(bench.run(&["status"]).success().stdout.contains("ready"));
    assert!(bench.run(&["status"]).success().stdout.contains("ready"));
    assert!(alive(pid));
    bench.run(&["stop"]).success();
    child.wait().expect("a child");
}

#[test]
fn programs_start_with_no_signal_ignored_or_blocked_and_no_open_files_but_three() {
    let bench = TestBench::with_programs("web: exec sleep 1000\nplain: sleep 1000\n");
    let ignore = "--ignore-signal=INT,QUIT,PIPE,USR1,TSTP,TTOU,CHLD";
    let shell = "exec 7>held 8<held; exec \"$@\"";
    let wrapper = ["env", ignore, "--block-signal=USR2,WINCH", "sh", "-c", shell, "sh"];
    let mut child = wrapped(&bench, &wrapper, &["start"]).spawn().expect("a start");
    let status = until("the bench is up", || {
        let output = bench.run(&["status", "--json"]);
        (output.stdout.matches("\"ready\"").count() == 2).then_some(output.stdout)
    });
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    for program in status["programs"].as_array().expect("programs") {
        let pid = program["pid"].as_i64().expect("a pid");
        let mut files: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .expect("its files")
            .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, ["0", "1", "2"], "{program}");
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        for mask in ["SigIgn:", "SigBlk:"] {
            let line = text.lines().find_map(|line| line.strip_prefix(mask)).expect("a mask");
            let mask = u64::from_str_radix(line.trim(), 16).expect("a number");
            // The C library of whoever ran before us has two signals of its own, 32 and 33.
            assert_eq!(mask & 0x7fff_ffff, 0, "{program}: {line}");
        }
    }
    bench.run(&["stop"]).success();
    child.wait().expect("a child");
}

#[test]
fn a_detached_bench_holds_no_file_of_who_started_it() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let shell = "exec 7>held; exec \"$@\"";
    let mut start = wrapped(&bench, &["sh", "-c", shell, "sh"], &["start", "--detach"]);
    assert!(start.status().expect("a start").success());
    for pid in started_below(bench.root()) {
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its files").flatten() {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            assert!(!target.ends_with("held"), "pid {pid} holds {}", target.display());
        }
    }
    bench.run(&["stop"]).success();
}
