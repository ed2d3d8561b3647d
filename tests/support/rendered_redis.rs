//! A real redis-server that runs a file which `bench` rendered.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::wait::until;

/// A running redis-server; killed when the test lets it go.
pub struct RenderedRedis {
    child: Child,
    /// How redis-cli reaches it.
    place: Vec<String>,
}

impl RenderedRedis {
    /// Starts it in this directory and waits until it answers on the port.
    #[track_caller]
    pub fn on_port(directory: &Path, file: &str, port: u16) -> Self {
        Self::start(directory, file, vec!["-p".to_owned(), port.to_string()])
    }

    /// The same, for a server that listens on a unix socket.
    #[track_caller]
    pub fn on_socket(directory: &Path, file: &str, socket: &Path) -> Self {
        Self::start(directory, file, vec!["-s".to_owned(), socket.display().to_string()])
    }

    #[track_caller]
    fn start(directory: &Path, file: &str, place: Vec<String>) -> Self {
        let log = log_of(directory);
        let out = std::fs::File::create(&log).expect("a log");
        let child = Command::new("redis-server")
            .arg(file)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a log"))
            .stderr(out)
            .spawn()
            .expect("redis-server; install it with `apt-get install redis-server`");
        let mut redis = Self { child, place };
        until("redis-server answers", || {
            let words = || std::fs::read_to_string(&log).unwrap_or_default();
            let ended = redis.child.try_wait().expect("a child to wait for");
            assert!(ended.is_none(), "redis-server ended:\n{}", words());
            // NOAUTH is an answer too.
            let answer = redis.cli(&["PING"]);
            (answer == "PONG" || answer.starts_with("NOAUTH")).then_some(())
        });
        redis
    }

    /// What redis-cli prints for a command.
    #[track_caller]
    pub fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(&self.place)
            .args(words)
            .output()
            .expect("redis-cli; install it with `apt-get install redis-server`");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The value of a directive, as the running server has it.
    #[track_caller]
    pub fn config(&self, directive: &str) -> String {
        let answer = self.cli(&["CONFIG", "GET", directive]);
        answer.lines().nth(1).unwrap_or_default().to_owned()
    }
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join("redis-of-the-test.log")
}

impl Drop for RenderedRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
