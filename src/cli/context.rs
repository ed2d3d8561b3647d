//! What every command starts from.

use std::path::{Path, PathBuf};

use super::GlobalArgs;
use crate::error::{Error, Problem, Result};
use crate::settings::{self, BenchDir, Settings};

/// The flags that every command takes, and what they lead to.
#[derive(Debug)]
pub struct Context {
    global: GlobalArgs,
}

impl Context {
    /// From the command line.
    pub const fn new(global: GlobalArgs) -> Self {
        Self { global }
    }

    /// The bench that the command is about.
    pub fn bench(&self) -> Result<BenchDir> {
        BenchDir::find(self.global.dir.as_deref().unwrap_or_else(|| Path::new(".")))
    }

    /// A path that the user named, absolute: it is meant from the directory that `-C` names.
    pub fn below(&self, path: &Path) -> Result<PathBuf> {
        let path = self.global.dir.as_deref().unwrap_or_else(|| Path::new("")).join(path);
        std::path::absolute(&path).map_err(|source| Error::io("find", &path, &source))
    }

    /// The same command line, meaning this bench.
    pub fn inside(&self, bench: &BenchDir) -> Self {
        let dir = Some(bench.path().to_owned());
        Self { global: GlobalArgs { dir, ..self.global.clone() } }
    }

    /// The bench, and its settings as this user's environment has them.
    pub fn bench_and_settings(&self) -> Result<(BenchDir, Settings)> {
        let bench = self.bench()?;
        let settings = self.settings(&bench)?;
        Ok((bench, settings))
    }

    /// The bench's settings. What is odd about them is said.
    pub fn settings(&self, bench: &BenchDir) -> Result<Settings> {
        let settings = settings::load(bench, &env)?;
        for warning in &settings.warnings {
            self.warn(warning);
        }
        Ok(settings)
    }

    /// Tells the user of something odd: to stderr, unless `-q`.
    pub fn warn(&self, warning: &Problem) {
        self.say(format_args!("warning: {warning}"));
    }

    /// Tells a person how it goes on. A script reads data and errors, not progress.
    pub fn tell(&self, text: impl std::fmt::Display) {
        if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            self.say(text);
        }
    }

    /// Tells the user something that is not data: to stderr, unless `-q`.
    pub fn say(&self, text: impl std::fmt::Display) {
        if !self.global.quiet {
            anstream::eprintln!("{text}");
        }
    }
}

/// A variable of the environment. What is no text in it becomes visible, so that it is refused.
pub fn env(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
