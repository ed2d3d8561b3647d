//! Probes that misbehave, and programs that say too much.

use crate::support::{TestBench, until};

#[test]
fn a_probe_that_floods_its_output_is_still_judged_by_its_exit_status() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    bench
        .write("bench.toml", "[programs.web]\nready = { exec = \"head -c 1000000 /dev/zero; echo fine\" }\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    running.interrupt();
}

#[test]
fn the_last_line_of_a_failing_probe_is_its_reason() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    bench.write(
        "bench.toml",
        "[programs.web]\nready = { exec = \"yes | head -n 50000; echo the reason; exit 4\" }\n",
    );
    let mut running = bench.start(&[]);
    let line = running.says("web is not ready yet");
    assert!(line.contains("the reason"), "{line}");
    running.interrupt();
}

#[test]
fn what_a_probe_leaves_behind_does_not_end_the_probing() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    bench.write(
        "bench.toml",
        "[programs.web]\n\
         health = { exec = \"setsid sleep 1000 & exit 1\", every = \"100ms\", timeout = \"1s\", failures = 1000 }\n",
    );
    let mut running = bench.start(&[]);
    running.says("web unhealthy (3 of 1000)");
    running.interrupt();
}

#[test]
fn a_program_that_repeats_that_it_is_ready_is_asked_for_its_health_all_the_same() {
    let notify = "python3 -c \"import os, socket, time; \
                  s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \
                  s.connect(os.environ['NOTIFY_SOCKET']); \
                  [(s.send(b'READY=1'), time.sleep(0.01)) for _ in iter(int, 1)]\"";
    let say = "while :; do echo serving; sleep 0.01; done";
    for (command, ready) in [(say, "{ log = \"serving\" }"), (notify, "\"notify\"")] {
        let bench = TestBench::with_programs("");
        let command = serde_json::to_string(command).expect("a string");
        bench.write(
            "bench.toml",
            &format!(
                "[programs.web]\ncommand = {command}\nready = {ready}\n\
                 health = {{ exec = \"false\", every = \"200ms\", timeout = \"1s\", failures = 3 }}\n"
            ),
        );
        let mut running = bench.start(&[]);
        running.says("web unhealthy (3 of 3)");
        running.interrupt();
    }
}

#[test]
fn a_program_that_floods_its_notify_socket_does_not_hold_up_the_others() {
    let flood = "python3 -c \"import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \
                 s.connect(os.environ['NOTIFY_SOCKET']); \
                 [s.send(b'READY=1') for _ in iter(int, 1)]\"";
    let bench = TestBench::with_programs(&format!("flood: {flood}\nweb: sleep 1000\n"));
    bench.write("bench.toml", "[programs.flood]\nready = \"notify\"\n");
    let mut running = bench.start(&[]);
    running.is("flood", "ready");
    let before = running.instance_pid("web");
    bench.run(&["restart", "web"]).success();
    assert_ne!(running.instance_pid("web"), before);
    running.interrupt();
}

#[test]
fn a_bench_without_config_folders_can_have_a_notify_socket() {
    let bench = TestBench::with_programs(
        "web: python3 -c \"import os, socket, time; \
         s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \
         s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET']); time.sleep(1000)\"\n",
    );
    bench.write("bench.toml", "[programs.web]\nready = \"notify\"\n");
    std::fs::remove_dir_all(bench.path("config")).expect("a folder to remove");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    running.interrupt();
}

#[test]
fn a_notify_socket_below_too_long_a_path_is_refused_with_its_length() {
    let bench = TestBench::named(&format!("{}/bench", "d".repeat(100)));
    bench.make_existing("{}");
    bench.write("Procfile", "web: sleep 1000\n");
    bench.write("bench.toml", "[programs.web]\nready = \"notify\"\n");
    let output = bench.run(&["start"]).code(1).says("web.notify` has 1").says("at most 107");
    assert!(output.stdout.is_empty(), "nothing was started: {}", output.stdout);
}

#[test]
fn a_health_check_waits_while_its_program_starts_again() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    bench.write(
        "bench.toml",
        "[programs.web]\nhealth = { exec = \"echo asked >> asked\", every = \"50ms\", timeout = \"1s\", failures = 3 }\n",
    );
    let mut running = bench.start(&[]);
    let asked = || std::fs::read_to_string(bench.path("asked")).unwrap_or_default().lines().count();
    until("it is asked", || (asked() > 1).then_some(()));
    bench.run(&["stop", "web"]).success();
    // One question may have been under way.
    until("the last question is answered", || {
        let before = asked();
        crate::support::pass(std::time::Duration::from_millis(300));
        (asked() == before).then_some(())
    });
    bench.run(&["restart", "web"]).success();
    let before = asked();
    until("it is asked again", || (asked() > before).then_some(()));
    running.interrupt();
}
