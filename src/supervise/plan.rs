//! What the supervisor is told: which programs, how they are run, and what they need.
//! Everything here is decided before the first process is started, and never changes after.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use dontmanage_cache::RedisUrl;

use crate::settings::{Bytes, Probe, RestartPolicy, StopSignal};

/// A whole bench, ready to be started.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bench's directory, absolute.
    pub bench: PathBuf,
    /// Marks every process of this run, in its environment.
    pub run_id: String,
    /// The instances, each program's own in a row. A dependency is an index into this list's programs.
    pub instances: Vec<InstanceSpec>,
    /// Ends the bench when a program fails for good.
    pub exit_on_failure: bool,
}

/// One process that is to be kept running.
#[derive(Clone, Debug)]
pub struct InstanceSpec {
    /// `web.1`, or `web` where it is the only one.
    pub name: String,
    /// `web`
    pub program: String,
    /// What is executed.
    pub command: CommandLine,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// How many quick restarts it gets before it counts as failed; fewer while it was never ready.
    pub restart_limit: RestartLimit,
    /// What asks it to stop.
    pub stop_signal: StopSignal,
    /// How long it may take to stop before it is killed.
    pub stop_timeout: Duration,
    /// The programs that must be ready before it is started.
    pub depends_on: Vec<String>,
    /// When it counts as ready; without a probe, as soon as it runs.
    pub ready: Option<Readiness>,
    /// How its health is watched.
    pub health: Option<HealthCheck>,
    /// It is started again above this resident memory, in bytes, of its whole process group.
    pub memory_limit: Option<Bytes>,
    /// Where it says READY=1, for a program with a `notify` probe; `NOTIFY_SOCKET` of its environment.
    pub notify_socket: Option<PathBuf>,
}

/// How a program is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// Directly: program and arguments.
    Words(Vec<String>),
    /// By `/bin/sh -c`, because the line has shell syntax.
    Shell(String),
}

/// How many restarts in a row, without a stable minute between them, make a program `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartLimit {
    /// While it was never ready.
    pub before_ready: u32,
    /// Once it was.
    pub after_ready: u32,
}

/// A probe with all it needs to be asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// PING, answered by the instance's own process.
    Redis(RedisUrl),
    /// Any probe that needs no more than the settings say.
    Plain(Probe),
}

/// When a program counts as ready.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// The question.
    pub question: Question,
    /// How long one answer may take.
    pub timeout: Duration,
}

/// How a program's health is watched once it is ready.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    /// The question.
    pub question: Question,
    /// The time between two questions.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many failures in a row count as unhealthy.
    pub failures: u32,
}

impl CommandLine {
    /// A line of a Procfile: executed directly where it has no shell syntax, which spares a shell
    /// for each process, and makes the process the program itself.
    pub fn parse(line: &str) -> Self {
        const SHELL_SYNTAX: &[char] = &[
            '|', '&', ';', '<', '>', '(', ')', '$', '`', '*', '?', '[', ']', '#', '~', '{', '}', '!', '\n',
            '=',
        ];
        // Quotes and backslashes are syntax that splitting understands.
        if !line.contains(SHELL_SYNTAX)
            && let Some(words) = shlex::split(line)
            && !words.is_empty()
            && !is_shell_word(&words[0])
        {
            return Self::Words(words);
        }
        Self::Shell(line.to_owned())
    }
}

/// Words that only a shell can carry out.
fn is_shell_word(word: &str) -> bool {
    const BUILTINS: &[&str] = &[
        ".", ":", "cd", "exec", "export", "eval", "source", "set", "unset", "ulimit", "umask", "trap",
        "wait", "if", "for", "while", "until", "case", "command", "exit", "read", "alias", "type", "times",
        "shift", "return",
    ];
    BUILTINS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_needs_no_shell() {
        let words = |line: &str| CommandLine::Words(line.split(' ').map(str::to_owned).collect());
        let plain = "redis-server config/redis_cache.conf";
        assert_eq!(CommandLine::parse(plain), words(plain));
        assert_eq!(CommandLine::parse("say 'a b'"), CommandLine::Words(vec!["say".into(), "a b".into()]));
    }

    #[test]
    fn shell_syntax_gets_a_shell() {
        for line in ["a 1>> log", "A=1 b", "a && b", "cd x", "echo $PORT", "a *.py", "exec a", "echo 'open"] {
            assert_eq!(CommandLine::parse(line), CommandLine::Shell(line.to_owned()));
        }
    }
}
