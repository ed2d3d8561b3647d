//! The settings of a bench: the ground floor. Knows no command line, no templates, no processes
//! and no clock.

mod change;
mod common_config;
mod convert;
mod generation;
mod json_source;
mod key;
mod layout;
mod load;
mod memory;
mod model;
mod origin;
mod probe;
mod programs;
mod python_literal;
mod reader;
mod redis_server;
#[cfg(test)]
mod reference;
mod schema;
mod server_version;
mod setup_config;
mod show;
mod site;
mod source;
#[cfg(test)]
mod tests;
mod toml_edits;
mod toml_source;
mod units;
mod url_text;
mod value;
mod worker_library;

pub use change::{Change, edit_common, known_key, overruled, said_by, set, unset, write_back};
pub use generation::Layout;
pub use layout::BenchDir;
#[cfg(test)]
pub use layout::{Framework, FrameworkVersion};
pub use load::{Flags, load, load_with};
#[cfg(test)]
pub use load::{Machine, Texts, from_texts};
#[cfg(test)]
pub use memory::Memory;
pub use model::{
    EvictionPolicy, Health, MaxMemory, Probe, Program, RedisServer, RestartPolicy, Settings, SocketioRedis,
    StopSignal,
};
#[cfg(test)]
pub use origin::Origin;
pub use python_literal::parse as parse_python_literal;
pub use schema::{KEYS, Key, key_of_legacy, nearest};
pub use server_version::{ServerKind, ServerVersion};
pub use setup_config::{Surroundings, setup_config};
pub use show::{Shown, all as show_all};
pub use site::Site;
pub use units::{Bytes, parse_duration, show_duration};
pub use worker_library::{PYTHON_PATH, SWITCH as WORKER_LIBRARY_SWITCH, WorkerLibrary};
