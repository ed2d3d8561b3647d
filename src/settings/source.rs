//! A settings file as text, and finding lines in it.

use std::path::Path;

use super::units::Bytes;
use crate::error::{Error, Problem};
use crate::exit_code::ExitCode;
use crate::files::read_text;

/// Where in a file something stands, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub what: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

/// Reads a file of at most so many bytes, without its byte order mark; none if there is no such file.
pub fn read(path: &Path, limit: Bytes) -> Result<Option<String>, Error> {
    let text = read_text(path, limit.0)?;
    Ok(text.map(|text| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
}

impl SyntaxError {
    /// As a problem of that file.
    pub fn in_file(self, shown: &str) -> Problem {
        Problem::new(format!("cannot read `{shown}`: {}", self.what))
            .at(format!("{shown}:{} column {}", self.line, self.column))
    }
}

/// The lines of a text.
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines.
    pub fn of(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// The line of a byte offset, counted from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset)
    }

    /// Line and column of a byte offset, both counted from 1.
    pub fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let start = self.starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

/// Settings that are wrong end with exit status 2, however many mistakes there are.
pub fn refused(problems: Vec<Problem>) -> Error {
    Error::with_code(ExitCode::Usage, problems)
}
