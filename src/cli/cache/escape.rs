//! Keys for a person's eyes, and for programs.

use std::fmt::Write as _;

/// A key on a line of its own. For a program as it is; on a terminal with what would upset it, or make
/// two lines of one, written out.
pub fn key_line(key: &[u8], terminal: bool) -> Vec<u8> {
    let mut line = if terminal { escaped(key).into_bytes() } else { key.to_vec() };
    line.push(b'\n');
    line
}

/// A key as text: control characters and bytes that are no UTF-8 written out.
pub fn escaped(key: &[u8]) -> String {
    let mut text = String::with_capacity(key.len());
    for chunk in key.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if c.is_control() || is_invisible(c) => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// What turns the direction of a terminal's text, or vanishes in it.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_by_a_key() {
        assert_eq!(escaped(b"a b|\xc3\xb6"), "a b|ö");
        assert_eq!(escaped(b"\x1b[2J\n\\\xff"), "\\u{1b}[2J\\n\\\\\\xff");
        assert_eq!(escaped("\u{202e}x".as_bytes()), "\\u{202e}x");
        assert_eq!(key_line(b"a\nb", true), b"a\\nb\n");
        assert_eq!(key_line(b"a\xff\nb", false), b"a\xff\nb\n");
    }
}
