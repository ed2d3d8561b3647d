//! From settings to text: what the files that `bench setup` writes say. No files, no processes.

mod compare;
mod maxmemory_edit;
mod procfile;
pub mod quote;
mod redis;
mod scene;
mod seal;
mod supervisor;
mod systemd;
mod template;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use compare::{Standing, diff, directive_words, standing};
pub use maxmemory_edit::{MaxmemoryEdit, maxmemory_edit, read_maxmemory};
pub use procfile::render as procfile;
pub use redis::{maxmemory, render as redis};
pub use scene::{KnownServer, Scene, Server, Tools};
#[cfg(test)]
pub use seal::{Comment, seal};
pub use seal::{Seal, examine, fact};
pub use supervisor::render as supervisor;
pub use systemd::{FOLDER as SYSTEMD_FOLDER, render as systemd, takes_name as systemd_takes_name};

/// A file as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Relative to the bench.
    pub path: PathBuf,
    /// Its text, sealed.
    pub text: String,
    /// Whether it holds a secret.
    pub is_private: bool,
    /// How it is read.
    pub syntax: Syntax,
}

/// How a rendered file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// A directive in each line.
    Redis,
    /// A program in each line.
    Procfile,
    /// Sections of keys and values.
    Sections,
}
