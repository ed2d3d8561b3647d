//! The last lines of all instances, for `bench logs`. Bounded: two halves, of which the older one
//! is dropped when the newer one is full.

use super::super::machine::Id;

/// The size of a half, in bytes.
const HALF: usize = 128 * 1024;

/// The last lines, each with its instance.
#[derive(Debug, Default)]
pub struct Recent {
    older: Half,
    newer: Half,
}

#[derive(Debug, Default)]
struct Half {
    text: Vec<u8>,
    /// Instance and end of each line in `text`.
    lines: Vec<(u32, u32)>,
}

impl Recent {
    /// Remembers a line.
    pub fn push(&mut self, id: Id, line: &[u8]) {
        // A giant line is no use to somebody who looks for the last few.
        let line = &line[..line.len().min(HALF / 8)];
        if self.newer.text.len() + line.len() > HALF || self.newer.lines.len() >= HALF / 8 {
            std::mem::swap(&mut self.older, &mut self.newer);
            self.newer.text.clear();
            self.newer.lines.clear();
        }
        self.newer.text.extend_from_slice(line);
        let (id, end) = (u32::try_from(id), u32::try_from(self.newer.text.len()));
        if let (Ok(id), Ok(end)) = (id, end) {
            self.newer.lines.push((id, end));
        }
    }

    /// The last `at_most` lines of the instances that `wanted` names, oldest first.
    pub fn last(&self, at_most: usize, wanted: impl Fn(Id) -> bool) -> Vec<(Id, &[u8])> {
        let mut lines: Vec<(Id, &[u8])> = self
            .newer
            .newest_first()
            .chain(self.older.newest_first())
            .filter(|&(id, _)| wanted(id))
            .take(at_most)
            .collect();
        lines.reverse();
        lines
    }
}

impl Half {
    fn newest_first(&self) -> impl Iterator<Item = (Id, &[u8])> {
        (0..self.lines.len()).rev().map(|index| {
            let (id, end) = self.lines[index];
            let begin = if index == 0 { 0 } else { self.lines[index - 1].1 };
            (id as Id, &self.text[begin as usize..end as usize])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_come_in_their_order() {
        let mut recent = Recent::default();
        for number in 0..5 {
            recent.push(number % 2, format!("line {number}").as_bytes());
        }
        let lines = recent.last(2, |id| id == 0);
        assert_eq!(lines, [(0, &b"line 2"[..]), (0, b"line 4")]);
    }

    #[test]
    fn memory_is_bounded_and_the_newest_line_is_always_there() {
        let mut recent = Recent::default();
        for number in 0..100_000 {
            recent.push(0, format!("a line of some length, number {number}").as_bytes());
        }
        assert!(recent.older.text.len() + recent.newer.text.len() <= 2 * HALF);
        assert_eq!(recent.last(1, |_| true)[0].1, b"a line of some length, number 99999");
    }
}
