//! Supervision: from a plan to running programs, until the end of the last process.
//!
//! `machine` decides, `event_loop` carries out, `spawn` makes processes, `family` knows which are
//! ours, `guard` cleans up after all. Knows no command line, no templates and no settings files.

mod asker;
mod backoff;
mod event_loop;
mod exit;
mod family;
mod guard;
pub mod leftovers;
mod lock;
mod machine;
mod output;
mod plan;
mod planning;
pub mod preflight;
mod remote;
mod spawn;

pub use event_loop::supervise;
pub use exit::Exit;
pub use family::{group_memory, has_ended};
pub use guard::{Divided, Guarded, divide};
pub use lock::{Holder, Lock};
pub use machine::{Id, Instance};
pub use output::{Output, Stream, Style, Terminal};
pub use plan::Plan;
pub use planning::{CACHE_VARIABLES, Choice, Surroundings, environment, plan};
pub use remote::{Remote, View, Wish};
pub use spawn::detached;

/// Marks every process of a run, in its environment: the run.
pub const RUN_VARIABLE: &str = "BENCH_RUN_ID";
/// Marks every process of a run, in its environment: the instance it belongs to.
pub const INSTANCE_VARIABLE: &str = "BENCH_PROGRAM";
