//! Counts by prefix of keys, in memory that does not grow.
//!
//! A table of numbers that are changed one by one, with no lock: nothing in it can be held by a thread that a
//! fork has left behind, and nobody waits. What two threads do to it at the same moment may put a call into
//! the row beside; nothing is lost.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use foldhash::fast::RandomState;

use crate::process;
use crate::tally::{Counts, Tally};

const SETS: usize = 16;
/// Places for prefixes that fall into the same set.
const WAYS: usize = 8;
/// What of a prefix is told; longer ones that begin alike are one.
const LONGEST: usize = 128;
const WORDS: usize = LONGEST / 8;

/// Tags of places that hold no prefix. Those of prefixes are larger.
const FREE: u64 = 0;
const CHANGING: u64 = 1;

/// The number of the row for what has none of its own.
const OTHER: u8 = 0xff;
const _: () = assert!(SETS * WAYS <= OTHER as usize);

/// What the cache did in this process, by prefix of the keys.
///
/// A key's prefix is the key as the program names it (without what stands before it for its site and its
/// user), up to the first `|` or `:`; the whole key if it has neither; 128 bytes of it at most. So
/// `slow_addition|40+2` counts under `slow_addition`, the answers of a function under the function's
/// name, and a hash under its name. At most 128 prefixes are told apart: the one that was asked for least makes
/// room for a new one, and its counts go to [`other`](Self::other).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct PrefixStats {
    /// By prefix.
    pub prefixes: BTreeMap<String, Tally>,
    /// What has no row of its own.
    pub other: Tally,
}

impl PrefixStats {
    /// All of it together.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = self.other.clone();
        self.prefixes.values().for_each(|tally| total.add(tally));
        total
    }
}

/// The prefix of a key as the program names it.
pub(crate) fn prefix_of(name: &[u8]) -> &[u8] {
    let end = name.iter().take(LONGEST).position(|byte| matches!(byte, b'|' | b':'));
    &name[..end.unwrap_or(name.len().min(LONGEST))]
}

/// A prefix's place, as long as it is that prefix's.
#[derive(Clone, Copy, Debug)]
struct Place {
    row: u8,
    tenant: u32,
}

#[derive(Debug)]
pub(crate) struct Prefixes {
    hasher: RandomState,
    tags: [[AtomicU64; WAYS]; SETS],
    /// Not in place: a thread with a small stack may make the client.
    rows: Box<[Row]>,
    other: Counts,
    /// The process that these are the counts of.
    generation: AtomicU32,
}

/// In this order, so that a local hit touches one line of the processor's memory.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Row {
    /// Changes when the row is given to another prefix.
    tenant: AtomicU32,
    length: AtomicU32,
    counts: Counts,
    name: [AtomicU64; WORDS],
}

impl Default for Prefixes {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            tags: [const { [const { AtomicU64::new(FREE) }; WAYS] }; SETS],
            rows: (0..SETS * WAYS).map(|_| Row::default()).collect(),
            other: Counts::default(),
            generation: AtomicU32::new(process::generation()),
        }
    }
}

impl Prefixes {
    /// The counts of a key that the program names so.
    pub(crate) fn of(&self, name: &[u8]) -> &Counts {
        let place = self.place(name);
        self.rows.get(usize::from(place.row)).map_or(&self.other, |row| &row.counts)
    }

    pub(crate) fn snapshot(&self) -> PrefixStats {
        self.renew();
        let mut stats = PrefixStats { other: self.other.snapshot(), ..PrefixStats::default() };
        for (tag, row) in self.tags.iter().flatten().zip(&self.rows) {
            let tally = row.counts.snapshot();
            if tag.load(Ordering::Acquire) > CHANGING && tally != Tally::default() {
                // Two threads may have given the same prefix a row each.
                stats.prefixes.entry(row.name()).or_default().add(&tally);
            }
        }
        stats
    }

    /// Begins anew. Prefixes keep their rows, which copies may go on counting in.
    pub(crate) fn clear(&self) {
        for row in &self.rows {
            row.counts.clear();
        }
        self.other.clear();
    }

    /// Begins anew in a forked child.
    fn renew(&self) {
        let (mine, now) = (self.generation.load(Ordering::Relaxed), process::generation());
        if mine != now
            && self.generation.compare_exchange(mine, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            for tag in self.tags.iter().flatten() {
                // A thread of the parent was about to change it.
                let _ = tag.compare_exchange(CHANGING, FREE, Ordering::Relaxed, Ordering::Relaxed);
            }
            self.clear();
        }
    }

    fn place(&self, name: &[u8]) -> Place {
        self.renew();
        let prefix = prefix_of(name);
        let hash = self.hasher.hash_one(prefix);
        let set = usize::try_from(hash % SETS as u64).unwrap_or(0);
        let tag = hash.max(CHANGING + 1);
        let tags = &self.tags[set];
        let way = tags
            .iter()
            .position(|other| other.load(Ordering::Acquire) == tag)
            .or_else(|| self.settle(set, tag, prefix));
        let Some(way) = way else { return Place { row: OTHER, tenant: 0 } };
        let row = set * WAYS + way;
        let tenant = self.rows[row].tenant.load(Ordering::Relaxed);
        Place { row: u8::try_from(row).unwrap_or(OTHER), tenant }
    }

    /// Gives a new prefix a way of its set; none while another thread changes that way.
    fn settle(&self, set: usize, tag: u64, prefix: &[u8]) -> Option<usize> {
        let tags = &self.tags[set];
        let row = |way: usize| &self.rows[set * WAYS + way];
        let way = (0..WAYS).find(|&way| tags[way].load(Ordering::Relaxed) == FREE);
        let way = way.or_else(|| (0..WAYS).min_by_key(|&way| row(way).counts.calls()))?;
        let before = tags[way].load(Ordering::Relaxed);
        if before == CHANGING {
            return None;
        }
        tags[way].compare_exchange(before, CHANGING, Ordering::Acquire, Ordering::Relaxed).ok()?;
        let row = row(way);
        row.tenant.fetch_add(1, Ordering::Relaxed);
        self.other.absorb(&row.counts);
        row.rename(prefix);
        tags[way].store(tag, Ordering::Release);
        Some(way)
    }
}

impl Row {
    fn rename(&self, prefix: &[u8]) {
        for (word, bytes) in self.name.iter().zip(prefix.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
        }
        self.length.store(u32::try_from(prefix.len()).unwrap_or(0), Ordering::Relaxed);
    }

    fn name(&self) -> String {
        let bytes: Vec<u8> =
            self.name.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        let length = usize::try_from(self.length.load(Ordering::Relaxed)).unwrap_or(0).min(LONGEST);
        let mut bytes = &bytes[..length];
        if length == LONGEST {
            // Not to end in the middle of a character.
            bytes = bytes.utf8_chunks().next().map_or(bytes, |chunk| match chunk.valid().len() {
                whole if whole > LONGEST - 4 => &bytes[..whole],
                _ => bytes,
            });
        }
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// Counts the hits of one key that a binding's own copy of its value answers.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// let hits = cache.store().local_hits(b"_3f1b8c2a|total");
/// hits.add(); // the copy was asked, and not the server
/// assert_eq!(cache.client().prefix_stats().prefixes["total"].local_hits, 1);
/// ```
#[derive(Clone, Debug)]
pub struct LocalHits {
    prefixes: Arc<Prefixes>,
    place: Place,
}

impl LocalHits {
    pub(crate) fn of(prefixes: &Arc<Prefixes>, name: &[u8]) -> Self {
        Self { place: prefixes.place(name), prefixes: prefixes.clone() }
    }

    /// Counts one.
    ///
    /// It costs less than counting elsewhere, and one is lost if two threads count under the same prefix at
    /// the same moment: it is for bindings whose interpreter lets only one of them run.
    pub fn add(&self) {
        let row = self.prefixes.rows.get(usize::from(self.place.row));
        let row = row.filter(|row| row.tenant.load(Ordering::Relaxed) == self.place.tenant);
        row.map_or(&self.prefixes.other, |row| &row.counts).local_hits.add_alone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_first_bar_or_colon() {
        let prefix = |name: &str| String::from_utf8(prefix_of(name.as_bytes()).to_vec()).unwrap();
        assert_eq!(prefix("slow_addition|40+2"), "slow_addition");
        assert_eq!(prefix("document_cache::User::Ann|1"), "document_cache");
        assert_eq!(prefix("bootinfo"), "bootinfo");
        assert_eq!((prefix(""), prefix("|x")), (String::new(), String::new()));
        assert_eq!(prefix(&"x".repeat(1000)).len(), LONGEST);
    }

    #[test]
    fn prefixes_count_apart_and_together() {
        let prefixes = Prefixes::default();
        for _ in 0..3 {
            prefixes.of(b"a|1").hits.add();
        }
        prefixes.of(b"a:2").misses.add();
        prefixes.of(b"b").writes.add();
        let hits = LocalHits::of(&Arc::new(Prefixes::default()), b"a");
        hits.add();
        let stats = prefixes.snapshot();
        assert_eq!(stats.prefixes.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((stats.prefixes["a"].hits, stats.prefixes["a"].misses), (3, 1));
        let total = stats.total();
        assert_eq!((total.hits, total.misses, total.writes), (3, 1, 1));
        prefixes.clear();
        assert_eq!(prefixes.snapshot(), PrefixStats::default());
    }

    #[test]
    fn memory_is_bounded_nothing_is_lost_and_what_is_asked_for_most_stays() {
        let prefixes = Prefixes::default();
        for number in 0..10_000u32 {
            prefixes.of(b"busy|k").hits.add();
            prefixes.of(format!("once{number}").as_bytes()).misses.add();
        }
        let stats = prefixes.snapshot();
        assert!(stats.prefixes.len() <= SETS * WAYS, "{}", stats.prefixes.len());
        assert_eq!(stats.prefixes["busy"].hits, 10_000);
        assert_eq!((stats.total().hits, stats.total().misses), (10_000, 10_000));
        assert!(stats.other.misses >= 10_000 - 128);
    }

    #[test]
    fn a_local_hit_counts_under_its_prefix_or_under_other_never_under_a_stranger() {
        let prefixes = Arc::new(Prefixes::default());
        let hits = LocalHits::of(&prefixes, b"mine|k");
        hits.add();
        for number in 0..10_000 {
            let other = prefixes.of(format!("p{number}").as_bytes());
            for _ in 0..3 {
                other.misses.add();
            }
        }
        hits.add();
        let stats = prefixes.snapshot();
        assert!(!stats.prefixes.contains_key("mine"));
        assert_eq!((stats.other.local_hits, stats.total().local_hits, stats.total().hits), (2, 2, 2));
    }

    #[test]
    fn long_and_odd_names_are_told_as_far_as_they_can_be() {
        let prefixes = Prefixes::default();
        let long = "ü".repeat(80);
        prefixes.of(format!("x{long}").as_bytes()).hits.add();
        prefixes.of(b"\xff\xfe|k").hits.add();
        let stats = prefixes.snapshot();
        let names: Vec<&String> = stats.prefixes.keys().collect();
        assert_eq!(names, [&format!("x{}", "ü".repeat(63)), &"\u{fffd}\u{fffd}".to_owned()]);
    }

    #[test]
    fn threads_that_settle_at_once_lose_no_count() {
        let prefixes = Arc::new(Prefixes::default());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let prefixes = &prefixes;
                scope.spawn(move || {
                    for number in 0..5_000 {
                        prefixes.of(format!("p{}", (number * 7 + thread) % 300).as_bytes()).hits.add();
                    }
                });
            }
        });
        assert_eq!(prefixes.snapshot().total().hits, 20_000);
    }
}
