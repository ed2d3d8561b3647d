//! Files that can be had again: written in large numbers, and not synced one by one.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::Outcome;
use super::folder::{Folder, failure};
use super::write::{place, sweep, temporary_name};
use crate::error::Result;

/// Makes the file hold this text, and makes the folders above it. `path` lies below `root`, which is the
/// bench. Who has the old file open or mapped keeps it whole. After a power failure, the file may be empty: its
/// reader must know its size.
pub fn lay(root: &Path, path: &Path, contents: &[u8], is_program: bool) -> Result<Outcome> {
    super::make_folder(root, path.parent().unwrap_or(root))?;
    let (folder, name) = place(root, path)?;
    let mode = if is_program { 0o755 } else { 0o644 };
    let failed = |errno: Errno| failure("write", path, &errno.into());
    match fill(&folder, name, contents, mode) {
        Ok(()) => return Ok(Outcome::Created),
        Err(Errno::EEXIST) => {}
        Err(errno) => return Err(failed(errno)),
    }
    if holds(&folder, name, contents) {
        return Ok(Outcome::Unchanged);
    }
    sweep(&folder, name);
    let temporary = temporary_name(name).map_err(failed)?;
    fill(&folder, &temporary, contents, mode).map_err(failed)?;
    renameat(folder.handle(), &*temporary, folder.handle(), name).map_err(|errno| {
        // The first error is the one to tell.
        let _ = unlinkat(folder.handle(), &*temporary, UnlinkatFlags::NoRemoveDir);
        failed(errno)
    })?;
    Ok(Outcome::Replaced)
}

/// A new file of that name, or none.
fn fill(folder: &Folder, name: &OsStr, contents: &[u8], mode: u32) -> nix::Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(folder.handle(), name, flags, Mode::from_bits_truncate(mode))?);
    file.write_all(contents).map_err(|source| {
        // The first error is the one to tell.
        let _ = unlinkat(folder.handle(), name, UnlinkatFlags::NoRemoveDir);
        Errno::from_raw(source.raw_os_error().unwrap_or_default())
    })
}

/// Whether there is a plain file with this text. One that can't be read is replaced.
fn holds(folder: &Folder, name: &OsStr, contents: &[u8]) -> bool {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let Ok(file) = openat(folder.handle(), name, flags, Mode::empty()) else { return false };
    let file = File::from(file);
    let length = contents.len() as u64;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == length) {
        return false;
    }
    let mut held = Vec::with_capacity(contents.len());
    file.take(length).read_to_end(&mut held).is_ok() && held == contents
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_reader_of_the_old_file_keeps_it_and_the_same_text_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/c.so");
        assert_eq!(lay(root.path(), &path, b"old", false).unwrap(), Outcome::Created);
        let before = path.metadata().unwrap().ino();
        assert_eq!(lay(root.path(), &path, b"old", false).unwrap(), Outcome::Unchanged);
        assert_eq!(path.metadata().unwrap().ino(), before);
        let mut open = File::open(&path).unwrap();
        assert_eq!(lay(root.path(), &path, b"newer", false).unwrap(), Outcome::Replaced);
        let mut read = String::new();
        open.read_to_string(&mut read).unwrap();
        assert_eq!((read.as_str(), std::fs::read_to_string(&path).unwrap().as_str()), ("old", "newer"));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_laid_through_a_link_out_of_the_bench() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("env")).unwrap();
        let error = lay(root.path(), &root.path().join("env/x"), b"x", false).unwrap_err();
        assert!(error.to_string().contains("leads out of the bench"), "{error}");
        // A link in the file's own place is replaced, and what it led to is as it was.
        let target = outside.path().join("theirs");
        std::fs::write(&target, "theirs").unwrap();
        std::os::unix::fs::symlink(&target, root.path().join("link")).unwrap();
        assert_eq!(lay(root.path(), &root.path().join("link"), b"ours", true).unwrap(), Outcome::Replaced);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "theirs");
        assert_eq!(std::fs::read_to_string(root.path().join("link")).unwrap(), "ours");
    }
}
