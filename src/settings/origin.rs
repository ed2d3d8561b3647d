//! Where a value came from, for `bench config show --origin` and for errors.

use std::fmt;
use std::path::PathBuf;

use indexmap::IndexMap;

use super::schema;

/// Where a value came from. Later variants win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A settings file, with the line it stands in.
    File {
        /// Relative to the bench.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    CommandLine(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{}:{line}", file.display()),
            Self::Environment(name) => write!(f, "${name}"),
            Self::CommandLine(flag) => f.write_str(flag),
        }
    }
}

/// The origin of each value, by dotted key. What is not listed is a default.
#[derive(Clone, Debug, Default)]
pub struct Origins(IndexMap<String, Origin>);

impl Origins {
    /// The origin of a key's value.
    pub fn of(&self, key: &str) -> &Origin {
        self.0.get(key).unwrap_or(&Origin::Default)
    }

    /// Whether somebody said something about the key.
    pub fn is_set(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Notes where a key's value came from.
    pub fn set(&mut self, key: impl Into<String>, origin: Origin) {
        self.0.insert(key.into(), origin);
    }

    /// Place and key for an error: `bench.toml:7 redis_cache.port`. The key is called as it is called there.
    pub fn place(&self, key: &str) -> String {
        match self.of(key) {
            Origin::Default => format!("{key} (default)"),
            origin @ Origin::File { file, .. } if file.ends_with("common_site_config.json") => {
                // A port that nobody gave by itself is part of its URL there.
                let url = key.strip_suffix(".port").map(|table| format!("{table}.url"));
                let name = schema::legacy_name(key).or_else(|| schema::legacy_name(url.as_deref()?));
                format!("{origin} {}", name.unwrap_or(key))
            }
            origin @ Origin::File { .. } => format!("{origin} {key}"),
            origin => origin.to_string(),
        }
    }
}
