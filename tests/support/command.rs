//! Running the binary, and saying what it did when it did not do what was expected.

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use super::wait::DEADLINE;

/// What a finished command left.
#[derive(Debug)]
pub struct Output {
    pub line: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The exit status was 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.code(0)
    }

    /// The exit status was this.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(expected),
            "`{}` ended with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// stderr holds this text, and neither a panic nor a stack trace.
    #[track_caller]
    pub fn says(self, expected: &str) -> Self {
        assert!(
            self.stderr.contains(expected),
            "`{}` does not say `{expected}`\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.stdout,
            self.stderr
        );
        for bad in ["panicked at", "Traceback", "stack backtrace"] {
            assert!(!self.stderr.contains(bad), "`{}` shows a trace:\n{}", self.line, self.stderr);
        }
        self
    }
}

/// `bench` in a directory, in an environment that no variable of the developer's leaks into.
pub fn bench(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(args).current_dir(dir).env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "USER", "LOGNAME", "LANG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs a command to its end; a command that hangs fails the test.
#[track_caller]
pub fn run(mut command: Command) -> Output {
    let line = format!("{command:?}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{line}: {e}"));
    let stdout = read_all(child.stdout.take().expect("a pipe"));
    let stderr = read_all(child.stderr.take().expect("a pipe"));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            break status;
        }
        if started.elapsed() > DEADLINE {
            child.kill().expect("a child to kill");
            child.wait().expect("a child to wait for");
            panic!("`{line}` did not end within {DEADLINE:?}");
        }
        std::thread::sleep(super::wait::STEP);
    };
    let text = |reader: std::thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().expect("a reader")).into_owned()
    };
    Output { line, status, stdout: text(stdout), stderr: text(stderr) }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a readable pipe");
        bytes
    })
}
