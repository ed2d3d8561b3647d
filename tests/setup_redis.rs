//! `bench setup redis`: what the files say, and what a real redis-server makes of them.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;

use crate::support::{RenderedRedis, TestBench, free_port, write_program};

/// An existing bench with these settings besides its ports.
fn bench_with(settings: &str) -> TestBench {
    TestBench::existing(&format!("{{\"redis_queue\": \"redis://127.0.0.1:11000\"{settings}}}"))
}

fn conf(bench: &TestBench) -> String {
    bench.read("config/redis_cache.conf")
}

fn mode(bench: &TestBench, below: &str) -> u32 {
    bench.path(below).metadata().expect("a file").mode() & 0o777
}

#[test]
fn the_file_begins_with_exactly_the_documented_lines() {
    let bench = bench_with(r#", "redis_cache": "redis://127.0.0.1:13000", "cache_maxmemory": 737"#);
    let output = bench.run(&["setup", "redis"]).success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    let pids = bench.path("config/pids");
    let pids = pids.display();
    let documented = format!(
        "dbfilename redis_cache.rdb\ndir {pids}\npidfile {pids}/redis_cache.pid\nbind 127.0.0.1\nport 13000\n\
         maxmemory 737mb\nmaxmemory-policy allkeys-lru\nappendonly no\n\nsave \"\"\n"
    );
    assert!(conf(&bench).starts_with(&documented), "{}", conf(&bench));
    assert_eq!(mode(&bench, "config/redis_cache.conf"), 0o644);
}

#[test]
fn a_real_server_starts_with_the_file_and_does_what_it_says() {
    let port = free_port();
    let bench = bench_with(&format!(r#", "redis_cache": "redis://127.0.0.1:{port}", "cache_maxmemory": 64"#));
    bench.run(&["setup", "redis"]).success();
    let redis = RenderedRedis::on_port(bench.root(), "config/redis_cache.conf", port);
    for (directive, value) in [
        ("maxmemory", "67108864"),
        ("maxmemory-policy", "allkeys-lru"),
        ("save", ""),
        ("appendonly", "no"),
        ("dir", &bench.path("config/pids").display().to_string()),
        ("lazyfree-lazy-eviction", "yes"),
        ("lazyfree-lazy-user-flush", "yes"),
        ("unixsocketperm", "700"),
    ] {
        assert_eq!(redis.config(directive), value, "{directive}");
    }
    assert!(bench.path("config/redis_cache.sock").exists());
    assert!(!bench.path("config/redis_cache.acl").exists());
}

#[test]
fn the_queue_keeps_its_snapshots_and_never_evicts() {
    let port = free_port();
    let bench = TestBench::existing(&format!(r#"{{"redis_queue": "redis://127.0.0.1:{port}"}}"#));
    bench.run(&["setup", "redis"]).success();
    let redis = RenderedRedis::on_port(bench.root(), "config/redis_queue.conf", port);
    assert_eq!(redis.config("maxmemory"), "0");
    assert_eq!(redis.config("maxmemory-policy"), "noeviction");
    assert_eq!(redis.config("save"), "3600 1 300 100 60 10000");
}

#[test]
fn a_bench_directory_of_any_name_gives_a_file_that_loads() {
    for name in ["a b", "it's", "say \"so\"", "100%", "a;b #c", "büro-бенч-例", "back\\slash", "$HOME"]
    {
        let bench = TestBench::named(name);
        let port = free_port();
        bench.make_existing(&format!(r#"{{"redis_cache": "redis://127.0.0.1:{port}"}}"#));
        bench.write("config/redis_cache.local.conf", "tcp-keepalive 77\n");
        bench.run(&["setup", "redis"]).success();
        let redis = RenderedRedis::on_port(bench.root(), "config/redis_cache.conf", port);
        assert_eq!(redis.config("dir"), bench.path("config/pids").display().to_string(), "{name}");
        // The file of the user's own was found, and read last.
        assert_eq!(redis.config("tcp-keepalive"), "77", "{name}");
    }
}

#[test]
fn a_path_that_redis_would_take_for_a_pattern_is_refused() {
    let bench = TestBench::named("st*r[x]");
    bench.make_existing("{}");
    bench.run(&["setup", "redis"]).code(2).says("for a pattern").says("move the bench");
}

#[test]
fn the_local_file_wins_and_is_never_touched() {
    let port = free_port();
    let bench = bench_with(&format!(r#", "redis_cache": "redis://127.0.0.1:{port}""#));
    bench.run(&["setup", "redis"]).success();
    assert!(!conf(&bench).contains("include"));
    let local = "maxmemory-policy allkeys-lfu\n";
    bench.write("config/redis_cache.local.conf", local);
    bench.run(&["setup", "redis"]).success();
    let redis = RenderedRedis::on_port(bench.root(), "config/redis_cache.conf", port);
    assert_eq!(redis.config("maxmemory-policy"), "allkeys-lfu");
    assert_eq!(bench.read("config/redis_cache.local.conf"), local);
}

#[test]
fn a_unix_url_gives_a_server_without_a_port() {
    let bench = TestBench::empty();
    let socket = bench.path("own.sock");
    bench.make_existing(&format!(r#"{{"redis_cache": "unix://{}"}}"#, socket.display()));
    bench.run(&["setup", "redis"]).success();
    assert!(conf(&bench).contains("\nport 0\n"), "{}", conf(&bench));
    let redis = RenderedRedis::on_socket(bench.root(), "config/redis_cache.conf", &socket);
    assert_eq!(redis.config("port"), "0");
}

#[test]
fn a_password_in_the_url_is_the_servers_and_in_a_private_file() {
    let port = free_port();
    let bench = bench_with(&format!(r#", "redis_cache": "redis://:s3%22cr%20et@127.0.0.1:{port}""#));
    bench.run(&["setup", "redis"]).success();
    assert_eq!(mode(&bench, "config/redis_cache.conf"), 0o600);
    assert_eq!(mode(&bench, "config/redis_queue.conf"), 0o644);
    let redis = RenderedRedis::on_port(bench.root(), "config/redis_cache.conf", port);
    assert!(redis.cli(&["PING"]).starts_with("NOAUTH"));
    assert!(redis.cli(&["-a", "s3\"cr et", "PING"]).contains("PONG"));
}

#[test]
fn a_user_in_the_url_is_the_only_one_who_may_enter() {
    let port = free_port();
    let bench = bench_with(&format!(r#", "redis_cache": "redis://web:s3cret@127.0.0.1:{port}""#));
    bench.run(&["setup", "redis"]).success();
    let redis = RenderedRedis::on_port(bench.root(), "config/redis_cache.conf", port);
    assert!(redis.cli(&["PING"]).starts_with("NOAUTH"));
    assert!(redis.cli(&["--user", "web", "-a", "s3cret", "SET", "k", "v"]).contains("OK"));
    assert!(redis.cli(&["--user", "web", "-a", "s3cret", "PUBLISH", "c", "v"]).contains('0'));
}

#[test]
fn no_server_is_set_up_for_a_url_of_another_host() {
    let bench = bench_with(r#", "redis_cache": "redis://cache.example.com:6379""#);
    bench.run(&["setup", "redis"]).success().says("redis_cache is at redis://cache.example.com:6379");
    assert!(!bench.path("config/redis_cache.conf").exists());
    assert!(bench.path("config/redis_queue.conf").exists());
}

#[test]
fn the_same_settings_give_the_same_file_and_it_is_not_written_again() {
    let bench = bench_with(r#", "cache_maxmemory": 64"#);
    bench.run(&["setup", "redis"]).success();
    let (text, inode) =
        (conf(&bench), bench.path("config/redis_cache.conf").metadata().expect("a file").ino());
    bench.run(&["setup", "redis"]).success();
    assert_eq!(conf(&bench), text);
    assert_eq!(bench.path("config/redis_cache.conf").metadata().expect("a file").ino(), inode);
}

#[test]
fn directives_that_a_version_does_not_know_are_left_out() {
    for (version, knows_flush) in [
        ("Redis server v=6.0.16 sha=00000000:0", false),
        ("Redis server v=6.2.7 sha=00000000:0", true),
        ("Redis server v=7.10.1 sha=00000000:0", true),
        ("Valkey server v=8.0.1 sha=00000000:0", true),
        ("KeyDB server v=6.3.4 sha=0", false),
    ] {
        let mut bench = bench_with("");
        program(&bench, "bin/redis-server", &format!("#!/bin/sh\necho '{version}'\n"));
        let path = format!("{}:/usr/bin:/bin", bench.path("bin").display());
        bench.env("PATH", &path);
        bench.run(&["setup", "redis"]).success();
        assert_eq!(conf(&bench).contains("lazyfree-lazy-user-flush"), knows_flush, "{version}");
        assert!(conf(&bench).contains("lazyfree-lazy-eviction yes"), "{version}");
    }
}

#[test]
fn without_redis_server_the_file_is_written_all_the_same() {
    let mut bench = bench_with("");
    std::fs::create_dir(bench.path("bin")).expect("a folder");
    let empty = bench.path("bin").display().to_string();
    bench.env("PATH", &empty);
    bench.run(&["setup", "redis"]).success().says("apt-get install redis-server");
    assert!(!conf(&bench).contains("lazyfree-lazy-user-flush"));
}

#[test]
fn extra_directives_are_added_and_replace_ours() {
    let port = free_port();
    let bench = bench_with(&format!(r#", "redis_cache": "redis://127.0.0.1:{port}""#));
    bench.write(
        "bench.toml",
        "[redis_cache.extra]\nlazyfree-lazy-expire = \"no\"\nclient-output-buffer-limit = \"normal 0 0 0\"\n",
    );
    bench.run(&["setup", "redis"]).success();
    let redis = RenderedRedis::on_port(bench.root(), "config/redis_cache.conf", port);
    assert_eq!(redis.config("lazyfree-lazy-expire"), "no");
    assert!(redis.config("client-output-buffer-limit").starts_with("normal 0 0 0"));
    assert_eq!(conf(&bench).matches("lazyfree-lazy-expire").count(), 1);
}

#[test]
fn an_extra_directive_that_has_a_setting_is_refused() {
    let bench = bench_with("");
    for (extra, fix) in [
        ("maxmemory = \"2gb\"", "set `redis_cache.maxmemory`"),
        ("\"save \" = \"60 1\"", "`save ` is no directive of redis"),
        ("save = \"60 1\"", "a cache is not kept on disk"),
        ("requirepass = \"x\"", "write the password in the URL"),
        ("tcp-keepalive = \"\\\"60\"", "not balanced"),
    ] {
        bench.write("bench.toml", &format!("[redis_cache.extra]\n{extra}\n"));
        bench.run(&["setup", "redis"]).code(2).says(fix).says("redis_cache.extra");
    }
    assert!(!bench.path("config/redis_cache.conf").exists());
}

#[test]
fn the_key_that_signs_values_is_made_once_and_privately() {
    let bench = bench_with("");
    bench.run(&["setup", "redis"]).success();
    let key = bench.read("config/cache.key");
    assert_eq!((key.len(), mode(&bench, "config/cache.key")), (65, 0o600));
    bench.run(&["setup", "redis"]).success();
    assert_eq!(bench.read("config/cache.key"), key);

    // Whoever opened it to others is told, and it is closed again.
    std::fs::set_permissions(bench.path("config/cache.key"), std::fs::Permissions::from_mode(0o640))
        .expect("a mode");
    bench.run(&["setup", "redis"]).success().says("open to others (mode 640)");
    assert_eq!(mode(&bench, "config/cache.key"), 0o600);
    assert_eq!(bench.read("config/cache.key"), key);

    // A link to what is not there is no key, and no reason to sign nothing.
    std::fs::remove_file(bench.path("config/cache.key")).expect("a removed file");
    std::os::unix::fs::symlink("not-mounted", bench.path("config/cache.key")).expect("a link");
    bench.run(&["setup", "redis"]).code(1).says("is a link");

    let unsigned = bench_with("");
    unsigned.write("bench.toml", "[redis_cache]\nsign = false\n");
    unsigned.run(&["setup", "redis"]).success();
    assert!(!unsigned.path("config/cache.key").exists());
}

#[test]
fn check_and_diff_write_nothing() {
    let bench = bench_with(r#", "cache_maxmemory": 64"#);
    let output = bench.run(&["setup", "redis", "--check"]).code(1);
    output.says("`config/redis_cache.conf` is missing").says("run `bench setup redis`");
    let output = bench.run(&["setup", "redis", "--diff"]).success();
    assert!(output.stdout.contains("+++ config/redis_cache.conf\n"), "{}", output.stdout);
    assert!(output.stdout.contains("+maxmemory 64mb\n"), "{}", output.stdout);
    assert!(!bench.path("config/redis_cache.conf").exists() && !bench.path("config/cache.key").exists());

    bench.run(&["setup", "redis"]).success();
    let output = bench.run(&["setup", "redis", "--check", "--diff"]).success();
    assert_eq!(output.stdout, "");
    bench.write("bench.toml", "[redis_cache]\nmaxmemory = \"1gb\"\n");
    let output = bench.run(&["setup", "redis", "--check", "--diff"]).code(1);
    assert!(output.stdout.contains("-maxmemory 64mb\n+maxmemory 1024mb\n"), "{}", output.stdout);
    output.says("`config/redis_cache.conf` is out of date");
    assert!(conf(&bench).contains("maxmemory 64mb"));
}

#[test]
fn a_read_only_folder_is_named_with_its_owner_and_nothing_is_changed() {
    let bench = bench_with("");
    let set_mode = |below: &std::path::Path, mode| {
        std::fs::set_permissions(below, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    set_mode(&bench.path("config"), 0o555);
    let mut command = bench.command(&["setup", "redis"]);
    if nix::unistd::Uid::effective().is_root() {
        // No mode keeps root from writing, so somebody else tries, with a program in reach.
        set_mode(bench.parent(), 0o755);
        let program = bench.parent().join("bench-of-nobody");
        crate::support::copy_program(command.get_program(), &program);
        let mut other = std::process::Command::new(program);
        other.args(command.get_args()).current_dir(bench.root()).uid(65534).gid(65534);
        command = other;
    }
    let output = crate::support::run(command).code(1);
    set_mode(&bench.path("config"), 0o755);
    output.says("permission denied").says("is owned by").says("mode 0555").says("fix: ");
    assert!(!bench.path("config/redis_cache.conf").exists());
}

#[test]
fn a_config_folder_that_is_a_link_out_of_the_bench_is_refused() {
    let bench = bench_with("");
    let outside = bench.parent().join("outside");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::remove_dir_all(bench.path("config")).expect("a removed folder");
    symlink(&outside, bench.path("config")).expect("a link");
    bench.run(&["setup", "redis"]).code(1).says("symbolic link that leads out of the bench");
    assert_eq!(outside.read_dir().expect("a folder").count(), 0);
}

#[test]
fn a_disk_that_is_full_leaves_the_old_file() {
    let bench = bench_with(r#", "cache_maxmemory": 64"#);
    bench.run(&["setup", "redis"]).success();
    let before = conf(&bench);
    bench.write("bench.toml", "[redis_cache]\nmaxmemory = \"1gb\"\n");
    // A limit on the size of files stops a write as a full disk does, and needs no rights.
    let mut command = std::process::Command::new("sh");
    let bench_program = bench.command(&["setup", "redis"]);
    command
        .args(["-c", "ulimit -f 0; trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(bench_program.get_program())
        .args(bench_program.get_args())
        .current_dir(bench.root());
    let output = crate::support::run(command).code(1);
    output.says("redis_cache.conf`: file too large").says("nothing was changed");
    assert_eq!(conf(&bench), before);
    let names: Vec<_> = std::fs::read_dir(bench.path("config")).expect("a folder").flatten().collect();
    assert!(names.iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".tmp")), "{names:?}");
}

fn program(bench: &TestBench, below: &str, text: &str) {
    write_program(&bench.path(below), text);
}

#[test]
fn many_setups_at_once_leave_whole_files() {
    let bench = bench_with(r#", "cache_maxmemory": 64"#);
    let children: Vec<_> =
        (0..8).map(|_| bench.command(&["setup", "redis"]).spawn().expect("bench")).collect();
    for mut child in children {
        assert!(child.wait().expect("a child to wait for").success());
    }
    bench.run(&["setup", "redis", "--check"]).success();
    let key = bench.read("config/cache.key");
    assert_eq!(key.len(), 65);
    let entries = bench.path("config").read_dir().expect("a folder").flatten();
    let names: Vec<_> = entries.map(|entry| entry.file_name().into_string().expect("text")).collect();
    assert!(names.iter().all(|name| !name.contains(".tmp")), "{names:?}");
}

#[test]
fn a_server_that_never_says_its_version_is_given_up() {
    let mut bench = bench_with("");
    program(&bench, "bin/redis-server", "#!/bin/sh\nexec sleep 600\n");
    let path = format!("{}:/usr/bin:/bin", bench.path("bin").display());
    bench.env("PATH", &path);
    bench.run(&["setup", "redis"]).success().says("did not answer within");
    assert!(conf(&bench).contains("lazyfree-lazy-eviction yes"));
}

#[test]
fn a_server_is_asked_for_its_version_only_when_it_is_another_one() {
    let mut bench = bench_with("");
    let script = |version: &str| {
        format!(
            "#!/bin/sh\necho asked >> {}\necho 'Redis server v={version} sha=0'\n",
            bench.path("asked").display()
        )
    };
    let (old, new) = (script("6.0.16"), script("7.0.15"));
    let asked = |bench: &TestBench| bench.read("asked").lines().count();
    program(&bench, "bin/redis-server", &old);
    let path = format!("{}:/usr/bin:/bin", bench.path("bin").display());
    bench.env("PATH", &path);
    bench.run(&["setup", "redis"]).success();
    bench.run(&["setup", "redis"]).success();
    bench.run(&["setup", "redis", "--check"]).success();
    assert_eq!(asked(&bench), 1);
    // Installed anew, in the same version: asked, but no other file.
    program(&bench, "bin/redis-server", &old);
    bench.run(&["setup", "redis", "--check"]).success();
    assert_eq!(asked(&bench), 2);
    program(&bench, "bin/redis-server", &new);
    bench.run(&["setup", "redis", "--check"]).code(1).says("out of date");
    bench.run(&["setup", "redis"]).success();
    assert!(conf(&bench).contains("lazyfree-lazy-user-flush yes"));
}

#[test]
fn redis_that_is_left_out_is_not_set_up() {
    let bench = bench_with("");
    bench.run(&["setup", "redis", "--skip-redis"]).success();
    assert!(!bench.path("config/redis_cache.conf").exists() && bench.path("config/cache.key").exists());
}
