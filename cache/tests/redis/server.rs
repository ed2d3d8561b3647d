//! A redis-server of a test's own: its own folder, unix socket and port, killed when the test ends.

use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::certificates::Paper;
use dontmanage_cache::{Connection, Deadlines, RedisUrl};
use tempfile::TempDir;

/// Long enough for a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    child: Child,
    folder: TempDir,
    port: u16,
    args: Vec<String>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with more directives, each `--name value` in two words.
    pub fn with(args: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("redis").tempdir().expect("a folder for the server");
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        // Another process may take the port between our look and the server's start.
        for _ in 0..5 {
            let port = free_port();
            let mut child = launch(&folder, port, &args);
            if ready(&mut child, &folder) {
                return Self { child, folder, port, args };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("redis-server did not start");
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// By unix socket.
    pub fn url(&self) -> RedisUrl {
        RedisUrl::unix(self.socket())
    }

    pub fn tcp_url(&self) -> RedisUrl {
        RedisUrl::tcp("127.0.0.1", self.port)
    }

    /// As [`with`](Self::with), also by TLS, with a certificate for 127.0.0.1 and localhost.
    pub fn with_tls(paper: &Paper, args: &[&str]) -> (Self, TlsPort) {
        let port = free_port();
        let texts = [&paper.certificate, &paper.key, &paper.issuer].map(|path| path.to_string_lossy());
        let number = port.to_string();
        let mut all = vec!["--tls-port", &number, "--tls-auth-clients", "no"];
        all.extend([
            "--tls-cert-file",
            &texts[0],
            "--tls-key-file",
            &texts[1],
            "--tls-ca-cert-file",
            &texts[2],
        ]);
        all.extend(args);
        (Self::with(&all), TlsPort(port))
    }

    /// A connection with a deadline that never gets in a test's way.
    pub fn connection(&self) -> Connection {
        Connection::open(&self.url(), &patient()).expect("the server takes connections")
    }

    pub fn signal(&self, signal: &str) {
        let status =
            Command::new("kill").args([signal, &self.pid().to_string()]).status().expect("kill runs");
        assert!(status.success(), "kill {signal}");
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server can be waited for");
    }

    /// Starts it again after [`kill`](Self::kill), at the same addresses.
    pub fn restart(&mut self) {
        self.restart_loading(&[]);
    }

    /// As [`restart`](Self::restart), with more directives; it may still be loading its data.
    pub fn restart_loading(&mut self, more: &[&str]) {
        let args: Vec<String> =
            self.args.iter().cloned().chain(more.iter().map(|&arg| arg.to_owned())).collect();
        self.child = launch(&self.folder, self.port, &args);
        assert!(ready(&mut self.child, &self.folder), "redis-server did not start again");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL also ends a stopped server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port of a server that speaks TLS there.
#[derive(Clone, Copy)]
pub struct TlsPort(pub u16);

impl TlsPort {
    pub fn url(self, query: &str) -> RedisUrl {
        self.url_of("127.0.0.1", query)
    }

    pub fn url_of(self, host: &str, query: &str) -> RedisUrl {
        let text = format!("rediss://{host}:{}?{query}", self.0);
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }
}

pub fn patient() -> Deadlines {
    Deadlines::default().connect(PATIENCE).reply(PATIENCE)
}

/// Waits for a condition; panics with `what` if it does not come.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn launch(folder: &TempDir, port: u16, args: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--unixsocket", &folder.path().join("redis.sock").to_string_lossy()])
        .args(["--dir", &folder.path().to_string_lossy(), "--save", "", "--appendonly", "no"])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is needed for this test: apt-get install redis-server")
}

/// Whether the child itself answers; false if it has ended, with its words shown.
fn ready(child: &mut Child, folder: &TempDir) -> bool {
    let url = RedisUrl::unix(folder.path().join("redis.sock"));
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("the child can be asked") {
            let mut words = String::new();
            if let Some(stdout) = &mut child.stdout {
                let _ = stdout.read_to_string(&mut words);
            }
            eprintln!("redis-server ended: {status}\n{words}");
            return false;
        }
        // Any answer will do, a refusal too: what it says is the test's matter.
        if let Ok(mut connection) = Connection::open(&url, &patient())
            && !connection.ping().is_err_and(|error| error.server_error().is_none())
        {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}
