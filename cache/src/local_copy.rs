//! The copy of values that lives as long as a request or a job, so that a value asked for again costs no
//! round trip.
//!
//! It holds what its user gives it, at full keys; whether that is a pickle or a ready object is the
//! user's matter. It is bounded, a value leaves it when its lifetime ends, a hash is never taken for a
//! value nor the other way round, and that a value is missing is never kept.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use rustix::time::{ClockId, clock_gettime};

use crate::key::Beginning;
use crate::lifetime::Ttl;

/// What an entry costs beside its key and its value, about.
const OVERHEAD: usize = 96;

/// What the clock that is read here may be late: a few milliseconds, for a quarter of the price.
const LATE: Duration = Duration::from_millis(8);

/// How much a [`LocalCopy`] may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Values and fields.
    pub entries: usize,
    /// Bytes, by the weights that the user gives, keys included.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 10_000, bytes: 16 << 20 }
    }
}

impl Limits {
    /// At most so many entries and bytes.
    #[must_use]
    pub fn new(entries: usize, bytes: usize) -> Self {
        Self { entries, bytes }
    }
}

/// Values and hashes by full key.
///
/// ```
/// use dontmanage_cache::{LocalCopy, Ttl};
///
/// let mut copy = LocalCopy::default();
/// copy.put(b"site|k", "v", 1, Ttl::Unlimited);
/// assert_eq!(copy.get(b"site|k"), Some(&"v"));
/// assert_eq!(copy.get_field(b"site|k", b"f"), None, "a value is no hash");
/// ```
#[derive(Debug)]
pub struct LocalCopy<V> {
    kept: HashMap<Box<[u8]>, Kept<V>, RandomState>,
    limits: Limits,
    entries: usize,
    bytes: usize,
    /// What has been let go of, where somebody [takes](Self::take_gone) it.
    gone: Option<Vec<V>>,
}

#[derive(Debug)]
enum Kept<V> {
    Value(Entry<V>),
    Hash(HashMap<Box<[u8]>, Entry<V>, RandomState>),
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: usize,
    ends: Option<Duration>,
    /// Asked for since the last sweep.
    used: bool,
}

impl<V> Entry<V> {
    fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= now())
    }

    /// The value, unless its time is over; then it stays until its place is needed.
    fn lend(&mut self) -> Option<&mut V> {
        if self.is_over() {
            return None;
        }
        self.used = true;
        Some(&mut self.value)
    }
}

impl<V> Default for LocalCopy<V> {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl<V> LocalCopy<V> {
    /// An empty copy.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { kept: HashMap::default(), limits, entries: 0, bytes: 0, gone: None }
    }

    /// An empty copy that drops nothing: its user takes what it lets go of.
    pub(crate) fn that_gives_back(limits: Limits) -> Self {
        Self { gone: Some(Vec::new()), ..Self::new(limits) }
    }

    /// What it has let go of since it was asked last.
    pub(crate) fn take_gone(&mut self) -> Option<Vec<V>> {
        self.gone.as_mut().map(std::mem::take)
    }

    /// How many values and fields it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// What its values and keys weigh together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A value.
    pub fn get(&mut self, key: &[u8]) -> Option<&V> {
        self.get_mut(key).map(|value| &*value)
    }

    /// A value, to be put into another shape of the same weight.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        match self.kept.get_mut(key)? {
            Kept::Value(entry) => entry.lend(),
            Kept::Hash(_) => None,
        }
    }

    /// Keeps a value, in place of whatever was there. One that is larger than a quarter of the limit is
    /// not kept.
    pub fn put(&mut self, key: &[u8], value: V, weight: usize, left: Ttl) {
        self.remove(key);
        let Some(entry) = self.entry(key.len(), value, weight, left) else { return };
        self.entries += 1;
        self.bytes += entry.weight;
        self.kept.insert(key.into(), Kept::Value(entry));
        self.keep_bounds();
    }

    /// A field of a hash.
    pub fn get_field(&mut self, key: &[u8], field: &[u8]) -> Option<&V> {
        self.get_field_mut(key, field).map(|value| &*value)
    }

    /// A field of a hash, to be put into another shape of the same weight.
    pub fn get_field_mut(&mut self, key: &[u8], field: &[u8]) -> Option<&mut V> {
        match self.kept.get_mut(key)? {
            Kept::Hash(fields) => fields.get_mut(field)?.lend(),
            Kept::Value(_) => None,
        }
    }

    /// Keeps a field of a hash; a value that was there goes.
    pub fn put_field(&mut self, key: &[u8], field: &[u8], value: V, weight: usize, left: Ttl) {
        if matches!(self.kept.get(key), Some(Kept::Value(_))) {
            self.remove(key);
        }
        self.remove_field(key, field);
        let Some(entry) = self.entry(key.len() + field.len(), value, weight, left) else { return };
        self.entries += 1;
        self.bytes += entry.weight;
        let kept = self.kept.entry(key.into()).or_insert_with(|| Kept::Hash(HashMap::default()));
        if let Kept::Hash(fields) = kept {
            fields.insert(field.into(), entry);
        }
        self.keep_bounds();
    }

    /// Forgets a value or a hash.
    pub fn remove(&mut self, key: &[u8]) {
        match self.kept.remove(key) {
            None => {}
            Some(Kept::Value(entry)) => self.forget(entry),
            Some(Kept::Hash(fields)) => fields.into_values().for_each(|entry| self.forget(entry)),
        }
    }

    /// Forgets a field of a hash.
    pub fn remove_field(&mut self, key: &[u8], field: &[u8]) {
        let Some(Kept::Hash(fields)) = self.kept.get_mut(key) else { return };
        let Some(entry) = fields.remove(field) else { return };
        if fields.is_empty() {
            self.kept.remove(key);
        }
        self.forget(entry);
    }

    /// Forgets what begins in a certain way.
    pub fn remove_beginning(&mut self, beginning: &Beginning) {
        for key in self.keys(beginning) {
            self.remove(&key);
        }
    }

    /// Gives a value or a hash another lifetime.
    pub fn expire(&mut self, key: &[u8], left: Ttl) {
        let ends = match left {
            Ttl::Missing => return self.remove(key),
            Ttl::Unlimited => None,
            Ttl::Left(left) => Some(end(left)),
        };
        match self.kept.get_mut(key) {
            None => {}
            Some(Kept::Value(entry)) => entry.ends = ends,
            Some(Kept::Hash(fields)) => fields.values_mut().for_each(|entry| entry.ends = ends),
        }
    }

    /// The full keys that begin in a certain way, of values and hashes.
    #[must_use]
    pub fn keys(&self, beginning: &Beginning) -> Vec<Vec<u8>> {
        self.kept.keys().filter(|key| beginning.covers(key)).map(|key| key.to_vec()).collect()
    }

    /// Every full key, and whether it is a hash.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.kept.iter().map(|(key, kept)| (&**key, matches!(kept, Kept::Hash(_))))
    }

    /// The fields that are kept of a hash; none if the key is no hash.
    #[must_use]
    pub fn fields(&self, key: &[u8]) -> Option<Vec<&[u8]>> {
        match self.kept.get(key)? {
            Kept::Hash(fields) => Some(fields.keys().map(|field| &**field).collect()),
            Kept::Value(_) => None,
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        for kept in std::mem::take(&mut self.kept).into_values() {
            match kept {
                Kept::Value(entry) => let_go(&mut self.gone, entry.value),
                Kept::Hash(fields) => {
                    for entry in fields.into_values() {
                        let_go(&mut self.gone, entry.value);
                    }
                }
            }
        }
        self.entries = 0;
        self.bytes = 0;
    }

    /// None for a value that is not to be kept.
    fn entry(&mut self, names: usize, value: V, weight: usize, left: Ttl) -> Option<Entry<V>> {
        let weight = weight.saturating_add(names + OVERHEAD);
        let is_too_large = weight > self.limits.bytes / 4 || self.limits.entries == 0;
        let ends = match left {
            Ttl::Unlimited if !is_too_large => None,
            Ttl::Left(left) if !is_too_large && left > LATE => Some(end(left)),
            _ => {
                let_go(&mut self.gone, value);
                return None;
            }
        };
        Some(Entry { value, weight, ends, used: false })
    }

    fn forget(&mut self, entry: Entry<V>) {
        self.entries -= 1;
        self.bytes -= entry.weight;
        let_go(&mut self.gone, entry.value);
    }

    fn keep_bounds(&mut self) {
        if self.entries > self.limits.entries || self.bytes > self.limits.bytes {
            // Making room for a quarter at a time: a sweep looks at everything.
            self.sweep(|entry| !entry.is_over() && std::mem::take(&mut entry.used));
            self.sweep(|_| false);
        }
    }

    /// Drops entries that are not worth keeping, until a quarter is free.
    fn sweep(&mut self, mut is_worth: impl FnMut(&mut Entry<V>) -> bool) {
        let Limits { entries: most, bytes: heaviest } = self.limits;
        let (mut entries, mut bytes) = (self.entries, self.bytes);
        let mut keep = |entry: &mut Entry<V>| {
            let is_full = entries > most - most / 4 || bytes > heaviest - heaviest / 4;
            if !is_full || is_worth(entry) {
                return true;
            }
            entries -= 1;
            bytes -= entry.weight;
            false
        };
        let gone = &mut self.gone;
        let goes = self.kept.extract_if(|_, kept| match kept {
            Kept::Value(entry) => !keep(entry),
            Kept::Hash(fields) => {
                fields.extract_if(|_, entry| !keep(entry)).for_each(|(_, entry)| let_go(gone, entry.value));
                fields.is_empty()
            }
        });
        let values: Vec<V> = goes
            .filter_map(|(_, kept)| if let Kept::Value(entry) = kept { Some(entry.value) } else { None })
            .collect();
        for value in values {
            let_go(&mut self.gone, value);
        }
        (self.entries, self.bytes) = (entries, bytes);
    }
}

fn let_go<V>(gone: &mut Option<Vec<V>>, value: V) {
    if let Some(gone) = gone {
        gone.push(value);
    }
}

/// The time since some fixed moment, by the tick of the kernel.
fn now() -> Duration {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    Duration::try_from(time).unwrap_or_default()
}

/// When so much time is over; rather a little too early.
fn end(left: Duration) -> Duration {
    now().saturating_add(left.saturating_sub(LATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyPrefix;
    use proptest::prelude::*;
    use std::time::Instant;

    #[test]
    fn a_hash_and_a_value_never_stand_for_each_other() {
        let mut copy = LocalCopy::default();
        copy.put_field(b"k", b"f", 1, 0, Ttl::Unlimited);
        assert_eq!(copy.get(b"k"), None);
        copy.put(b"k", 2, 0, Ttl::Unlimited);
        assert_eq!(copy.get_field(b"k", b"f"), None);
        assert_eq!(copy.len(), 1);
        copy.put_field(b"k", b"f", 3, 0, Ttl::Unlimited);
        assert_eq!(copy.get(b"k"), None);
        assert_eq!(copy.fields(b"k"), Some(vec![&b"f"[..]]));
    }

    #[test]
    fn what_is_over_is_gone() {
        let mut copy = LocalCopy::default();
        copy.put(b"k", 1, 0, Ttl::Left(Duration::ZERO));
        copy.put(b"gone", 1, 0, Ttl::Missing);
        assert!(copy.is_empty());
        copy.put(b"k", 1, 0, Ttl::Left(Duration::from_millis(40)));
        copy.put_field(b"h", b"f", 1, 0, Ttl::Left(Duration::from_millis(40)));
        copy.put(b"later", 1, 0, Ttl::Left(Duration::from_secs(1000)));
        let end = Instant::now() + Duration::from_millis(40);
        while Instant::now() < end {
            std::thread::yield_now();
        }
        assert_eq!(copy.get(b"k"), None);
        assert_eq!(copy.get_field(b"h", b"f"), None);
        assert_eq!(copy.get(b"later"), Some(&1));
    }

    #[test]
    fn a_lifetime_can_be_changed() {
        let mut copy = LocalCopy::default();
        copy.put(b"k", 1, 0, Ttl::Unlimited);
        copy.put_field(b"h", b"f", 1, 0, Ttl::Unlimited);
        copy.expire(b"k", Ttl::Left(Duration::ZERO));
        copy.expire(b"h", Ttl::Missing);
        assert_eq!(copy.get(b"k"), None);
        assert_eq!(copy.get_field(b"h", b"f"), None);
    }

    #[test]
    fn what_was_asked_for_outlives_what_was_not() {
        let mut copy = LocalCopy::new(Limits::new(100, 1 << 20));
        for number in 0..100u32 {
            copy.put(&number.to_be_bytes(), number, 0, Ttl::Unlimited);
        }
        for number in 0..20u32 {
            assert!(copy.get(&number.to_be_bytes()).is_some());
        }
        copy.put(b"one more", 0, 0, Ttl::Unlimited);
        assert_eq!(copy.len(), 75);
        assert!((0..20u32).all(|number| copy.get(&number.to_be_bytes()).is_some()));
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_takes_nothings_place() {
        let mut copy = LocalCopy::new(Limits::new(100, 10_000));
        copy.put(b"k", 1, 100, Ttl::Unlimited);
        copy.put(b"large", 1, 5_000, Ttl::Unlimited);
        assert_eq!(copy.get(b"k"), Some(&1));
        assert_eq!(copy.get(b"large"), None);
        copy.put(b"k", 2, usize::MAX, Ttl::Unlimited);
        assert_eq!(copy.get(b"k"), None, "the older value would be wrong");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, usize),
        PutField(u8, u8, usize),
        Get(u8),
        Remove(u8),
        RemoveField(u8, u8),
        RemoveBeginning(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u8..20, 0usize..1000).prop_map(|(key, weight)| Step::Put(key, weight)),
            (0u8..20, 0u8..5, 0usize..400)
                .prop_map(|(key, field, weight)| Step::PutField(key, field, weight)),
            (0u8..20).prop_map(Step::Get),
            (0u8..20).prop_map(Step::Remove),
            (0u8..20, 0u8..5).prop_map(|(key, field)| Step::RemoveField(key, field)),
            (0u8..20).prop_map(Step::RemoveBeginning),
        ]
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds_and_counts_right(steps in proptest::collection::vec(step(), 0..200)) {
            let limits = Limits::new(12, 3_000);
            let mut copy = LocalCopy::that_gives_back(limits);
            let (mut put, mut given_back) = (Vec::new(), Vec::new());
            let site = KeyPrefix::new("s").unwrap();
            let name = |key: u8| site.make_key(format!("{key:02}").as_str());
            for (number, step) in (0u32..).zip(steps) {
                if matches!(step, Step::Put(..) | Step::PutField(..)) {
                    put.push(number);
                }
                match step {
                    Step::Put(key, weight) => copy.put(&name(key), number, weight, Ttl::Unlimited),
                    Step::PutField(key, field, weight) => copy.put_field(&name(key), &[field], number, weight, Ttl::Unlimited),
                    Step::Get(key) => drop(copy.get(&name(key)).copied()),
                    Step::Remove(key) => copy.remove(&name(key)),
                    Step::RemoveField(key, field) => copy.remove_field(&name(key), &[field]),
                    Step::RemoveBeginning(key) => copy.remove_beginning(&Beginning::new(&site, format!("{}", key / 10).as_bytes())),
                }
                prop_assert!(copy.len() <= limits.entries && copy.bytes() <= limits.bytes, "{copy:?}");
                given_back.extend(copy.take_gone().expect("it gives back"));
                let counted: usize = copy.kept.values().map(|kept| match kept {
                    Kept::Value(_) => 1,
                    Kept::Hash(fields) => fields.len(),
                }).sum();
                let weighed: usize = copy.kept.values().map(|kept| match kept {
                    Kept::Value(entry) => entry.weight,
                    Kept::Hash(fields) => fields.values().map(|entry| entry.weight).sum(),
                }).sum();
                prop_assert_eq!((copy.len(), copy.bytes()), (counted, weighed));
                prop_assert!(!copy.kept.values().any(|kept| matches!(kept, Kept::Hash(fields) if fields.is_empty())));
            }
            copy.clear();
            given_back.extend(copy.take_gone().expect("it gives back"));
            given_back.sort_unstable();
            prop_assert_eq!(given_back, put, "each once, and none before it is let go of");
        }
    }
}
