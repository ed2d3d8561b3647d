//! Output of programs on a terminal: colours stay, everything else that would command the terminal
//! is written out.

/// Appends a line with its control characters written out.
pub fn append(out: &mut Vec<u8>, line: &[u8]) {
    // A progress bar or a file with CRLF ends: the return at the end of a line says nothing more.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.iter().any(|&byte| is_control(byte) || byte == C1_LEAD) {
        out.extend_from_slice(line);
        return;
    }
    let mut rest = line;
    let mut coloured = false;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == 0x1b
            && let Some(length) = colour_sequence(rest)
        {
            out.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
            coloured = true;
            continue;
        }
        if byte == C1_LEAD
            && let Some((&second @ 0x80..=0x9f, after)) = after.split_first()
        {
            // A terminal takes U+009B for the beginning of a command as well.
            out.extend_from_slice(format!("\\u{second:04x}").as_bytes());
            rest = after;
            continue;
        }
        if is_control(byte) {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        } else {
            out.push(byte);
        }
        rest = after;
    }
    if coloured {
        // A colour that a program leaves on would run into the next program's line.
        out.extend_from_slice(b"\x1b[0m");
    }
}

/// The first byte, in UTF-8, of the control characters from U+0080 to U+009F (and of some letters).
const C1_LEAD: u8 = 0xc2;

const fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// The length of the sequence that sets colours (SGR) at the beginning of these bytes.
fn colour_sequence(bytes: &[u8]) -> Option<usize> {
    let parameters = bytes.strip_prefix(b"\x1b[")?;
    let length = parameters.iter().position(|byte| !byte.is_ascii_digit() && !b";:".contains(byte))?;
    (parameters[length] == b'm').then_some(length + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &[u8]) -> String {
        let mut out = Vec::new();
        append(&mut out, line);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn colours_stay_and_end_with_their_line() {
        assert_eq!(shown(b"\x1b[1;31mred"), "\x1b[1;31mred\x1b[0m");
    }

    #[test]
    fn nothing_else_commands_the_terminal() {
        assert_eq!(shown(b"a\x1b[2Jb\x1b]0;title\x07c\x00"), "a\\x1b[2Jb\\x1b]0;title\\x07c\\x00");
        assert_eq!(shown("a\u{9b}2J \u{a7}\u{85}".as_bytes()), "a\\u009b2J \u{a7}\\u0085");
        assert_eq!(shown(b"10%\r20%\r"), "10%\\x0d20%");
    }

    #[test]
    fn tabs_and_any_other_bytes_pass() {
        assert_eq!(shown("a\tbüro".as_bytes()), "a\tbüro");
    }
}
