//! The wheels that this binary carries.

use super::{LIBRARY, Wheel};
use crate::error::{Problem, Result};

/// Their file names and bytes, in order. None of it is read, or in memory, before it is wanted.
const CARRIED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/wheels.rs"));

/// Whether this binary was built with the library.
pub fn carries_wheels() -> bool {
    CARRIED.iter().any(|(name, _)| name.starts_with(LIBRARY))
}

/// What is wrong with a binary that carries none.
pub fn no_wheels() -> Problem {
    Problem::new(
        "this `bench` carries no Python library: it was built without its wheels, so `env/` has none",
    )
    .fix("build it with `make build`; or run `make wheels`, and `cargo build` again")
}

/// All that this binary carries.
pub fn wheels() -> Result<Vec<Wheel>> {
    CARRIED.iter().map(|(name, bytes)| Wheel::open(name, bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_carried_can_be_installed() {
        for mut wheel in wheels().unwrap() {
            let files = wheel.files().to_vec();
            assert!(!files.is_empty(), "{}", wheel.name());
            for file in files {
                wheel.read(&file).unwrap();
            }
            assert!(wheel.record().unwrap().ends_with(",,\n"));
        }
    }
}
