//! The words of Redis on the wire (RESP2): commands out, replies in.
//!
//! Pure: bytes to bytes. A reply is first *measured*, step by step as its bytes arrive, so that a reply
//! of any shape is looked at once and never waited for beyond its end; then it is *read* in place.
//! What a hostile peer may announce (a length, a count, a nesting) is held against limits before a byte
//! of memory is given to it.

use crate::server_error::ServerError;

/// How deep arrays may nest in a reply. Redis itself stays below 10.
pub(crate) const MAX_REPLY_DEPTH: usize = 32;

/// The longest line of a reply (a status, an error, a number).
const MAX_LINE: usize = 64 * 1024;

/// A reply that owns its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reply {
    /// No value.
    Nil,
    /// A number.
    Int(i64),
    /// A short word such as `OK`.
    Status(Vec<u8>),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Several replies.
    Array(Vec<Reply>),
    /// An error inside an array. An error by itself is an `Err` of the call.
    Error(ServerError),
}

impl Reply {
    /// The bytes of a bulk or status reply.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(bytes) | Self::Status(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// What is in an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Reply]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }
}

/// A reply whose bytes still lie in the connection's buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReplyRef<'a> {
    /// No value.
    Nil,
    /// A number.
    Int(i64),
    /// A short word such as `OK`.
    Status(&'a [u8]),
    /// Bytes.
    Bulk(&'a [u8]),
    /// Several replies.
    Array(Vec<ReplyRef<'a>>),
    /// An error inside an array.
    Error(ServerError),
}

impl ReplyRef<'_> {
    /// A copy that outlives the connection's buffer.
    #[must_use]
    pub fn to_owned(&self) -> Reply {
        match self {
            Self::Nil => Reply::Nil,
            Self::Int(number) => Reply::Int(*number),
            Self::Status(bytes) => Reply::Status(bytes.to_vec()),
            Self::Bulk(bytes) => Reply::Bulk(bytes.to_vec()),
            Self::Array(items) => Reply::Array(items.iter().map(ReplyRef::to_owned).collect()),
            Self::Error(error) => Reply::Error(error.clone()),
        }
    }
}

/// What makes bytes no reply of a Redis server.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reply begins with one of `+ - : $ *`.
    #[error("a reply begins with `{}`", char::from(*byte).escape_default())]
    UnexpectedByte {
        /// The byte instead.
        byte: u8,
    },
    /// A length or count that is no number.
    #[error("a length in the reply is not a number")]
    BadNumber,
    /// Bytes are not followed by the line end that their length promises.
    #[error("a reply is not as long as it says")]
    BadEnd,
    /// A line without end.
    #[error("a line of the reply is longer than {MAX_LINE} bytes")]
    LineTooLong,
    /// More than the limit of this connection.
    #[error("the reply is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Arrays in arrays in arrays …
    #[error("the reply nests deeper than {MAX_REPLY_DEPTH}")]
    TooDeep,
    /// A reply of another shape than the command's.
    #[error("its reply to {command} is not the reply of a redis-server")]
    UnexpectedReply {
        /// The command.
        command: &'static str,
    },
    /// More bytes than were asked for: the next caller must not get them.
    #[error("the server sent more than was asked for")]
    Unasked,
}

/// Appends one command to `out`.
pub(crate) fn write_command(out: &mut Vec<u8>, args: &[&[u8]]) {
    write_head(out, args.len());
    for arg in args {
        write_arg(out, arg);
    }
}

/// Appends the head of a command of `count` arguments, each to be added by [`write_arg`].
pub(crate) fn write_head(out: &mut Vec<u8>, count: usize) {
    write_length(out, b'*', count);
}

/// Appends one argument.
pub(crate) fn write_arg(out: &mut Vec<u8>, arg: &[u8]) {
    write_length(out, b'$', arg.len());
    out.extend_from_slice(arg);
    out.extend_from_slice(b"\r\n");
}

fn write_length(out: &mut Vec<u8>, kind: u8, length: usize) {
    // Digits by hand: `write!` costs more than the rest of a small command.
    const DIGITS: &[u8; 10] = b"0123456789";
    let mut line = [0u8; 24];
    let mut at = line.len() - 2;
    line[at..].copy_from_slice(b"\r\n");
    let mut rest = length;
    loop {
        at -= 1;
        line[at] = DIGITS[rest % 10];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    at -= 1;
    line[at] = kind;
    out.extend_from_slice(&line[at..]);
}

/// Finds the end of one reply in a growing buffer, without looking at any byte twice.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    /// Bytes measured so far.
    at: usize,
    /// How far the search for the end of the current line has come.
    seen: usize,
    /// For each open array: how many items are still to come.
    open: Vec<usize>,
}

impl Measure {
    pub(crate) fn reset(&mut self) {
        self.at = 0;
        self.seen = 0;
        self.open.clear();
    }

    /// `Ok(Some(length))` once the whole reply lies in `buffer`; `Ok(None)` asks for more bytes.
    pub(crate) fn advance(&mut self, buffer: &[u8], limit: usize) -> Result<Option<usize>, ProtocolError> {
        loop {
            let Some(&kind) = buffer.get(self.at) else { return self.wait(limit) };
            if !matches!(kind, b'+' | b'-' | b':' | b'$' | b'*') {
                return Err(ProtocolError::UnexpectedByte { byte: kind });
            }
            let from = self.seen.max(self.at + 1);
            let Some(end) = line_end(&buffer[from..]).map(|end| from + end) else {
                // The last byte may be the CR of an end that is still to come.
                self.seen = buffer.len().saturating_sub(1);
                if buffer.len() - self.at > MAX_LINE {
                    return Err(ProtocolError::LineTooLong);
                }
                return self.wait(limit);
            };
            let line = &buffer[self.at + 1..end];
            let after = end + 2;
            match kind {
                b'$' => {
                    if let Some(length) = length(line)? {
                        if length > limit.saturating_sub(after) {
                            return Err(ProtocolError::TooLarge { limit });
                        }
                        let stop = after + length;
                        match buffer.get(stop..stop + 2) {
                            Some(b"\r\n") => self.at = stop + 2,
                            Some(_) => return Err(ProtocolError::BadEnd),
                            None => return Ok(None),
                        }
                    } else {
                        self.at = after;
                    }
                }
                b'*' => {
                    self.at = after;
                    match length(line)? {
                        // The shortest item has three bytes: a count beyond the limit can't be honest.
                        Some(count) if count > limit / 3 => return Err(ProtocolError::TooLarge { limit }),
                        Some(count) if count > 0 => {
                            if self.open.len() >= MAX_REPLY_DEPTH {
                                return Err(ProtocolError::TooDeep);
                            }
                            self.open.push(count);
                            continue;
                        }
                        _ => {}
                    }
                }
                b':' => {
                    number(line)?;
                    self.at = after;
                }
                _ => self.at = after,
            }
            // One item is complete; close every array that it completes.
            loop {
                match self.open.last_mut() {
                    None => return Ok(Some(self.at)),
                    Some(left) => {
                        *left -= 1;
                        if *left > 0 {
                            break;
                        }
                        self.open.pop();
                    }
                }
            }
        }
    }

    fn wait(&self, limit: usize) -> Result<Option<usize>, ProtocolError> {
        if self.at > limit { Err(ProtocolError::TooLarge { limit }) } else { Ok(None) }
    }
}

/// Reads the reply at the start of `bytes`, which [`Measure`] has found whole; `bytes` moves behind it.
pub(crate) fn read<'a>(bytes: &mut &'a [u8]) -> Result<ReplyRef<'a>, ProtocolError> {
    let whole = *bytes;
    let (&kind, rest) = whole.split_first().ok_or(ProtocolError::BadEnd)?;
    let end = line_end(rest).ok_or(ProtocolError::BadEnd)?;
    let line = &rest[..end];
    *bytes = &rest[end + 2..];
    match kind {
        b'+' => Ok(ReplyRef::Status(line)),
        b'-' => Ok(ReplyRef::Error(ServerError::from_line(line))),
        b':' => Ok(ReplyRef::Int(number(line)?)),
        b'$' => {
            let Some(length) = length(line)? else { return Ok(ReplyRef::Nil) };
            let data = bytes.get(..length).ok_or(ProtocolError::BadEnd)?;
            *bytes = bytes.get(length + 2..).ok_or(ProtocolError::BadEnd)?;
            Ok(ReplyRef::Bulk(data))
        }
        b'*' => {
            let Some(count) = length(line)? else { return Ok(ReplyRef::Nil) };
            // Measured: each item has three bytes at least, so the count is true to the bytes.
            let mut items = Vec::with_capacity(count.min(bytes.len() / 3));
            for _ in 0..count {
                items.push(read(bytes)?);
            }
            Ok(ReplyRef::Array(items))
        }
        byte => Err(ProtocolError::UnexpectedByte { byte }),
    }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    // Lines of replies are short, and std has no search for two bytes.
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|&b| b == b'\r')?;
        match bytes.get(at + 1) {
            Some(b'\n') => return Some(at),
            Some(_) => from = at + 1,
            None => return None,
        }
    }
}

/// A length or count; `-1` is none.
fn length(line: &[u8]) -> Result<Option<usize>, ProtocolError> {
    match number(line)? {
        -1 => Ok(None),
        number => usize::try_from(number).map(Some).map_err(|_| ProtocolError::BadNumber),
    }
}

fn number(line: &[u8]) -> Result<i64, ProtocolError> {
    let (negative, digits) = match line {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 {
        return Err(ProtocolError::BadNumber);
    }
    let mut value: i64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(ProtocolError::BadNumber);
        }
        // Counted below zero, where the range reaches one further.
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_sub(i64::from(digit - b'0')))
            .ok_or(ProtocolError::BadNumber)?;
    }
    if negative { Ok(value) } else { value.checked_neg().ok_or(ProtocolError::BadNumber) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_error::ServerErrorKind;
    use proptest::prelude::*;

    const LIMIT: usize = 1 << 20;

    fn measure(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        Measure::default().advance(bytes, LIMIT)
    }

    fn reply(bytes: &[u8]) -> ReplyRef<'_> {
        assert_eq!(measure(bytes), Ok(Some(bytes.len())));
        let mut rest = bytes;
        let got = read(&mut rest).expect("a measured reply reads");
        assert!(rest.is_empty());
        got
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        write_command(&mut out, &[b"SET", b"", &[7; 123]]);
        let mut want = b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$123\r\n".to_vec();
        want.extend([7; 123]);
        want.extend(b"\r\n");
        assert_eq!(out, want);
    }

    #[test]
    fn each_kind_of_reply_is_read() {
        assert_eq!(reply(b"+OK\r\n"), ReplyRef::Status(b"OK"));
        assert_eq!(reply(b":-9223372036854775808\r\n"), ReplyRef::Int(i64::MIN));
        assert_eq!(reply(b"$-1\r\n"), ReplyRef::Nil);
        assert_eq!(reply(b"*-1\r\n"), ReplyRef::Nil);
        assert_eq!(reply(b"*0\r\n"), ReplyRef::Array(vec![]));
        assert_eq!(reply(b"$4\r\n\r\n\r\n\r\n"), ReplyRef::Bulk(b"\r\n\r\n"));
        let got = reply(b"*2\r\n*1\r\n$1\r\na\r\n-WRONGTYPE no\r\n").to_owned();
        let Reply::Array(items) = got else { panic!("{got:?}") };
        assert_eq!(items[0], Reply::Array(vec![Reply::Bulk(b"a".to_vec())]));
        assert!(matches!(&items[1], Reply::Error(e) if e.kind() == ServerErrorKind::WrongType));
    }

    #[test]
    fn nonsense_is_refused() {
        let deep = b"*1\r\n".repeat(MAX_REPLY_DEPTH + 1);
        let line = [b"+".to_vec(), vec![b'x'; MAX_LINE + 1]].concat();
        let cases: &[(&[u8], ProtocolError)] = &[
            (b"HTTP/1.1 400", ProtocolError::UnexpectedByte { byte: b'H' }),
            (b"$x\r\n", ProtocolError::BadNumber),
            (b"$-2\r\n", ProtocolError::BadNumber),
            (b"$\r\n", ProtocolError::BadNumber),
            (b":99999999999999999999\r\n", ProtocolError::BadNumber),
            (b"$1\r\nabc\r\n", ProtocolError::BadEnd),
            (b"$1073741824\r\n", ProtocolError::TooLarge { limit: LIMIT }),
            (b"*1000000000\r\n", ProtocolError::TooLarge { limit: LIMIT }),
            (&deep, ProtocolError::TooDeep),
            (&line, ProtocolError::LineTooLong),
        ];
        for (bytes, want) in cases {
            assert_eq!(measure(bytes), Err(want.clone()), "{:?}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn many_small_items_count_against_the_limit() {
        let mut bytes = b"*1000\r\n".to_vec();
        bytes.extend(b":1\r\n".repeat(999));
        assert_eq!(Measure::default().advance(&bytes, 4010), Ok(None));
        assert_eq!(Measure::default().advance(&bytes, 3900), Err(ProtocolError::TooLarge { limit: 3900 }));
    }

    fn any_reply() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            Just(b"$-1\r\n".to_vec()),
            any::<i64>().prop_map(|n| format!(":{n}\r\n").into_bytes()),
            "[a-zA-Z ]{0,9}".prop_map(|s| format!("+{s}\r\n").into_bytes()),
            "[A-Z]{1,9} [a-z]{0,9}".prop_map(|s| format!("-{s}\r\n").into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..20)
                .prop_map(|b| { [format!("${}\r\n", b.len()).into_bytes(), b, b"\r\n".to_vec()].concat() }),
        ];
        leaf.prop_recursive(4, 20, 5, |inner| {
            proptest::collection::vec(inner, 0..5)
                .prop_map(|items| [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat())
        })
    }

    proptest! {
        #[test]
        fn a_reply_is_found_whole_however_it_is_cut(bytes in any_reply(), steps in proptest::collection::vec(1usize..7, 1..9)) {
            let mut measure = Measure::default();
            let mut have = 0;
            let mut steps = steps.iter().cycle();
            while have < bytes.len() {
                prop_assert_eq!(measure.advance(&bytes[..have], LIMIT), Ok(None));
                have = bytes.len().min(have + steps.next().copied().unwrap_or(1));
            }
            let more = [&bytes[..], b"+NEXT\r\n"].concat();
            prop_assert_eq!(measure.advance(&more, LIMIT), Ok(Some(bytes.len())));
            let mut rest = &more[..];
            prop_assert!(read(&mut rest).is_ok());
            prop_assert_eq!(rest, b"+NEXT\r\n");
        }

        #[test]
        fn any_bytes_are_measured_or_refused(bytes in proptest::collection::vec(
            prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'-'), any::<u8>()], 0..60)) {
            if let Ok(Some(length)) = measure(&bytes) {
                let mut rest = &bytes[..];
                prop_assert!(read(&mut rest).is_ok());
                prop_assert_eq!(rest.len(), bytes.len() - length);
            }
        }
    }
}
