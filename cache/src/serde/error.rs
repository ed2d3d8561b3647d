//! What does not fit between a value and a Rust type.

use std::fmt;

/// A value that is not of the shape that a Rust type has, or a type that no value has the shape of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShapeError {
    message: String,
    /// From the inside out.
    path: Vec<String>,
}

impl ShapeError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), path: Vec::new() }
    }

    /// The error of a part of a value.
    pub(super) fn within(mut self, part: impl Into<String>) -> Self {
        self.path.push(part.into());
        self
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            f.write_str("at `")?;
            for (at, part) in self.path.iter().rev().enumerate() {
                let is_index = part.starts_with('[');
                write!(f, "{}{part}", if at > 0 && !is_index { "." } else { "" })?;
            }
            f.write_str("`: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ShapeError {}

impl serde::ser::Error for ShapeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

impl serde::de::Error for ShapeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}
