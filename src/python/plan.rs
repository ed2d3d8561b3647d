//! What is to be done in an environment, and doing it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::installed::{Installed, TO_PROGRAMS, is_complete, normalised, recorded};
use super::{Environment, FACE, INSTALLER, LIBRARY, Wheel};
use crate::error::{Problem, Result};
use crate::files;

/// The installer for everything else.
const PIP: &str = "pip";

/// What an installation begins and ends with; what taking it out ends with.
const MARKS: [&str; 2] = ["RECORD", "INSTALLER"];

/// One package to put in, or to take out.
#[derive(Debug)]
pub enum Step {
    /// Put this package in, in the place of what `bench` put there before.
    Put {
        /// The package.
        wheel: Wheel,
        /// What there is of it.
        old: Vec<Installed>,
    },
    /// Take our face out: the framework itself is there.
    Remove(Installed),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { wheel, .. } => write!(f, "{} {}", wheel.name(), wheel.version()),
            Self::Remove(old) => write!(f, "no {} {}, as the framework is there", old.name, old.version),
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    env: Environment,
    steps: Vec<Step>,
    warnings: Vec<Problem>,
}

impl Plan {
    /// Compares what is there with what this binary carries.
    pub fn new(env: Environment, wheels: Vec<Wheel>) -> Result<Self> {
        let installed = Installed::all(env.packages())?;
        let has_framework = has_framework(&env, &installed);
        let mut steps = Vec::new();
        let mut warnings = Vec::new();
        for mut wheel in wheels {
            let name = normalised(wheel.name());
            let there: Vec<_> = installed.iter().filter(|one| one.name == name).cloned().collect();
            if has_framework && name == FACE {
                steps.extend(there.into_iter().filter(|one| one.is_ours).map(Step::Remove));
                continue;
            }
            // The framework's environment has what it needs, in its own versions.
            if has_framework && there.is_empty() && name != LIBRARY && name != PIP {
                continue;
            }
            if let Some(other) = there.iter().find(|one| !one.is_ours) {
                if name == LIBRARY && other.version != wheel.version() {
                    warnings.push(by_another_hand(other, &wheel));
                }
                continue;
            }
            if !is_put(&env, &mut wheel, &there)? {
                steps.push(Step::Put { wheel, old: there });
            }
        }
        Ok(Self { env, steps, warnings })
    }

    /// What is to be done. Nothing, if the environment has what this binary carries.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What is odd, and left as it is.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Does it.
    pub fn carry_out(self) -> Result<()> {
        for step in self.steps {
            match step {
                Step::Put { wheel, old } => put(&self.env, wheel, &old)?,
                Step::Remove(old) => remove(&self.env, &old, &BTreeSet::new())?,
            }
        }
        Ok(())
    }
}

fn by_another_hand(other: &Installed, wheel: &Wheel) -> Problem {
    Problem::new(format!(
        "`env/` has {} {}, which `bench` did not put there; this `bench` carries {}",
        other.name,
        other.version,
        wheel.version()
    ))
    .at(other.info.display())
    .fix(format!("to have that: `env/bin/python -m pip uninstall {}`, then `bench setup env`", other.name))
}

/// Whether the framework's package is importable there, in one of the ways that it gets there.
fn has_framework(env: &Environment, installed: &[Installed]) -> bool {
    let of_face: Vec<_> = installed.iter().filter(|one| one.name == FACE).collect();
    let has_package = |folder: &Path| folder.join(FACE).join("__init__.py").is_file();
    env.bench().framework().is_installed()
        || of_face.iter().any(|one| !one.is_ours)
        || (of_face.is_empty() && has_package(env.packages()))
        || linked_folders(env.packages()).iter().any(|folder| has_package(folder))
}

/// The folders that `.pth` files add to the path of imports.
fn linked_folders(packages: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(packages) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let pth = paths.filter(|path| path.extension().is_some_and(|extension| extension == "pth"));
    let texts = pth.filter_map(|path| files::read_text(&path, files::MAX_TEXT).ok().flatten());
    texts
        .flat_map(|text| {
            let lines = text.lines().map(str::trim);
            let folders = lines
                .filter(|line| !line.is_empty() && !line.starts_with(['#']) && !line.starts_with("import"));
            folders.map(|line| packages.join(line)).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether exactly this wheel is installed, and whole.
fn is_put(env: &Environment, wheel: &mut Wheel, there: &[Installed]) -> Result<bool> {
    let [only] = there else { return Ok(false) };
    let record = wheel.record()?;
    Ok(only.record()?.is_some_and(|text| text == record) && is_complete(env.packages(), &record))
}

/// Puts a package in: its files over those that are there, then away with what it has no more.
fn put(env: &Environment, mut wheel: Wheel, old: &[Installed]) -> Result<()> {
    let root = env.bench().path();
    let info = env.packages().join(wheel.dist_info());
    let lay = |path: &Path, contents: &[u8], is_program| files::lay(root, path, contents, is_program);
    // First, so that it is known to be ours if it does not come to an end.
    lay(&info.join("INSTALLER"), format!("{INSTALLER}\n").as_bytes(), false)?;
    for path in wheel.files().to_vec() {
        let contents = wheel.read(&path)?;
        let target = env.packages().join(&path);
        if lay(&target, &contents, false)? == files::Outcome::Replaced {
            remove_compiled(root, &target)?;
        }
    }
    for (name, text) in wheel.scripts(&Environment::folder(env.bench()))? {
        lay(&env.bench().join("env/bin").join(name), text.as_bytes(), true)?;
    }
    let record = wheel.record()?;
    let kept: BTreeSet<&str> = recorded(&record).map(|(path, _)| path).collect();
    for old in old {
        remove(env, old, &kept)?;
    }
    lay(&info.join("RECORD"), record.as_bytes(), false).map(drop)
}

/// Takes a package out, but for the files that another one has as well.
fn remove(env: &Environment, old: &Installed, kept: &BTreeSet<&str>) -> Result<()> {
    let root = env.bench().path();
    let record = old.record()?.unwrap_or_default();
    let (packages, programs) = (env.packages(), env.bench().join("env/bin"));
    let mut folders = BTreeSet::new();
    for (path, _) in recorded(&record).filter(|(path, _)| !kept.contains(path)) {
        let target = match path.strip_prefix(TO_PROGRAMS) {
            Some(name) if !name.contains('/') => programs.join(name),
            _ if path.starts_with(['/', '.']) => continue,
            _ => packages.join(path),
        };
        // These two say what is still to be removed, if it does not come to an end.
        if target.parent() != Some(&old.info) || !MARKS.iter().any(|mark| target.ends_with(mark)) {
            files::remove(root, &target)?;
            remove_compiled(root, &target)?;
        }
        let above = target.ancestors().skip(1).take_while(|folder| *folder != packages);
        folders.extend(above.filter(|folder| folder.starts_with(packages)).map(Path::to_owned));
    }
    let is_kept = old.info.file_name().and_then(|name| name.to_str()).is_some_and(|info| {
        kept.iter().any(|path| path.strip_prefix(info).is_some_and(|rest| rest.starts_with('/')))
    });
    if !is_kept {
        for mark in MARKS {
            files::remove(root, &old.info.join(mark))?;
        }
        folders.insert(old.info.clone());
    }
    // The deepest come last in the order of paths.
    for folder in folders.iter().rev() {
        files::remove_folder(root, &folder.join("__pycache__"))?;
        files::remove_folder(root, folder)?;
    }
    Ok(())
}

/// Removes what Python has compiled of a source file: it knows an old one by its time and size alone.
fn remove_compiled(root: &Path, source: &Path) -> Result<()> {
    let (Some(folder), Some(stem)) = (source.parent(), source.file_stem()) else { return Ok(()) };
    if source.extension().is_none_or(|extension| extension != "py") {
        return Ok(());
    }
    let cache = folder.join("__pycache__");
    let Ok(entries) = std::fs::read_dir(&cache) else { return Ok(()) };
    let prefix = format!("{}.", stem.to_string_lossy());
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            files::remove(root, &entry.path())?;
        }
    }
    Ok(())
}
