//! What somebody wrote into a generated file is never lost in silence; `maxmemory`, which the
//! documentation tells people to change, becomes a setting; a running redis-server follows.

use std::process::Command;

use crate::support::{RenderedRedis, TestBench, free_port, run};

const FILE: &str = "config/redis_cache.conf";

fn bench_with_maxmemory(mib: u32) -> TestBench {
    let bench = TestBench::existing(&format!("{{\"cache_maxmemory\": {mib}}}"));
    bench.run(&["setup", "redis"]).success();
    bench
}

fn edit(bench: &TestBench, file: &str, old: &str, new: &str) {
    let text = bench.read(file);
    assert!(text.contains(old), "{text}");
    bench.write(file, &text.replace(old, new));
}

#[test]
fn a_changed_maxmemory_becomes_a_setting() {
    let bench = bench_with_maxmemory(64);
    edit(&bench, FILE, "maxmemory 64mb", "maxmemory 2gb");
    bench
        .run(&["setup", "redis"])
        .success()
        .says("`maxmemory 2gb` of config/redis_cache.conf:6 is a setting now");
    assert!(bench.read("sites/common_site_config.json").contains("\"cache_maxmemory\": 2048"));
    assert!(bench.read(FILE).contains("\nmaxmemory 2048mb\n"));
    assert!(!bench.path("config/redis_cache.conf.bak").exists());
    assert_eq!(bench.run(&["setup", "redis", "--check"]).success().stderr, "");
}

#[test]
fn with_a_bench_toml_it_becomes_a_setting_there_and_comments_stay() {
    let bench = bench_with_maxmemory(64);
    bench.write("bench.toml", "# ours\n[redis_cache]\nmaxmemory = \"64mb\" # small\n");
    edit(&bench, FILE, "maxmemory 64mb", "maxmemory 1500mb");
    bench.run(&["setup", "redis"]).success().says("redis_cache.maxmemory in bench.toml");
    assert_eq!(bench.read("bench.toml"), "# ours\n[redis_cache]\nmaxmemory = \"1500mb\" # small\n");
}

#[test]
fn looking_takes_nothing_over() {
    let bench = bench_with_maxmemory(64);
    edit(&bench, FILE, "maxmemory 64mb", "maxmemory 2gb");
    let (file, settings) = (bench.read(FILE), bench.read("sites/common_site_config.json"));
    let output = bench.run(&["setup", "redis", "--check", "--diff"]).code(1);
    assert!(output.stdout.contains("+ \"cache_maxmemory\": 2048"), "{}", output.stdout);
    output.says("`sites/common_site_config.json` is out of date");
    assert_eq!((bench.read(FILE), bench.read("sites/common_site_config.json")), (file, settings));
}

#[test]
fn a_maxmemory_changed_in_both_places_is_for_the_user_to_choose() {
    let bench = bench_with_maxmemory(64);
    edit(&bench, FILE, "maxmemory 64mb", "maxmemory 2gb");
    edit(&bench, "sites/common_site_config.json", "64", "128");
    let output = bench.run(&["setup", "redis"]).code(1);
    output.says("changed to `maxmemory 2gb`").says("settings say 128mb").says("common_site_config.json:1");
    bench.run(&["setup", "redis", "--force"]).success().says("kept as redis_cache.conf.bak");
    assert!(bench.read(FILE).contains("\nmaxmemory 128mb\n"));
    assert!(bench.read("config/redis_cache.conf.bak").contains("\nmaxmemory 2gb\n"));
}

#[test]
fn a_maxmemory_that_is_no_size_is_refused() {
    for (value, what) in
        [("0", "no limit"), ("-5", "not a size"), ("50MBs", "not a size"), ("1gbmb", "not a size")]
    {
        let bench = bench_with_maxmemory(64);
        edit(&bench, FILE, "maxmemory 64mb", &format!("maxmemory {value}"));
        bench.run(&["setup", "redis"]).code(1).says(what).says("config/redis_cache.conf:6");
        assert!(bench.read(FILE).contains(&format!("maxmemory {value}\n")));
    }
}

#[test]
fn changed_settings_are_no_hand_edit() {
    let bench = bench_with_maxmemory(64);
    edit(&bench, "sites/common_site_config.json", "64", "128");
    assert_eq!(bench.run(&["setup", "redis"]).success().stderr, "");
    assert!(bench.read(FILE).contains("\nmaxmemory 128mb\n"));
}

#[test]
fn any_other_edit_stops_the_command_and_is_kept_by_force() {
    for flag in ["--force", "--yes"] {
        let bench = bench_with_maxmemory(64);
        let queue = bench.read("config/redis_queue.conf");
        edit(&bench, FILE, "allkeys-lru", "allkeys-lfu");
        edit(&bench, "sites/common_site_config.json", "64}", "64, \"redis_queue\": 11009}");
        let output = bench.run(&["setup", "redis"]).code(1);
        let output = output.says("-maxmemory-policy allkeys-lfu\n+maxmemory-policy allkeys-lru");
        output.says("`config/redis_cache.conf` was edited by hand").says("--force");
        // Nothing is written when one file stops it.
        assert_eq!(bench.read("config/redis_queue.conf"), queue);
        bench.run(&["setup", "redis", flag]).success();
        assert!(bench.read(FILE).contains("allkeys-lru"));
        assert!(bench.read("config/redis_cache.conf.bak").contains("allkeys-lfu"));
        assert!(bench.read("config/redis_queue.conf").contains("port 11009"));
    }
}

#[test]
fn a_file_of_todays_tool_without_an_edit_is_replaced_quietly() {
    let bench = TestBench::existing(r#"{"cache_maxmemory": 64}"#);
    let pids = bench.path("config/pids");
    let (pids, config) = (pids.display(), bench.path("config"));
    bench.write("config/redis_cache.acl", "");
    bench.write(
        FILE,
        &format!(
            "dbfilename redis_cache.rdb\ndir {pids}\npidfile {pids}/redis_cache.pid\nbind 127.0.0.1\nport 13000\n\
             maxmemory 64mb\nmaxmemory-policy allkeys-lru\nappendonly no\n\nsave \"\"\n\n\naclfile {}/redis_cache.acl\n",
            config.display()
        ),
    );
    assert_eq!(bench.run(&["setup", "redis"]).success().stderr, "");
    assert!(bench.read(FILE).contains("# bench: maxmemory=64mb"));
    // Users in the file would be lost.
    bench.write("config/redis_cache.acl", "user default off\n");
    edit(&bench, FILE, "# bench: ", "# ");
    bench.write(FILE, &format!("{}aclfile {}/redis_cache.acl\n", bench.read(FILE), config.display()));
    bench.run(&["setup", "redis"]).code(1).says("-aclfile");
}

#[test]
fn the_other_files_of_todays_tool_are_replaced_as_quietly() {
    let bench = TestBench::existing("{}");
    let targets = [
        (&["setup", "procfile"][..], "Procfile"),
        (&["setup", "supervisor", "--skip-supervisord"], "config/supervisor.conf"),
    ];
    for (target, file) in targets {
        bench.run(target).success();
        let ours = bench.read(file);
        let lines = ours.lines().filter(|line| !line.starts_with(['#', ';']));
        let theirs = lines.collect::<Vec<_>>().join(" \n\n");
        bench.write(
            file,
            &format!("; Notes: written by another tool\n{theirs}").replace("; Notes", "# Notes"),
        );
        assert_eq!(bench.run(target).success().stderr, "", "{file}");
        assert_eq!(bench.read(file), ours);
        bench.write(file, &theirs.replace("redis_queue", "my_queue"));
        bench.run(target).code(1).says("was edited by hand");
    }
}

#[test]
fn a_maxmemory_of_todays_tool_that_no_setting_says_is_taken_over() {
    let bench = TestBench::existing("{}");
    bench.write(FILE, "port 13000\nmaxmemory 333mb\n");
    bench.run(&["setup", "redis"]).success().says("`maxmemory 333mb`");
    assert!(bench.read("sites/common_site_config.json").contains("\"cache_maxmemory\": 333"));
    assert!(bench.read(FILE).contains("\nmaxmemory 333mb\n"));
}

#[test]
fn a_procfile_of_the_users_own_is_kept_without_a_terminal() {
    let bench = TestBench::existing("{}");
    bench.write("Procfile", "web: my custom command\nextra: sleep 100\n");
    let output = bench.run(&["setup", "procfile"]).code(1);
    output
        .says("-extra: sleep 100")
        .says("`Procfile` was edited by hand")
        .says("bench setup procfile --force");
    assert!(bench.read("Procfile").contains("extra: sleep 100"));
    bench.run(&["setup", "procfile", "--yes"]).success();
    assert!(bench.read("Procfile").starts_with("redis_cache: "));
    assert_eq!(bench.read("Procfile.bak"), "web: my custom command\nextra: sleep 100\n");
}

#[test]
fn a_script_may_pipe_its_answer_about_the_procfile() {
    for (answer, code) in [("y", 0), ("n", 1)] {
        let bench = TestBench::existing("{}");
        bench.write("Procfile", "extra: sleep 100\n");
        let setup = bench.command(&["setup", "procfile"]);
        let mut command = Command::new("sh");
        command.current_dir(bench.root()).args([
            "-c",
            &format!("echo {answer} | \"$1\" setup procfile"),
            "sh",
        ]);
        command.arg(setup.get_program());
        run(command).code(code);
        assert_eq!(bench.read("Procfile").contains("extra"), code == 1);
    }
}

#[test]
fn on_a_terminal_the_user_is_asked_about_the_procfile() {
    for (answer, replaced) in [("y", true), ("", false)] {
        let bench = TestBench::existing("{}");
        bench.write("Procfile", "extra: sleep 100\n");
        let setup = bench.command(&["setup", "procfile"]);
        // script(1) gives it a terminal.
        let line = format!("'{}' setup procfile", setup.get_program().display());
        let mut command = Command::new("sh");
        command.current_dir(bench.root()).args([
            "-c",
            &format!("printf '{answer}\\n' | script -qec \"$1\" /dev/null"),
            "sh",
            &line,
        ]);
        let output = run(command);
        assert!(output.stdout.contains("overwrite it, and keep it as Procfile.bak? [y/N]"), "{output:?}");
        assert_eq!(output.status.success(), replaced, "{output:?}");
        assert_eq!(bench.path("Procfile.bak").exists(), replaced);
        assert_eq!(bench.read("Procfile").contains("extra"), !replaced);
    }
}

#[test]
fn a_running_server_follows_and_its_cache_stays_warm() {
    let port = free_port();
    let settings =
        |mib| format!("{{\"redis_cache\": \"redis://127.0.0.1:{port}\", \"cache_maxmemory\": {mib}}}");
    let bench = TestBench::existing(&settings(64));
    bench.run(&["setup", "redis"]).success();
    let redis = RenderedRedis::on_port(bench.root(), FILE, port);
    redis.cli(&["SET", "warm", "yes"]);
    // Nothing changed, so nothing is said.
    assert_eq!(bench.run(&["setup", "redis"]).success().stderr, "");

    bench.write("sites/common_site_config.json", &settings(128));
    bench
        .run(&["setup", "redis"])
        .success()
        .says("redis_cache, which is running, took over `maxmemory 128mb`");
    assert_eq!(redis.config("maxmemory"), "134217728");

    edit(&bench, FILE, "maxmemory 128mb", "maxmemory 200mb");
    bench.run(&["setup", "redis"]).success().says("`maxmemory 200mb`");
    assert_eq!(redis.config("maxmemory"), "209715200");

    bench.write(
        "bench.toml",
        "[redis_cache]\nmaxmemory_policy = \"allkeys-lfu\"\nextra = { tcp-keepalive = 61 }\n",
    );
    bench.run(&["setup", "redis"]).success().says("`maxmemory-policy allkeys-lfu` (it was `allkeys-lru`)");
    assert_eq!(redis.config("maxmemory-policy"), "allkeys-lfu");
    assert_eq!(redis.config("tcp-keepalive"), "61");
    assert_eq!(redis.cli(&["GET", "warm"]), "yes");
}

#[test]
fn what_a_running_server_cannot_change_is_named() {
    let port = free_port();
    let bench = TestBench::existing(&format!("{{\"redis_cache\": \"redis://127.0.0.1:{port}\"}}"));
    bench.run(&["setup", "redis"]).success();
    let redis = RenderedRedis::on_port(bench.root(), FILE, port);
    bench.write("bench.toml", "[redis_cache]\nextra = { databases = 4, lazyfree-lazy-expire = \"no\" }\n");
    let output = bench.run(&["setup", "redis"]).success();
    output.says("takes over `databases` only when it is started again: `bench restart redis_cache`");
    assert_eq!(redis.config("databases"), "16");
    assert_eq!(redis.config("lazyfree-lazy-expire"), "no");
    // A directive that is gone keeps its value until then.
    bench.write("bench.toml", "");
    bench.run(&["setup", "redis"]).success().says("takes over `databases`");
}

#[test]
fn the_users_own_file_wins_in_a_running_server_too() {
    let port = free_port();
    let bench = TestBench::existing(&format!(
        "{{\"redis_cache\": \"redis://127.0.0.1:{port}\", \"cache_maxmemory\": 64}}"
    ));
    bench.write("config/redis_cache.local.conf", "maxmemory 99mb\n");
    bench.run(&["setup", "redis"]).success();
    let redis = RenderedRedis::on_port(bench.root(), FILE, port);
    assert_eq!(bench.run(&["setup", "redis"]).success().stderr, "");
    assert_eq!(redis.config("maxmemory"), (99 * 1024 * 1024).to_string());
}

#[test]
fn the_server_of_another_bench_on_the_port_is_left_alone() {
    let port = free_port();
    let settings = format!("{{\"redis_cache\": \"redis://127.0.0.1:{port}\", \"cache_maxmemory\": 64}}");
    let theirs = TestBench::existing(&settings);
    theirs.run(&["setup", "redis"]).success();
    let redis = RenderedRedis::on_port(theirs.root(), FILE, port);
    let ours = TestBench::existing(&settings.replace(": 64}", ": 128}"));
    assert_eq!(ours.run(&["setup", "redis"]).success().stderr, "");
    assert_eq!(redis.config("maxmemory"), "67108864");
}
