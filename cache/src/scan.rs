//! Walking over the keys in bounded steps, while other clients are served in between.

use crate::connection::{Connection, Pipeline};
use crate::error::RedisError;
use crate::resp::Reply;

/// How many keys the server looks at in one step. It serves nobody else meanwhile: about 0.3 ms.
const STEP: &[u8] = b"1000";
pub(crate) const STEP_KEYS: u64 = 1000;

/// How many keys are removed by one command.
const BATCH: usize = 500;

/// A walk over the keys that a pattern covers, or over all.
pub(crate) struct Walk {
    pattern: Option<Vec<u8>>,
    cursor: Vec<u8>,
    over: bool,
    pipeline: Pipeline,
}

/// What one step brought.
pub(crate) struct Step {
    /// Keys; one may come more than once in a walk, which is how SCAN works.
    pub(crate) keys: Vec<Vec<u8>>,
    /// How many of the keys given to the step there were to remove.
    pub(crate) removed: u64,
}

impl Walk {
    pub(crate) fn new(pattern: Option<Vec<u8>>) -> Self {
        Self { pattern, cursor: b"0".to_vec(), over: false, pipeline: Pipeline::new() }
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
        if !self.over {
            match &self.pattern {
                Some(pattern) => {
                    self.pipeline.add(&[b"SCAN", &self.cursor, b"MATCH", pattern, b"COUNT", STEP]);
                }
                None => {
                    self.pipeline.add(&[b"SCAN", &self.cursor, b"COUNT", STEP]);
                }
            }
        }
        let mut step = Step { keys: Vec::new(), removed: 0 };
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
        Ok(Some(step))
    }
}
