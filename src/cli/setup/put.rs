//! Bringing rendered files to disk, with respect for what somebody wrote there.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, poll};

use super::Setup;
use crate::cli::stdout::Stdout;
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::files::{self, MAX_TEXT, Mode, read_text};
use crate::render::{Rendered, Standing, Syntax, diff, standing};
use crate::settings::Change;

/// Files that are to be brought to disk, and what stands in their places.
pub struct Plan<'a> {
    setup: &'a Setup<'a>,
    files: Vec<Planned>,
    /// What the user typed after `bench setup`.
    command: &'static str,
}

struct Planned {
    /// Relative to the bench.
    path: PathBuf,
    text: String,
    mode: Mode,
    asks: bool,
    on_disk: Option<String>,
    standing: Standing,
}

impl<'a> Plan<'a> {
    /// Nothing yet.
    pub const fn new(setup: &'a Setup<'a>, command: &'static str) -> Self {
        Self { setup, files: Vec::new(), command }
    }

    /// Adds rendered files. Whatever was written into `settled` by hand is dealt with already.
    pub fn add(&mut self, rendered: Vec<Rendered>, settled: Option<&Path>) -> Result<()> {
        for file in rendered {
            let on_disk = read_text(&self.setup.dir.join(&file.path), MAX_TEXT)?;
            let standing = match standing(&file, on_disk.as_deref(), &has_no_users) {
                Standing::Edited if settled == Some(&file.path) => Standing::Replaceable,
                standing => standing,
            };
            self.files.push(Planned {
                path: file.path,
                text: file.text,
                mode: if file.is_private { Mode::Private } else { Mode::Public },
                asks: file.syntax == Syntax::Procfile,
                on_disk,
                standing,
            });
        }
        Ok(())
    }

    /// Adds changes of the settings' own files, which keep all that somebody wrote there.
    pub fn add_changes(&mut self, changes: impl IntoIterator<Item = Change>) -> Result<()> {
        for change in changes {
            let on_disk = read_text(&change.path, MAX_TEXT)?;
            let standing = if on_disk.is_some() { Standing::Replaceable } else { Standing::Missing };
            let path = change.path.strip_prefix(self.setup.dir.path()).unwrap_or(&change.path).to_owned();
            let mode = Mode::Public;
            self.files.push(Planned { path, text: change.text, mode, asks: false, on_disk, standing });
        }
        Ok(())
    }

    /// Writes the files, or says what writing them would change, as the user chose. A file that was
    /// edited by hand stops it before the first is written.
    pub fn carry_out(&self) -> Result<ExitCode> {
        let choices = self.setup.choices;
        if choices.only_looks() {
            return self.show();
        }
        let edited: Vec<_> = self.files.iter().filter(|file| file.standing == Standing::Edited).collect();
        if !edited.is_empty() && !choices.overwrites() && !agrees(&edited)? {
            return Err(self.refuse(&edited));
        }
        for file in edited {
            self.keep(file)?;
        }
        for (file, outcome) in self.files.iter().zip(self.write_all()) {
            if outcome? != files::Outcome::Unchanged {
                self.setup.context.tell(format!("wrote {}", file.path.display()));
            }
        }
        Ok(ExitCode::Done)
    }

    /// Writes the files side by side: the disk syncs a dozen in little more than the time of one.
    fn write_all(&self) -> Vec<Result<files::Outcome>> {
        let root = self.setup.dir.path();
        let write = |file: &Planned| {
            files::write(root, &self.setup.dir.join(&file.path), file.text.as_bytes(), file.mode)
        };
        if self.files.iter().filter(|file| file.standing != Standing::Current).count() < 2 {
            return self.files.iter().map(write).collect();
        }
        std::thread::scope(|scope| {
            let writers: Vec<_> = self.files.iter().map(|file| scope.spawn(|| write(file))).collect();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        })
    }

    /// Keeps what somebody wrote by hand.
    fn keep(&self, file: &Planned) -> Result<()> {
        let Setup { context, dir, .. } = self.setup;
        if let Some(backup) = files::back_up(dir.path(), &dir.join(&file.path))? {
            let backup = backup.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let shown = file.path.display();
            context.say(format!("{shown}: edited by hand; what it said is kept as {backup}"));
        }
        Ok(())
    }

    /// `--check` and `--diff`.
    fn show(&self) -> Result<ExitCode> {
        let stale: Vec<_> = self.files.iter().filter(|file| file.standing != Standing::Current).collect();
        if self.setup.choices.diff {
            let mut out = Stdout::new();
            for file in &stale {
                out.bytes(file.diff().as_bytes())?;
            }
            out.finish()?;
        }
        if !self.setup.choices.check || stale.is_empty() {
            return Ok(ExitCode::Done);
        }
        let problem = |file: &&Planned| {
            let path = file.path.display();
            let problem = match file.standing {
                Standing::Missing => Problem::new(format!("`{path}` is missing")),
                Standing::Edited => Problem::new(format!("`{path}` was edited by hand")),
                _ => Problem::new(format!("`{path}` is out of date")),
            };
            problem.fix(format!("run `bench setup {}`", self.command))
        };
        let problems = stale.iter().map(problem).collect();
        anstream::eprintln!("{}", Error::with_code(ExitCode::Failed, problems));
        Ok(ExitCode::Failed)
    }

    fn refuse(&self, edited: &[&Planned]) -> Error {
        let problems = edited.iter().map(|file| {
            self.setup.context.say(file.diff().trim_end());
            Problem::new(format!(
                "`{}` was edited by hand, and would lose the lines marked `-`",
                file.path.display()
            ))
            .fix(format!(
                "put your changes into the settings, or overwrite the file with `bench setup {} --force` (a \
                 `.bak` is kept)",
                self.command
            ))
        });
        Error::with_code(ExitCode::Failed, problems.collect())
    }
}

impl Planned {
    fn diff(&self) -> String {
        diff(&self.path, self.on_disk.as_deref(), &self.text)
    }
}

/// How long a script that pipes an answer may take to write it.
const PIPED_ANSWER: u16 = 300;

/// Asks about a Procfile, as today's tool does. Without a terminal nobody can answer, but a script may
/// have brought its answer along: `yes | bench setup procfile`.
fn agrees(edited: &[&Planned]) -> Result<bool> {
    let [file] = edited else { return Ok(false) };
    let stdin = std::io::stdin();
    let asks = stdin.is_terminal() && std::io::stderr().is_terminal();
    if !file.asks || !(asks || has_piped_answer(&stdin)) {
        return Ok(false);
    }
    let failed = |source| Error::io("read", Path::new("/dev/stdin"), &source);
    if asks {
        anstream::eprint!("{}", file.diff());
        anstream::eprint!(
            "the Procfile was edited by hand; overwrite it, and keep it as Procfile.bak? [y/N] "
        );
        std::io::stderr().flush().map_err(failed)?;
    }
    let mut answer = String::new();
    stdin.lock().take(16).read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn has_piped_answer(stdin: &std::io::Stdin) -> bool {
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    !stdin.is_terminal() && poll(&mut fds, PIPED_ANSWER).is_ok_and(|ready| ready > 0)
}

/// Whether the users' file of a redis server, of which today's tool makes an empty one, says nothing.
pub fn has_no_users(path: &str) -> bool {
    match read_text(Path::new(path), MAX_TEXT) {
        Ok(text) => text.is_none_or(|text| text.trim().is_empty()),
        Err(_) => false,
    }
}
