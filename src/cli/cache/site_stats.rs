//! What one site keeps in the cache: every key is counted, a bounded number of them is measured.

use dontmanage_cache::{Pipeline, Reply};

use super::site_cache::SiteCache;
use crate::error::Result;

/// How many keys are measured, at a microsecond or two of the server's time each.
const MEASURED: usize = 100_000;
/// How many are measured before other clients are served.
const STEP: usize = 500;
/// How many of the biggest are shown.
const BIGGEST: usize = 10;

/// What one site keeps in the cache.
pub struct SiteStats {
    /// How many keys it has.
    pub keys: u64,
    /// How many of them were measured.
    pub measured: u64,
    /// What the measured ones take.
    measured_bytes: u64,
    /// The biggest of the measured ones, the biggest first, without the prefix.
    pub biggest: Vec<(u64, Vec<u8>)>,
}

impl SiteStats {
    /// Counts and measures.
    pub fn of(site: &SiteCache) -> Result<Self> {
        let keys = site.cache.strict().get_keys("").map_err(|error| site.failed("", error))?;
        // Spread over all of them in their order, so that no kind of key is left out.
        let stride = keys.len().div_ceil(MEASURED).max(1);
        let chosen: Vec<&Vec<u8>> = keys.iter().step_by(stride).collect();
        let mut sizes: Vec<(u64, &Vec<u8>)> = Vec::with_capacity(chosen.len());
        for step in chosen.chunks(STEP) {
            let mut pipeline = Pipeline::new();
            for key in step {
                pipeline.add(&[b"MEMORY", b"USAGE", key]);
            }
            let replies = site.connected.ask(|redis| redis.pipeline(&pipeline))?;
            // One that has ended meanwhile has no size.
            let known = |reply: &Reply| reply.as_int().and_then(|size| u64::try_from(size).ok());
            sizes.extend(replies.iter().zip(step).filter_map(|(reply, key)| Some((known(reply)?, *key))));
        }
        sizes.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        Ok(Self {
            keys: keys.len() as u64,
            measured: sizes.len() as u64,
            measured_bytes: sizes.iter().map(|(size, _)| size).sum(),
            biggest: sizes
                .iter()
                .take(BIGGEST)
                .map(|(size, key)| (*size, site.without_prefix(key).to_vec()))
                .collect(),
        })
    }

    /// What all its keys take, judged by those that were measured.
    pub fn bytes(&self) -> u64 {
        let all = u128::from(self.measured_bytes) * u128::from(self.keys);
        u64::try_from(all.checked_div(self.measured.into()).unwrap_or(0)).unwrap_or(u64::MAX)
    }
}
