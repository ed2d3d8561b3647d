//! The stream of all programs' lines.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{TestBench, until};

/// Prints numbered lines of odd lengths as fast as it can, in writes that end anywhere.
const FLOOD: &str = "python3 -c \"import sys, os; \
    data = ''.join(f'{n} ' + 'x' * (n * 37 % 211) + '\\n' for n in range(20000)).encode(); \
    [os.write(1, data[at:at + 4099]) for at in range(0, len(data), 4099)]\"; echo end; exec sleep 1000";

#[test]
fn no_line_is_lost_or_torn_however_fast_they_come() {
    let bench = TestBench::with_programs(&format!("a: {FLOOD}\nb: {FLOOD}\nc: {FLOOD}\n"));
    let mut running = bench.start(&[]);
    for name in ["a", "b", "c"] {
        running.says(&format!("{name}     | end"));
    }
    running.interrupt();
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    let said = running.stdout();
    for line in said.lines() {
        let (name, text) = line.split_once(" | ").expect("every line has a name");
        let name = name.trim();
        if name == "bench" || text == "end" {
            continue;
        }
        let number = next.entry(name).or_default();
        assert_eq!(text, format!("{number} {}", "x".repeat(*number * 37 % 211)), "{name}");
        *number += 1;
    }
    assert_eq!(next, BTreeMap::from([("a", 20000), ("b", 20000), ("c", 20000)]));
}

#[test]
fn a_line_comes_whole_when_it_is_written_in_parts() {
    let bench = TestBench::with_programs(
        "slow: printf 'one '; sleep 0.3; printf 'two '; sleep 0.3; echo three; exec sleep 1000\n",
    );
    let mut running = bench.start(&[]);
    running.says("slow  | one two three");
    running.interrupt();
}

#[test]
fn a_prompt_without_an_end_is_shown_after_a_while() {
    let bench = TestBench::with_programs("ask: printf 'are you sure? '; exec sleep 1000\n");
    let mut running = bench.start(&[]);
    running.says("ask   | are you sure?");
    running.interrupt();
}

#[test]
fn last_words_come_before_the_end_is_told() {
    let bench = TestBench::with_programs("job: printf 'last words'; exit 3\n");
    bench.write("bench.toml", "[programs.job]\nrestart = \"never\"\n");
    let mut running = bench.start(&[]);
    assert_eq!(running.end().code(), Some(1));
    let said = running.stdout();
    assert!(said.find("job   | last words") < said.find("job ended: exit status 3"), "{said}");
}

#[test]
fn a_grandchild_that_holds_the_pipe_does_not_hold_up_the_news() {
    let bench = TestBench::with_programs("web: sleep 1000\njob: setsid sleep 1000 & echo bye; exit 3\n");
    bench.write("bench.toml", "[programs.job]\nrestart = \"never\"\n");
    let mut running = bench.start(&[]);
    running.is("job", "failed");
    running.says("job ended: exit status 3");
    running.interrupt();
}

#[test]
fn a_line_of_any_length_and_any_bytes_passes() {
    let bench = TestBench::with_programs(
        "odd: python3 -c \"import os; os.write(1, bytes(range(11, 256)) + b'\\n'); os.write(1, b'y' * 3000000 + b'\\n')\"; \
         echo end; exec sleep 1000\n",
    );
    let mut running = bench.start(&[]);
    running.says("odd   | end");
    running.interrupt();
    let log = std::fs::read(bench.path("logs/odd.log")).expect("the log");
    let mut expected: Vec<u8> = (11..=255).collect();
    expected.push(b'\n');
    expected.extend(std::iter::repeat_n(b'y', 3_000_000));
    expected.extend(b"\nend\n");
    assert!(log == expected, "the log is byte for byte what was written");
    assert!(running.stdout().lines().any(|line| line.len() == 3_000_000 + "odd   | ".len()));
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_bench() {
    let bench = TestBench::with_programs("web: while :; do echo line; sleep 0.01; done\n");
    let mut child = bench.command(&["start"]).stdout(Stdio::piped()).spawn().expect("a started bench");
    let mut pipe = child.stdout.take().expect("a pipe");
    pipe.read_exact(&mut [0; 64]).expect("some output");
    drop(pipe);
    let size = || std::fs::metadata(bench.path("logs/web.log")).map_or(0, |meta| meta.len());
    let before = size();
    until("the program goes on", || (size() > before + 100).then_some(()));
    bench.run(&["stop"]).success();
    assert_eq!(child.wait().expect("a child").code(), Some(0));
}

#[test]
fn a_reader_that_sleeps_holds_up_neither_control_nor_the_end() {
    let bench = TestBench::with_programs("flood: exec yes\nweb: sleep 1000\n");
    let mut child = bench.command(&["start"]).stdout(Stdio::piped()).spawn().expect("a started bench");
    // Nobody reads the pipe.
    until("the bench is up", || bench.run(&["status"]).stdout.contains("web      ready").then_some(()));
    bench.run(&["restart", "web"]).success();
    crate::support::send(child.id().cast_signed(), Signal::INT);
    assert_eq!(child.wait().expect("a child").code(), Some(130));
}

#[test]
fn a_full_disk_under_the_logs_stops_nothing() {
    let bench = TestBench::with_programs("web: while :; do echo line; sleep 0.01; done\n");
    std::os::unix::fs::symlink("/dev/full", bench.path("logs/web.log")).expect("a link");
    let mut running = bench.start(&[]);
    running.says_times("web   | line", 50);
    running.interrupt();
}

#[test]
fn names_are_left_out_on_request() {
    let bench = TestBench::with_programs("web: echo bare; exec sleep 1000\n");
    let mut running = bench.start(&["--no-prefix"]);
    assert_eq!(running.says("bare"), "bare");
    running.interrupt();
}
