//! The bench on disk: finding it, its folders, its sites, its framework.

use std::path::{Path, PathBuf};

use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::names::SiteName;

/// A bench's directory, absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchDir(PathBuf);

/// The version of an installed framework, as its package says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameworkVersion {
    /// 15 of 15.2.0
    pub major: u32,
    /// 2 of 15.2.0
    pub minor: u32,
    /// 0 of 15.2.0
    pub patch: u32,
}

/// The framework that a bench's workers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    /// None is installed: only redis and the bench's own programs can run.
    None,
    /// One is installed, but its version can't be read: the oldest layout is used.
    Unknown,
    /// One is installed.
    Version(FrameworkVersion),
}

impl Framework {
    /// Whether there is one.
    pub const fn is_installed(self) -> bool {
        !matches!(self, Self::None)
    }
}

impl FrameworkVersion {
    /// Reads the text of `__init__.py`: the line `__version__ = "15.0.0"`.
    pub fn from_package(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.starts_with("__version__"))?;
        let quoted = line.split(['"', '\'']).nth(1)?;
        let mut numbers = quoted.split('.').map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().ok()
        });
        let major = numbers.next()??;
        let mut next = || numbers.next().flatten().unwrap_or(0);
        Some(Self { major, minor: next(), patch: next() })
    }
}

impl BenchDir {
    /// The nearest directory, from this one upwards, that is a bench: it holds `bench.toml`, or
    /// `sites/` beside `config/` or `apps/`, as benches of today's tool do.
    pub fn find(from: &Path) -> Result<Self> {
        let from = std::path::absolute(from).map_err(|source| Error::io("find", from, &source))?;
        from.ancestors().find(|dir| Self::is_bench(dir)).map(|dir| Self(dir.to_owned())).ok_or_else(|| {
            Error::with_code(
                ExitCode::Usage,
                vec![
                    Problem::new("not inside a bench")
                        .at(from.display())
                        .fix("change into a bench's directory, name it with `-C PATH`, or make one with `bench init PATH`"),
                ],
            )
        })
    }

    /// Whether the directory itself is a bench.
    pub fn is_bench(dir: &Path) -> bool {
        dir.join("bench.toml").is_file()
            || (dir.join("sites").is_dir() && (dir.join("config").is_dir() || dir.join("apps").is_dir()))
            || dir.join("sites/common_site_config.json").is_file()
    }

    /// A directory that is known to be a bench, or is about to become one. Must be absolute.
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path below it.
    pub fn join(&self, below: impl AsRef<Path>) -> PathBuf {
        self.0.join(below)
    }

    /// `sites/`
    pub fn sites(&self) -> PathBuf {
        self.0.join("sites")
    }

    /// `config/`
    pub fn config(&self) -> PathBuf {
        self.0.join("config")
    }

    /// `logs/`
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// `bench.toml`, which a person edits.
    pub fn settings_file(&self) -> PathBuf {
        self.0.join("bench.toml")
    }

    /// `sites/common_site_config.json`, which the workers read.
    pub fn common_site_config(&self) -> PathBuf {
        self.sites().join("common_site_config.json")
    }

    /// The framework in `apps/`, by the version its package states.
    pub fn framework(&self) -> Framework {
        let package = self.0.join("apps/dontmanage/dontmanage/__init__.py");
        match std::fs::read_to_string(&package) {
            Ok(text) => FrameworkVersion::from_package(&text).map_or(Framework::Unknown, Framework::Version),
            Err(_) if self.0.join("apps/dontmanage").is_dir() => Framework::Unknown,
            Err(_) => Framework::None,
        }
    }

    /// The sites: folders of `sites/` that hold a `site_config.json`, in order of their names.
    pub fn site_names(&self) -> Result<Vec<SiteName>> {
        let folder = self.sites();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::io("read", &folder, &source)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| Error::io("read", &folder, &source))?;
            if entry.path().join("site_config.json").is_file()
                && let Ok(name) = SiteName::new(entry.file_name().to_string_lossy().into_owned())
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frameworks_version_is_read_from_its_package() {
        let read = |text| FrameworkVersion::from_package(text).map(|v| (v.major, v.minor, v.patch));
        assert_eq!(read("import os\n__version__ = \"14.30.0\"\n"), Some((14, 30, 0)));
        assert_eq!(read("__version__ = '16.0.0-dev'\n"), Some((16, 0, 0)));
        assert_eq!(read("__version__ = \"15.x.x-develop\"\n"), Some((15, 0, 0)));
        assert_eq!(read("__title__ = \"no version\"\n"), None);
    }
}
