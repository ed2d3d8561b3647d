//! Programs that a test writes itself.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Makes an executable file.
#[track_caller]
pub fn write_program(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    let mut child = write(path, Stdio::piped());
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("a reading sh");
    assert!(child.wait().expect("a child to wait for").success(), "{} is not written", path.display());
}

/// Copies an executable file.
#[track_caller]
pub fn copy_program(from: impl AsRef<Path>, to: &Path) {
    let from = std::fs::File::open(from).expect("a program");
    let status = write(to, from.into()).wait().expect("a child to wait for");
    assert!(status.success(), "{} is not written", to.display());
}

/// Another process writes: what this one has open for writing could not be run while a test beside this
/// one forks.
fn write(path: &Path, text: Stdio) -> Child {
    Command::new("/bin/sh")
        .args(["-c", "rm -f \"$0\" && cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(text)
        .spawn()
        .expect("sh")
}
