//! What is in `site-packages` already.

use std::path::{Path, PathBuf};

use super::INSTALLER;
use crate::error::{Error, Result};
use crate::files;

/// How `RECORD` names the programs of an environment, from its `site-packages`.
pub const TO_PROGRAMS: &str = "../../../bin/";

/// The most that a `RECORD` may hold: the largest packages have some thousand files.
const MAX_RECORD: u64 = 64 << 20;

/// A package that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// In lower case, with `_` for each run of `-`, `_` and `.`.
    pub name: String,
    /// As its folder says it.
    pub version: String,
    /// `NAME-VERSION.dist-info`, absolute.
    pub info: PathBuf,
    /// Whether `bench` put it there.
    pub is_ours: bool,
}

impl Installed {
    /// What is installed, in the order of the folders' names. Nothing, if there is no such folder.
    pub fn all(packages: &Path) -> Result<Vec<Self>> {
        let entries = match std::fs::read_dir(packages) {
            Ok(entries) => entries,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::io("read", packages, &source)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let info = entry.map_err(|source| Error::io("read", packages, &source))?.path();
            if let Some(found) = Self::read(info)? {
                all.push(found);
            }
        }
        all.sort_by(|one, other| one.info.cmp(&other.info));
        Ok(all)
    }

    /// From the folder or file that an installer has left, if it is one.
    fn read(info: PathBuf) -> Result<Option<Self>> {
        let file_name = info.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The older kinds are a folder, a file, and a link to sources.
        let kinds = [".dist-info", ".egg-info", ".egg-link"];
        let Some(stem) = kinds.iter().find_map(|kind| file_name.strip_suffix(kind)) else { return Ok(None) };
        let (name, version) = stem.split_once('-').unwrap_or((stem, ""));
        let installer = files::read_text(&info.join("INSTALLER"), files::MAX_TEXT).unwrap_or_default();
        Ok(Some(Self {
            name: normalised(name),
            version: version.to_owned(),
            // Nobody else leaves it empty; a power failure may have.
            is_ours: installer.is_some_and(|text| [INSTALLER, ""].contains(&text.trim())),
            info,
        }))
    }

    /// Its `RECORD`, or none if it was not installed to the end.
    pub fn record(&self) -> Result<Option<String>> {
        files::read_text(&self.info.join("RECORD"), MAX_RECORD)
    }
}

/// A package's name as everybody compares it.
pub fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_").to_lowercase()
}

/// The paths of a `RECORD`, and the size of each that has one.
pub fn recorded(record: &str) -> impl Iterator<Item = (&str, Option<u64>)> {
    record.lines().filter_map(|line| {
        // Only the path may be in quotes; no file of ours needs them.
        let mut fields = line.rsplitn(3, ',');
        let (size, _hash, path) = (fields.next()?, fields.next()?, fields.next()?);
        Some((path, size.parse().ok()))
    })
}

/// Whether every file of a `RECORD` is there, with its size.
pub fn is_complete(packages: &Path, record: &str) -> bool {
    recorded(record).all(|(path, size)| {
        packages
            .join(path)
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && size.is_none_or(|size| metadata.len() == size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_installers_do() {
        for (name, normal) in [
            ("SQLAlchemy", "sqlalchemy"),
            ("async-timeout", "async_timeout"),
            ("zope.interface_", "zope_interface"),
        ] {
            assert_eq!(normalised(name), normal);
        }
    }

    #[test]
    fn a_record_is_complete_when_each_file_has_its_size() {
        let packages = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(packages.path().join(name), text).unwrap();
        write("a.py", "1234");
        write("RECORD", "");
        let record = "a.py,sha256=xyz,4\nRECORD,,\n";
        assert_eq!(recorded(record).collect::<Vec<_>>(), [("a.py", Some(4)), ("RECORD", None)]);
        assert!(is_complete(packages.path(), record));
        write("a.py", "123");
        assert!(!is_complete(packages.path(), record));
        std::fs::remove_file(packages.path().join("a.py")).unwrap();
        assert!(!is_complete(packages.path(), record));
    }

    #[test]
    fn what_others_installed_is_told_from_ours() {
        let packages = tempfile::tempdir().unwrap();
        for (info, installer) in [("dontmanage_cache-0.1.0", "bench\n"), ("SQLAlchemy-2.0.1", "pip\n")] {
            let info = packages.path().join(format!("{info}.dist-info"));
            std::fs::create_dir(&info).unwrap();
            std::fs::write(info.join("INSTALLER"), installer).unwrap();
        }
        std::fs::write(packages.path().join("dontmanage.egg-link"), "/src\n").unwrap();
        let found = Installed::all(packages.path()).unwrap();
        let short: Vec<_> =
            found.iter().map(|one| (one.name.as_str(), one.version.as_str(), one.is_ours)).collect();
        assert_eq!(
            short,
            [("sqlalchemy", "2.0.1", false), ("dontmanage", "", false), ("dontmanage_cache", "0.1.0", true)]
        );
        assert_eq!(found[2].record().unwrap(), None);
        assert_eq!(Installed::all(&packages.path().join("none")).unwrap(), []);
    }
}
