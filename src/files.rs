//! Files: the only place in `bench` that writes them.
//!
//! A write leaves the old file or the new one, never half of either, also when the machine stops in
//! the middle: the text goes to a temporary file beside the target, is synced, and takes the target's
//! name. A file that already holds the text is left alone, with its time stamp. No write passes
//! through a symbolic link that leads out of the bench. What a crash left behind is swept up by the
//! next write to the same folder.

mod folder;
mod lay;
mod read;
mod write;

pub use lay::lay;
pub use read::{MAX_TEXT, read_text};
pub use write::{Mode, Outcome, back_up, create, make_folder, remove, remove_folder, write};
