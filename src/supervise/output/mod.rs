//! What the programs say: whole lines, each under its program's name, in one stream; and the same
//! bytes, untouched, in a log file for each program.

mod escape;
mod lines;
mod log_file;
mod recent;
mod terminal;

pub use log_file::{LogFile, Stream};
pub use recent::Recent;
pub use terminal::Terminal;

use std::path::Path;
use std::time::{Duration, Instant};

use lines::Lines;

use super::machine::Id;

/// How long the beginning of a line waits for its end before it is shown as it is.
pub const PARTIAL_LINE: Duration = Duration::from_secs(2);

/// The colours of the names, in turn: the six of a terminal that are readable on dark and light.
const COLOURS: [&str; 6] = ["36", "33", "32", "35", "34", "31"];

/// How much of an instance's last words is kept for the day it fails.
const LAST_WORDS: usize = 4096;

/// Where the instances' output goes.
pub struct Output {
    channels: Vec<Channel>,
    terminal: Terminal,
    recent: Recent,
    escape: bool,
    /// The prefix of our own remarks.
    our_prefix: Vec<u8>,
    batch: Vec<u8>,
}

struct Channel {
    prefix: Vec<u8>,
    lines: Lines,
    log: LogFile,
    last_words: Vec<u8>,
    /// A text whose appearance makes the program ready.
    awaited: Option<String>,
    appeared: bool,
}

/// How the stream is shown.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Names in colours.
    pub colour: bool,
    /// Control characters of the programs are written out: for a terminal, which they would command.
    pub escape: bool,
    /// No names before the lines.
    pub bare: bool,
}

impl Output {
    /// For these instances, with their logs in this folder.
    pub fn new(names: &[&str], logs: &Path, style: Style, terminal: Terminal) -> Self {
        let width = names.iter().map(|name| name.len()).chain([OURS.len()]).max().unwrap_or(0);
        let prefix = |name: &str, colour: &str| -> Vec<u8> {
            if style.bare {
                Vec::new()
            } else if style.colour {
                format!("\x1b[{colour}m{name:width$} |\x1b[0m ").into_bytes()
            } else {
                format!("{name:width$} | ").into_bytes()
            }
        };
        let channels = names
            .iter()
            .enumerate()
            .map(|(index, name)| Channel {
                prefix: prefix(name, COLOURS[index % COLOURS.len()]),
                lines: Lines::default(),
                log: LogFile::new(logs.join(format!("{name}.log"))),
                last_words: Vec::new(),
                awaited: None,
                appeared: false,
            })
            .collect();
        Self {
            channels,
            terminal,
            recent: Recent::default(),
            escape: style.escape,
            our_prefix: prefix(OURS, "1"),
            batch: Vec::new(),
        }
    }

    /// Takes in what an instance wrote: its log gets the bytes, the stream its whole lines.
    pub fn forward(&mut self, id: Id, bytes: &[u8], now: Instant) {
        let channel = &mut self.channels[id];
        channel.log.write(bytes, now);
        remember(&mut channel.last_words, bytes);
        self.batch.clear();
        let Channel { lines, prefix, awaited, appeared, .. } = channel;
        let (batch, recent, escape) = (&mut self.batch, &mut self.recent, self.escape);
        lines.feed(bytes, now, |line| {
            if let Some(text) = awaited
                && memchr::memmem::find(line, text.as_bytes()).is_some()
            {
                *appeared = true;
            }
            recent.push(id, line);
            show(batch, prefix, line, escape);
        });
        self.terminal.write(&self.batch);
    }

    /// The lines that were forwarded last, without their names, for those who follow.
    pub fn forwarded(&self, id: Id) -> impl Iterator<Item = &[u8]> {
        let prefix = self.channels[id].prefix.as_slice();
        let lines =
            self.batch.strip_suffix(b"\n").into_iter().flat_map(|batch| batch.split(|&byte| byte == b'\n'));
        lines.map(move |line| line.strip_prefix(prefix).unwrap_or(line))
    }

    /// Shows the beginnings of lines that have waited long enough, or, at an instance's end, all of it.
    /// Says whether there was anything to show.
    pub fn flush_partial(&mut self, id: Id, now: Instant, at_end: bool) -> bool {
        let channel = &mut self.channels[id];
        let due = channel.lines.waiting_since().is_some_and(|since| at_end || now >= since + PARTIAL_LINE);
        if due {
            self.batch.clear();
            let line = channel.lines.take();
            self.recent.push(id, &line);
            show(&mut self.batch, &channel.prefix, &line, self.escape);
            self.terminal.write(&self.batch);
        }
        due
    }

    /// When the next beginning of a line has waited long enough.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.channels
            .iter()
            .filter_map(|channel| channel.lines.waiting_since())
            .min()
            .map(|since| since + PARTIAL_LINE)
    }

    /// A remark of our own about an instance, or about the whole bench.
    pub fn remark(&mut self, text: &str) {
        self.batch.clear();
        for line in text.lines() {
            show(&mut self.batch, &self.our_prefix, line.as_bytes(), self.escape);
        }
        self.terminal.write(&self.batch);
    }

    /// The last lines of an instance, at most so many.
    pub fn last_lines(&self, id: Id, at_most: usize) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.channels[id].last_words).into_owned();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(at_most)..]
            .iter()
            .map(|line| crate::error::printable(line))
            .collect()
    }

    /// The last lines of all, with the instance of each.
    pub const fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Waits for a text in an instance's output.
    pub fn await_text(&mut self, id: Id, text: &str) {
        self.channels[id].awaited = Some(text.to_owned());
        self.channels[id].appeared = false;
    }

    /// Whether the awaited text appeared since the last question.
    pub fn has_appeared(&mut self, id: Id) -> bool {
        std::mem::take(&mut self.channels[id].appeared)
    }

    /// What the logs could not take since the last question: the file, the bytes, the reason.
    pub fn log_losses(&mut self) -> Vec<String> {
        self.channels.iter_mut().filter_map(|channel| channel.log.take_loss()).collect()
    }

    /// Whether so much waits for the terminal that no more should be read.
    pub fn is_full(&self) -> bool {
        self.terminal.is_full()
    }

    /// Readable when the terminal caught up.
    pub const fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Waits until all is shown, or nobody takes it any more.
    pub fn finish(&mut self) {
        self.terminal.finish();
    }
}

/// The name of our own remarks in the stream.
const OURS: &str = "bench";

fn show(batch: &mut Vec<u8>, prefix: &[u8], line: &[u8], escape: bool) {
    batch.extend_from_slice(prefix);
    if escape {
        escape::append(batch, line);
    } else {
        batch.extend_from_slice(line);
    }
    batch.push(b'\n');
}

fn remember(last_words: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(LAST_WORDS)..];
    let excess = (last_words.len() + bytes.len()).saturating_sub(LAST_WORDS);
    last_words.drain(..excess);
    last_words.extend_from_slice(bytes);
}
