//! What the user is told when something is wrong: what happened, where, how to mend it.
//!
//! A module with cases worth telling apart has an enum of its own and turns it into an [`Error`];
//! the wording of the three parts, and the only place that prints them, is here.

use std::fmt;
use std::path::Path;

use crate::exit_code::ExitCode;

/// The result of anything whose failure is told to the user.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One thing that is wrong. Lower case, no full stop, back-ticks round what the user typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    what: String,
    place: Option<String>,
    fix: Option<String>,
}

impl Problem {
    /// A problem, told in one line.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, fix: None }
    }

    /// Where it is: a file and line, a key, an address.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// What the user can do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl Problem {
    /// What happened.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where it is, if that is known.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names and output of programs end up here: no terminal is told to do anything by them.
        write!(f, "{}", printable(&self.what))?;
        if let Some(place) = &self.place {
            write!(f, "\n  where: {}", printable(place))?;
        }
        if let Some(fix) = &self.fix {
            write!(f, "\n  fix: {}", printable(fix))?;
        }
        Ok(())
    }
}

/// Everything that kept a command from doing its work, and the exit status that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    problems: Vec<Problem>,
    exit_code: ExitCode,
}

impl Error {
    /// The work failed (exit status 1).
    pub fn failed(problem: Problem) -> Self {
        Self::with_code(ExitCode::Failed, vec![problem])
    }

    /// The command line or the settings are wrong (exit status 2).
    pub fn usage(problem: Problem) -> Self {
        Self::with_code(ExitCode::Usage, vec![problem])
    }

    /// Several problems at once. There must be at least one.
    pub fn with_code(exit_code: ExitCode, problems: Vec<Problem>) -> Self {
        debug_assert!(!problems.is_empty(), "an error says what happened");
        Self { problems, exit_code }
    }

    /// An I/O error on a path: "cannot read `PATH`: permission denied".
    pub fn io(doing: &str, path: &Path, source: &std::io::Error) -> Self {
        Self::failed(Problem::new(format!("cannot {doing} `{}`: {}", path.display(), plain_io(source))))
    }

    /// The exit status this error ends with.
    pub const fn exit_code(&self) -> ExitCode {
        self.exit_code
    }

    /// All that is wrong, in the order it was found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "error: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::failed(problem)
    }
}

/// An I/O error in the house style: no capital, no "(os error 13)".
pub fn plain_io(source: &std::io::Error) -> String {
    let text = source.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The text with its control characters written out, new lines kept.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_where_and_how_to_fix_it() {
        let problem = Problem::new("port 13000 is in use")
            .at("bench.toml:7 redis_cache.port")
            .fix("run `bench stop`, or choose another port");
        assert_eq!(
            Error::failed(problem).to_string(),
            "error: port 13000 is in use\n  where: bench.toml:7 redis_cache.port\n  fix: run `bench stop`, \
             or choose another port"
        );
    }

    #[test]
    fn control_characters_in_names_reach_no_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
    }

    #[test]
    fn io_errors_read_like_our_own_words() {
        let source = std::io::Error::from_raw_os_error(13);
        assert_eq!(plain_io(&source), "permission denied");
    }
}
