//! A real redis-server for a test: its own folder, port and socket; killed when the test lets it go.
//!
//! The unit tests of `src/` use this file too (`src/testing.rs`), so it leans on nothing but
//! `certificates` and `wait`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::certificates::Paper;
use super::wait::until;

/// How a server's log says that it serves.
const READY: &str = "Ready to accept connections";

/// A running redis-server without persistence, on a port and a unix socket.
pub struct TestRedis {
    // The server ends (see `Drop`) before its folder goes.
    folder: TempDir,
    directives: String,
    port: u16,
    tls_port: u16,
    child: Child,
}

impl TestRedis {
    /// A server that serves.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// A server with more directives, as lines of a redis.conf, that serves.
    pub fn start_with(directives: &str) -> Self {
        // Short, because a unix socket's path may have 107 bytes.
        let folder = tempfile::Builder::new().prefix("r").tempdir_in("/tmp").expect("a temporary folder");
        let mut directives = directives.to_owned();
        let (port, child) = launch(folder.path(), &directives, &[READY]);
        directives.insert(0, '\n');
        Self { folder, directives, port, tls_port: 0, child }
    }

    /// A server that serves by TLS too, and takes clients without a certificate.
    pub fn start_with_tls(paper: &Paper) -> Self {
        let tls_port = free_port();
        let [certificate, key, issuer] =
            [&paper.certificate, &paper.key, &paper.issuer].map(|path| path.display());
        let mut redis = Self::start_with(&format!(
            "tls-port {tls_port}\ntls-auth-clients no\ntls-cert-file {certificate}\ntls-key-file {key}\n\
             tls-ca-cert-file {issuer}"
        ));
        redis.tls_port = tls_port;
        redis
    }

    /// The port of 127.0.0.1 where it speaks TLS.
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// The port of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("r.sock")
    }

    /// The folder that holds its socket, log and snapshot.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What redis-cli prints for a command: an independent witness of what is in the server.
    #[track_caller]
    pub fn cli(&self, words: &[&str]) -> String {
        self.cli_with(words, b"")
    }

    /// The same with the last word taken from these bytes, which may be any.
    #[track_caller]
    pub fn cli_with(&self, words: &[&str], last: &[u8]) -> String {
        String::from_utf8_lossy(&self.cli_bytes(words, last)).into_owned()
    }

    /// The same, as bytes. No last word for none.
    #[track_caller]
    pub fn cli_bytes(&self, words: &[&str], last: &[u8]) -> Vec<u8> {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.socket());
        if !last.is_empty() {
            command.arg("-x");
        }
        let mut child = command
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli; install it with `apt-get install redis-server`");
        child.stdin.take().expect("a pipe").write_all(last).expect("a reading redis-cli");
        let output = child.wait_with_output().expect("redis-cli to end");
        let mut bytes = output.stdout;
        bytes.pop_if(|byte| *byte == b'\n');
        bytes
    }

    /// What the server wrote so far.
    pub fn log(&self) -> String {
        read_log(self.folder.path())
    }

    /// SIGSTOP: the kernel goes on accepting connections for it, and nobody answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGKILL; returns when the process is gone. Its socket file stays, as it does in life.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a child to wait for");
    }

    /// Starts it again on the same port after [`kill`](Self::kill), with these directives added, and
    /// waits until its log holds one of these texts.
    pub fn start_again(&mut self, directives: &str, texts: &[&str]) {
        self.directives.push_str(directives);
        self.child = spawn(self.folder.path(), self.port, &self.directives);
        wait_for_log(self.folder.path(), &mut self.child, texts)
            .unwrap_or_else(|log| panic!("redis-server ended:\n{log}"));
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process id");
        // The child is not waited for yet, so the id is still its own.
        let _ = kill_process(pid, signal);
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(folder: &Path, directives: &str, texts: &[&str]) -> (u16, Child) {
    // A port that was free a moment ago may be another test's by now.
    for _ in 0..10 {
        let port = free_port();
        let mut child = spawn(folder, port, directives);
        match wait_for_log(folder, &mut child, texts) {
            Ok(()) => return (port, child),
            Err(log) => assert!(log.contains("in use"), "redis-server ended:\n{log}"),
        }
    }
    panic!("ten ports in a row were taken");
}

fn spawn(folder: &Path, port: u16, directives: &str) -> Child {
    let mut config = String::new();
    let _ = write!(
        config,
        "bind 127.0.0.1\nport {port}\nunixsocket {socket}\nunixsocketperm 700\ndir {dir}\nlogfile {log}\n\
         save \"\"\nappendonly no\ndaemonize no\n{directives}\n",
        socket = folder.join("r.sock").display(),
        dir = folder.display(),
        log = folder.join("r.log").display(),
    );
    std::fs::write(folder.join("r.conf"), config).expect("a written file");
    // A log for each launch: what an earlier one wrote must not count.
    let _ = std::fs::remove_file(folder.join("r.log"));
    Command::new("redis-server")
        .arg(folder.join("r.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server; install it with `apt-get install redis-server`")
}

fn wait_for_log(folder: &Path, child: &mut Child, texts: &[&str]) -> Result<(), String> {
    until("redis-server says it is up", || {
        let ended = child.try_wait().expect("a child to wait for").is_some();
        let log = read_log(folder);
        if texts.iter().any(|text| log.contains(text)) {
            Some(Ok(()))
        } else if ended {
            Some(Err(log))
        } else {
            None
        }
    })
}

fn read_log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("r.log")).unwrap_or_default()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
