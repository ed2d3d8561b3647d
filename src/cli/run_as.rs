//! As whom `bench` works in a bench. Files that root makes can't be changed by the bench's owner, and
//! workers that root starts can do anything; so root is asked to say whom it means:
//!
//! * Not root: as whoever it is. Nothing to decide.
//! * Root, and a user is set (`bench.user`, `dontmanage_user`, `BENCH_USER`, `--user`): as that user, for
//!   good, with its groups. `root` is such a user too, and means root on purpose.
//! * Root, nobody is set, and the bench's directory belongs to somebody else: refused.
//! * Root, nobody is set, the directory is root's, and a framework is installed: refused, as today's
//!   tool does, for the framework's workers should not be root by accident.
//! * Root, nobody is set, no framework: as root. That is a container, a test, or a demonstration.
//!
//! Who becomes somebody else runs the same command line anew, so that nothing of root is left: neither
//! its memory nor its `HOME`.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::{
    Gid, Uid, User, getegid, geteuid, getresgid, getresuid, getuid, initgroups, setgid, setuid,
};

use super::Context;
use crate::error::{Error, Problem, Result, plain_io};
use crate::settings::{BenchDir, Settings};

/// What root has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// Go on as it is.
    Stay,
    /// Become this user.
    Become(String),
    /// Not go on.
    Refuse(Problem),
}

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
struct Facts<'a> {
    user: Option<&'a str>,
    owner: &'a str,
    has_framework: bool,
}

/// Becomes whom the settings mean, or refuses. Call it before anything is written or started.
pub fn settle(bench: &BenchDir, settings: &Settings) -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let metadata =
        std::fs::metadata(bench.path()).map_err(|source| Error::io("look at", bench.path(), &source))?;
    let owner = user_name(metadata.uid().into());
    let facts = Facts {
        user: settings.bench.user.as_deref(),
        owner: &owner,
        has_framework: settings.framework.is_installed(),
    };
    match decide(facts) {
        Decision::Stay => Ok(()),
        Decision::Become(user) => Err(become_user(&user, settings)),
        Decision::Refuse(problem) => Err(Error::failed(problem.at(bench.path().display()))),
    }
}

/// The same for a command that needs no settings but for this: unless it is root's, a mistake in them
/// does not keep it from running.
pub fn settle_by_settings(context: &Context, bench: &BenchDir) -> Result<()> {
    if geteuid().is_root() { settle(bench, &context.settings(bench)?) } else { Ok(()) }
}

fn decide(facts: Facts<'_>) -> Decision {
    match facts.user {
        Some("root") => Decision::Stay,
        Some(user) => Decision::Become(user.to_owned()),
        None if facts.owner != "root" => Decision::Refuse(
            Problem::new(format!("this bench belongs to `{}`, and you are root", facts.owner))
                .fix(format!("run it as its owner: `sudo -u {} bench …`", facts.owner)),
        ),
        None if facts.has_framework => {
            Decision::Refuse(Problem::new("the framework should not run as root, and no user is set").fix(
                "set one: `bench config set bench.user NAME`; or, to be root on purpose, `BENCH_USER=root`",
            ))
        }
        None => Decision::Stay,
    }
}

/// Does not come back but with an error.
fn become_user(name: &str, settings: &Settings) -> Error {
    let place = || settings.origins.place("bench.user");
    let Some(user) = User::from_name(name).ok().flatten() else {
        return Error::usage(
            Problem::new(format!("there is no user `{name}` on this machine"))
                .at(place())
                .fix("make the user, or set another: `bench config set bench.user NAME`"),
        );
    };
    let failed = |why: &str| {
        Error::failed(Problem::new(format!("cannot become the user `{name}`: {why}")).at(place()))
    };
    if let Err(errno) = drop_to(&user) {
        return failed(errno.desc());
    }
    if !has_become(user.uid, user.gid) {
        return failed("the system did not change all ids");
    }
    let mut line = std::env::args_os();
    let own_name = line.next().unwrap_or_else(|| "bench".into());
    // By the kernel's own link: the new user may not be allowed to walk the path to the program.
    let source = Command::new("/proc/self/exe")
        .arg0(own_name)
        .args(line)
        .env("HOME", &user.dir)
        .env("USER", name)
        .env("LOGNAME", name)
        .exec();
    failed(&plain_io(&source))
}

/// Groups and group first: without root they can't be changed any more.
fn drop_to(user: &User) -> nix::Result<()> {
    let name = CString::new(user.name.as_str()).map_err(|_| nix::Error::EINVAL)?;
    initgroups(&name, user.gid)?;
    setgid(user.gid)?;
    setuid(user.uid)
}

/// All three ids of both kinds are the user's, so there is no way back.
fn has_become(uid: Uid, gid: Gid) -> bool {
    let users = getresuid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [uid; 3]);
    let groups = getresgid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [gid; 3]);
    users && groups && getegid() == gid
}

/// The name of whoever runs this, or their number if they have no name here.
pub fn login_name() -> String {
    user_name(getuid())
}

fn user_name(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_goes_on_only_where_nobody_else_is_meant() {
        let facts = |user, owner, has_framework| decide(Facts { user, owner, has_framework });
        assert_eq!(facts(None, "root", false), Decision::Stay);
        assert_eq!(facts(Some("root"), "me", true), Decision::Stay);
        assert_eq!(facts(Some("me"), "root", true), Decision::Become("me".to_owned()));
        for (owner, has_framework, fix) in
            [("me", false, "sudo -u me"), ("me", true, "sudo -u me"), ("root", true, "BENCH_USER=root")]
        {
            let Decision::Refuse(problem) = facts(None, owner, has_framework) else {
                panic!("{owner} {has_framework}: not refused")
            };
            assert!(problem.to_string().contains(fix), "{problem}");
        }
    }
}
