//! All fields of a hash at once.

use std::fmt;
use std::ops::Range;

use crate::envelope::Rejection;

/// The fields of a hash with their pickles, in no order. They lie in one piece of memory, as a hash has many.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// use dontmanage_cache::Store;
///
/// let store = Store::new(cache.client(), None);
/// store.hset(b"_3f1b|stock", b"apple", b"\x80\x05K*.")?;
/// let fields = store.hgetall(b"_3f1b|stock")?;
/// assert_eq!(fields.len(), 1);
/// for (name, pickle) in fields.iter() {
///     assert_eq!((name, pickle?), (&b"apple"[..], &b"\x80\x05K*."[..]));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

/// Where a field's name and pickle lie.
type Place = (Range<usize>, Result<Range<usize>, Rejection>);

impl Fields {
    pub(super) fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), places: Vec::with_capacity(fields) }
    }

    pub(super) fn push(&mut self, name: &[u8], pickle: Result<&[u8], Rejection>) {
        let name = self.keep(name);
        let pickle = pickle.map(|pickle| self.keep(pickle));
        self.places.push((name, pickle));
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        begin..self.bytes.len()
    }

    /// Name and pickle of each. A value that is not taken stands as the reason why.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Result<&[u8], Rejection>)> {
        self.places.iter().map(|(name, pickle)| {
            (&self.bytes[name.clone()], pickle.clone().map(|pickle| &self.bytes[pickle]))
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // They are users' values.
        f.debug_struct("Fields").field("len", &self.len()).finish_non_exhaustive()
    }
}
