//! Percent-encoding.

use super::UrlError;

pub(super) fn decode(text: &str, part: &'static str) -> Result<String, UrlError> {
    String::from_utf8(decoded_bytes(text, part)?).map_err(|_| UrlError::Encoding { part })
}

pub(super) fn decoded_bytes(text: &str, part: &'static str) -> Result<Vec<u8>, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
            let code = digit().zip(digit()).map(|(high, low)| high * 16 + low);
            let code = code.and_then(|code| u8::try_from(code).ok());
            bytes.push(code.ok_or(UrlError::Encoding { part })?);
        } else {
            bytes.push(byte);
        }
    }
    Ok(bytes)
}

pub(super) fn encode(bytes: &[u8], keep_slashes: bool) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slashes && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.extend([
                '%',
                char::from(HEX[usize::from(byte >> 4)]),
                char::from(HEX[usize::from(byte & 15)]),
            ]);
        }
    }
    out
}
