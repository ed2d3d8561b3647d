//! Functions whose answers are cached: `@redis_cache`.

mod encode;
mod function;
mod signature;

pub use function::CachedFunction;
