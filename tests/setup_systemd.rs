//! `bench setup systemd`, and systemd-analyze, which reads what we write.

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::{Output, TestBench, run, write_program};
use crate::variants::facts::{Section, sections};

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::effective()).expect("users").expect("a user").name
}

fn program(bench: &TestBench, below: &str, text: &str) {
    write_program(&bench.path(below), text);
}

/// A bench with the framework, whose programs exist.
fn framework_bench(name: &str, settings: &str, version: &str) -> TestBench {
    let mut bench = TestBench::named(name);
    bench.make_existing(settings);
    bench.write("apps/dontmanage/dontmanage/__init__.py", &format!("__version__ = '{version}'\n"));
    for below in ["tools/node", "tools/redis-server", "env/bin/gunicorn"] {
        program(&bench, below, "#!/bin/sh\n");
    }
    let path = bench.path("tools").display().to_string();
    bench.env("PATH", &path).env("BENCH_USER", &user());
    bench
}

/// What systemd says of the units; nothing if they are right.
fn verify(bench: &TestBench) -> Output {
    let units = bench.path("config/systemd").read_dir().expect("units");
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]).args(units.map(|unit| unit.expect("a unit").path()));
    run(command)
}

fn unit(bench: &TestBench, name: &str) -> BTreeMap<String, Section> {
    sections(&bench.read(&format!("config/systemd/{name}")))
}

fn names(bench: &TestBench) -> Vec<String> {
    let units = bench.path("config/systemd").read_dir().expect("units");
    let mut names: Vec<_> =
        units.map(|unit| unit.expect("a unit").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn systemd_accepts_the_units_of_every_layout() {
    let old = r#"{"redis_cache": "redis://localhost:13000", "redis_queue": "redis://localhost:11000",
        "redis_socketio": "redis://localhost:12000"}"#;
    for (settings, version) in [
        ("{}", "15.0.0"),
        (r#"{"background_workers": 4, "workers": {"reports": {"timeout": 3000}}}"#, "15.0.0"),
        ("{}", "14.10.0"),
        (old, "14.30.0"),
    ] {
        let bench = framework_bench("develop-bench", settings, version);
        bench.run(&["setup", "systemd"]).success();
        let output = verify(&bench).success();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{settings} {version}");
    }
}

#[test]
fn systemd_reads_the_path_of_a_bench_of_any_name() {
    for name in ["a b", "100%", "%h", "a;b #c", "büro-бенч", "$HOME", "a#b"] {
        let bench = framework_bench(name, "{}", "15.0.0");
        bench.write("bench.toml", "[bench]\nname = \"plain\"\n");
        bench.run(&["setup", "systemd"]).success();
        let output = verify(&bench).success();
        assert_eq!(output.stderr, "", "{name}");
        // What is missing is called by the path that systemd read.
        std::fs::remove_file(bench.path("env/bin/gunicorn")).expect("a removed file");
        let output = verify(&bench);
        let path = bench.path("env/bin/gunicorn");
        assert!(
            output.stderr.contains(&format!("Command {} is not executable", path.display())),
            "{output:?}"
        );
    }
}

#[test]
fn what_systemd_cannot_run_is_refused() {
    for name in ["it's", "say \"so\"", "back\\slash"] {
        let bench = framework_bench(name, "{}", "15.0.0");
        bench.run(&["setup", "systemd"]).code(2).says("no program whose path holds a quote or a `\\`");
        assert!(!bench.path("config/systemd").exists());
    }
}

#[test]
fn the_units_are_those_of_supervisor() {
    let settings =
        r#"{"background_workers": 2, "workers": {"reports": {"timeout": 3000, "background_workers": 1}}}"#;
    let bench = framework_bench("develop-bench", settings, "15.0.0");
    bench.run(&["setup", "systemd"]).success();
    assert_eq!(
        names(&bench),
        [
            "develop-bench-dontmanage-long-worker@.service",
            "develop-bench-dontmanage-reports-worker@.service",
            "develop-bench-dontmanage-schedule.service",
            "develop-bench-dontmanage-short-worker@.service",
            "develop-bench-dontmanage-web.service",
            "develop-bench-node-socketio.service",
            "develop-bench-redis-cache.service",
            "develop-bench-redis-queue.service",
            "develop-bench-redis.target",
            "develop-bench-web.target",
            "develop-bench-workers.target",
            "develop-bench.target",
        ]
    );
    let workers = &unit(&bench, "develop-bench-workers.target")["Unit"]["Wants"];
    assert_eq!(
        workers,
        "develop-bench-dontmanage-schedule.service develop-bench-dontmanage-short-worker@1.service \
         develop-bench-dontmanage-short-worker@2.service develop-bench-dontmanage-long-worker@1.service \
         develop-bench-dontmanage-long-worker@2.service develop-bench-dontmanage-reports-worker@1.service"
    );
    for (name, stop, command) in [
        ("dontmanage-short-worker@.service", "360", "worker --queue short,default"),
        ("dontmanage-long-worker@.service", "1560", "worker --queue long,default,short"),
        ("dontmanage-reports-worker@.service", "3000", "worker --queue reports"),
        ("dontmanage-web.service", "40", "--graceful-timeout 30 dontmanage.app:application --preload"),
        ("dontmanage-schedule.service", "10", "schedule"),
    ] {
        let unit = unit(&bench, &format!("develop-bench-{name}"));
        let service = &unit["Service"];
        assert_eq!(service["TimeoutStopSec"], stop, "{name}");
        assert!(service["ExecStart"].ends_with(command), "{name}: {}", service["ExecStart"]);
        assert_eq!((service["Restart"].as_str(), service["RestartSec"].as_str()), ("always", "3"), "{name}");
        assert!(service["StandardOutput"].starts_with("append:"), "{name}");
        assert!(service["StandardError"].starts_with("append:"), "{name}");
        let redis = "develop-bench-redis-cache.service develop-bench-redis-queue.service";
        assert_eq!(unit["Unit"]["Wants"], redis, "{name}");
        assert_eq!(unit["Unit"]["After"], format!("network.target {redis}"), "{name}");
        for hardening in ["NoNewPrivileges", "ProtectSystem", "ReadWritePaths", "RestrictAddressFamilies"] {
            assert!(service.contains_key(hardening), "{name}: {hardening}");
        }
    }
}

#[test]
fn a_queue_that_is_gone_takes_its_unit_with_it_and_foreign_units_stay() {
    let bench = framework_bench("develop-bench", r#"{"workers": {"mail": {}}}"#, "15.0.0");
    bench.write("config/systemd/develop-bench-mine.service", "[Service]\nExecStart=/bin/true\n");
    bench.write("config/systemd/other.service", "");
    bench
        .run(&["setup", "systemd"])
        .success()
        .says("develop-bench-mine.service is no unit of the bench any more");
    assert!(names(&bench).iter().any(|name| name.contains("mail")));
    bench.write("sites/common_site_config.json", "{}");
    bench.run(&["setup", "systemd"]).success();
    let names = names(&bench);
    assert!(!names.iter().any(|name| name.contains("mail")), "{names:?}");
    assert!(
        names.iter().any(|name| name == "develop-bench-mine.service")
            && names.iter().any(|name| name == "other.service")
    );
}

#[test]
fn without_node_nothing_wants_socketio() {
    let bench = framework_bench("develop-bench", "{}", "15.0.0");
    std::fs::remove_file(bench.path("tools/node")).expect("a removed file");
    bench.run(&["setup", "systemd"]).success();
    assert_eq!(
        unit(&bench, "develop-bench-web.target")["Unit"]["Wants"],
        "develop-bench-dontmanage-web.service"
    );
}

#[test]
fn a_name_that_systemd_refuses_is_said() {
    let bench = framework_bench("büro-бенч-例", "{}", "15.0.0");
    bench.run(&["setup", "systemd"]).success().says("systemd takes no unit whose name holds `büro-бенч-例`");
    assert!(names(&bench).contains(&"büro-бенч-例-dontmanage-web.service".to_owned()));
}

#[test]
fn policies_of_the_settings_reach_systemd() {
    let bench = framework_bench("develop-bench", "{}", "15.0.0");
    bench.write(
        "bench.toml",
        "[programs.web]\nenv = { A = 'say \"so\" 100% $HOME' }\nmemory_limit = \"1gb\"\n\
         [programs.own]\ncommand = \"my $OWN thing 100%\"\ninstances = 2\nrestart = \"on-failure\"\n\
         depends_on = [\"web\", \"redis_cache\"]\nstop_signal = \"INT\"\n",
    );
    bench.run(&["setup", "systemd"]).success();
    let web = unit(&bench, "develop-bench-dontmanage-web.service");
    assert_eq!(web["Service"]["Environment"], r#""A=say \"so\" 100%% $HOME""#);
    assert_eq!(web["Service"]["MemoryMax"], "1073741824");
    let own = unit(&bench, "develop-bench-own@.service");
    assert_eq!(own["Service"]["ExecStart"], "/bin/sh -c \"my $$OWN thing 100%%\"");
    assert_eq!(own["Service"]["Restart"], "on-failure");
    assert_eq!(own["Service"]["KillSignal"], "SIGINT");
    assert_eq!(
        own["Unit"]["Wants"],
        "develop-bench-dontmanage-web.service develop-bench-redis-cache.service"
    );
    let wanted = &unit(&bench, "develop-bench-programs.target")["Unit"]["Wants"];
    assert_eq!(wanted, "develop-bench-own@1.service develop-bench-own@2.service");
    assert_eq!(verify(&bench).success().stderr, "");
}

#[test]
fn links_are_systemctl_s_work_and_its_failure_is_ours() {
    let bench = framework_bench("develop-bench", "{}", "15.0.0");
    bench.run(&["setup", "systemd"]).success();
    program(&bench, "tools/systemctl", "#!/bin/sh\necho \"$@\" >> systemctl.log\nexit ${REFUSED:-0}\n");
    bench.run(&["setup", "systemd", "--create-symlinks"]).success();
    bench.run(&["setup", "systemd", "--stop"]).success();
    bench.run(&["setup", "systemd", "--delete-symlinks"]).success();
    let log = bench.read("systemctl.log");
    let lines: Vec<_> = log.lines().collect();
    let target = bench.path("config/systemd/develop-bench.target");
    assert!(lines[0].starts_with("link -- ") && lines[0].contains(&target.display().to_string()), "{log}");
    assert_eq!(lines[1], "daemon-reload --", "{log}");
    assert!(lines[2].starts_with("stop -- ") && lines[2].ends_with(" develop-bench.target"), "{log}");
    assert!(lines[3].starts_with("disable -- "), "{log}");

    program(&bench, "tools/systemctl", "#!/bin/sh\nexit 1\n");
    bench.run(&["setup", "systemd", "--create-symlinks"]).code(1).says("`systemctl link` ended").says("sudo");
    std::fs::remove_file(bench.path("tools/systemctl")).expect("a removed file");
    bench.run(&["setup", "systemd", "--stop"]).code(1).says("cannot run `systemctl stop`");
}
