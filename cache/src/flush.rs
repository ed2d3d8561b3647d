//! Removing the keys of one site, or of several, and of no one else.
//!
//! The server is asked for keys that begin right, but the decision is made here, byte by byte: no glob
//! character in a site's name can reach another site's keys. It goes in steps of about a millisecond;
//! other clients are served in between. Keys without a site (shared ones) stay.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use crate::client::{Call, Client};
use crate::connection::{Connection, Pipeline};
use crate::documents::site_generation;
use crate::error::RedisError;
use crate::key::KeyPrefix;
use crate::resp::Reply;
use crate::scan::Walk;

/// How many keys a dry run shows.
const SAMPLES: usize = 10;

/// What a flush has done so far, or would have done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct FlushReport {
    /// Keys in the database when the flush began.
    pub total: u64,
    /// Keys that the server has looked at, about; at the end, `total`.
    pub scanned: u64,
    /// Keys found under the prefixes.
    pub matched: u64,
    /// Keys removed. Some that matched may have ended by themselves before.
    pub removed: u64,
    /// For each prefix, in the order given: how many keys matched.
    pub by_prefix: Vec<(KeyPrefix, u64)>,
    /// The first keys that matched.
    pub samples: Vec<Vec<u8>>,
}

/// A flush that ended early.
#[derive(Debug, thiserror::Error)]
#[error("{source}{}", if report.removed > 0 { format!(" ({} keys had been removed)", report.removed) } else { String::new() })]
pub struct FlushError {
    /// Why.
    pub source: RedisError,
    /// What had been done.
    pub report: Box<FlushReport>,
}

/// A flush to be run.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// # cache.set_value("price", &1.5.into(), dontmanage_cache::Lifetime::NONE)?;
/// use dontmanage_cache::{Flush, KeyPrefix};
///
/// let report = Flush::of([KeyPrefix::new("_3f1b8c2a")?])
///     .on_progress(|so_far| eprintln!("{} of {}", so_far.scanned, so_far.total))
///     .run(cache.client())?;
/// assert_eq!(report.removed, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Flush<'a> {
    prefixes: Vec<KeyPrefix>,
    dry_run: bool,
    progress: Box<dyn FnMut(&FlushReport) + 'a>,
}

impl<'a> Flush<'a> {
    /// A flush of these sites, in one walk over the keys.
    pub fn of(prefixes: impl IntoIterator<Item = KeyPrefix>) -> Self {
        let mut seen = HashSet::new();
        let prefixes = prefixes.into_iter().filter(|prefix| seen.insert(prefix.clone())).collect();
        Self { prefixes, dry_run: false, progress: Box::new(|_| {}) }
    }

    /// Only counts, and removes nothing.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Is told after each step what has been done so far.
    #[must_use]
    pub fn on_progress(mut self, progress: impl FnMut(&FlushReport) + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Runs it.
    pub fn run(mut self, client: &Client) -> Result<FlushReport, FlushError> {
        let mut report = FlushReport {
            by_prefix: self.prefixes.iter().map(|prefix| (prefix.clone(), 0)).collect(),
            ..FlushReport::default()
        };
        if self.prefixes.is_empty() {
            return Ok(report);
        }
        // Repeated if an idle connection has died; the walk then gets a live one.
        let total = client.run(Call::Read, |redis| match redis.command(&[b"DBSIZE"])? {
            Reply::Int(total) => Ok(u64::try_from(total).unwrap_or(0)),
            _ => Err(redis.unexpected("DBSIZE")),
        });
        let done = total.and_then(|total| {
            report.total = total;
            if !self.dry_run {
                // What is being read to be stored must not be stored behind the walk's back.
                let held: Vec<Vec<u8>> = self.prefixes.iter().map(site_generation).collect();
                client.run(Call::Write, |redis| {
                    let mut pipeline = Pipeline::new();
                    pipeline.add_with(&[b"UNLINK"], &held);
                    redis.pipeline(&pipeline)
                })?;
            }
            client.run(Call::Once, |redis| self.walk(redis, &mut report))
        });
        match done {
            Ok(()) => Ok(report),
            Err(source) => Err(FlushError { source, report: Box::new(report) }),
        }
    }

    fn walk(&mut self, redis: &mut Connection, report: &mut FlushReport) -> Result<(), RedisError> {
        let places: HashMap<Vec<u8>, usize> =
            self.prefixes.iter().enumerate().map(|(at, prefix)| (prefix.as_str().into(), at)).collect();
        let pattern = match &self.prefixes[..] {
            [only] => Some(only.pattern()),
            _ => None,
        };
        let mut walk = Walk::new(pattern);
        let mut doomed: Vec<Vec<u8>> = Vec::new();
        let mut counted = Counted::default();
        while let Some(step) = walk.step(redis, &doomed)? {
            doomed.clear();
            report.removed += step.removed;
            report.scanned = report.total.min(report.scanned + step.looked_at);
            for key in step.keys {
                let Some(&at) = KeyPrefix::of(&key).and_then(|prefix| places.get(prefix)) else { continue };
                if counted.is_new(&key) {
                    report.matched += 1;
                    report.by_prefix[at].1 += 1;
                    if report.samples.len() < SAMPLES {
                        report.samples.push(key.clone());
                    }
                }
                if !self.dry_run {
                    doomed.push(key);
                }
            }
            (self.progress)(report);
        }
        report.scanned = report.total;
        (self.progress)(report);
        Ok(())
    }
}

/// SCAN may bring a key twice. Eight bytes for each are enough to count them once.
#[derive(Default)]
struct Counted {
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl Counted {
    fn is_new(&mut self, key: &[u8]) -> bool {
        self.seen.insert(self.hasher.hash_one(key))
    }
}
