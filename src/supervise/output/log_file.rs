//! A program's log: its bytes as it wrote them, rotated by size. A log never holds up the program:
//! what can't be written is counted and told.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::plain_io;

/// A log of this size is put aside.
const LARGEST: u64 = 10 * 1024 * 1024;
/// So many are kept beside the one that is written.
const KEPT: u32 = 5;
/// How often it is looked at whether the file is still where it was, and tried again if it is not.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One log file. It is made when there is something to write.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    open: Option<Open>,
    look_at: Option<Instant>,
    lost: u64,
    why: Option<String>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    inode: (u64, u64),
}

impl LogFile {
    /// A log at this path. Nothing is opened yet.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, open: None, look_at: None, lost: 0, why: None }
    }

    /// Appends the bytes, or counts them as lost.
    pub fn write(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            return;
        }
        if self.look_at.is_none_or(|at| now >= at) {
            self.look_at = Some(now + LOOK_EVERY);
            self.look();
        }
        let Some(open) = &mut self.open else {
            self.lost += bytes.len() as u64;
            return;
        };
        match open.file.write_all(bytes) {
            Ok(()) => {
                open.size += bytes.len() as u64;
                if open.size >= LARGEST {
                    self.rotate();
                }
            }
            Err(source) => {
                self.lost += bytes.len() as u64;
                self.why = Some(plain_io(&source));
            }
        }
    }

    /// What was lost since the last question, in words.
    pub fn take_loss(&mut self) -> Option<String> {
        let lost = std::mem::take(&mut self.lost);
        let why = self.why.take().map_or_else(String::new, |why| format!(": {why}"));
        (lost > 0).then(|| format!("{lost} bytes did not get into {}{why}", self.path.display()))
    }

    /// Opens the file, also where somebody moved or removed the one that was open.
    fn look(&mut self) {
        let there = std::fs::symlink_metadata(&self.path).ok().map(|meta| (meta.dev(), meta.ino()));
        if self.open.as_ref().is_some_and(|open| there == Some(open.inode)) {
            return;
        }
        self.open = match open(&self.path) {
            Ok(open) => Some(open),
            Err(why) => {
                self.why = Some(why);
                None
            }
        };
    }

    fn rotate(&mut self) {
        for number in (1..KEPT).rev() {
            // The older ones may not exist yet.
            let _ = std::fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1));
        }
        if let Err(source) = std::fs::rename(&self.path, numbered(&self.path, 1)) {
            self.why = Some(format!("can't be put aside: {}", plain_io(&source)));
        }
        self.open = None;
        self.look();
    }
}

/// A log as the place that a stream goes to. A write that fails is no end of the stream.
#[derive(Debug)]
pub struct Stream(LogFile);

impl Stream {
    /// To a log at this path.
    pub const fn new(path: PathBuf) -> Self {
        Self(LogFile::new(path))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes, Instant::now());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Never through a link, and never a fifo or a device, which could hold us up.
fn open(path: &Path) -> Result<Open, String> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)
        .map_err(|source| plain_io(&source))?;
    let meta = file.metadata().map_err(|source| plain_io(&source))?;
    if !meta.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    Ok(Open { size: meta.len(), inode: (meta.dev(), meta.ino()), file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_put_aside_when_it_is_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.log");
        let mut log = LogFile::new(path.clone());
        let block = vec![b'x'; 1024 * 1024];
        for _ in 0..25 {
            log.write(&block, Instant::now());
        }
        let size = |path: &Path| std::fs::metadata(path).unwrap().len();
        assert_eq!(size(&path), 5 * 1024 * 1024);
        assert_eq!(size(&numbered(&path, 1)), LARGEST);
        assert_eq!(size(&numbered(&path, 2)), LARGEST);
        assert_eq!(log.take_loss(), None);
    }

    #[test]
    fn a_stream_is_put_aside_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.log");
        let mut stream = Stream::new(path.clone());
        for _ in 0..12 {
            stream.write_all(&vec![b'x'; 1024 * 1024]).unwrap();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 * 1024 * 1024);
        assert_eq!(std::fs::metadata(numbered(&path, 1)).unwrap().len(), LARGEST);
    }

    #[test]
    fn a_link_is_refused_and_the_loss_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.log");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        let mut log = LogFile::new(path);
        log.write(b"secret\n", Instant::now());
        assert!(log.take_loss().unwrap().starts_with("7 bytes did not get into"));
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn a_full_disk_costs_lines_and_nothing_else() {
        let mut log = LogFile::new(PathBuf::from("/dev/full"));
        log.write(b"a line\n", Instant::now());
        assert!(log.take_loss().unwrap().starts_with("7 bytes"));
    }

    #[test]
    fn a_log_that_somebody_moved_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.log");
        let mut log = LogFile::new(path.clone());
        let start = Instant::now();
        log.write(b"one\n", start);
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        log.write(b"two\n", start + LOOK_EVERY);
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
    }
}
