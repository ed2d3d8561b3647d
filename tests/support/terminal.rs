//! A program that runs on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::wait::{DEADLINE, STEP};

/// Runs a command on a terminal of its own, on which somebody types this when the first text has
/// appeared; answers its exit status and all that the terminal showed.
#[track_caller]
pub fn on_terminal(mut command: Command, question: &str, typed: &str) -> (Option<i32>, String) {
    let line = format!("{command:?}");
    let terminal = nix::pty::openpty(None, None).expect("a terminal");
    let side = || Stdio::from(terminal.slave.try_clone().expect("a terminal's side"));
    let mut child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("a command");
    // Also the command holds copies: without them the terminal's end comes when the child ends.
    drop(command);
    drop(terminal.slave);
    let mut terminal = File::from(terminal.master);
    let (question, typed) = (question.as_bytes().to_vec(), typed.as_bytes().to_vec());
    let shown = std::thread::spawn(move || {
        let (mut shown, mut block, mut answered) = (Vec::new(), [0; 4096], typed.is_empty());
        // The end of a terminal is an error (EIO).
        while let Ok(count @ 1..) = terminal.read(&mut block) {
            shown.extend_from_slice(&block[..count]);
            // Not earlier: what is typed is shown, wherever the command's own words are by then.
            if !answered && memchr::memmem::find(&shown, &question).is_some() {
                terminal.write_all(&typed).expect("a terminal to type on");
                answered = true;
            }
        }
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
