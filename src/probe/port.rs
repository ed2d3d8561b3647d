//! Whether a TCP port of this machine can be had, and who has it if not.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use crate::error::{Problem, plain_io, printable};
use crate::names::Port;
use crate::settings::BenchDir;

/// How much of a command line is shown.
const SHOWN: usize = 80;

/// Who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Nobody.
    None,
    /// This process.
    Known(PortOwner),
    /// A process of this user, which the system does not show to us: it is another user's, or it lives
    /// in another container.
    Hidden {
        /// The user's name, or number if it has no name here.
        user: String,
    },
}

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// Its id.
    pub pid: u32,
    /// Its program: `redis-server`.
    pub program: String,
    /// Its command line for a person: one line, shortened, without secrets.
    pub command_line_short: String,
    /// The bench it belongs to, if it says so by its environment, its arguments or its directory.
    pub bench_dir: Option<PathBuf>,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.program)?;
        match &self.bench_dir {
            Some(dir) => write!(f, " of the bench `{}`", dir.display()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nobody"),
            Self::Known(owner) => owner.fmt(f),
            Self::Hidden { user } => {
                write!(f, "a process of user `{user}` that the system does not show to you")
            }
        }
    }
}

/// Why a port can't be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortProblem {
    /// Somebody has it.
    InUse(Listener),
    /// This machine does not have the address.
    NoSuchAddress,
    /// Ports below 1024 are root's.
    Forbidden,
    /// Anything else.
    Other(String),
}

impl PortProblem {
    /// What is wrong and how to mend it, for a server that wants the port at this address.
    pub fn problem(&self, address: IpAddr, port: Port) -> Problem {
        let at = SocketAddr::new(address, port.number());
        match self {
            Self::InUse(listener) => {
                let what = match listener {
                    Listener::None => format!("port {port} is in use"),
                    listener => format!("port {port} is in use by {listener}"),
                };
                let fix = match listener {
                    Listener::Known(PortOwner { bench_dir: Some(dir), .. }) => {
                        format!("run `bench -C {} stop`, or choose another port", dir.display())
                    }
                    Listener::Known(owner) => {
                        format!(
                            "stop process {} ({}), or choose another port",
                            owner.pid, owner.command_line_short
                        )
                    }
                    _ => "stop what has it, or choose another port".to_owned(),
                };
                Problem::new(what).fix(fix)
            }
            Self::NoSuchAddress => {
                Problem::new(format!("this machine does not have the address `{address}`"))
                    .fix("choose one that `ip address` shows; 127.0.0.1 is always there")
            }
            Self::Forbidden => {
                Problem::new(format!("you may not listen on {at}")).fix("choose a port above 1023")
            }
            Self::Other(why) => {
                Problem::new(format!("nobody can listen on {at}: {why}")).fix("choose another port")
            }
        }
    }
}

/// Tries whether a server could listen there, as redis-server would: with `SO_REUSEADDR`, so that
/// connections in their last minute don't count, and IPv6 apart from IPv4.
pub fn check_free(address: IpAddr, port: Port) -> Result<(), PortProblem> {
    try_bind(address, port).map_err(|errno| match errno {
        Errno::ADDRINUSE => PortProblem::InUse(listener(port)),
        Errno::ADDRNOTAVAIL => PortProblem::NoSuchAddress,
        Errno::ACCESS | Errno::PERM => PortProblem::Forbidden,
        other => PortProblem::Other(plain_io(&io::Error::from(other))),
    })
}

fn try_bind(address: IpAddr, port: Port) -> rustix::io::Result<()> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // Bound but never listening: nobody can connect to us by mistake meanwhile.
    bind(&socket, &SocketAddr::new(address, port.number()))
}

/// Who listens on this port, on whatever address of the machine. Of several processes that share the
/// socket (a server and its workers) the eldest.
pub fn listener(port: Port) -> Listener {
    let entries = [procfs::net::tcp(), procfs::net::tcp6()];
    let listening: Vec<_> = entries
        .into_iter()
        .filter_map(Result::ok)
        .flatten()
        .filter(|entry| entry.state == TcpState::Listen && entry.local_address.port() == port.number())
        .collect();
    let Some(first) = listening.first() else { return Listener::None };
    let inodes: Vec<u64> = listening.iter().map(|entry| entry.inode).collect();
    match holder(&inodes) {
        Some(process) => Listener::Known(describe(&process)),
        None => Listener::Hidden { user: user_name(first.uid) },
    }
}

fn user_name(uid: u32) -> String {
    let name = User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
    name.unwrap_or_else(|| uid.to_string())
}

fn holder(inodes: &[u64]) -> Option<Process> {
    // What ends, or is another user's, while we look is passed over.
    let processes = procfs::process::all_processes().ok()?.filter_map(Result::ok);
    let holds = |process: &Process| {
        process.fd().is_ok_and(|fds| {
            fds.filter_map(Result::ok)
                .any(|fd| matches!(fd.target, FDTarget::Socket(inode) if inodes.contains(&inode)))
        })
    };
    processes
        .filter(holds)
        .filter_map(|process| process.stat().ok().map(|stat| (stat.starttime, process)))
        .min_by_key(|(started, process)| (*started, process.pid))
        .map(|(_, process)| process)
}

fn describe(process: &Process) -> PortOwner {
    let words = process.cmdline().unwrap_or_default();
    let command = process.stat().map(|stat| stat.comm).unwrap_or_default();
    // The kernel cuts the name after 15 bytes; the command line may have the whole of it.
    let whole = words.first().and_then(|word| Path::new(word).file_name()).map(|name| name.to_string_lossy());
    let program = match whole {
        Some(whole) if command.len() == 15 && whole.starts_with(&command) => whole.into_owned(),
        _ => command,
    };
    PortOwner {
        pid: process.pid.unsigned_abs(),
        bench_dir: bench_dir(process, &words),
        command_line_short: if words.is_empty() { printable(&program) } else { short(&words) },
        program: printable(&program),
    }
}

fn bench_dir(process: &Process, words: &[String]) -> Option<PathBuf> {
    let named = process.environ().ok().and_then(|mut variables| variables.remove(OsStr::new("BENCH_DIR")));
    // redis-server rewrites its command line, but goes into its `dir`, which a bench has below itself.
    let argument = || {
        let config = words.iter().map(Path::new).find(|word| word.is_absolute() && word.is_file())?;
        config.parent().filter(|folder| folder.ends_with("config"))?.parent().map(Path::to_owned)
    };
    let directory = || BenchDir::find(&process.cwd().ok()?).ok().map(|bench| bench.path().to_owned());
    named.map(PathBuf::from).filter(|dir| dir.is_dir()).or_else(argument).or_else(directory)
}

/// A command line on one line. What follows a word that speaks of a secret is not shown.
fn short(words: &[String]) -> String {
    let mut shown = String::new();
    let mut hide = false;
    for word in words.iter().flat_map(|word| word.split_whitespace()) {
        let secret =
            ["pass", "secret", "token", "auth"].iter().any(|part| word.to_ascii_lowercase().contains(part));
        let text = match word.split_once('=') {
            _ if hide => "***".to_owned(),
            Some((name, _)) if secret => format!("{name}=***"),
            _ => without_login(word),
        };
        hide = secret && !hide && !word.contains('=');
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(&printable(&text));
        if shown.chars().count() > SHOWN {
            return shown.chars().take(SHOWN - 1).chain(['…']).collect();
        }
    }
    shown
}

fn without_login(word: &str) -> String {
    match word.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, place)) => format!("{scheme}://***@{place}"),
            None => word.to_owned(),
        },
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;
    use crate::testing::TestRedis;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn listening() -> (TcpListener, Port) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = Port::new(listener.local_addr().expect("its address").port().into()).expect("a port");
        (listener, port)
    }

    #[test]
    fn a_taken_port_names_who_has_it_and_a_free_one_is_free() {
        let (listener, port) = listening();
        let Err(PortProblem::InUse(Listener::Known(owner))) = check_free(LOOPBACK, port) else {
            panic!("{:?}", check_free(LOOPBACK, port))
        };
        assert_eq!(owner.pid, std::process::id());
        let problem = PortProblem::InUse(Listener::Known(owner)).problem(LOOPBACK, port).to_string();
        assert!(
            problem.starts_with(&format!("port {port} is in use by pid {} (", std::process::id())),
            "{problem}"
        );
        // The wildcard address is taken with it; IPv6 is not.
        assert!(matches!(check_free(Ipv4Addr::UNSPECIFIED.into(), port), Err(PortProblem::InUse(_))));
        assert_ne!(check_free(Ipv6Addr::UNSPECIFIED.into(), port), Err(PortProblem::InUse(Listener::None)));
        drop(listener);
        assert_eq!(check_free(LOOPBACK, port), Ok(()));
        assert_eq!(super::listener(port), Listener::None);
    }

    #[test]
    fn a_port_whose_last_connection_is_just_over_is_free() {
        let (listener, port) = listening();
        let client = std::net::TcpStream::connect(("127.0.0.1", port.number())).expect("a connection");
        // Closed first at the server's side: its port keeps an ending connection for a minute.
        drop(listener.accept().expect("a connection"));
        drop(client);
        drop(listener);
        assert_eq!(check_free(LOOPBACK, port), Ok(()));
    }

    #[test]
    fn an_address_that_is_not_ours_is_told_from_a_taken_port() {
        let (_listener, port) = listening();
        // From the range kept for documentation: no machine has it.
        let foreign = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(check_free(foreign, port), Err(PortProblem::NoSuchAddress));
    }

    #[test]
    fn a_redis_server_of_a_bench_is_named_with_its_bench() {
        let bench = tempfile::tempdir().expect("a folder");
        let pids = bench.path().join("config/pids");
        std::fs::create_dir_all(&pids).expect("a folder");
        std::fs::create_dir(bench.path().join("sites")).expect("a folder");
        let redis = TestRedis::start_with(&format!("dir {}", pids.display()));
        let port = Port::new(redis.port().into()).expect("a port");
        let Listener::Known(owner) = listener(port) else { panic!("{:?}", listener(port)) };
        assert_eq!((owner.pid, owner.program.as_str()), (redis.pid(), "redis-server"));
        assert_eq!(owner.bench_dir.as_deref(), Some(bench.path()));
    }

    #[test]
    fn secrets_of_a_command_line_are_not_shown() {
        let words = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        for (line, shown) in [
            ("redis-server|--requirepass|hunter2|--port|1", "redis-server --requirepass *** --port 1"),
            ("x|--token=hunter2|y", "x --token=*** y"),
            ("worker|redis://u:hunter2@h:1/2", "worker redis://***@h:1/2"),
            ("sh|-c|a\nb \u{1b}[2J", "sh -c a b \\u{1b}[2J"),
        ] {
            assert_eq!(short(&words(line)), shown);
        }
        assert_eq!(short(&words(&"word|".repeat(50))).chars().count(), SHOWN);
    }

    /// Run by the test below as another user, who may not see our descriptors.
    #[test]
    fn seen_by_another_user() {
        let Ok(port) = std::env::var("PORT_OF_ROOT") else { return };
        let port = Port::new(port.parse().expect("a number")).expect("a port");
        assert_eq!(listener(port), Listener::Hidden { user: "root".to_owned() });
    }

    #[test]
    fn an_owner_that_the_system_hides_is_unknown_by_its_user() {
        if !nix::unistd::geteuid().is_root() {
            // Only root can become another user.
            return;
        }
        let (_listener, port) = listening();
        // A copy, as this binary may lie below a folder that only we may enter.
        let folder = tempfile::Builder::new().tempdir_in("/tmp").expect("a folder");
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), permissions).expect("an open folder");
        let copy = folder.path().join("tests");
        // By another process: a file that this one has open for writing could not be run if a test
        // beside this one forked just now.
        let copied =
            Command::new("cp").arg(std::env::current_exe().expect("this binary")).arg(&copy).status();
        assert!(copied.is_ok_and(|status| status.success()), "a copy");
        let output = Command::new(copy)
            .args(["--exact", "probe::port::tests::seen_by_another_user"])
            .env("PORT_OF_ROOT", port.to_string())
            .current_dir("/")
            .uid(65534)
            .gid(65534)
            .output()
            .expect("a run of this binary");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}
