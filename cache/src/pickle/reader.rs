//! Pickles to values.

use std::borrow::Cow;

use super::build::build;
use super::construct::Constructor;
use super::graph::{Graph, Id, Node};
use super::input::Input;
use super::opcode as op;
use super::text;
use super::{MAX_DEPTH, text::TextError};
use crate::value::{BigInt, Value};

/// Why a pickle is not read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// It ends before its end.
    #[error("the pickle is cut off")]
    Truncated,
    /// An opcode that plain data never needs, or none at all.
    #[error("the pickle has the opcode {opcode:#04x} at byte {at}, which plain data does not use")]
    Opcode {
        /// The opcode.
        opcode: u8,
        /// Where.
        at: usize,
    },
    /// Opcodes that do not fit together.
    #[error("the pickle is broken at byte {at}")]
    Malformed {
        /// Where.
        at: usize,
    },
    /// Something that is not plain data: a class or function of Python. It is not looked up, much less
    /// called.
    #[error("the value holds a `{global}`, which only Python can read")]
    Unsupported {
        /// Its module and name.
        global: String,
    },
    /// A known constructor with arguments that it does not take.
    #[error("the pickle makes a `{global}` of something impossible")]
    Arguments {
        /// Its module and name.
        global: &'static str,
    },
    /// Text with half of a surrogate pair, which Rust can't hold.
    #[error("the value holds text that is not valid Unicode")]
    Text,
    /// It nests deeper than the limit, perhaps because it contains itself.
    #[error("the value nests too deep, or contains itself")]
    TooDeep,
    /// It is larger than the limits.
    #[error("the value is too large")]
    TooLarge,
}

/// What a value that is read may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How deep it may nest.
    pub depth: usize,
    /// How many objects it may have.
    pub nodes: usize,
    /// How many bytes may be copied because an object is used in more than one place.
    pub shared: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: MAX_DEPTH, nodes: 4_000_000, shared: 64 << 20 }
    }
}

/// Reads a pickle of plain data, within the default limits.
pub fn read(bytes: &[u8]) -> Result<Value, PickleError> {
    read_with(bytes, &Limits::default())
}

/// Reads a pickle of plain data, within limits. No limit makes it run code; a larger `depth` than the
/// default may overflow a thread's stack.
pub fn read_with(bytes: &[u8], limits: &Limits) -> Result<Value, PickleError> {
    let mut reader = Reader {
        input: Input::new(bytes),
        graph: Graph::new(limits),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
    };
    let root = reader.run()?;
    build(&reader.graph, root, limits)
}

struct Reader<'a> {
    input: Input<'a>,
    graph: Graph<'a>,
    stack: Vec<Id>,
    /// The lengths that the stack had at its open marks.
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> Result<Id, PickleError> {
        loop {
            let at = self.input.at();
            let opcode = self.input.byte()?;
            match opcode {
                op::STOP => {
                    let root = self.pop()?;
                    // Python passes over what is left; a pickle of a value leaves nothing.
                    let whole = self.input.is_over() && self.stack.is_empty() && self.marks.is_empty();
                    return if whole { Ok(root) } else { Err(self.malformed()) };
                }
                op::PROTO => {
                    if self.input.byte()? > 5 {
                        return Err(PickleError::Opcode { opcode, at });
                    }
                }
                // Only a hint for reading ahead.
                op::FRAME => drop(self.input.take(8)?),
                op::MARK => self.marks.push(self.stack.len()),
                op::POP => {
                    if self.marks.last() == Some(&self.stack.len()) {
                        self.marks.pop();
                    } else {
                        self.pop()?;
                    }
                }
                op::POP_MARK => drop(self.pop_mark()?),
                op::DUP => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.remember(opcode)?,
                op::GET | op::BINGET | op::LONG_BINGET => self.recall(opcode)?,
                op::APPEND | op::APPENDS | op::ADDITEMS | op::SETITEM | op::SETITEMS => self.fill(opcode)?,
                op::GLOBAL | op::STACK_GLOBAL => self.global(opcode)?,
                op::REDUCE => self.reduce()?,
                _ => {
                    let node = match self.scalar(opcode)? {
                        Some(node) => node,
                        None => self.container(opcode)?.ok_or(PickleError::Opcode { opcode, at })?,
                    };
                    self.push(node)?;
                }
            }
        }
    }

    /// A value that stands for itself.
    fn scalar(&mut self, opcode: u8) -> Result<Option<Node<'a>>, PickleError> {
        Ok(Some(match opcode {
            op::NONE => Node::None,
            op::NEWTRUE => Node::Bool(true),
            op::NEWFALSE => Node::Bool(false),
            op::BININT => Node::Int(i32::from_le_bytes(self.input.array()?).into()),
            op::BININT1 => Node::Int(self.input.byte()?.into()),
            op::BININT2 => Node::Int(u16::from_le_bytes(self.input.array()?).into()),
            op::LONG1 => {
                let length = self.input.byte()?.into();
                long(BigInt::from_le_bytes(self.input.take(length)?))
            }
            op::LONG4 => {
                let length = self.input.length(4)?;
                long(BigInt::from_le_bytes(self.input.take(length)?))
            }
            op::INT => match self.input.line()? {
                "00" => Node::Bool(false),
                "01" => Node::Bool(true),
                digits => long(digits.parse().map_err(|_| self.malformed())?),
            },
            op::LONG => {
                let line = self.input.line()?;
                long(line.strip_suffix('L').unwrap_or(line).parse().map_err(|_| self.malformed())?)
            }
            op::FLOAT => Node::Float(self.input.line()?.parse().map_err(|_| self.malformed())?),
            op::BINFLOAT => Node::Float(f64::from_be_bytes(self.input.array()?)),
            op::STRING => Node::Str(self.text(text::quoted)?),
            op::UNICODE => Node::Str(self.text(text::escaped)?),
            op::SHORT_BINSTRING | op::BINSTRING => {
                let length = self.input.length(if opcode == op::BINSTRING { 4 } else { 1 })?;
                // What Python 2 wrote; Python 3 reads it as ASCII.
                let bytes = self.input.take(length)?;
                match std::str::from_utf8(bytes) {
                    Ok(text) if text.is_ascii() => Node::Str(Cow::Borrowed(text)),
                    _ => return Err(PickleError::Text),
                }
            }
            op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 => {
                let length = self.input.length(match opcode {
                    op::SHORT_BINUNICODE => 1,
                    op::BINUNICODE => 4,
                    _ => 8,
                })?;
                let bytes = self.input.take(length)?;
                Node::Str(Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| PickleError::Text)?))
            }
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 => {
                let length = self.input.length(match opcode {
                    op::SHORT_BINBYTES => 1,
                    op::BINBYTES => 4,
                    _ => 8,
                })?;
                Node::Bytes(Cow::Borrowed(self.input.take(length)?))
            }
            op::BYTEARRAY8 => {
                let length = self.input.length(8)?;
                Node::ByteArray(Cow::Borrowed(self.input.take(length)?))
            }
            _ => return Ok(None),
        }))
    }

    /// A new container, empty or with what lies on the stack.
    fn container(&mut self, opcode: u8) -> Result<Option<Node<'a>>, PickleError> {
        Ok(Some(match opcode {
            op::EMPTY_LIST => Node::List(Vec::new()),
            op::EMPTY_DICT => Node::Dict(Vec::new()),
            op::EMPTY_SET => Node::Set(Vec::new()),
            op::EMPTY_TUPLE => Node::Tuple(Vec::new()),
            op::TUPLE1 => Node::Tuple(self.pop_many(1)?),
            op::TUPLE2 => Node::Tuple(self.pop_many(2)?),
            op::TUPLE3 => Node::Tuple(self.pop_many(3)?),
            op::TUPLE => Node::Tuple(self.pop_mark()?),
            op::LIST => Node::List(self.pop_mark()?),
            op::FROZENSET => Node::FrozenSet(self.pop_mark()?),
            op::DICT => {
                let items = self.pop_mark()?;
                Node::Dict(self.pairs(&items)?)
            }
            _ => return Ok(None),
        }))
    }

    /// Puts items into the container below them.
    fn fill(&mut self, opcode: u8) -> Result<(), PickleError> {
        let items = match opcode {
            op::APPEND => self.pop_many(1)?,
            op::SETITEM => self.pop_many(2)?,
            _ => self.pop_mark()?,
        };
        let container = self.top()?;
        match opcode {
            op::SETITEM | op::SETITEMS => {
                let pairs = self.pairs(&items)?;
                match self.graph.get_mut(container) {
                    Node::Dict(dict) => dict.extend(pairs),
                    _ => return Err(self.malformed()),
                }
            }
            op::ADDITEMS => match self.graph.get_mut(container) {
                Node::Set(set) => set.extend(items),
                _ => return Err(self.malformed()),
            },
            _ => match self.graph.get_mut(container) {
                Node::List(list) => list.extend(items),
                _ => return Err(self.malformed()),
            },
        }
        Ok(())
    }

    fn pairs(&self, items: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
        let (pairs, rest) = items.as_chunks::<2>();
        if rest.is_empty() {
            Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
        } else {
            Err(self.malformed())
        }
    }

    fn remember(&mut self, opcode: u8) -> Result<(), PickleError> {
        let index = match opcode {
            op::BINPUT => self.input.byte()?.into(),
            op::LONG_BINPUT => self.input.length(4)?,
            op::MEMOIZE => self.memo.len(),
            _ => self.input.line()?.parse().map_err(|_| self.malformed())?,
        };
        // Each entry took a byte of input at least, so that an honest index is smaller than that.
        if index >= self.input.size() {
            return Err(self.malformed());
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(self.top()?);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), PickleError> {
        let index: usize = match opcode {
            op::BINGET => self.input.byte()?.into(),
            op::LONG_BINGET => self.input.length(4)?,
            _ => self.input.line()?.parse().map_err(|_| self.malformed())?,
        };
        let id = self.memo.get(index).copied().flatten().ok_or_else(|| self.malformed())?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<(), PickleError> {
        let (module, name) = if opcode == op::GLOBAL {
            (Cow::Borrowed(self.input.line()?), Cow::Borrowed(self.input.line()?))
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.graph.get(module), self.graph.get(name)) {
                (Node::Str(module), Node::Str(name)) => (module.clone(), name.clone()),
                _ => return Err(self.malformed()),
            }
        };
        match Constructor::find(&module, &name) {
            Some(constructor) => self.push(Node::Constructor(constructor)),
            None => Err(PickleError::Unsupported { global: shown(&module, &name) }),
        }
    }

    fn reduce(&mut self) -> Result<(), PickleError> {
        let (args, callable) = (self.pop()?, self.pop()?);
        let node = match (self.graph.get(callable), self.graph.get(args)) {
            (Node::Constructor(constructor), Node::Tuple(args)) => constructor.call(&self.graph, args)?,
            _ => return Err(self.malformed()),
        };
        self.push(node)
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), PickleError> {
        let id = self.graph.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    /// How many items lie above the last mark.
    fn above_mark(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        if self.above_mark() == 0 {
            return Err(self.malformed());
        }
        self.stack.pop().ok_or_else(|| self.malformed())
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        if self.above_mark() < count {
            return Err(self.malformed());
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed())?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&self) -> Result<Id, PickleError> {
        if self.above_mark() == 0 {
            return Err(self.malformed());
        }
        self.stack.last().copied().ok_or_else(|| self.malformed())
    }

    fn text(&mut self, decode: fn(&[u8]) -> Result<String, TextError>) -> Result<Cow<'a, str>, PickleError> {
        let line = self.input.raw_line()?;
        decode(line).map(Cow::Owned).map_err(|error| match error {
            TextError::Malformed => self.malformed(),
            TextError::NotUnicode => PickleError::Text,
        })
    }

    fn malformed(&self) -> PickleError {
        self.input.malformed()
    }
}

fn long(number: BigInt) -> Node<'static> {
    number.to_i64().map_or(Node::BigInt(number), Node::Int)
}

/// A name from an untrusted value, fit for a message.
fn shown(module: &str, name: &str) -> String {
    format!("{module}.{name}").chars().take(120).flat_map(char::escape_debug).collect()
}
