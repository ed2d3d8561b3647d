//! Bringing rendered files to disk, with respect for what somebody wrote there.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use super::Setup;
use crate::cli::stdout::Stdout;
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::files::{self, MAX_TEXT, Mode, read_text};
use crate::render::{Rendered, Standing, Syntax, diff, standing};

/// A rendered file and what stands in its place.
struct Pair<'a> {
    rendered: &'a Rendered,
    on_disk: Option<String>,
    standing: Standing,
}

impl Setup<'_> {
    /// Writes the files, or says what writing them would change, as the user chose. Looks at all of
    /// them before the first is written.
    pub fn put(&self, files: &[Rendered], command: &str) -> Result<ExitCode> {
        let pairs = files.iter().map(|rendered| self.pair(rendered)).collect::<Result<Vec<_>>>()?;
        if self.choices.only_looks() {
            return self.show(&pairs, command);
        }
        let edited: Vec<_> = pairs.iter().filter(|pair| pair.standing == Standing::Edited).collect();
        if !edited.is_empty() && !self.choices.overwrites() && !agrees(&edited)? {
            return Err(self.refuse(&edited, command));
        }
        for pair in &pairs {
            self.write(pair)?;
        }
        Ok(ExitCode::Done)
    }

    fn pair<'a>(&self, rendered: &'a Rendered) -> Result<Pair<'a>> {
        let on_disk = read_text(&self.dir.join(&rendered.path), MAX_TEXT)?;
        let standing = standing(rendered, on_disk.as_deref(), &has_no_users);
        Ok(Pair { rendered, on_disk, standing })
    }

    fn write(&self, pair: &Pair<'_>) -> Result<()> {
        let path = self.dir.join(&pair.rendered.path);
        let shown = pair.rendered.path.display();
        if pair.standing == Standing::Edited
            && let Some(backup) = files::back_up(self.dir.path(), &path)?
        {
            let backup = backup.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.context.say(format!("{shown}: edited by hand; what it said is kept as {backup}"));
        }
        let mode = if pair.rendered.is_private { Mode::Private } else { Mode::Public };
        let outcome = files::write(self.dir.path(), &path, pair.rendered.text.as_bytes(), mode)?;
        if outcome != files::Outcome::Unchanged {
            self.tell(format!("wrote {shown}"));
        }
        Ok(())
    }

    /// `--check` and `--diff`.
    fn show(&self, pairs: &[Pair<'_>], command: &str) -> Result<ExitCode> {
        let stale: Vec<_> = pairs.iter().filter(|pair| pair.standing != Standing::Current).collect();
        if self.choices.diff {
            let mut out = Stdout::new();
            for pair in &stale {
                out.bytes(pair.diff().as_bytes())?;
            }
            out.finish()?;
        }
        if !self.choices.check || stale.is_empty() {
            return Ok(ExitCode::Done);
        }
        for pair in &stale {
            let path = pair.rendered.path.display();
            let problem = match pair.standing {
                Standing::Missing => Problem::new(format!("`{path}` is missing")),
                Standing::Edited => Problem::new(format!("`{path}` was edited by hand")),
                _ => Problem::new(format!("`{path}` is out of date")),
            };
            anstream::eprintln!("{}", Error::failed(problem.fix(format!("run `bench setup {command}`"))));
        }
        Ok(ExitCode::Failed)
    }

    fn refuse(&self, edited: &[&Pair<'_>], command: &str) -> Error {
        let problems = edited.iter().map(|pair| {
            self.context.say(pair.diff().trim_end());
            Problem::new(format!(
                "`{}` was edited by hand, and would lose the lines marked `-`",
                pair.rendered.path.display()
            ))
            .fix(format!(
                "put your changes into the settings, or overwrite the file with `bench setup {command} --force` \
                 (a `.bak` is kept)"
            ))
        });
        Error::with_code(ExitCode::Failed, problems.collect())
    }

    /// Tells a person how it goes on. A script reads errors, not progress.
    pub fn tell(&self, text: impl std::fmt::Display) {
        if std::io::stderr().is_terminal() {
            self.context.say(text);
        }
    }
}

/// Asks about a Procfile, as today's tool does. Without a terminal nobody can answer.
fn agrees(edited: &[&Pair<'_>]) -> Result<bool> {
    let [pair] = edited else { return Ok(false) };
    let asks = pair.rendered.syntax == Syntax::Procfile;
    if !asks || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    anstream::eprint!("{}", pair.diff());
    anstream::eprint!("the Procfile was edited by hand; overwrite it, and keep it as Procfile.bak? [y/N] ");
    let failed = |source| Error::io("read", Path::new("/dev/stdin"), &source);
    std::io::stderr().flush().map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

impl Pair<'_> {
    fn diff(&self) -> String {
        diff(&self.rendered.path, self.on_disk.as_deref(), &self.rendered.text)
    }
}

/// Whether the users' file of a redis server, of which today's tool makes an empty one, says nothing.
pub fn has_no_users(path: &str) -> bool {
    match read_text(Path::new(path), MAX_TEXT) {
        Ok(text) => text.is_none_or(|text| text.trim().is_empty()),
        Err(_) => false,
    }
}
