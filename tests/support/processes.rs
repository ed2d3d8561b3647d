//! Which processes belong to a test: those whose working directory, program, arguments or environment
//! name its folder.

use std::path::Path;

use procfs::process::{Process, all_processes};

/// A process that a test started, told by its command line.
fn describe(process: &Process) -> String {
    format!("{} {}", process.pid, process.cmdline().unwrap_or_default().join(" "))
}

fn mentions(process: &Process, folder: &Path) -> bool {
    let folder_bytes = folder.as_os_str().as_encoded_bytes();
    let in_text = |text: &[u8]| text.windows(folder_bytes.len()).any(|window| window == folder_bytes);
    process.cwd().is_ok_and(|cwd| cwd.starts_with(folder))
        || process.cmdline().is_ok_and(|words| words.iter().any(|word| in_text(word.as_bytes())))
        || process.environ().is_ok_and(|env| env.values().any(|value| in_text(value.as_encoded_bytes())))
}

fn below(folder: &Path) -> Vec<Process> {
    let me = std::process::id().cast_signed();
    all_processes()
        .expect("/proc")
        .filter_map(Result::ok)
        .filter(|process| process.pid != me && alive(process.pid) && mentions(process, folder))
        .collect()
}

/// The living processes that name this folder.
pub fn started_below(folder: &Path) -> Vec<i32> {
    below(folder).iter().map(|process| process.pid).collect()
}

/// Whether the process exists and is no zombie.
pub fn alive(pid: i32) -> bool {
    Process::new(pid)
        .and_then(|process| process.stat())
        .is_ok_and(|stat| stat.state != 'Z' && stat.state != 'X')
}

/// Kills what names this folder and says what that was.
pub fn kill_below(folder: &Path) -> Vec<String> {
    let mut killed = Vec::new();
    for process in below(folder) {
        killed.push(describe(&process));
        let pid = rustix::process::Pid::from_raw(process.pid).expect("a process id");
        // It may have ended by itself meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    killed
}
