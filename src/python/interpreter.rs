//! Finding a Python, and having it make an environment.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::OLDEST;
use crate::error::{Error, Problem, Result, plain_io};

/// Run by the Python that is tried: says what it is and ends with 3 if the library can't run on it, else makes
/// the environment. It must be understood by every Python 3.
const SCRIPT: &str = r#"
import sys
folder, major, minor = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
kind = {"cpython": "Python", "pypy": "PyPy"}.get(sys.implementation.name, sys.implementation.name)
if "t" in getattr(sys, "abiflags", ""):
    kind = "free-threaded Python"
if kind != "Python" or sys.version_info[:2] < (major, minor):
    print(kind + " " + ".".join(str(part) for part in sys.version_info[:3]))
    sys.exit(3)
import venv
venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
"#;

/// The exit status of a Python that does not fit.
const UNFIT: i32 = 3;

/// The newest minor version of Python 3 that is looked for.
const NEWEST_MINOR: u32 = 20;

/// Makes an environment in the folder, with the program `wanted`, else with `python3`, else with the newest
/// `python3.N` on the PATH that fits.
pub fn make(env: &Path, wanted: Option<&OsStr>) -> Result<()> {
    let first = make_with(wanted.unwrap_or_else(|| OsStr::new("python3")), env);
    if wanted.is_some() || first.is_ok() {
        return first;
    }
    for minor in (OLDEST.minor..=NEWEST_MINOR).rev() {
        let name = format!("python{}.{minor}", OLDEST.major);
        if which::which(&name).is_ok() && make_with(name.as_ref(), env).is_ok() {
            return Ok(());
        }
    }
    first
}

fn make_with(python: &OsStr, env: &Path) -> Result<()> {
    let shown = python.display();
    let output = Command::new(python)
        // Without what the user's variables and packages would add.
        .args(["-I", "-c", SCRIPT])
        .arg(env)
        .args([OLDEST.major.to_string(), OLDEST.minor.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|source| {
            let problem = Problem::new(format!("cannot run `{shown}`: {}", plain_io(&source)));
            Error::failed(problem.fix("install it with `apt-get install python3 python3-venv`"))
        })?;
    if output.status.success() {
        return Ok(());
    }
    if output.status.code() == Some(UNFIT) {
        return Err(Problem::new(format!(
            "`{shown}` is {}, and the library needs CPython {OLDEST} or newer",
            String::from_utf8_lossy(&output.stdout).trim()
        ))
        .fix(format!("install a newer one, and name it: `bench setup env --python python{OLDEST}`"))
        .into());
    }
    Err(Problem::new(format!("`{shown}` could not make `{}`: {}", env.display(), last_line(&output)))
        .fix("install what it needs with `apt-get install python3-venv`, or name another: `bench setup env --python PROGRAM`")
        .into())
}

fn last_line(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    match said.trim().lines().next_back() {
        Some(line) => line.to_owned(),
        None => format!("it says nothing, and ended with {}", output.status),
    }
}
