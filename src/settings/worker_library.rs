//! `[redis_cache] worker_library`: this project's cache library in the framework's workers. It is in `env/`,
//! and two variables bring it into every process that has them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::convert;
use super::layout::BenchDir;
use super::load::{self, Flags, Texts};
use super::model::Settings;
use crate::error::{Error, Problem, Result};

/// The variable that switches the library on: the bench whose workers take it.
pub const SWITCH: &str = "DONTMANAGE_WORKER_LIBRARY";

/// The folders that Python looks into before its own, the first of them ours: a `sitecustomize` lies there,
/// which Python runs when it starts.
pub const PYTHON_PATH: &str = "PYTHONPATH";

const KEY: &str = "redis_cache.worker_library";

/// The folder, inside of an environment's packages.
const STARTUP: &str = "dontmanage_cache/startup";

/// The library in a bench whose workers take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerLibrary {
    bench: PathBuf,
    startup: PathBuf,
}

impl WorkerLibrary {
    /// None if the settings leave the workers their own, or no framework is installed. An error if they
    /// want it and it is not there: each worker would fail.
    pub fn find(bench: &BenchDir, settings: &Settings) -> Result<Option<Self>> {
        if settings.redis_cache.worker_library && settings.framework.is_installed() {
            return Self::installed(bench, settings.origins.place(KEY)).map(Some);
        }
        Ok(None)
    }

    /// The same for a command of the framework's, which runs whatever mistakes are in the other settings.
    pub fn find_despite_mistakes(
        bench: &BenchDir,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>> {
        let texts = Texts::read(bench).unwrap_or_default();
        let mut reader = load::layers(&texts, env, &Flags::default());
        if reader.read(KEY, convert::flag) == Some(true) && bench.framework().is_installed() {
            return Self::installed(bench, reader.origins.place(KEY)).map(Some);
        }
        Ok(None)
    }

    fn installed(bench: &BenchDir, place: String) -> Result<Self> {
        let Some(startup) = startup(bench) else {
            let what = if bench.join("env/bin/python").exists() {
                "the workers are to take the cache library, which is not in `env/`"
            } else {
                "the workers are to take the cache library, and there is no `env/` with it"
            };
            return Err(Error::failed(Problem::new(what).at(place).fix(
                "run `bench setup env`, or leave the framework its own with \
                 `bench config set redis_cache.worker_library false`",
            )));
        };
        if startup.as_os_str().as_bytes().contains(&b':') {
            return Err(Error::failed(
                Problem::new(format!("`{}` can't be on a PYTHONPATH: it holds a `:`", startup.display()))
                    .at(place)
                    .fix("move the bench to a path without"),
            ));
        }
        Ok(Self { bench: bench.path().to_owned(), startup })
    }

    /// The library of a bench whose startup folder is known.
    #[cfg(test)]
    pub fn at(bench: &Path, startup: &Path) -> Self {
        Self { bench: bench.to_owned(), startup: startup.to_owned() }
    }

    /// What [`SWITCH`] is to be.
    pub fn bench(&self) -> &Path {
        &self.bench
    }

    /// What [`PYTHON_PATH`] is to be, where it is `given` so far: our folder, then all that was there.
    pub fn python_path(&self, given: Option<&OsStr>) -> OsString {
        let mut path = self.startup.clone().into_os_string();
        let others = given.unwrap_or_default().as_bytes().split(|&byte| byte == b':');
        for other in others.filter(|other| *other != self.startup.as_os_str().as_bytes()) {
            if given.is_some_and(|given| !given.is_empty()) {
                path.push(":");
                path.push(OsStr::from_bytes(other));
            }
        }
        path
    }
}

/// The library's folder in `env/`, of the Python that the environment is of.
fn startup(bench: &BenchDir) -> Option<PathBuf> {
    let entries = std::fs::read_dir(bench.join("env/lib")).ok()?;
    let version = version(&bench.join("env/pyvenv.cfg"));
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.strip_prefix("python")
                .is_some_and(|of| version.as_deref().is_none_or(|version| of == version))
        })
        .map(|entry| entry.path().join("site-packages").join(STARTUP))
        .filter(|folder| folder.join("sitecustomize.py").is_file())
        .collect();
    found.sort();
    found.pop()
}

/// `3.11`, as the environment says it of itself.
fn version(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        ["version", "version_info"].contains(&name.trim()).then(|| value.trim().to_owned())
    })?;
    let mut numbers = value.split('.');
    Some(format!("{}.{}", numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_path_stays_on_it() {
        let library = WorkerLibrary::at(Path::new("/b"), Path::new("/b/env/startup"));
        let path = |given: Option<&str>| library.python_path(given.map(OsStr::new));
        for (given, wanted) in [
            (None, "/b/env/startup"),
            (Some(""), "/b/env/startup"),
            (Some("/mine:/theirs"), "/b/env/startup:/mine:/theirs"),
            // Given on by a process that has it already.
            (Some("/b/env/startup:/mine"), "/b/env/startup:/mine"),
            (Some("/b/env/startup"), "/b/env/startup"),
        ] {
            assert_eq!(path(given), wanted, "{given:?}");
        }
    }
}
