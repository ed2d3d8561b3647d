//! Writing whole files, or nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::Mode as Permissions;
use nix::sys::stat::fchmod;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::folder::{Folder, failure};
use crate::error::{Problem, Result};

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As the file that is replaced; a new one as the user's umask has it, at most 0644.
    Public,
    /// 0600 from its creation: it holds a secret.
    Private,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file held the text already.
    Unchanged,
    /// There was no such file.
    Created,
    /// There was one with another text or mode.
    Replaced,
}

/// The steps of a write, at each of which it may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Write,
    SyncFile,
    Name,
    SyncFolder,
}

/// Makes the file hold this text. `path` lies below `root`, which is the bench.
pub fn write(root: &Path, path: &Path, contents: &[u8], mode: Mode) -> Result<Outcome> {
    let (folder, name) = place(root, path)?;
    if folder.has_link(name) {
        return Err(Problem::new(format!(
            "`{}` is a symbolic link; nothing was written through it",
            path.display()
        ))
        .fix("remove the link, or replace it by the file that it leads to")
        .into());
    }
    let old = existing(&folder, name, path)?;
    let permissions = match (mode, &old) {
        (Mode::Private, _) => Some(0o600),
        (Mode::Public, Some(old)) => Some(old.permissions),
        (Mode::Public, None) => None,
    };
    if let Some(old) = &old
        && old.contents == contents
        && permissions == Some(old.permissions)
    {
        return Ok(Outcome::Unchanged);
    }
    let naming = |temporary: &OsStr| renameat(folder.handle(), temporary, folder.handle(), name);
    put(&folder, name, contents, permissions, naming)
        .map_err(|errno| failure("write", path, &errno.into()))?;
    Ok(if old.is_some() { Outcome::Replaced } else { Outcome::Created })
}

/// Makes the file if there is none, and says whether it did. An existing one is never touched, not
/// even one that came into being a moment ago.
pub fn create(root: &Path, path: &Path, contents: &[u8], mode: Mode) -> Result<bool> {
    let (folder, name) = place(root, path)?;
    if nix::sys::stat::fstatat(folder.handle(), name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok() {
        return Ok(false);
    }
    let permissions = (mode == Mode::Private).then_some(0o600);
    let naming = |temporary: &OsStr| {
        linkat(folder.handle(), temporary, folder.handle(), name, AtFlags::empty())?;
        unlinkat(folder.handle(), temporary, UnlinkatFlags::NoRemoveDir)
    };
    match put(&folder, name, contents, permissions, naming) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => Err(failure("write", path, &errno.into())),
    }
}

/// Keeps the file's present text as `NAME.bak` beside it, with the same mode; says where. None if
/// there is no such file.
pub fn back_up(root: &Path, path: &Path) -> Result<Option<PathBuf>> {
    let (folder, name) = place(root, path)?;
    let Some(old) = existing(&folder, name, path)? else { return Ok(None) };
    let mut backup_name = name.to_owned();
    backup_name.push(".bak");
    let backup = path.with_file_name(&backup_name);
    let naming = |temporary: &OsStr| renameat(folder.handle(), temporary, folder.handle(), &*backup_name);
    put(&folder, &backup_name, &old.contents, Some(old.permissions), naming)
        .map_err(|errno| failure("write", &backup, &errno.into()))?;
    Ok(Some(backup))
}

/// Makes a folder below the root, and the folders above it.
pub fn make_folder(root: &Path, path: &Path) -> Result<()> {
    Folder::open(root, below(root, path)?, true).map(drop)
}

/// Removes a file below the root, and says whether there was one.
pub fn remove(root: &Path, path: &Path) -> Result<bool> {
    let (folder, name) = place(root, path)?;
    match unlinkat(folder.handle(), name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(failure("remove", path, &errno.into())),
    }
}

/// Removes a folder below the root if nothing is in it, and says whether it did.
pub fn remove_folder(root: &Path, path: &Path) -> Result<bool> {
    let (folder, name) = place(root, path)?;
    match unlinkat(folder.handle(), name, UnlinkatFlags::RemoveDir) {
        Ok(()) => Ok(true),
        Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => Ok(false),
        Err(errno) => Err(failure("remove", path, &errno.into())),
    }
}

fn below<'a>(root: &Path, path: &'a Path) -> Result<&'a Path> {
    match path.strip_prefix(root) {
        Ok(below) => Ok(below),
        Err(_) if path.is_relative() => Ok(path),
        Err(_) => Err(Problem::new(format!("`{}` is not inside the bench", path.display()))
            .at(root.display())
            .into()),
    }
}

pub(super) fn place<'a>(root: &Path, path: &'a Path) -> Result<(Folder, &'a OsStr)> {
    let below = below(root, path)?;
    let Some(name) = below.file_name() else {
        return Err(Problem::new(format!("`{}` does not name a file", path.display())).into());
    };
    let folder = Folder::open(root, below.parent().unwrap_or_else(|| Path::new("")), false)?;
    Ok((folder, name))
}

struct Existing {
    contents: Vec<u8>,
    permissions: u32,
}

fn existing(folder: &Folder, name: &OsStr, path: &Path) -> Result<Option<Existing>> {
    // Without waiting for the other end of a pipe.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let failed = |source: std::io::Error| failure("read", path, &source);
    let file = match openat(folder.handle(), name, flags, Permissions::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(failed(errno.into())),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Problem::new(format!("`{}` is not a regular file", path.display()))
            .fix("move it out of the way")
            .into());
    }
    let mut contents = Vec::new();
    file.take(super::MAX_TEXT).read_to_end(&mut contents).map_err(failed)?;
    Ok(Some(Existing { contents, permissions: metadata.permissions().mode() & 0o7777 }))
}

/// Writes a temporary file in the folder and lets `naming` give it its name.
fn put(
    folder: &Folder,
    name: &OsStr,
    contents: &[u8],
    permissions: Option<u32>,
    naming: impl FnOnce(&OsStr) -> nix::Result<()>,
) -> nix::Result<()> {
    sweep(folder, name);
    let temporary = temporary_name(name)?;
    let result = fill(folder, &temporary, contents, permissions).and_then(|()| {
        reach(Step::Name)?;
        naming(&temporary)
    });
    if let Err(errno) = result {
        if !crashed(errno) {
            // The first error is the one to tell; the next write sweeps up what stays.
            let _ = unlinkat(folder.handle(), &*temporary, UnlinkatFlags::NoRemoveDir);
        }
        return Err(errno);
    }
    reach(Step::SyncFolder)?;
    match nix::unistd::fsync(folder.handle()) {
        // Some file systems sync no folders; the file is in place all the same.
        Ok(()) | Err(Errno::EINVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn fill(folder: &Folder, name: &OsStr, contents: &[u8], permissions: Option<u32>) -> nix::Result<()> {
    reach(Step::Create)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    // Not more than its final mode at any moment; the umask may only take from it.
    let created_with = Permissions::from_bits_truncate(permissions.unwrap_or(0o644));
    let mut file = File::from(openat(folder.handle(), name, flags, created_with)?);
    let errno = |source: std::io::Error| Errno::from_raw(source.raw_os_error().unwrap_or_default());
    reach(Step::Write)?;
    file.write_all(contents).map_err(errno)?;
    if let Some(permissions) = permissions {
        fchmod(&file, Permissions::from_bits_truncate(permissions))?;
    }
    reach(Step::SyncFile)?;
    file.sync_all().map_err(errno)
}

/// `.NAME.XXXXXXXX.tmp`, unguessable, so that nobody can have put a link there.
pub(super) fn temporary_name(name: &OsStr) -> nix::Result<OsString> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|_| Errno::EIO)?;
    let mut temporary = temporary_prefix(name);
    temporary.extend(random.iter().map(|byte| b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(byte % 32)]));
    temporary.extend_from_slice(SUFFIX);
    Ok(OsString::from_vec(temporary))
}

const SUFFIX: &[u8] = b".tmp";

fn temporary_prefix(name: &OsStr) -> Vec<u8> {
    // A name may have 255 bytes, and this one is longer than the file's.
    let name = name.as_bytes();
    [b".", &name[..name.len().min(240)], b"."].concat()
}

/// Removes the temporary files that a crash left for this name. Who writes holds the folder's lock,
/// shared and until the folder is closed, so nothing that is still being written is removed.
pub(super) fn sweep(folder: &Folder, name: &OsStr) {
    match folder.handle().try_lock() {
        Ok(()) => {
            for left in leftovers(folder.path(), name) {
                // Best effort: it is in nobody's way.
                let _ = unlinkat(folder.handle(), &*left, UnlinkatFlags::NoRemoveDir);
            }
        }
        Err(TryLockError::WouldBlock) => {}
        // A network disk without locks: nothing is swept there.
        Err(TryLockError::Error(_)) => return,
    }
    // Where this fails, a sweeper may take our temporary file, and the write says so.
    let _ = folder.handle().lock_shared();
}

fn leftovers(folder: &Path, name: &OsStr) -> Vec<OsString> {
    let prefix = temporary_prefix(name);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|entry| {
            let bytes = entry.as_bytes();
            bytes.len() == prefix.len() + 8 + SUFFIX.len()
                && bytes.starts_with(&prefix)
                && bytes.ends_with(SUFFIX)
        })
        .collect()
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "the tests let each step fail")]
const fn reach(_step: Step) -> nix::Result<()> {
    Ok(())
}

#[cfg(not(test))]
const fn crashed(_errno: Errno) -> bool {
    false
}

#[cfg(test)]
use fail_points::{crashed, reach};

#[cfg(test)]
mod fail_points {
    use std::cell::Cell;

    use super::*;

    /// What stands for "the machine stopped here": nothing is tidied up.
    pub const CRASH: Errno = Errno::ENOTRECOVERABLE;

    thread_local! {
        static FAIL_AT: Cell<Option<(Step, Errno)>> = const { Cell::new(None) };
    }

    pub fn fail_at(step: Step, errno: Errno) {
        FAIL_AT.set(Some((step, errno)));
    }

    pub fn fail_nowhere() {
        FAIL_AT.set(None);
    }

    pub fn reach(step: Step) -> nix::Result<()> {
        match FAIL_AT.get() {
            Some((at, errno)) if at == step => Err(errno),
            _ => Ok(()),
        }
    }

    pub fn crashed(errno: Errno) -> bool {
        errno == CRASH
    }
}

#[cfg(test)]
mod tests;
