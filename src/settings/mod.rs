//! The settings of a bench: the ground floor. Knows no command line, no templates, no processes
//! and no clock.

mod layout;
mod origin;
mod server_version;
mod units;

pub use layout::{BenchDir, Framework, FrameworkVersion};
pub use origin::{Origin, Origins};
pub use server_version::{ServerKind, ServerVersion};
pub use units::{Bytes, UnitError, parse_duration, show_duration};
