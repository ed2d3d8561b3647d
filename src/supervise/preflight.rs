//! Everything that is looked at before anything is started, so that a bench which can't run says why
//! in one report instead of a cascade of failing programs.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use procfs::process::Process;

use super::leftovers::{self, Leftover};
use super::plan::{CommandLine, Plan, Question};
use super::planning::{own_server, server_program};
use crate::error::{Problem, plain_io};
use crate::names::Port;
use crate::probe::{self, ConnectAnswer, Listener, PortProblem};
use crate::settings::{BenchDir, Probe, RedisServer, Settings};

/// What keeps the bench from being started, and what is only worth a word.
#[derive(Debug, Default)]
pub struct Findings {
    /// None of it may be there.
    pub problems: Vec<Problem>,
    /// Said, and gone on.
    pub remarks: Vec<String>,
}

/// Looks at everything. The caller holds the bench's lock.
pub fn look(bench: &BenchDir, settings: &Settings, plan: &Plan) -> Findings {
    let mut findings = Findings::default();
    // The framework's loggers fail without the first, redis-server and `notify` without the second.
    for folder in [bench.logs(), bench.config().join("pids")] {
        if let Err(source) = std::fs::create_dir_all(&folder) {
            findings.problems.push(
                Problem::new(format!("cannot make `{}`: {}", folder.display(), plain_io(&source)))
                    .fix("let this user write in the bench's directory"),
            );
        }
    }
    if let Some(warning) = probe::unverified(&settings.redis_cache.server.url) {
        findings.remarks.push(format!("warning: {warning}"));
    }
    let leftovers = look_at_leftovers(bench, plan, &mut findings);
    let mut ports = Ports { seen: BTreeSet::new(), leftovers };
    for spec in &plan.instances {
        match (spec.ready.as_ref().map(|ready| &ready.question), own_server(settings, &spec.program)) {
            (Some(Question::Redis(_)), Some(server)) => {
                look_at_server(bench, &spec.program, server, &mut ports, &mut findings);
            }
            (Some(Question::Plain(Probe::Tcp(port))), _) => {
                want_port(IpAddr::V4(Ipv4Addr::LOCALHOST), *port, &spec.program, &mut ports, &mut findings);
            }
            _ => {}
        }
        if let Some(socket) = &spec.notify_socket {
            look_at_length(&spec.name, socket, &mut findings);
        }
        let binary = own_server(settings, &spec.program).and_then(|server| server.binary.as_deref());
        if let Some(server) = runs_redis(&spec.command)
            && let Err(problem) =
                probe::find_server(if server.contains('/') { Some(Path::new(&server)) } else { binary })
        {
            let problem = problem.problem();
            if !findings.problems.contains(&problem) {
                findings.problems.push(problem);
            }
        }
    }
    findings
}

/// What to do about a server that nobody could end.
const LEFT_BEHIND: &str = "an earlier run left it behind: run `bench stop --leftovers`";
/// How long a server of an earlier run has to go, once its supervisor was killed.
const DYING: Duration = Duration::from_secs(2);

/// The address of a unix socket holds so much of a path.
const LONGEST_SOCKET: usize = 107;

fn look_at_length(name: &str, socket: &Path, findings: &mut Findings) {
    let length = socket.as_os_str().len();
    if length > LONGEST_SOCKET {
        findings.problems.push(
            Problem::new(format!(
                "`{}` has {length} bytes, the path of a socket at most {LONGEST_SOCKET}",
                socket.display()
            ))
            .at(format!("{name}, ready = \"notify\""))
            .fix("move the bench to a shorter path, or choose another `ready`"),
        );
    }
}

/// The redis-server that a command runs, as it is written there.
fn runs_redis(command: &CommandLine) -> Option<String> {
    match command {
        CommandLine::Words(words) => server_program(&shlex::try_join(words.iter().map(String::as_str)).ok()?),
        CommandLine::Shell(line) => server_program(line),
    }
}

fn look_at_server(
    bench: &BenchDir,
    program: &str,
    server: &RedisServer,
    ports: &mut Ports,
    findings: &mut Findings,
) {
    let file = bench.config().join(format!("{program}.conf"));
    if !server.local {
        findings.problems.push(
            Problem::new(format!(
                "`{program}` is to be started, but its URL {} is of another machine",
                server.url
            ))
            .at(format!("Procfile {program}"))
            .fix("run `bench setup procfile`, or take the program out of the Procfile"),
        );
        return;
    }
    if !file.is_file() {
        findings.problems.push(
            Problem::new(format!("`{}` does not exist", file.display())).fix("run `bench setup redis`"),
        );
    }
    if let Some(port) = server.port {
        want_port(server.bind, port, program, ports, findings);
    }
    if let Some(socket) = &server.socket {
        let left = ports.leftovers.iter().any(|leftover| leftover.instance == program);
        look_at_socket(program, socket, left, findings);
    }
    look_at_pidfile(&bench.config().join("pids").join(format!("{program}.pid")), findings);
}

fn want_port(address: IpAddr, port: Port, program: &str, ports: &mut Ports, findings: &mut Findings) {
    if !ports.seen.insert(port) {
        return;
    }
    let started = Instant::now();
    let taken = loop {
        let Err(taken) = probe::check_free(address, port) else { return };
        // A server whose supervisor was killed a moment ago is on its way out.
        // Its files may be closed already while it still has the port: then nobody shows it.
        let known = matches!(&taken, PortProblem::InUse(Listener::Known(_)));
        if (known && ports.leftover(&taken).is_none()) || started.elapsed() >= DYING {
            break taken;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let problem = taken.problem(address, port).at(format!("{program}, port {port}"));
    findings.problems.push(match ports.leftover(&taken) {
        Some(_) => problem.fix(LEFT_BEHIND),
        None => problem,
    });
}

/// Ports that were looked at, and who may have them.
struct Ports {
    seen: BTreeSet<Port>,
    leftovers: Vec<Leftover>,
}

impl Ports {
    /// The process of an earlier run that has a port.
    fn leftover(&self, taken: &PortProblem) -> Option<&Leftover> {
        let PortProblem::InUse(Listener::Known(owner)) = taken else { return None };
        self.leftovers.iter().find(|leftover| leftover.pid.cast_unsigned() == owner.pid)
    }
}

/// They are named, and left alone: whoever wants them gone says so.
fn look_at_leftovers(bench: &BenchDir, plan: &Plan, findings: &mut Findings) -> Vec<Leftover> {
    let leftovers = leftovers::find(bench.path(), Some(&plan.run_id));
    for Leftover { pid, program, instance, .. } in &leftovers {
        findings
            .remarks
            .push(format!("an earlier run left a process of `{instance}` behind: pid {pid} ({program})"));
    }
    if !leftovers.is_empty() {
        findings.remarks.push("`bench stop --leftovers` ends what is left behind".to_owned());
    }
    leftovers
}

/// A redis-server takes over the path of a socket without a question, also from a server that lives.
/// Only a socket that nobody listens on may go.
fn look_at_socket(program: &str, socket: &Path, left: bool, findings: &mut Findings) {
    if !socket.exists() {
        return;
    }
    match probe::unix(socket) {
        ConnectAnswer::Refused => match std::fs::remove_file(socket) {
            Ok(()) => findings.remarks.push(format!("removed a stale socket: {}", socket.display())),
            Err(source) => findings.problems.push(Problem::new(format!(
                "cannot remove the stale socket `{}`: {}",
                socket.display(),
                plain_io(&source)
            ))),
        },
        answer if answer.is_open() => findings.problems.push(
            Problem::new(format!("another server listens on `{}`", socket.display())).at(program).fix(
                if left { LEFT_BEHIND } else { "stop that server, or choose another path for `socket`" },
            ),
        ),
        answer => findings.problems.push(
            Problem::new(format!("`{}` is in the way: {}", socket.display(), answer.describe()))
                .at(program)
                .fix("remove it if nothing uses it, or choose another path for `socket`"),
        ),
    }
}

/// A number in a file proves nothing: whoever bears it now may be a stranger. It is only read to
/// say what it is.
fn look_at_pidfile(file: &Path, findings: &mut Findings) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    let pid: Option<i32> = text.trim().parse().ok();
    let is_redis = |pid: i32| {
        Process::new(pid).and_then(|process| process.stat()).is_ok_and(|stat| {
            stat.state != 'Z' && (stat.comm.contains("redis") || stat.comm.contains("valkey"))
        })
    };
    if !pid.is_some_and(is_redis) && std::fs::remove_file(file).is_ok() {
        findings.remarks.push(format!("removed a stale pidfile: {}", file.display()));
    }
}
