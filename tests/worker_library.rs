//! `[redis_cache] worker_library`: the framework's workers on this project's cache library, in every kind of
//! process, with no file of the framework changed. In the framework's place is `tests/stand_in`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Running, SITES, TestBench, alive, send, until};

/// How the framework was written when the cache was a function, since it is an object, and since there is a
/// second one.
const STYLES: [&str; 3] = ["14.30.0", "15.2.0", "16.1.0"];

/// A bench with the stand-in whose workers take the library, which is in its environment, as are a
/// `sitecustomize` of the user's and a PYTHONPATH.
fn bench(version: &str) -> TestBench {
    let mut bench = TestBench::with_stand_in(version);
    bench.write("mine/sitecustomize.py", "whose = 'mine'\n");
    let mine = bench.path("mine").display().to_string();
    bench.env("PYTHONPATH", &mine).env("MINE", &mine);
    bench.run(&["config", "set", "redis_cache.worker_library", "true"]).success();
    let web = web_port(&bench);
    bench.write(
        "Procfile",
        &format!(
            "redis_cache: redis-server config/redis_cache.conf\n\
             web: cd sites && exec ../env/bin/gunicorn -b 127.0.0.1:{web} -w 2 --threads 4 \
             --worker-class gthread --preload dontmanage.app:application\n\
             worker: bench worker\nschedule: bench schedule\n"
        ),
    );
    bench
}

fn web_port(bench: &TestBench) -> u16 {
    bench.run(&["config", "get", "web.port"]).success().stdout.trim().parse().expect("a port")
}

/// What a process of the web server answers for a site.
#[track_caller]
fn ask_web(port: u16, site: &str, probe: &str) -> Value {
    let answer = until("the web server answers", || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        write!(stream, "GET /{probe} HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        (!answer.is_empty()).then_some(answer)
    });
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    assert!(answer.lines().next().is_some_and(|line| line.contains(" 200 ")), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Types a program at a console of a site; what it prints is JSON.
#[track_caller]
fn ask_console(bench: &TestBench, site: &str, program: &str) -> Value {
    let mut child = bench
        .command(&["--site", site, "console"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a console");
    child.stdin.take().expect("a pipe").write_all(program.as_bytes()).expect("a reader");
    let output = child.wait_with_output().expect("an end");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn probe_at_console(bench: &TestBench, site: &str, probe: &str) -> Value {
    ask_console(bench, site, &format!("import json; print(json.dumps(probes.answer({probe:?})))"))
}

/// What the horse of a worker answers: the job is put into the list by a console.
#[track_caller]
fn ask_worker(running: &Running<'_>, bench: &TestBench, site: &str, probe: &str) -> Value {
    let file = bench.path("answer.json");
    let _ = std::fs::remove_file(&file);
    let job = json!({"site": site, "probe": probe, "file": file}).to_string();
    let program = format!("print(dontmanage.the_cache().rpush('jobs', {job:?}))");
    ask_console(bench, SITES[0], &program);
    until("the worker's horse answers", || {
        let log = running.stdout();
        assert!(!log.contains("Traceback"), "{log}");
        serde_json::from_str(&std::fs::read_to_string(&file).ok()?).ok()
    })
}

#[track_caller]
fn assert_ours(whose: &Value, process: &str) {
    assert_eq!(whose["wrapper"], "ours", "{process}: {whose}");
    assert_eq!(whose["caching"], "dontmanage_cache", "{process}: {whose}");
    assert_eq!(whose["sitecustomize"], "mine", "{process}: {whose}");
    assert_eq!(whose["mine"], true, "{process}: PYTHONPATH ends with what it was; {whose}");
}

#[test]
fn every_process_of_the_framework_has_the_library() {
    for version in STYLES {
        let bench = bench(version);
        let mut running = bench.start(&[]);
        let port = web_port(&bench);
        let web = ask_web(port, SITES[0], "whose");
        assert_ours(&web, "gunicorn");
        assert_ne!(web["pid"], running.instance_pid("web"), "a worker answers, not its parent");
        let horse = ask_worker(&running, &bench, SITES[0], "whose");
        assert_ours(&horse, "a worker's horse");
        assert_eq!(horse["leads_its_session"], true, "{horse}");
        assert_eq!(horse["parent"], running.instance_pid("worker"));
        assert_ours(&probe_at_console(&bench, SITES[0], "whose"), "a console");
        let schedule: Value = until("the scheduler says whose it has", || {
            serde_json::from_str(&std::fs::read_to_string(bench.path("schedule.json")).ok()?).ok()
        });
        assert_ours(&schedule, "the scheduler");
        let run = "import json, os; os.chdir('sites'); from dontmanage import probes; \
                   print(json.dumps(probes.whose()))";
        let run = bench.run(&["run", "env/bin/python", "-c", run]).success();
        assert_ours(&serde_json::from_str(&run.stdout).expect("JSON"), "bench run");
        running.interrupt();
    }
}

#[test]
fn the_development_server_has_it_too() {
    let bench = bench(STYLES[0]);
    let port = web_port(&bench);
    bench.write("Procfile", &format!("web: bench serve --port {port}\n"));
    let mut running = bench.start(&[]);
    assert_ours(&ask_web(port, SITES[0], "whose"), "serve");
    running.interrupt();
}

#[test]
fn it_does_all_that_the_framework_asks_of_its_cache() {
    for version in STYLES {
        let bench = bench(version);
        let mut running = bench.start(&[]);
        for site in SITES {
            let asked = "what_the_framework_asks";
            assert_eq!(ask_web(web_port(&bench), site, asked), "all of it");
            assert_eq!(ask_worker(&running, &bench, site, asked), "all of it");
            assert_eq!(probe_at_console(&bench, site, asked), "all of it");
        }
        running.interrupt();
    }
}

#[test]
fn a_decorated_function_is_run_once_for_all_processes_of_a_site() {
    let bench = bench(STYLES[1]);
    let mut running = bench.start(&[]);
    let [first, second] = SITES.map(|site| ask_web(web_port(&bench), site, "decorated"));
    assert_eq!((&first["answers"], &first["ran"]), (&json!([42, 42]), &json!(1)));
    assert_ne!(first["key"], second["key"], "each site has its own");
    let horse = ask_worker(&running, &bench, SITES[0], "decorated");
    assert_eq!((&horse["answers"], &horse["ran"]), (&json!([42, 42]), &json!(0)), "{horse}");
    assert_eq!(horse["key"], first["key"]);
    assert_eq!(probe_at_console(&bench, SITES[1], "decorated")["ran"], 0);
    running.interrupt();
}

#[test]
fn threads_of_forked_web_workers_never_get_each_others_values() {
    let bench = bench(STYLES[0]);
    let mut running = bench.start(&[]);
    let port = web_port(&bench);
    running.is("web", "ready");
    let mut pids = std::collections::BTreeSet::new();
    until("both workers have had their share", || {
        let answers: Vec<(&str, Value)> = std::thread::scope(|scope| {
            let ask = |number: usize| {
                let site = SITES[number % 2];
                let asked = (0..20).map(move |turn| format!("own/{}", number * 100 + turn));
                move || asked.map(|asked| (site, ask_web(port, site, &asked))).collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..8).map(|number| scope.spawn(ask(number))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
        });
        for (site, answer) in answers {
            // Another thread may have set another value since; of another site it never is.
            assert_eq!(answer["site"], site);
            pids.insert(answer["pid"].as_i64());
        }
        (pids.len() == 2).then_some(())
    });
    running.interrupt();
}

#[test]
fn web_workers_that_are_replaced_find_what_the_old_ones_kept() {
    let bench = bench(STYLES[1]);
    let mut running = bench.start(&[]);
    let port = web_port(&bench);
    let before = ask_web(port, SITES[0], "decorated");
    assert_eq!(before["ran"], 1);
    let old = ask_web(port, SITES[0], "whose")["pid"].clone();
    // As a deployment does: the parent forks new workers, and ends the old ones.
    send(running.instance_pid("web"), Signal::HUP);
    let new = until("a new worker answers", || {
        let whose = ask_web(port, SITES[0], "whose");
        (whose["pid"] != old && !running.stdout().contains("Traceback")).then_some(whose)
    });
    assert_ours(&new, "a new worker");
    let old = i32::try_from(old.as_i64().expect("a number")).expect("a process id");
    until("the old worker is gone", || (!alive(old)).then_some(()));
    let after = ask_web(port, SITES[0], "decorated");
    assert_eq!((&after["answers"], &after["key"]), (&before["answers"], &before["key"]));
    assert_eq!(after["ran"], 0, "the answer outlives the worker that had computed it");
    running.interrupt();
}

#[test]
fn values_are_signed_and_bench_reads_them() {
    let bench = bench(STYLES[0]);
    let mut running = bench.start(&[]);
    assert_eq!(ask_web(web_port(&bench), SITES[1], "signing")["signed"], true);
    ask_web(web_port(&bench), SITES[1], "own/x");
    let value = bench.run(&["cache", "get", "--site", SITES[1], "own"]).success();
    assert!(value.stdout.contains("two.test"), "{value:?}");
    bench.run(&["cache", "set", "--site", SITES[1], "by hand", "5"]).success();
    let read = ask_console(&bench, SITES[1], "print(dontmanage.the_cache().get_value('by hand'))");
    assert_eq!(read, 5);
    running.interrupt();
}

#[test]
fn a_pythonpath_of_a_programs_own_stays_on_the_path() {
    let bench = bench(STYLES[0]);
    let toml = bench.read("bench.toml");
    bench.write("bench.toml", &format!("{toml}[programs.web]\nenv = {{ PYTHONPATH = \"/of/web\" }}\n"));
    bench.write("Procfile", "web: echo web=$PYTHONPATH\nother: echo other=$PYTHONPATH\n");
    bench.write(".env", "PYTHONPATH=/of/dotenv\n");
    let mut running = bench.start(&[]);
    let startup = bench.package("dontmanage_cache/startup").canonicalize().expect("a folder");
    for (program, path) in [("web", "/of/web"), ("other", "/of/dotenv")] {
        let line = running.says(&format!("{program}="));
        let (first, rest) = line.split_once('=').expect("a value").1.split_once(':').expect("two folders");
        assert_eq!((Path::new(first).canonicalize().expect("a folder"), rest), (startup.clone(), path));
    }
    running.interrupt();
}

/// What supervisord and systemd are told about a program's environment.
#[test]
fn rendered_entries_bring_it_to_workers_and_to_nobody_else() {
    let bench = bench(STYLES[1]);
    let toml = bench.read("bench.toml");
    let own = "[programs.own]\ncommand = \"true\"\nenv = { PYTHONPATH = \"/mine\", KEY = \"a b\" }\n";
    bench.write("bench.toml", &format!("{toml}{own}"));
    bench.run(&["setup", "supervisor", "--skip-supervisord"]).success();
    bench.run(&["setup", "systemd"]).success();
    let startup = bench.package("dontmanage_cache/startup").display().to_string();
    let root = bench.root().display().to_string();
    let processes = crate::setup_supervisor::read_by_supervisord(&bench);
    assert!(processes.len() >= 6, "{processes:?}");
    for process in &processes {
        let name = process["name"].as_str().expect("text");
        let environment = &process["environment"];
        if name.contains("redis") || name.contains("socketio") {
            assert!(environment.as_object().is_none_or(serde_json::Map::is_empty), "{process}");
            continue;
        }
        let path = if name.ends_with("own") { format!("{startup}:/mine") } else { startup.clone() };
        assert_eq!(environment["PYTHONPATH"], path, "{name}");
        assert_eq!(environment["DONTMANAGE_WORKER_LIBRARY"], root, "{name}");
    }
    let unit = |name: &str| bench.read(&format!("config/systemd/develop-bench-{name}.service"));
    for name in ["dontmanage-web", "dontmanage-schedule", "dontmanage-short-worker@"] {
        let unit = unit(name);
        assert!(unit.contains(&format!("Environment=PYTHONPATH={startup}\n")), "{unit}");
        assert!(unit.contains(&format!("Environment=DONTMANAGE_WORKER_LIBRARY={root}\n")), "{unit}");
    }
    assert!(unit("own").contains(&format!("Environment=PYTHONPATH={startup}:/mine\n")), "{}", unit("own"));
    assert!(!unit("redis-cache").contains("Environment="));
    bench.run(&["setup", "supervisor", "--skip-supervisord", "--check"]).success();
    bench.run(&["config", "set", "redis_cache.worker_library", "false"]).success();
    bench.run(&["setup", "supervisor", "--skip-supervisord", "--check"]).code(1);
}

#[test]
fn what_supervisord_starts_has_the_library() {
    let bench = bench(STYLES[1]);
    if nix::unistd::Uid::effective().is_root() {
        bench.run(&["config", "set", "bench.user", "root"]).success();
    }
    bench.run(&["setup", "supervisor", "--skip-supervisord"]).success();
    let supervisord = crate::setup_supervisor::start(&bench);
    assert_ours_by_rendered(&ask_web(web_port(&bench), SITES[1], "whose"));
    assert_eq!(ask_web(web_port(&bench), SITES[1], "what_the_framework_asks"), "all of it");
    let schedule: Value = until("the scheduler says whose it has", || {
        serde_json::from_str(&std::fs::read_to_string(bench.path("schedule.json")).ok()?).ok()
    });
    assert_ours_by_rendered(&schedule);
    drop(supervisord);
}

/// supervisord has an environment of its own, without the user's PYTHONPATH.
#[track_caller]
fn assert_ours_by_rendered(whose: &Value) {
    assert_eq!(
        (&whose["wrapper"], &whose["caching"]),
        (&json!("ours"), &json!("dontmanage_cache")),
        "{whose}"
    );
}

#[test]
fn switched_off_the_framework_keeps_its_own() {
    let bench = bench(STYLES[0]);
    bench.run(&["config", "set", "redis_cache.worker_library", "false"]).success();
    let program = "import json, sys\n\
                   from dontmanage.utils import caching, redis_wrapper\n\
                   print(json.dumps([caching.whose, redis_wrapper.RedisWrapper.whose, \
                   'dontmanage_cache' in sys.modules]))";
    let theirs = json!(["the framework's", "the framework's", false]);
    assert_eq!(ask_console(&bench, "", program), theirs);
    // Called by a worker of another bench that takes it.
    let mut bench = bench;
    bench.env("DONTMANAGE_WORKER_LIBRARY", "/elsewhere");
    bench.env("PYTHONPATH", &bench.package("dontmanage_cache/startup").display().to_string());
    assert_eq!(ask_console(&bench, "", program), theirs);
}

#[test]
fn a_library_that_is_not_there_is_said_before_anything_starts() {
    let bench = bench(STYLES[0]);
    std::fs::remove_dir_all(bench.package("dontmanage_cache")).expect("a folder");
    for line in [
        &["start"][..],
        &["run", "true"],
        &["--site", SITES[0], "console"],
        &["setup", "supervisor", "--skip-supervisord"],
        &["setup", "systemd"],
    ] {
        bench
            .run(line)
            .code(1)
            .says("the workers are to take the cache library, which is not in `env/`")
            .says("bench.toml:")
            .says("bench setup env");
    }
    std::fs::remove_dir_all(bench.path("env")).expect("an environment");
    bench.run(&["start"]).code(1).says("there is no `env/` with it").says("bench setup env");
}

#[test]
fn mistakes_in_other_settings_do_not_take_it_away() {
    let bench = bench(STYLES[0]);
    let text = bench.read("bench.toml") + "[web]\nworkers = \"two\"\n";
    bench.write("bench.toml", &text);
    if nix::unistd::Uid::effective().is_root() {
        // Root has to know as whom to run it.
        bench.run(&["--site", SITES[0], "console"]).code(2).says("web.workers");
    } else {
        assert_ours(&probe_at_console(&bench, SITES[0], "whose"), "a console");
    }
}

#[test]
fn a_python_that_cannot_import_the_library_says_why() {
    let bench = bench(STYLES[0]);
    let package = bench.package("dontmanage_cache");
    std::fs::remove_dir_all(&package).expect("a folder");
    bench.write("x", "");
    let startup = package.join("startup");
    std::fs::create_dir_all(&startup).expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("python/dontmanage_cache/dontmanage_cache/startup/sitecustomize.py");
    std::fs::copy(source, startup.join("sitecustomize.py")).expect("a file");
    let line = ["run", "env/bin/python", "-c", "import dontmanage.utils.caching"];
    let said = bench.run(&line).code(1).stderr;
    assert!(said.contains("is to be the cache library's") && said.contains("bench setup env"), "{said}");
    // Whatever does not need the library is not disturbed.
    bench.run(&["run", "env/bin/python", "-c", "import dontmanage"]).success();
}
