//! What every command starts from.

use std::path::Path;

use super::GlobalArgs;
use crate::error::Result;
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

    /// The bench, and its settings as this user's environment has them.
    pub fn bench_and_settings(&self) -> Result<(BenchDir, Settings)> {
        let bench = self.bench()?;
        let settings = settings::load(&bench, &|name| std::env::var(name).ok())?;
        for warning in &settings.warnings {
            self.say(format_args!("warning: {warning}"));
        }
        Ok((bench, settings))
    }

    /// Tells the user something that is not data: to stderr, unless `-q`.
    pub fn say(&self, text: impl std::fmt::Display) {
        if !self.global.quiet {
            anstream::eprintln!("{text}");
        }
    }
}
