//! The bytes of a pickle, taken from the front and never beyond the end.

use super::reader::PickleError;

pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_over(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn malformed(&self) -> PickleError {
        PickleError::Malformed { at: self.at }
    }

    pub(super) fn byte(&mut self) -> Result<u8, PickleError> {
        let &byte = self.bytes.get(self.at).ok_or(PickleError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let end = self.at.checked_add(length).ok_or(PickleError::Truncated)?;
        let bytes = self.bytes.get(self.at..end).ok_or(PickleError::Truncated)?;
        self.at = end;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        self.take(N)?.try_into().map_err(|_| PickleError::Truncated)
    }

    /// A length or index of so many bytes, the lowest first.
    pub(super) fn length(&mut self, width: usize) -> Result<usize, PickleError> {
        let mut all = [0; 8];
        all[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(all)).map_err(|_| PickleError::Truncated)
    }

    pub(super) fn raw_line(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or(PickleError::Truncated)?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    pub(super) fn line(&mut self) -> Result<&'a str, PickleError> {
        let line = self.raw_line()?;
        std::str::from_utf8(line).map_err(|_| self.malformed())
    }
}
