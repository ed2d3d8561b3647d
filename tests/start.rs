//! `bench start`: order, readiness, environment, the end.

use rustix::process::Signal;

use crate::support::{TestBench, alive, started_below, until};

#[test]
fn programs_start_after_redis_answers() {
    let bench = TestBench::with_redis("web: redis-cli -u $REDIS ping; exec sleep 1000\n");
    let port = bench.read("sites/common_site_config.json");
    let url = port.split('"').find(|word| word.starts_with("redis://")).expect("a URL").to_owned();
    bench.write(".env", &format!("REDIS={url}\n"));
    let mut running = bench.start(&[]);
    running.says("web         | PONG");
    let said = running.stdout();
    let ready = said.find("redis_cache ready after").expect("redis gets ready");
    assert!(ready < said.find("| PONG").expect("the web program's line"), "{said}");
    running.interrupt();
}

#[test]
fn ready_means_that_our_own_redis_answers() {
    let bench = TestBench::with_redis("");
    let mut running = bench.start(&[]);
    running.is("redis_cache", "ready");
    let pid = running.instance_pid("redis_cache").to_string();
    let conf = bench.read("config/redis_cache.conf");
    let port = conf.lines().find_map(|line| line.strip_prefix("port ")).expect("a port");
    let info = std::process::Command::new("redis-cli")
        .args(["-p", port, "info", "server"])
        .output()
        .expect("redis-cli");
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.lines().any(|line| line.trim() == format!("process_id:{pid}")), "{pid}: {info}");
    running.interrupt();
}

#[test]
fn every_end_has_its_exit_status_and_leaves_nothing() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let bench =
            TestBench::with_redis("web: sleep 1000\nworker: sh -c 'setsid sleep 1000 & sleep 1000'\n");
        let mut running = bench.start(&[]);
        running.is("worker", "ready");
        running.signal(signal);
        assert_eq!(running.end().code(), Some(code), "{signal:?}");
        assert_eq!(started_below(bench.root()), [0; 0], "{signal:?}");
    }
}

#[test]
fn redis_stops_last() {
    let bench = TestBench::with_redis(
        "web: trap 'sleep 0.3; echo web ends; exit 0' TERM; while :; do sleep 0.05; done\n",
    );
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    running.interrupt();
    let said = running.stdout();
    let web = said.find("web ends").expect("web's last words");
    let redis = said.find("User requested shutdown").expect("redis' last words");
    assert!(web < redis, "{said}");
}

#[test]
fn what_ignores_the_stop_signal_is_killed_after_its_time() {
    let bench = TestBench::with_programs("web: trap '' TERM INT HUP; while :; do sleep 0.05; done\n");
    bench.write("bench.toml", "[programs.web]\nstop_timeout = \"300ms\"\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    assert_eq!(running.interrupt().code(), Some(130));
    assert!(running.stdout().contains("web did not stop within 3"), "{}", running.stdout());
}

#[test]
fn the_second_ctrl_c_kills() {
    let bench = TestBench::with_redis("web: trap '' TERM; while :; do sleep 0.05; done\n");
    bench.write("bench.toml", "[programs.web]\nstop_timeout = \"1h\"\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    running.signal(Signal::INT);
    running.says("stopping (Ctrl-C)");
    assert_eq!(running.interrupt().code(), Some(130));
    assert!(running.stdout().contains("killing everything"));
}

#[test]
fn a_stopped_program_can_still_be_ended() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    crate::support::send(running.instance_pid("web"), Signal::STOP);
    running.interrupt();
    assert!(running.stdout().contains("web stopped (killed by SIGTERM)"), "{}", running.stdout());
}

#[test]
fn programs_get_the_environment_of_a_bench() {
    let mut bench = TestBench::with_redis("web: env | sort; echo that is all; exec sleep 1000\n");
    bench.env("CI", "true").env("NOTIFY_SOCKET", "/run/elsewhere").env("KEPT", "yes");
    bench.write(".env", "FROM_FILE='with blanks'\n");
    bench.write("bench.toml", "[web]\nport = 8123\n[programs.web]\nenv = { OWN = \"1\" }\n");
    let mut running = bench.start(&[]);
    running.says("that is all");
    running.interrupt();
    let said = running.stdout();
    let has = |variable: &str| said.lines().any(|line| line.ends_with(&format!("| {variable}")));
    let root = bench.root().display();
    for variable in [
        &format!("BENCH_DIR={root}"),
        &format!("DONTMANAGE_REDIS_CACHE=unix://{root}/config/redis_cache.sock"),
        "FROM_FILE=with blanks",
        "OWN=1",
        "PORT=8123",
        "KEPT=yes",
        "DEV_SERVER=true",
        "PYTHONUNBUFFERED=true",
    ] {
        assert!(has(variable), "{variable} is missing:\n{said}");
    }
    for name in ["| CI=", "| NOTIFY_SOCKET="] {
        assert!(!said.contains(name), "{name} leaked:\n{said}");
    }
}

#[test]
fn bench_itself_is_on_the_path_of_programs() {
    let bench = TestBench::with_programs("web: bench --version; exec sleep 1000\n");
    let mut running = bench.start(&[]);
    running.says(concat!("web   | bench ", env!("CARGO_PKG_VERSION")));
    running.interrupt();
}

#[test]
fn logs_exists_before_programs_start_and_stdin_is_empty() {
    let bench = TestBench::with_programs("web: ls -d logs; cat; exec sleep 1000\n");
    std::fs::remove_dir(bench.path("logs")).expect("a folder to remove");
    let mut running = bench.start(&[]);
    running.says("web   | logs");
    running.interrupt();
}

#[test]
fn a_formation_numbers_the_processes() {
    let bench = TestBench::with_programs("web: echo port $PORT; exec sleep 1000\nworker: sleep 1000\n");
    let mut running = bench.start(&["-m", "web=2,worker=0"]);
    running.says("web.1 | port 8000");
    running.says("web.2 | port 8001");
    let names: Vec<String> = running.status()["programs"]
        .as_array()
        .expect("programs")
        .iter()
        .map(|program| program["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["web.1", "web.2"]);
    running.interrupt();
}

#[test]
fn only_the_named_programs_and_what_they_need_start() {
    let bench = TestBench::with_redis("web: sleep 1000\nworker: sleep 1000\n");
    let mut running = bench.start(&["web"]);
    running.is("web", "ready");
    let status = running.status();
    assert_eq!(status["programs"].as_array().map(Vec::len), Some(2), "{status}");
    running.interrupt();
}

#[test]
fn programs_of_the_settings_run_too() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    bench.write("bench.toml", "[programs.extra]\ncommand = \"echo from settings; sleep 1000\"\n");
    let mut running = bench.start(&[]);
    running.says("extra | from settings");
    running.interrupt();
}

#[test]
fn another_procfile_can_be_named() {
    let bench = TestBench::with_programs("web: sleep 1000\n");
    bench.write("Procfile.test", "other: echo other; sleep 1000\n");
    let mut running = bench.start(&["-p", "Procfile.test"]);
    running.says("other | other");
    running.interrupt();
}

#[test]
fn a_detached_bench_is_ready_when_the_command_returns() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    bench.run(&["start", "--detach"]).success().says("2 programs run");
    let output = bench.run(&["status"]).success();
    assert_eq!(output.stdout.matches(" ready ").count(), 2, "{}", output.stdout);
    bench.run(&["stop"]).success();
    assert_eq!(started_below(bench.root()), [0; 0]);
}

#[test]
fn a_detached_bench_that_does_not_come_up_says_why() {
    let bench = TestBench::with_redis("web: sleep 1000\n");
    bench.write("config/redis_cache.conf", "port 0\nno-such-directive yes\n");
    bench.run(&["start", "--detach"]).code(1).says("no-such-directive");
    until("nothing is left", || started_below(bench.root()).is_empty().then_some(()));
}

#[test]
fn a_bench_whose_programs_are_all_done_ends() {
    let bench = TestBench::with_programs("job: echo done\n");
    bench.write("bench.toml", "[programs.job]\nrestart = \"never\"\n");
    let mut running = bench.start(&[]);
    assert_eq!(running.end().code(), Some(0));
    assert!(running.stdout().contains("job   | done"));
    assert!(!alive(running.pid()));
}
