//! Commands that travel together.

use std::fmt;

use crate::resp;

/// Commands that travel together.
#[derive(Clone, Default)]
pub struct Pipeline {
    pub(super) bytes: Vec<u8>,
    pub(super) commands: usize,
}

impl Pipeline {
    /// No commands yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a command.
    pub fn add(&mut self, args: &[&[u8]]) -> &mut Self {
        resp::write_command(&mut self.bytes, args);
        self.commands += 1;
        self
    }

    /// Adds a command made of fixed words and a list of keys.
    pub fn add_with<K: AsRef<[u8]>>(&mut self, words: &[&[u8]], keys: &[K]) -> &mut Self {
        resp::write_head(&mut self.bytes, words.len() + keys.len());
        for word in words {
            resp::write_arg(&mut self.bytes, word);
        }
        for key in keys {
            resp::write_arg(&mut self.bytes, key.as_ref());
        }
        self.commands += 1;
        self
    }

    /// How many commands it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commands
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands == 0
    }

    /// Forgets its commands, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.commands = 0;
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("commands", &self.commands).finish_non_exhaustive()
    }
}
