//! A wheel: a zip archive whose files belong into `site-packages`, and whose `RECORD` lists them.

use std::fmt::Write as _;
use std::io::{Cursor, Read};
use std::path::{Component, Path};

use zip::ZipArchive;

use super::installed::TO_PROGRAMS;
use crate::error::{Error, Problem, Result};

/// A wheel that the binary carries.
#[derive(Debug)]
pub struct Wheel {
    file_name: &'static str,
    name: &'static str,
    version: &'static str,
    dist_info: String,
    files: Vec<String>,
    archive: ZipArchive<Cursor<&'static [u8]>>,
}

impl Wheel {
    /// `NAME-VERSION-….whl` and its bytes.
    pub fn open(file_name: &'static str, bytes: &'static [u8]) -> Result<Self> {
        let mut parts = file_name.split('-');
        let (Some(name), Some(version)) = (parts.next(), parts.next()) else {
            return Err(unfit(file_name, "its name is not `NAME-VERSION-TAGS.whl`"));
        };
        let fail = |why: String| unfit(file_name, &why);
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| fail(error.to_string()))?;
        let mut files = Vec::new();
        for path in archive.file_names() {
            let path = path.map_err(|error| fail(error.to_string()))?.into_owned();
            if !Path::new(&path).components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(fail(format!("`{path}` leads out of it")));
            }
            if path.split('/').next().is_some_and(|folder| folder.rsplit('.').next() == Some("data")) {
                return Err(fail(format!("`{path}` does not belong into site-packages")));
            }
            if !path.ends_with('/') {
                files.push(path);
            }
        }
        // The package's name may be written in capitals there.
        let record = files.iter().position(|path| path.ends_with(".dist-info/RECORD"));
        let record = record.map(|index| files.swap_remove(index));
        let Some(dist_info) = record.as_deref().and_then(|path| path.strip_suffix("/RECORD")) else {
            return Err(fail("it has no `RECORD`".to_owned()));
        };
        Ok(Self { file_name, name, version, dist_info: dist_info.to_owned(), files, archive })
    }

    /// The package's name, as its folder has it: `dontmanage_cache`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// `0.1.0`
    pub const fn version(&self) -> &'static str {
        self.version
    }

    /// `NAME-VERSION.dist-info`
    pub fn dist_info(&self) -> &str {
        &self.dist_info
    }

    /// The files, by their paths below `site-packages`, without `RECORD`.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// What a file holds.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>> {
        let mut contents = Vec::new();
        let failed = |error: &dyn std::fmt::Display| unfit(self.file_name, &format!("`{path}`: {error}"));
        let mut file = self.archive.by_name(path).map_err(|error| failed(&error))?;
        file.read_to_end(&mut contents).map_err(|error| failed(&error))?;
        Ok(contents)
    }

    fn text(&mut self, path: &str) -> Result<String> {
        let contents = self.read(path)?;
        String::from_utf8(contents).map_err(|_| unfit(self.file_name, &format!("`{path}` is no text")))
    }

    /// `RECORD` as it is to be written: the wheel's own lines, and those of what an installer adds.
    pub fn record(&mut self) -> Result<String> {
        let info = self.dist_info.clone();
        let mut record = self.text(&format!("{info}/RECORD"))?;
        if !record.ends_with('\n') {
            record.push('\n');
        }
        // Writing to a string does not fail.
        let _ = writeln!(record, "{info}/INSTALLER,,");
        for (name, _) in self.programs()? {
            let _ = writeln!(record, "{TO_PROGRAMS}{name},,");
        }
        Ok(record)
    }

    /// The programs that belong into `bin/`: their names and texts for an environment in this folder.
    pub fn scripts(&mut self, env: &Path) -> Result<Vec<(String, String)>> {
        let python = env.join("bin/python");
        let first_lines = shebang(&python);
        let script = |(name, (module, function)): (String, (String, String))| {
            let called = function.split('.').next().unwrap_or_default().to_owned();
            let text = format!(
                "{first_lines}import sys\nfrom {module} import {called}\nif __name__ == \"__main__\":\n    \
                 sys.exit({function}())\n"
            );
            (name, text)
        };
        Ok(self.programs()?.into_iter().map(script).collect())
    }

    /// Its `[console_scripts]`: name, module, function.
    fn programs(&mut self) -> Result<Vec<(String, (String, String))>> {
        let path = format!("{}/entry_points.txt", self.dist_info);
        if self.archive.index_for_name(&path).is_none() {
            return Ok(Vec::new());
        }
        let text = self.text(&path)?;
        let lines = text.lines().map(str::trim);
        let section = lines.skip_while(|line| *line != "[console_scripts]").skip(1);
        let program = |line: &str| {
            let (name, target) = line.split_once('=')?;
            let (module, function) = target.split('[').next()?.trim().split_once(':')?;
            Some((name.trim().to_owned(), (module.to_owned(), function.to_owned())))
        };
        Ok(section.take_while(|line| !line.starts_with('[')).filter_map(program).collect())
    }
}

/// The first lines of a program for this Python. The kernel reads 127 bytes without a blank; beyond that, the
/// shell starts it, for which the lines mean something else than for Python.
fn shebang(python: &Path) -> String {
    let path = python.display().to_string();
    if path.len() < 120 && !path.contains(char::is_whitespace) {
        return format!("#!{path}\n");
    }
    let quoted = shlex::try_quote(&path).map_or_else(|_| path.clone(), std::borrow::Cow::into_owned);
    format!("#!/bin/sh\n'''exec' {quoted} \"$0\" \"$@\"\n' '''\n")
}

fn unfit(file_name: &str, why: &str) -> Error {
    Problem::new(format!("the wheel that this `bench` carries can't be installed: {why}"))
        .at(file_name)
        .fix("build `bench` anew, with `make build`")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_starts_its_python_wherever_that_is() {
        assert_eq!(shebang(Path::new("/b/env/bin/python")), "#!/b/env/bin/python\n");
        assert_eq!(
            shebang(Path::new("/my bench/env/bin/python")),
            "#!/bin/sh\n'''exec' '/my bench/env/bin/python' \"$0\" \"$@\"\n' '''\n"
        );
        let long = format!("/{}/python", "x".repeat(200));
        assert!(shebang(Path::new(&long)).starts_with("#!/bin/sh\n'''exec' /xxx"));
    }

    #[test]
    fn what_is_no_wheel_is_refused() {
        for (name, bytes) in [("x.whl", &b"PK"[..]), ("x-1-py3-none-any.whl", b"no zip"), ("", b"")] {
            let error = Wheel::open(name, bytes).unwrap_err().to_string();
            assert!(error.contains("make build"), "{error}");
        }
    }
}
