//! Python's pickle, for plain data only, in both directions.
//!
//! Reading never runs or looks up code: the few constructors that plain data needs are known by name,
//! and any other name is an error that says which. Written is protocol 5, read is everything that
//! CPython writes for plain data in protocols 0 to 5.

mod build;
mod construct;
mod depth;
mod graph;
mod input;
pub mod opcode;
mod reader;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub use depth::asks_for_memory;
pub(crate) use depth::{DEEPEST, nests_deeper};
pub use reader::{Limits, PickleError, read, read_with};
pub use writer::{UnpicklableError, write};

/// How deep values may nest, in both directions.
pub const MAX_DEPTH: usize = 128;
