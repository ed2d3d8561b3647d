//! Functions whose answers are cached: `@redis_cache`.

mod answer;
mod bound;
mod encode;
mod function;
mod signature;

pub use answer::pickled;
pub use bound::BoundCachedFunction;
pub use encode::canonical;
pub use function::{CachedFunction, STALE_KEPT};
