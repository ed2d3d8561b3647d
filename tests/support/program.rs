//! Programs that a test writes itself.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes an executable file. Another process writes it: what this one has open for writing could not be
/// run while a test beside this one forks.
#[track_caller]
pub fn write_program(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    let mut child = Command::new("/bin/sh")
        .args(["-c", "rm -f \"$0\" && cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("a reading sh");
    assert!(child.wait().expect("a child to wait for").success(), "{} is not written", path.display());
}
