//! `bench setup env` and `bench setup all`.

use std::process::Command;

use crate::support::{TestBench, free_port, run};

#[test]
fn the_python_environment_is_made_once() {
    let bench = TestBench::existing("{}");
    bench.run(&["setup", "env"]).success();
    let mut python = Command::new(bench.path("env/bin/python"));
    python.args(["-c", "import sys; print(sys.prefix)"]);
    let prefix = run(python).success().stdout;
    assert_eq!(prefix.trim(), bench.path("env").display().to_string());
    bench.write("env/mine", "kept");
    bench.run(&["setup", "env"]).success();
    assert_eq!(bench.read("env/mine"), "kept");
}

#[test]
fn without_python_the_way_out_is_told() {
    let mut bench = TestBench::existing("{}");
    std::fs::create_dir(bench.path("bin")).expect("a folder");
    let empty = bench.path("bin").display().to_string();
    bench.env("PATH", &empty);
    bench.run(&["setup", "env"]).code(1).says("cannot run `python3`").says("apt-get install python3");
}

#[test]
fn everything_at_once_is_complete_and_stays_so() {
    let bench = TestBench::existing(&format!("{{\"redis_queue\": \"redis://127.0.0.1:{}\"}}", free_port()));
    let files = [
        "sites/common_site_config.json",
        "config/redis_cache.conf",
        "config/redis_queue.conf",
        "config/cache.key",
        "Procfile",
        "config/supervisor.conf",
        "config/systemd/develop-bench.target",
        "env/bin/python",
    ];
    let output = bench.run(&["setup", "all", "--check"]).code(1);
    for file in files.iter().filter(|file| !file.contains(".key")) {
        let shown = if *file == "env/bin/python" { "env/" } else { file };
        assert!(output.stderr.contains(&format!("`{shown}`")), "{shown}: {}", output.stderr);
    }
    bench.run(&["setup", "all"]).success();
    for file in files {
        assert!(bench.path(file).exists(), "{file}");
    }
    assert_eq!(bench.run(&["setup", "all", "--check"]).success().stderr, "");
    let before = bench.read("sites/common_site_config.json");
    bench.run(&["setup", "all"]).success();
    assert_eq!(bench.read("sites/common_site_config.json"), before);
}
