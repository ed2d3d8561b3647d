//! Values as they stand in a settings file, before anyone asks what they mean: one shape for TOML,
//! JSON and plain text, each value with its line.

/// A value and the line it stands in.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What stands there.
    pub value: Value,
    /// Counted from 1; 0 where there are no lines (the environment, a flag).
    pub line: usize,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON's null.
    Null,
    /// True or false.
    Flag(bool),
    /// A whole number.
    Whole(i128),
    /// Any other number, as it is written.
    Number(String),
    /// Text.
    Text(String),
    /// A date or time of TOML, as it is written.
    Date(String),
    /// A list.
    List(Vec<Node>),
    /// A table, in the file's order. A name may stand there twice in JSON.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// Text without a line.
    pub fn text(text: impl Into<String>) -> Self {
        Self { value: Value::Text(text.into()), line: 0 }
    }

    /// What stands there, for "is …, but must be …".
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Flag(flag) => flag.to_string(),
            Value::Whole(number) => number.to_string(),
            Value::Number(text) | Value::Date(text) => text.clone(),
            Value::Text(text) => format!("{:?}", short(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }
}

/// As much of a text as an error message may hold.
fn short(text: &str) -> String {
    const CHARS: usize = 60;
    if text.chars().count() <= CHARS {
        text.to_owned()
    } else {
        text.chars().take(CHARS).chain(['…']).collect()
    }
}
