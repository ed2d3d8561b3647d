//! Walking over the keys in bounded steps, while other clients are served in between.

use crate::connection::{Connection, Pipeline};
use crate::error::RedisError;
use crate::key::Beginning;
use crate::resp::Reply;

/// How many keys the server looks at in one step if none of them is to be removed. It serves nobody else
/// meanwhile: about half a millisecond.
const LONGEST_STEP: u64 = 1000;

/// How many keys are removed by one command.
const BATCH: usize = 500;

/// A walk over the keys that a pattern covers, or over all.
pub(crate) struct Walk {
    pattern: Option<Vec<u8>>,
    cursor: Vec<u8>,
    over: bool,
    /// How many keys the next step looks at.
    length: u64,
    pipeline: Pipeline,
}

/// Removes the keys that begin in a certain way, and counts them.
pub(crate) fn remove(
    redis: &mut Connection,
    beginning: &Beginning,
    removed: &mut u64,
) -> Result<(), RedisError> {
    let mut walk = Walk::new(Some(beginning.pattern()));
    let mut doomed = Vec::new();
    while let Some(step) = walk.step(redis, &doomed)? {
        *removed += step.removed;
        doomed = step.keys;
        doomed.retain(|key| beginning.covers(key));
    }
    Ok(())
}

/// What one step brought.
pub(crate) struct Step {
    /// Keys; one may come more than once in a walk, which is how SCAN works.
    pub(crate) keys: Vec<Vec<u8>>,
    /// How many of the keys given to the step there were to remove.
    pub(crate) removed: u64,
    /// How many keys the server has looked at, about.
    pub(crate) looked_at: u64,
}

impl Walk {
    pub(crate) fn new(pattern: Option<Vec<u8>>) -> Self {
        Self {
            pattern,
            cursor: b"0".to_vec(),
            over: false,
            length: LONGEST_STEP / 4,
            pipeline: Pipeline::new(),
        }
    }

    /// Removes `doomed`, and brings the next keys, in one round trip. None once there is nothing to do.
    pub(crate) fn step(
        &mut self,
        redis: &mut Connection,
        doomed: &[Vec<u8>],
    ) -> Result<Option<Step>, RedisError> {
        if self.over && doomed.is_empty() {
            return Ok(None);
        }
        self.pipeline.clear();
        for batch in doomed.chunks(BATCH) {
            self.pipeline.add_with(&[b"UNLINK"], batch);
        }
        let mut step = Step { keys: Vec::new(), removed: 0, looked_at: 0 };
        if !self.over {
            step.looked_at = self.length;
            let count = self.length.to_string();
            match &self.pattern {
                Some(pattern) => {
                    self.pipeline.add(&[
                        b"SCAN",
                        &self.cursor,
                        b"MATCH",
                        pattern,
                        b"COUNT",
                        count.as_bytes(),
                    ]);
                }
                None => {
                    self.pipeline.add(&[b"SCAN", &self.cursor, b"COUNT", count.as_bytes()]);
                }
            }
        }
        for reply in redis.pipeline(&self.pipeline)? {
            match reply {
                Reply::Int(count) => step.removed += u64::try_from(count).unwrap_or(0),
                Reply::Error(error) => return Err(redis.refused(error)),
                Reply::Array(parts) => {
                    let Ok([Reply::Bulk(cursor), Reply::Array(keys)]) = <[Reply; 2]>::try_from(parts) else {
                        return Err(redis.unexpected("SCAN"));
                    };
                    self.over = cursor == b"0";
                    self.cursor = cursor;
                    step.keys.extend(keys.into_iter().filter_map(|key| match key {
                        Reply::Bulk(key) => Some(key),
                        _ => None,
                    }));
                }
                _ => return Err(redis.unexpected("UNLINK")),
            }
        }
        // A key that is found costs about three times more, as it is sent and removed. So the next step
        // is shorter where there are many, for the sake of the other clients.
        let found = step.keys.len() as u64;
        self.length = (LONGEST_STEP * self.length).div_ceil(self.length + 3 * found);
        Ok(Some(step))
    }
}
