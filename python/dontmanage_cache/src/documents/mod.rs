//! Documents of a database in the cache: what `dontmanage_cache.documents` is made of.

mod reading;
mod writes;

pub use reading::Documents;
pub use writes::Writes;
