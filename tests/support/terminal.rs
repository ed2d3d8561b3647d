//! A program that runs on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::wait::{DEADLINE, STEP};

/// Runs a command on a terminal of its own, on which somebody types this; answers its exit status and
/// all that the terminal showed.
#[track_caller]
pub fn on_terminal(mut command: Command, typed: &str) -> (Option<i32>, String) {
    let line = format!("{command:?}");
    let terminal = nix::pty::openpty(None, None).expect("a terminal");
    let side = || Stdio::from(terminal.slave.try_clone().expect("a terminal's side"));
    let mut child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("a command");
    // Also the command holds copies: without them the terminal's end comes when the child ends.
    drop(command);
    drop(terminal.slave);
    let mut master = File::from(terminal.master);
    master.write_all(typed.as_bytes()).expect("a terminal to type on");
    let mut reader = master.try_clone().expect("a terminal to read");
    let shown = std::thread::spawn(move || {
        let mut shown = Vec::new();
        // The end of a terminal is an error (EIO).
        let _ = reader.read_to_end(&mut shown);
        String::from_utf8_lossy(&shown).into_owned()
    });
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            break status;
        }
        if started.elapsed() > DEADLINE {
            child.kill().expect("a child to kill");
            child.wait().expect("a child to wait for");
            panic!("`{line}` did not end within {DEADLINE:?}");
        }
        std::thread::sleep(STEP);
    };
    (status.code(), shown.join().expect("a reader"))
}
