//! The bench's Python environment, `env/`, and the library that workers find in it.
//!
//! `bench` carries wheels and puts them into `env/` itself: no network, no pip, and no Python is started for
//! it. What is there is read from where every installer writes it, `NAME-VERSION.dist-info/`: `INSTALLER` says
//! who put a package there, and what is not ours is left alone; `RECORD` says what belongs to it, with sizes
//! and hashes, so that the same `RECORD` and all files of their size mean that there is nothing to do.
//! `RECORD` is written last: an installation that was interrupted is begun anew.

mod bundle;
mod environment;
mod installed;
mod interpreter;
mod plan;
mod wheel;

pub use bundle::{carries_wheels, no_wheels, wheels};
pub use environment::{Environment, State, Version};
pub use interpreter::make;
pub use plan::Plan;
pub use wheel::Wheel;

/// The library.
const LIBRARY: &str = "dontmanage_cache";
/// Its documented face, which bears the framework's name.
const FACE: &str = "dontmanage";
/// Who put a package there, in its `INSTALLER`.
const INSTALLER: &str = "bench";
/// The oldest Python that the library runs on.
const OLDEST: Version = Version { major: 3, minor: 10 };
