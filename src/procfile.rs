//! The Procfile: which programs run, as text and as entries. What honcho and foreman start, we start.

use crate::error::Problem;
use crate::names::ProgramName;

/// One line of a Procfile: a program and its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The program's name, unique in the file.
    pub name: ProgramName,
    /// A line for `sh`.
    pub command: String,
    /// Where it stands, counted from 1.
    pub line: usize,
}

/// Why a text is no Procfile. Each case names its line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcfileError {
    /// Neither an entry, a comment nor blank.
    #[error("`{text}` is not a line of a Procfile")]
    NoEntry {
        /// Counted from 1.
        line: usize,
        /// The line, as far as it helps.
        text: String,
    },
    /// A name that no program may have.
    #[error("{reason}")]
    Name {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// No command after the colon.
    #[error("program `{name}` has no command")]
    NoCommand {
        /// Counted from 1.
        line: usize,
        /// The program.
        name: ProgramName,
    },
    /// A command with a control character.
    #[error("the command of `{name}` holds the control character {character}")]
    ControlCharacter {
        /// Counted from 1.
        line: usize,
        /// The program.
        name: ProgramName,
        /// Written out.
        character: String,
    },
    /// Two entries of one name.
    #[error("program `{name}` stands here a second time; the first is in line {first}")]
    Duplicate {
        /// Counted from 1.
        line: usize,
        /// The program.
        name: ProgramName,
        /// The line of the first.
        first: usize,
    },
}

impl ProcfileError {
    /// The line that is wrong, counted from 1.
    pub const fn line(&self) -> usize {
        match self {
            Self::NoEntry { line, .. }
            | Self::Name { line, .. }
            | Self::NoCommand { line, .. }
            | Self::ControlCharacter { line, .. }
            | Self::Duplicate { line, .. } => *line,
        }
    }

    /// The error as a user is told, about the file of this name.
    pub fn problem(&self, file: &str) -> Problem {
        let problem = Problem::new(self.to_string()).at(format!("{file}:{}", self.line()));
        match self {
            Self::NoEntry { .. } | Self::NoCommand { .. } => {
                problem.fix("write `NAME: COMMAND`, or begin the line with `#`")
            }
            Self::ControlCharacter { .. } => problem.fix("remove it"),
            Self::Duplicate { .. } => problem.fix("rename or remove one of the two"),
            Self::Name { .. } => problem,
        }
    }
}

/// Reads a Procfile. Comments and blank lines stand for nothing; all mistakes are told at once.
pub fn parse(text: &str) -> Result<Vec<Entry>, Vec<ProcfileError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut entries: Vec<Entry> = Vec::new();
    let mut errors = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match entry(index + 1, text) {
            Ok(entry) => match entries.iter().find(|other| other.name == entry.name) {
                Some(first) => errors.push(ProcfileError::Duplicate {
                    line: entry.line,
                    name: entry.name,
                    first: first.line,
                }),
                None => entries.push(entry),
            },
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(entries) } else { Err(errors) }
}

fn entry(line: usize, text: &str) -> Result<Entry, ProcfileError> {
    let Some((name, command)) = text.split_once(':') else {
        let text = text.chars().take(60).collect();
        return Err(ProcfileError::NoEntry { line, text });
    };
    let name =
        ProgramName::new(name).map_err(|reason| ProcfileError::Name { line, reason: reason.to_string() })?;
    let command = command.trim();
    if command.is_empty() {
        return Err(ProcfileError::NoCommand { line, name });
    }
    if let Some(character) = control_character(command) {
        return Err(ProcfileError::ControlCharacter { line, name, character });
    }
    Ok(Entry { name, command: command.to_owned(), line })
}

/// The first character that no command may hold, written out. A tab separates words, as a blank does.
fn control_character(command: &str) -> Option<String> {
    command
        .chars()
        .find(|&c| c.is_control() && c != '\t')
        .map(|character| character.escape_default().to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        let entries = parse(text).expect("a Procfile");
        entries.into_iter().map(|entry| (entry.name.to_string(), entry.command, entry.line)).collect()
    }

    #[test]
    fn names_commands_comments_and_blank_lines_are_read_as_honcho_reads_them() {
        let text = "\u{feff}# a bench\r\n\r\nweb: bench serve --port 8000\r\n\n  # more\nworker_a-1:   bench worker 1>> logs/worker.log: x  \nno_blank:true\n";
        assert_eq!(
            pairs(text),
            [
                ("web".into(), "bench serve --port 8000".into(), 3),
                ("worker_a-1".into(), "bench worker 1>> logs/worker.log: x".into(), 6),
                ("no_blank".into(), "true".into(), 7),
            ]
        );
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_line() {
        let errors =
            parse("web: a\nnonsense\nmy.web: b\nidle:\nweb: c\nbell: \u{7}\n").expect_err("mistakes");
        let told: Vec<_> = errors.iter().map(|error| error.problem("Procfile").to_string()).collect();
        assert_eq!(errors.iter().map(ProcfileError::line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        for (told, expected) in told.iter().zip([
            "`nonsense` is not a line of a Procfile\n  where: Procfile:2",
            "`my.web` is not a valid program name",
            "program `idle` has no command",
            "program `web` stands here a second time; the first is in line 1",
            "the control character \\u{7}",
        ]) {
            assert!(told.contains(expected), "{told}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_procfile_or_an_error(text in ".*") {
            let _ = parse(&text);
        }
    }
}
