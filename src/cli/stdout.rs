//! Data on stdout. A reader that has gone away (`| head`) ends the program quietly; any other failure
//! is an error, never a panic.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};

use crate::error::{Error, Problem, Result, plain_io};

/// stdout, written in large blocks.
pub struct Stdout(BufWriter<io::Stdout>);

impl Stdout {
    /// This process's.
    pub fn new() -> Self {
        Self(BufWriter::with_capacity(64 * 1024, io::stdout()))
    }

    /// One line.
    pub fn line(&mut self, text: impl Display) -> Result<()> {
        check(writeln!(self.0, "{text}"))
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        check(self.0.write_all(bytes))
    }

    /// Hands the rest over. Until then a part may be held back.
    pub fn finish(mut self) -> Result<()> {
        check(self.0.flush())
    }
}

/// Whether a person reads it.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Prints one line.
pub fn print(text: impl Display) -> Result<()> {
    let mut out = Stdout::new();
    out.line(text)?;
    out.finish()
}

fn check(written: io::Result<()>) -> Result<()> {
    written.map_err(|source| {
        if source.kind() == io::ErrorKind::BrokenPipe {
            // Whoever reads has seen enough: no failure of ours, and nobody to tell.
            std::process::exit(0);
        }
        Error::failed(Problem::new(format!("cannot write to stdout: {}", plain_io(&source))))
    })
}
