//! Reading text of a bounded size.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

use crate::error::{Error, Problem, Result};

/// The most that any file read by `bench` may hold. Settings and generated files are a thousand times
/// smaller; what is larger is not what it seems to be.
pub const MAX_TEXT: u64 = 8 << 20;

/// The file's text, or none if there is no such file. A folder, a pipe, a file that is longer than
/// `cap` or not UTF-8, and one that may not be read, are each told apart.
pub fn read_text(path: &Path, cap: u64) -> Result<Option<String>> {
    // A pipe is opened without waiting for its other end.
    let file = match OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::io("read", path, &source)),
    };
    let bytes = read_bytes(&file, path, cap)?;
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].split(|&byte| byte == b'\n').count();
        Problem::new(format!("`{}` is not UTF-8 text", path.display()))
            .at(format!("{}:{line}", path.display()))
            .fix("save the file as UTF-8")
            .into()
    })
}

fn read_bytes(file: &File, path: &Path, cap: u64) -> Result<Vec<u8>> {
    let failed = |source| Error::io("read", path, &source);
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Problem::new(format!("`{}` is not a regular file", path.display())).into());
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file of exactly the allowed size from a longer one.
    file.take(cap.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > cap {
        let what = format!("`{}` is longer than {cap} bytes; that is not a file of `bench`", path.display());
        return Err(Problem::new(what).into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_unreadable_and_broken_text_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("text");
        assert_eq!(read_text(&path, 10), Ok(None));
        std::fs::write(&path, "0123456789").expect("a file");
        assert_eq!(read_text(&path, 10).as_ref().map(Option::as_deref), Ok(Some("0123456789")));
        assert!(read_text(&path, 9).is_err_and(|error| error.to_string().contains("longer than 9 bytes")));
        std::fs::write(&path, b"one\ntwo\n\xff").expect("a file");
        assert!(read_text(&path, 10).is_err_and(|error| error.to_string().contains("text:3")));
        assert!(read_text(folder.path(), 10).is_err());
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(read_text(&path, 10).is_err_and(|error| error.to_string().contains("not a regular file")));
    }
}
