//! `env/` as it is on disk. No Python is started to find out.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::OLDEST;
use crate::error::{Error, Problem, Result};
use crate::files;
use crate::settings::BenchDir;

/// A version of Python, as far as it matters where packages lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3 of 3.11.7
    pub major: u32,
    /// 11 of 3.11.7
    pub minor: u32,
}

impl Version {
    /// `3.11`, `3.11.7`, `3.11.7.final.0`
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split('.');
        Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What there is.
#[derive(Debug)]
pub enum State {
    /// No Python is in it.
    Missing,
    /// Its Python does not run any more, or is not one that the library runs on.
    Unfit(Problem),
    /// An environment that packages can be put into.
    Usable(Environment),
}

impl State {
    /// The environment, none if there is none, or why it can't be used.
    pub fn usable(self) -> Result<Option<Environment>> {
        match self {
            Self::Missing => Ok(None),
            Self::Unfit(problem) => Err(Error::failed(problem)),
            Self::Usable(env) => Ok(Some(env)),
        }
    }
}

/// An environment that packages can be put into.
#[derive(Clone, Debug)]
pub struct Environment {
    bench: BenchDir,
    packages: PathBuf,
}

impl Environment {
    /// `env/`
    pub fn folder(bench: &BenchDir) -> PathBuf {
        bench.join("env")
    }

    /// `env/bin/python`
    pub fn python(bench: &BenchDir) -> PathBuf {
        bench.join("env/bin/python")
    }

    /// Looks at the bench's environment.
    pub fn look(bench: &BenchDir) -> Result<State> {
        let python = Self::python(bench);
        let target = match python.canonicalize() {
            Ok(target) => target,
            Err(_) if python.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) => {
                return Ok(State::Missing);
            }
            Err(_) => return Ok(State::Unfit(gone(bench, &python))),
        };
        let config = bench.join("env/pyvenv.cfg");
        let text = files::read_text(&config, files::MAX_TEXT)?.unwrap_or_default();
        let Some(made_with) = version_of(&text) else {
            let problem = Problem::new("`env/` is no Python environment: its `pyvenv.cfg` names no version");
            return Ok(State::Unfit(problem.at(config.display()).fix(ANEW)));
        };
        if let Some(is) = version_in_name(&target).filter(|is| *is != made_with) {
            let problem =
                Problem::new(format!("`env/` was made with Python {made_with}, and its Python is {is} now"));
            return Ok(State::Unfit(problem.at(python.display()).fix(ANEW)));
        }
        if made_with < OLDEST {
            let problem = Problem::new(format!(
                "`env/` has Python {made_with}, and the library needs Python {OLDEST} or newer"
            ));
            return Ok(State::Unfit(problem.at(config.display()).fix(ANEW)));
        }
        let packages = bench.join(format!("env/lib/python{made_with}/site-packages"));
        if !packages.is_dir() {
            let problem = Problem::new(format!(
                "`env/` has no folder for the packages of Python {made_with}; of other kinds than CPython, and of \
                 the free-threaded one, the library runs on none"
            ));
            return Ok(State::Unfit(problem.at(packages.display()).fix(ANEW)));
        }
        Ok(State::Usable(Self { bench: bench.clone(), packages }))
    }

    /// The bench that it belongs to.
    pub const fn bench(&self) -> &BenchDir {
        &self.bench
    }

    /// `env/lib/python3.N/site-packages`
    pub fn packages(&self) -> &Path {
        &self.packages
    }
}

/// How an environment that can't be mended is mended. What else was in it is the user's.
const ANEW: &str = "make it anew: `mv env env.old`, then `bench setup env`; other packages that were in it are to \
                    be installed again";

fn gone(bench: &BenchDir, python: &Path) -> Problem {
    // Along the links, to the first that is not there.
    let mut path = python.to_owned();
    for _ in 0..40 {
        match path.read_link() {
            Ok(target) => path = path.parent().unwrap_or_else(|| bench.path()).join(target),
            Err(_) => break,
        }
    }
    Problem::new(format!(
        "the Python of `env/` does not run any more: it is `{}`, which is gone",
        path.display()
    ))
    .at(python.display())
    .fix(ANEW)
}

/// What `pyvenv.cfg` says, as venv or virtualenv write it.
fn version_of(config: &str) -> Option<Version> {
    let value = |wanted: &str| {
        config.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == wanted).then(|| value.trim().to_owned())
        })
    };
    Version::parse(&value("version").or_else(|| value("version_info"))?)
}

/// The version that an interpreter's file name says: `/usr/bin/python3.11`.
fn version_in_name(python: &Path) -> Option<Version> {
    Version::parse(python.file_name()?.to_str()?.strip_prefix("python")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_as_every_tool_writes_it() {
        let read = |text: &str| version_of(text).map(|version| version.to_string());
        assert_eq!(read("home = /usr/bin\nversion = 3.11.7\n").as_deref(), Some("3.11"));
        assert_eq!(read("version_info = 3.12.1.final.0\n").as_deref(), Some("3.12"));
        assert_eq!(read("home = /usr/bin\n"), None);
        assert_eq!(read("version = x\n"), None);
        assert_eq!(version_in_name(Path::new("/usr/bin/python3.9")), Version::parse("3.9"));
        assert_eq!(version_in_name(Path::new("/usr/bin/python3")), None);
        assert!(Version::parse("3.9") < Version::parse("3.10"));
    }
}
