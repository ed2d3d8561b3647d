//! The two ways in which protocol 0 writes text on a line.

/// Why a line is no text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TextError {
    /// A broken escape or missing quotes.
    Malformed,
    /// It is text in Python, but not in Rust.
    NotUnicode,
}

/// `raw-unicode-escape`: Latin-1, with `\uXXXX` and `\UXXXXXXXX` for the rest. Other backslashes are
/// backslashes.
pub(super) fn escaped(line: &[u8]) -> Result<String, TextError> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.iter();
    while let Some(&byte) = rest.next() {
        text.push(char::from(byte));
        if byte != b'\\' {
            continue;
        }
        let digits = match rest.next() {
            None => break,
            Some(b'u') => 4,
            Some(b'U') => 8,
            Some(&other) => {
                text.push(char::from(other));
                continue;
            }
        };
        text.pop();
        let code = hex(&mut rest, digits)?;
        text.push(char::from_u32(code).ok_or(TextError::NotUnicode)?);
    }
    Ok(text)
}

/// A quoted string of Python 2, which Python 3 reads as ASCII.
pub(super) fn quoted(line: &[u8]) -> Result<String, TextError> {
    let line = line.trim_ascii_end();
    let ([b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"']) = line else {
        return Err(TextError::Malformed);
    };
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.iter();
    while let Some(&byte) = rest.next() {
        let code = if byte == b'\\' {
            match rest.next().ok_or(TextError::Malformed)? {
                b'n' => 10,
                b'r' => 13,
                b't' => 9,
                b'x' => hex(&mut rest, 2)?,
                &other @ (b'\\' | b'\'' | b'"') => other.into(),
                _ => return Err(TextError::Malformed),
            }
        } else {
            byte.into()
        };
        text.push(char::from_u32(code).filter(char::is_ascii).ok_or(TextError::NotUnicode)?);
    }
    Ok(text)
}

fn hex<'a>(rest: &mut impl Iterator<Item = &'a u8>, digits: usize) -> Result<u32, TextError> {
    let mut code = 0u32;
    for _ in 0..digits {
        let digit =
            rest.next().and_then(|&byte| char::from(byte).to_digit(16)).ok_or(TextError::Malformed)?;
        code = code.checked_mul(16).ok_or(TextError::Malformed)? | digit;
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_raw_text_are_read_as_python_does() {
        assert_eq!(escaped(b"\xe9\\u000a\\u005c\\U0001f600\\x\\\\u0041\\").unwrap(), "é\n\\😀\\x\\\\u0041\\");
        assert_eq!(escaped(b"\\u12"), Err(TextError::Malformed));
        assert_eq!(escaped(b"\\ud83d\\ude00"), Err(TextError::NotUnicode));
        assert_eq!(escaped(b"\\Uffffffff"), Err(TextError::NotUnicode));
    }

    #[test]
    fn quoted_text_is_read_as_python_does() {
        assert_eq!(quoted(b"'a\\n\\'\\x41\\\\'").unwrap(), "a\n'A\\");
        assert_eq!(quoted(b"\"it's\" ").unwrap(), "it's");
        assert_eq!(quoted(b"'"), Err(TextError::Malformed));
        assert_eq!(quoted(b"'\\"), Err(TextError::Malformed));
        assert_eq!(quoted(b"'\xe9'"), Err(TextError::NotUnicode));
    }
}
