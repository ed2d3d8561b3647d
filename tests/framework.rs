//! A bench with the framework: its Procfile, started as it is rendered, with programs that behave as the
//! framework's do.

use rustix::process::Signal;

use crate::support::{TestBench, alive, free_port, send, started_below, until};

/// The framework's programs, as far as a supervisor can tell: a web server that listens, a worker that runs
/// its job in a forked child with a session of its own and waits for it when asked to stop, and programs
/// that say nothing.
const PROGRAMS: &str = r#"
import http.server, os, signal, sys, time

def serve(port):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"message":"pong"}')
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()

def worker():
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    pid = os.fork()
    if pid == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        print("job", os.getpid(), flush=True)
        while not os.path.exists("../finish-job"):
            time.sleep(0.02)
        print("job done", flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
    print("worker ends", flush=True)
    while not stop:
        time.sleep(0.02)

assert "CI" not in os.environ
command = sys.argv[2]
print("running", command, "in", os.path.basename(os.getcwd()), flush=True)
if command == "serve":
    serve(int(sys.argv[sys.argv.index("--port") + 1]))
elif command == "worker":
    worker()
else:
    time.sleep(1000)
"#;

struct Ports {
    web: u16,
}

fn bench() -> (TestBench, Ports) {
    let ports = Ports { web: free_port() };
    let settings = format!(
        r#"{{"redis_cache": "redis://127.0.0.1:{}", "redis_queue": "redis://127.0.0.1:{}",
            "webserver_port": {}, "socketio_port": {}}}"#,
        free_port(),
        free_port(),
        ports.web,
        free_port()
    );
    let mut bench = TestBench::with_framework(&settings, PROGRAMS);
    bench.env("CI", "");
    for file in ["redis", "procfile"] {
        bench.run(&["setup", file]).success();
    }
    // Nothing here listens for socketio.
    let procfile = bench.read("Procfile").replace("socketio: bench socketio\n", "");
    bench.write("Procfile", &procfile);
    (bench, ports)
}

fn job(bench: &TestBench) -> i32 {
    until("the worker's job runs", || {
        let log = std::fs::read_to_string(bench.path("logs/worker.log")).ok()?;
        log.lines().find_map(|line| line.strip_prefix("job ")?.parse().ok())
    })
}

#[test]
fn the_rendered_procfile_runs_the_framework() {
    let (bench, ports) = bench();
    let mut running = bench.start(&[]);
    running.is("web", "ready");
    let answer = std::net::TcpStream::connect(("127.0.0.1", ports.web));
    assert!(answer.is_ok(), "ready means that it listens");
    running.says("web         | running serve in sites");
    running.says("schedule    | running schedule in sites");
    for name in ["redis_cache", "redis_queue", "web", "schedule", "worker"] {
        assert_eq!(running.instance(name)["state"], "ready", "{name}");
    }
    let job = job(&bench);
    bench.write("finish-job", "");
    until("the job is done", || (!alive(job)).then_some(()));
    assert_eq!(running.interrupt().code(), Some(130));
    assert_eq!(started_below(bench.root()), [0; 0]);
}

#[test]
fn a_worker_is_given_its_jobs_time_before_redis_goes() {
    let (bench, _) = bench();
    let mut running = bench.start(&[]);
    let job = job(&bench);
    running.signal(Signal::INT);
    running.says("stopping (Ctrl-C)");
    assert!(alive(job), "the job goes on");
    bench.write("finish-job", "");
    running.end();
    let log = bench.read("logs/worker.log");
    assert!(log.contains("job done\nworker ends"), "{log}");
}

#[test]
fn the_job_of_a_killed_worker_does_not_outlive_the_bench() {
    let (bench, _) = bench();
    let mut running = bench.start(&[]);
    let job = job(&bench);
    send(running.supervisor(), Signal::KILL);
    running.end();
    assert!(!alive(job));
    assert_eq!(started_below(bench.root()), [0; 0]);
}
