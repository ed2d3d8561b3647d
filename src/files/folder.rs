//! Folders reached without following a link out of the bench.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};

use crate::error::{Error, Problem, Result, plain_io};

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// An open folder below a root. What is done in it is done in this very folder, whatever its path
/// has come to mean since.
#[derive(Debug)]
pub struct Folder {
    handle: File,
    path: PathBuf,
}

/// Why a folder could not be reached.
enum Blocked {
    Link { link: PathBuf, target: PathBuf },
    Io { path: PathBuf, errno: Errno },
}

impl Folder {
    /// Opens a folder below the root; with `make`, makes what is missing of its path.
    pub fn open(root: &Path, below: &Path, make: bool) -> Result<Self> {
        let blocked = |blocked| match blocked {
            Blocked::Link { link, target } => leads_away(root, &link, &target),
            Blocked::Io { path, errno } => {
                failure(if make { "make" } else { "open" }, &path, &std::io::Error::from(errno))
            }
        };
        let handle = walk(root, below, make).map_err(blocked)?;
        Ok(Self { handle, path: root.join(below) })
    }

    /// The folder's path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder itself.
    pub const fn handle(&self) -> &File {
        &self.handle
    }

    /// Whether the name stands for a symbolic link here.
    pub fn has_link(&self, name: &OsStr) -> bool {
        is_link(&self.handle, name)
    }
}

fn is_link(folder: &impl AsFd, name: &OsStr) -> bool {
    fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK)
}

fn walk(root: &Path, below: &Path, make: bool) -> Result<File, Blocked> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |errno| Blocked::Io { path, errno }
    };
    let mut handle = File::from(open(root, DIRECTORY, Mode::empty()).map_err(at(root))?);
    let mut path = root.to_owned();
    let mut components = below.components();
    while let Some(component) = components.next() {
        path.push(component);
        let Component::Normal(name) = component else {
            return Err(Blocked::Io { path, errno: Errno::EINVAL });
        };
        if make {
            match mkdirat(&handle, name, Mode::from_bits_truncate(0o777)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(Blocked::Io { path, errno }),
            }
        }
        match openat(&handle, name, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty()) {
            Ok(next) => handle = File::from(next),
            Err(_) if is_link(&handle, name) => {
                // The canonical path of a link's target holds no link: the second walk ends.
                let target = real(&path)?;
                let real_root = real(root)?;
                return match target.strip_prefix(&real_root) {
                    Ok(inside) => walk(&real_root, &inside.join(components.as_path()), make),
                    Err(_) => Err(Blocked::Link { link: path, target }),
                };
            }
            Err(errno) => return Err(Blocked::Io { path, errno }),
        }
    }
    Ok(handle)
}

fn real(path: &Path) -> Result<PathBuf, Blocked> {
    path.canonicalize().map_err(|source| Blocked::Io {
        path: path.to_owned(),
        errno: Errno::from_raw(source.raw_os_error().unwrap_or_default()),
    })
}

fn leads_away(root: &Path, link: &Path, target: &Path) -> Error {
    Problem::new(format!(
        "`{}` is a symbolic link that leads out of the bench, to `{}`; nothing was written through it",
        link.display(),
        target.display()
    ))
    .at(root.display())
    .fix("put a folder in the link's place; a folder elsewhere can be bind-mounted there")
    .into()
}

/// A failed file operation, with what is known about the path and what helps.
pub fn failure(doing: &str, path: &Path, source: &std::io::Error) -> Error {
    let problem = Problem::new(format!("cannot {doing} `{}`: {}", path.display(), plain_io(source)));
    let errno = Errno::from_raw(source.raw_os_error().unwrap_or_default());
    let parent = path.parent().unwrap_or(path);
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => problem.fix("make room on that disk; nothing was changed"),
        Errno::EFBIG => problem.fix("raise the limit on file sizes (`ulimit -f`); nothing was changed"),
        Errno::EROFS => problem.fix("it lies on a read-only disk: mount it for writing"),
        Errno::ENOENT => problem.fix(format!("make the folder `{}`", parent.display())),
        Errno::EACCES | Errno::EPERM => {
            let existing = if path.is_dir() { path } else { parent };
            match owner_and_mode(existing) {
                Some(facts) => problem
                    .at(format!("`{}` {facts}", existing.display()))
                    .fix("run the command as the folder's owner, or give yourself the right to write there"),
                None => problem,
            }
        }
        _ => problem,
    }
    .into()
}

fn owner_and_mode(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = path.metadata().ok()?;
    let owner = nix::unistd::User::from_uid(metadata.uid().into())
        .ok()
        .flatten()
        .map_or_else(|| metadata.uid().to_string(), |user| user.name);
    Some(format!("is owned by {owner} and has mode {:04o}", metadata.mode() & 0o7777))
}
