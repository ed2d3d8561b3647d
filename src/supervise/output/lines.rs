//! Blocks of bytes to whole lines.

use std::time::Instant;

/// A line longer than this is cut, so that a program that never ends its line can't fill the memory.
const LONGEST: usize = 8 * 1024 * 1024;

/// The beginning of a line whose end has not come.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    since: Option<Instant>,
}

impl Lines {
    /// Takes in a block and gives out its whole lines, without their ends.
    pub fn feed(&mut self, mut block: &[u8], now: Instant, mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            match memchr::memchr(b'\n', block) {
                Some(end) => {
                    self.partial.extend_from_slice(&block[..end]);
                    line(&self.partial);
                    self.forget();
                    block = &block[end + 1..];
                }
                None => return self.keep(block, now, line),
            }
        }
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', block) {
            line(&block[begin..end]);
            begin = end + 1;
        }
        self.keep(&block[begin..], now, line);
    }

    /// Since when the beginning of a line has waited for more.
    pub const fn waiting_since(&self) -> Option<Instant> {
        self.since
    }

    /// Gives out the beginning of a line.
    pub fn take(&mut self) -> Vec<u8> {
        self.since = None;
        std::mem::take(&mut self.partial)
    }

    fn keep(&mut self, rest: &[u8], now: Instant, mut line: impl FnMut(&[u8])) {
        if rest.is_empty() {
            return;
        }
        self.partial.extend_from_slice(rest);
        self.since = Some(now);
        if self.partial.len() >= LONGEST {
            line(&self.partial);
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.partial.clear();
        // Long lines are rare; their memory is not kept for the next one.
        self.partial.shrink_to(4096);
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn collect(blocks: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut lines, mut whole) = (Lines::default(), Vec::new());
        for block in blocks {
            lines.feed(block, Instant::now(), |line| whole.push(line.to_vec()));
        }
        (whole, lines.take())
    }

    #[test]
    fn a_line_in_three_blocks_is_one_line() {
        let (whole, partial) = collect(&[b"one\ntw", b"", b"o", b"\nthree\nfo"]);
        assert_eq!(whole, [&b"one"[..], b"two", b"three"]);
        assert_eq!(partial, b"fo");
    }

    #[test]
    fn a_line_without_end_is_cut_and_not_lost() {
        let block = vec![b'x'; 1024 * 1024];
        let (mut lines, mut seen) = (Lines::default(), 0);
        for _ in 0..20 {
            lines.feed(&block, Instant::now(), |line| seen += line.len());
        }
        assert_eq!(seen + lines.take().len(), 20 * block.len());
        assert!(seen >= LONGEST);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_moved(text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400),
                                    cuts in proptest::collection::vec(0..400_usize, 0..20)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let blocks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let (whole, partial) = collect(&blocks);
            let mut rebuilt: Vec<u8> = whole.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect();
            rebuilt.extend(partial);
            prop_assert_eq!(rebuilt, text);
            prop_assert!(whole.iter().all(|line| !line.contains(&b'\n')));
        }
    }
}
