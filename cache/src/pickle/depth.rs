//! How deep a pickle nests, judged without making anything of it.
//!
//! Python makes a value of any depth, and then some of its C code walks the value by calling itself: the
//! hash of a tuple in a tuple in a tuple, a hundred thousand times, ends the process. Where values are
//! signed nobody can send such a thing; where they are not, this looks first.

use super::input::Input;
use super::opcode as op;
use super::reader::PickleError;

/// How deep a pickle may nest that Python is to read: deeper than Python itself would write one, and far
/// from the end of any stack.
pub(crate) const DEEPEST: u32 = 5_000;

// What plain data does not use.
const BINPERSID: u8 = b'Q';
const BUILD: u8 = b'b';
const INST: u8 = b'i';
const OBJ: u8 = b'o';
const PERSID: u8 = b'P';
const NEWOBJ: u8 = 0x81;
const EXT1: u8 = 0x82;
const EXT2: u8 = 0x83;
const EXT4: u8 = 0x84;
const NEWOBJ_EX: u8 = 0x92;
const NEXT_BUFFER: u8 = 0x97;
const READONLY_BUFFER: u8 = 0x98;

/// Whether a pickle nests deeper than a limit. One that is broken does not: its reader will say so.
pub(crate) fn nests_deeper(bytes: &[u8], limit: u32) -> bool {
    // Each level takes a byte at least.
    bytes.len() > limit as usize && Depths::new(bytes, limit).run().unwrap_or(false)
}

/// Whether a pickle numbers an object so high that Python would give all the numbers below it memory, of which
/// a few bytes can ask for gigabytes. Its own writer never does.
///
/// ```
/// use dontmanage_cache::pickle::asks_for_memory;
///
/// assert!(asks_for_memory(b"\x80\x04Nr\xff\xff\xff\x0f."));
/// assert!(!asks_for_memory(b"\x80\x04Nr\x00\x00\x00\x00."));
/// ```
#[must_use]
pub fn asks_for_memory(bytes: &[u8]) -> bool {
    // Most text has one of these letters, and hardly any pickle numbers an object by them.
    let may = bytes.iter().any(|byte| matches!(*byte, op::PUT | op::LONG_BINPUT));
    let mut depths = Depths::new(bytes, u32::MAX);
    may && depths.run().is_err() && depths.asks_for_memory
}

/// An object of the pickle, by its place in `Depths::of`. All that hold nothing are one.
type Id = u32;

const FLAT: Id = 0;

struct Depths<'a> {
    input: Input<'a>,
    limit: u32,
    /// How deep each object nests. What is filled later grows under the same number.
    of: Vec<u32>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: Vec<Id>,
    asks_for_memory: bool,
}

impl<'a> Depths<'a> {
    fn new(bytes: &'a [u8], limit: u32) -> Self {
        let input = Input::new(bytes);
        let (stack, marks, memo) = (Vec::new(), Vec::new(), Vec::new());
        Self { input, limit, of: vec![0], stack, marks, memo, asks_for_memory: false }
    }

    fn run(&mut self) -> Result<bool, PickleError> {
        loop {
            let opcode = self.input.byte()?;
            let reached = match opcode {
                op::STOP => return Ok(false),
                op::PROTO => self.skip(1)?,
                op::FRAME => self.skip(8)?,
                READONLY_BUFFER => 0,
                op::MARK => {
                    self.marks.push(self.stack.len());
                    0
                }
                op::POP => self.drop_top()?,
                op::POP_MARK => {
                    self.above_mark()?;
                    0
                }
                op::DUP => {
                    let top = self.top()?;
                    self.push(top)
                }
                op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.remember(opcode)?,
                op::GET | op::BINGET | op::LONG_BINGET => self.recall(opcode)?,
                op::EMPTY_LIST | op::EMPTY_DICT | op::EMPTY_SET => self.make(0),
                op::TUPLE1 => self.make_of(1)?,
                op::TUPLE2 | op::REDUCE | NEWOBJ => self.make_of(2)?,
                op::TUPLE3 | NEWOBJ_EX => self.make_of(3)?,
                op::TUPLE | op::LIST | op::DICT | op::FROZENSET | OBJ => self.make_of_marked()?,
                INST => {
                    self.input.raw_line()?;
                    self.input.raw_line()?;
                    self.make_of_marked()?
                }
                op::APPEND | BUILD => self.fill(1)?,
                op::SETITEM => self.fill(2)?,
                op::APPENDS | op::ADDITEMS | op::SETITEMS => self.fill_marked()?,
                op::STACK_GLOBAL => {
                    self.pop(2)?;
                    self.push(FLAT)
                }
                BINPERSID => {
                    self.pop(1)?;
                    self.push(FLAT)
                }
                _ => {
                    self.pass_over(opcode)?;
                    self.push(FLAT)
                }
            };
            if reached > self.limit {
                return Ok(true);
            }
        }
    }

    /// Passes over what holds nothing.
    fn pass_over(&mut self, opcode: u8) -> Result<(), PickleError> {
        let width = match opcode {
            op::NONE | op::NEWTRUE | op::NEWFALSE | op::EMPTY_TUPLE | NEXT_BUFFER => 0,
            op::BININT1 | EXT1 => 1,
            op::BININT2 | EXT2 => 2,
            op::BININT | EXT4 => 4,
            op::BINFLOAT => 8,
            op::INT | op::LONG | op::FLOAT | op::STRING | op::UNICODE | PERSID => {
                return self.input.raw_line().map(drop);
            }
            op::GLOBAL => {
                self.input.raw_line()?;
                return self.input.raw_line().map(drop);
            }
            op::LONG1 | op::SHORT_BINSTRING | op::SHORT_BINBYTES | op::SHORT_BINUNICODE => {
                self.input.length(1)?
            }
            op::LONG4 | op::BINSTRING | op::BINBYTES | op::BINUNICODE => self.input.length(4)?,
            op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => self.input.length(8)?,
            _ => return Err(self.input.malformed()),
        };
        self.input.take(width).map(drop)
    }

    fn skip(&mut self, width: usize) -> Result<u32, PickleError> {
        self.input.take(width).map(|_| 0)
    }

    fn push(&mut self, id: Id) -> u32 {
        self.stack.push(id);
        0
    }

    /// A new object so deep.
    fn make(&mut self, depth: u32) -> u32 {
        // A pickle of 4 GiB does not fit into Redis.
        self.stack.push(Id::try_from(self.of.len()).unwrap_or(FLAT));
        self.of.push(depth);
        depth
    }

    fn make_of(&mut self, count: usize) -> Result<u32, PickleError> {
        let inner = self.pop(count)?;
        Ok(self.make(inner + 1))
    }

    fn make_of_marked(&mut self) -> Result<u32, PickleError> {
        let inner = self.above_mark()?;
        Ok(self.make(inner + 1))
    }

    fn fill(&mut self, count: usize) -> Result<u32, PickleError> {
        let inner = self.pop(count)?;
        self.deepen(inner)
    }

    fn fill_marked(&mut self) -> Result<u32, PickleError> {
        let inner = self.above_mark()?;
        self.deepen(inner)
    }

    /// The object on top holds something so deep.
    fn deepen(&mut self, inner: u32) -> Result<u32, PickleError> {
        let id = self.top()? as usize;
        // What holds nothing stays so: of all of them there is one.
        if id != FLAT as usize {
            self.of[id] = self.of[id].max(inner + 1);
        }
        Ok(self.of[id])
    }

    fn remember(&mut self, opcode: u8) -> Result<u32, PickleError> {
        let index = match opcode {
            op::MEMOIZE => self.memo.len(),
            _ => self.index(opcode == op::BINPUT, opcode == op::LONG_BINPUT)?,
        };
        // Each entry took a byte of input at least, so that an honest index is smaller than that.
        if index >= self.input.size() {
            self.asks_for_memory = true;
            return Err(self.input.malformed());
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, FLAT);
        }
        self.memo[index] = self.top()?;
        Ok(0)
    }

    fn recall(&mut self, opcode: u8) -> Result<u32, PickleError> {
        let index = self.index(opcode == op::BINGET, opcode == op::LONG_BINGET)?;
        let id = *self.memo.get(index).ok_or_else(|| self.input.malformed())?;
        Ok(self.push(id))
    }

    /// A place in the memo: in a byte, in four, or as text.
    fn index(&mut self, is_short: bool, is_long: bool) -> Result<usize, PickleError> {
        match (is_short, is_long) {
            (true, _) => self.input.length(1),
            (_, true) => self.input.length(4),
            _ => self.input.line()?.parse().map_err(|_| self.input.malformed()),
        }
    }

    fn top(&self) -> Result<Id, PickleError> {
        self.stack.last().copied().ok_or_else(|| self.input.malformed())
    }

    fn drop_top(&mut self) -> Result<u32, PickleError> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
        } else {
            self.pop(1)?;
        }
        Ok(0)
    }

    /// Takes so many objects off the stack; the depth of the deepest.
    fn pop(&mut self, count: usize) -> Result<u32, PickleError> {
        let from = self.stack.len().checked_sub(count).ok_or_else(|| self.input.malformed())?;
        Ok(self.cut(from))
    }

    fn above_mark(&mut self) -> Result<u32, PickleError> {
        let from = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        Ok(self.cut(from.ok_or_else(|| self.input.malformed())?))
    }

    fn cut(&mut self, from: usize) -> u32 {
        let deepest = self.stack[from..].iter().map(|&id| self.of[id as usize]).max().unwrap_or(0);
        self.stack.truncate(from);
        deepest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pickle of so many levels, around an atom: what begins a level, and what ends it.
    fn nested(levels: usize, begin: &[u8], end: &[u8]) -> Vec<u8> {
        [b"\x80\x05", &*begin.repeat(levels), b"N", &*end.repeat(levels), b"."].concat()
    }

    const SHAPES: [(&str, &[u8], &[u8]); 11] = [
        ("tuple of one", b"", b"\x85"),
        ("tuple of two", b"K\x01", b"\x86"),
        ("tuple of three", b"K\x01K\x02", b"\x87"),
        ("tuple", b"(", b"t"),
        ("list", b"]", b"a"),
        ("list of several", b"](", b"e"),
        ("frozenset", b"(", b"\x91"),
        ("dict", b"}K\x01", b"s"),
        ("old dict", b"(K\x01", b"d"),
        ("object", b"cbuiltins\nlist\n", b"\x85R"),
        ("new object", b"cbuiltins\nlist\n", b"\x85\x81"),
    ];

    #[test]
    fn every_way_to_nest_is_seen() {
        for (name, begin, end) in SHAPES {
            assert!(nests_deeper(&nested(9_000, begin, end), DEEPEST), "{name}");
            assert!(!nests_deeper(&nested(2_000, begin, end), DEEPEST), "{name}");
        }
    }

    #[test]
    fn what_is_filled_after_it_was_put_aside_is_as_deep_as_what_is_in_it() {
        // A list, remembered; a tuple of it goes back into it, again and again.
        let mut pickle = b"\x80\x05]\x94".to_vec();
        for _ in 0..3_000 {
            pickle.extend_from_slice(b"h\x00h\x00\x85a0");
        }
        pickle.extend_from_slice(b".");
        assert!(nests_deeper(&pickle, DEEPEST));
    }

    #[test]
    fn wide_values_are_not_deep() {
        let items = b"K\x01\x85".repeat(100_000);
        let wide = [b"\x80\x05](", &items[..], b"e."].concat();
        assert!(!nests_deeper(&wide, DEEPEST));
        let text = [b"\x80\x05X", &40_000u32.to_le_bytes()[..], &b"\x85".repeat(40_000), b"."].concat();
        assert!(!nests_deeper(&text, DEEPEST));
    }

    #[test]
    fn a_number_that_no_writer_gives_asks_for_memory() {
        for pickle in
            [&b"\x80\x04Nr\x05\x00\x00\x01."[..], b"Np268435455\n.", b"\x80\x04](Nr\xff\xff\xff\xffe."]
        {
            assert!(asks_for_memory(pickle), "{pickle:?}");
        }
        for pickle in [
            &b"\x80\x04Nr\x05\x00\x00\x00."[..],
            b"Np4\n.",
            b"\x80\x04\x8c\x09r\xff\xff\xff\xffp99.",
            b"\x80\x04N.r\xff\xff\xff\xff",
            b"r",
            b"",
        ] {
            assert!(!asks_for_memory(pickle), "{pickle:?}");
        }
    }

    #[test]
    fn what_is_broken_is_left_to_its_reader() {
        for broken in [&b"\x85"[..], b"(", b"h\x05", b"\xff", b"0", b"e"] {
            let mut pickle = broken.to_vec();
            pickle.resize(10_000, b'N');
            assert!(!nests_deeper(&pickle, DEEPEST), "{broken:?}");
        }
        assert!(!nests_deeper(&b"(".repeat(10_000), DEEPEST));
    }
}
