//! The bytes of a pickle, taken from the front and never beyond the end.

pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn has(&self, length: usize) -> bool {
        self.rest.len() >= length
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (&array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(array)
    }

    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// A length or index of so many bytes, at most eight, the lowest first.
    pub fn length<const WIDTH: usize>(&mut self) -> Option<usize> {
        let mut all = [0; 8];
        all.get_mut(..WIDTH)?.copy_from_slice(&self.array::<WIDTH>()?);
        usize::try_from(u64::from_le_bytes(all)).ok()
    }
}
