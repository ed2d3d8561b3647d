//! Checked names. Each can be made only by a constructor that says what is wrong with a bad one,
//! so the rest of the program never asks whether a name is safe in a path, a unit or a command.

use std::fmt;
use std::num::NonZeroU16;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a valid {kind}: {reason}")]
pub struct NameError {
    kind: &'static str,
    name: String,
    reason: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Checks the name.
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                let name = name.into();
                let check: fn(&str) -> Result<(), &'static str> = $check;
                match check(&name) {
                    Ok(()) => Ok(Self(name)),
                    Err(reason) => Err(NameError { kind: $kind, name, reason }),
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

const NAME_BYTES: usize = 255;

fn bounded(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("it is empty")
    } else if name.len() > NAME_BYTES {
        Err("it is longer than 255 bytes")
    } else {
        Ok(())
    }
}

fn bench_name(name: &str) -> Result<(), &'static str> {
    bounded(name)?;
    if name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) && !name.starts_with(['-', '.']) {
        Ok(())
    } else {
        Err("use letters, digits, `-`, `_` and `.`, and begin with a letter or digit")
    }
}

fn program_name(name: &str) -> Result<(), &'static str> {
    bounded(name)?;
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        Ok(())
    } else {
        Err("use letters, digits, `_` and `-`")
    }
}

fn queue_name(name: &str) -> Result<(), &'static str> {
    bounded(name)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if name.bytes().all(plain) && !name.starts_with(['-', '.']) {
        Ok(())
    } else {
        Err("use letters, digits, `_`, `-` and `.`, and begin with a letter or digit")
    }
}

fn site_name(name: &str) -> Result<(), &'static str> {
    bounded(name)?;
    if name.contains('/') || name.starts_with('.') {
        Err("a site is a folder of `sites/`: it holds no `/` and does not begin with `.`")
    } else if name.chars().any(char::is_control) {
        Err("it holds a control character")
    } else {
        Ok(())
    }
}

name_type!(
    /// The bench's name: part of the names of supervisor programs and systemd units.
    BenchName, "bench name", bench_name
);
name_type!(
    /// The name of a program in the Procfile or in `[programs]`.
    ProgramName, "program name", program_name
);
name_type!(
    /// The name of a queue of background jobs.
    QueueName, "queue name", queue_name
);
name_type!(
    /// The name of a site that exists: any one folder below `sites/`.
    SiteName, "site name", site_name
);

impl BenchName {
    /// The name of a bench after its directory, with what no unit or program may be called
    /// replaced by `-`.
    pub fn from_directory(directory: &str) -> Self {
        let plain: String = directory
            .chars()
            .map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' })
            .collect();
        let plain = plain.trim_start_matches(['-', '.']);
        let mut plain = if plain.is_empty() { "bench".to_owned() } else { plain.to_owned() };
        while plain.len() > NAME_BYTES {
            plain.pop();
        }
        Self(plain)
    }
}

impl SiteName {
    /// A name for a site that is to be made: a host name in lower case.
    pub fn for_new_site(name: impl Into<String>) -> Result<Self, NameError> {
        let site = Self::new(name)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let begins = site.0.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if begins && site.0.bytes().all(plain) && !site.0.contains("..") && site.0.len() <= 64 {
            Ok(site)
        } else {
            let reason = "use at most 64 lower-case letters, digits, `.`, `_` and `-`, begin with a letter or \
                          digit, and no `..`";
            Err(NameError { kind: "name for a new site", name: site.0, reason })
        }
    }
}

/// A TCP port, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(NonZeroU16);

impl Port {
    /// Checks a number.
    pub fn new(number: i64) -> Result<Self, NameError> {
        u16::try_from(number).ok().and_then(NonZeroU16::new).map(Self).ok_or_else(|| NameError {
            kind: "port",
            name: number.to_string(),
            reason: "a port is a number from 1 to 65535",
        })
    }

    /// A port that is known when the program is built.
    pub const fn known(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for name in ["", "..", ".hidden", "a/b", "a\nb", &"x".repeat(300)] {
            assert!(SiteName::new(name).is_err(), "{name:?}");
        }
        for name in ["a", "ab", "a*", "[x]", "site1.localhost"] {
            assert!(SiteName::new(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_new_site_is_called_like_a_host() {
        for name in ["a*", "[x]", "Site", "a..b", "-rf", &"x".repeat(65)] {
            assert!(SiteName::for_new_site(name).is_err(), "{name:?}");
        }
        assert!(SiteName::for_new_site("shop.example.com").is_ok());
    }

    #[test]
    fn a_bench_takes_a_safe_name_from_any_directory() {
        for (directory, name) in [
            ("develop-bench", "develop-bench"),
            ("my bench", "my-bench"),
            ("büro-бенч-例", "büro-бенч-例"),
            ("..", "bench"),
        ] {
            assert_eq!(BenchName::from_directory(directory).as_str(), name);
            assert!(BenchName::new(name).is_ok());
        }
    }

    #[test]
    fn ports_end_at_65535() {
        assert!(Port::new(0).is_err());
        assert!(Port::new(65_536).is_err());
        assert_eq!(Port::new(65_535).map(Port::number), Ok(65_535));
    }
}
