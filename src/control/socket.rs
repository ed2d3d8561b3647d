//! Where the control socket is. A unix socket's path may have 107 bytes, and a bench may lie deeper
//! than that: the socket is reached through its folder's descriptor, whose name is always short.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The socket's name in `config/`.
const NAME: &str = "bench.sock";

/// The socket's path, for people.
pub fn path(bench: &Path) -> PathBuf {
    bench.join("config").join(NAME)
}

/// Listens, for this user alone. Whoever calls this holds the bench's lock, so a socket that is there
/// is a leftover.
pub fn listen(bench: &Path) -> io::Result<UnixListener> {
    let (_folder, short) = short_path(bench)?;
    match std::fs::remove_file(&short) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(source),
        _ => {}
    }
    let listener = UnixListener::bind(&short)?;
    // Until this line, the check of the peer's user id protects it.
    std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects.
pub fn connect(bench: &Path) -> io::Result<UnixStream> {
    let (_folder, short) = short_path(bench)?;
    UnixStream::connect(short)
}

/// The folder's descriptor must live as long as the path is used.
fn short_path(bench: &Path) -> io::Result<(File, PathBuf)> {
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_DIRECTORY | nix::libc::O_PATH)
        .open(bench.join("config"))?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()));
    Ok((folder, short))
}
