//! What the end-to-end tests share: a bench in a folder of its own, ports of its own, and the proof
//! that nothing is left running.

#[path = "../../cache/tests/redis/certificates.rs"]
#[allow(dead_code, reason = "the cache's tests share this file and use the rest")]
mod certificates;
mod command;
mod framework;
mod processes;
mod program;
#[allow(dead_code, reason = "unit tests of `src/` share this file and use the rest")]
mod redis;
mod rendered_redis;
mod running;
mod terminal;
mod wait;

pub use certificates::{Authority, Paper};
pub use command::{Output, run};
pub use framework::SITES;
pub use processes::{alive, started_below};
pub use program::{copy_program, write_program};
pub use redis::TestRedis;
pub use rendered_redis::RenderedRedis;
pub use running::{Running, send};
pub use terminal::on_terminal;
pub use wait::{pass, until};

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory for one test. When it goes, the test fails if a process that works in it, or was
/// started for it, is still alive; such a process is killed first.
pub struct TestBench {
    // Before `root`, so that it goes while the directory still exists.
    folder: TempDir,
    root: PathBuf,
    env: Vec<(String, String)>,
}

impl TestBench {
    /// A directory called `develop-bench` with nothing in it.
    pub fn empty() -> Self {
        Self::named("develop-bench")
    }

    /// A directory of that name with nothing in it.
    pub fn named(name: &str) -> Self {
        // Short, because a unix socket's path may have 107 bytes.
        let folder = tempfile::Builder::new().prefix("b").tempdir_in("/tmp").expect("a temporary folder");
        let root = folder.path().join(name);
        std::fs::create_dir_all(&root).expect("a folder for the bench");
        Self { folder, root, env: Vec::new() }
    }

    /// The folders that a bench of today's tool has, and `sites/common_site_config.json`.
    pub fn existing(common_site_config: &str) -> Self {
        let bench = Self::empty();
        bench.make_existing(common_site_config);
        bench
    }

    /// Turns the directory into such a bench.
    pub fn make_existing(&self, common_site_config: &str) {
        for folder in ["apps", "sites", "config/pids", "logs"] {
            std::fs::create_dir_all(self.path(folder)).expect("a folder");
        }
        self.write("sites/common_site_config.json", common_site_config);
    }

    /// The bench's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder around it, where sibling benches would be.
    pub fn parent(&self) -> &Path {
        self.folder.path()
    }

    /// A path below the bench.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// Writes a file below the bench, and the folders above it.
    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, text).expect("a written file");
    }

    /// Reads a file below the bench.
    pub fn read(&self, below: &str) -> String {
        let path = self.path(below);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Sets a variable for every command of this test.
    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The `bench` binary with these arguments, in the bench's directory, ready to be run or started.
    pub fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = command::bench(&self.root, args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `bench` with these arguments to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        command::run(self.command(args))
    }
}

impl Drop for TestBench {
    fn drop(&mut self) {
        let leaked = processes::kill_below(self.folder.path());
        assert!(
            leaked.is_empty() || std::thread::panicking(),
            "these processes outlived the test: {leaked:#?}"
        );
    }
}

/// A TCP port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
