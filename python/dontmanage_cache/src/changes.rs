//! What has been changed in a request's copy lately, for whoever asks the server meanwhile.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// How many changes are told apart by key.
const REMEMBERED: usize = 1024;

/// What stands for a change of everything.
const ALL: u64 = 0;

/// The latest changes, by key.
#[derive(Default)]
pub struct Changes {
    count: u64,
    latest: Vec<u64>,
}

impl Changes {
    /// How many there were so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn note(&mut self, key: &[u8]) {
        self.add(hash(key));
    }

    pub fn note_all(&mut self) {
        self.add(ALL);
    }

    /// Whether the key was changed after so many changes. Rather yes than no.
    pub fn since(&self, count: u64, key: &[u8]) -> bool {
        let Ok(new) = usize::try_from(self.count - count) else { return true };
        if new == 0 {
            return false;
        }
        if new > REMEMBERED {
            return true;
        }
        let wanted = hash(key);
        (count..self.count).any(|number| {
            let noted = self.latest[place(number)];
            noted == wanted || noted == ALL
        })
    }

    fn add(&mut self, hash: u64) {
        self.latest.resize(REMEMBERED, ALL);
        self.latest[place(self.count)] = hash;
        self.count += 1;
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number % REMEMBERED as u64).unwrap_or(0)
}

fn hash(key: &[u8]) -> u64 {
    static STATE: OnceLock<RandomState> = OnceLock::new();
    STATE.get_or_init(RandomState::new).hash_one(key).max(ALL + 1)
}
