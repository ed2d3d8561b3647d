//! One way of writing a value for each target's syntax, such that its reader gets the value back and
//! nothing else: no value becomes a directive, a comment, a variable or a second word.
//!
//! Control characters are refused for every target. What a syntax cannot hold at all is refused too.

/// A value that a target's syntax cannot hold, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

type Quoted = Result<String, Refused>;

fn refuse(why: impl Into<String>) -> Quoted {
    Err(Refused(why.into()))
}

/// The value as it is, if it holds no control character.
pub fn plain(value: &str) -> Quoted {
    match value.chars().find(|c| c.is_control()) {
        Some(c) => refuse(format!("it holds the control character {}", c.escape_default())),
        None => Ok(value.to_owned()),
    }
}

/// Letters and digits of any script, and what no target gives a meaning to.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "_@+=:,./-".contains(c)
}

/// One word of a redis.conf, in double quotes only if it needs them.
pub fn redis(value: &str) -> Quoted {
    let value = plain(value)?;
    let needs_quotes = |c: char| c.is_whitespace() || "\"'\\".contains(c);
    if value.is_empty() || value.starts_with('#') || value.contains(needs_quotes) {
        Ok(in_double_quotes(&value))
    } else {
        Ok(value)
    }
}

/// One line of a redis.conf, from its words.
pub fn redis_line<S: AsRef<str>>(words: &[S]) -> Quoted {
    let words: Result<Vec<_>, _> = words.iter().map(|word| redis(word.as_ref())).collect();
    Ok(words?.join(" "))
}

/// The words of a redis.conf line, as redis takes it apart; none if its quotes are not balanced.
pub fn split_redis(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = redis_word(rest)?;
        words.push(word);
        rest = after.trim_start();
    }
    Some(words)
}

fn redis_word(text: &str) -> Option<(String, &str)> {
    let mut word = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && !bytes[at].is_ascii_whitespace() {
        let quote = bytes[at];
        if quote == b'"' || quote == b'\'' {
            at = redis_quoted(bytes, at + 1, quote, &mut word)?;
            // A closing quote ends the word.
            if bytes.get(at).is_some_and(|byte| !byte.is_ascii_whitespace()) {
                return None;
            }
        } else {
            word.push(quote);
            at += 1;
        }
    }
    Some((String::from_utf8_lossy(&word).into_owned(), text.get(at..)?))
}

/// Reads up to the closing quote; says where it goes on.
fn redis_quoted(bytes: &[u8], mut at: usize, quote: u8, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        let (byte, used) = match (*bytes.get(at)?, quote) {
            (b'\\', b'"') => redis_escape(bytes.get(at + 1..)?)?,
            (b'\\', b'\'') if bytes.get(at + 1) == Some(&b'\'') => (b'\'', 1),
            (byte, _) if byte == quote => return Some(at + 1),
            (byte, _) => (byte, 0),
        };
        word.push(byte);
        at += 1 + used;
    }
}

/// What stands for itself after a backslash, and how many bytes that took.
fn redis_escape(after: &[u8]) -> Option<(u8, usize)> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if let [b'x', high, low, ..] = *after
        && let (Some(high), Some(low)) = (hex(high), hex(low))
    {
        return Some((high * 16 + low, 3));
    }
    let byte = match *after.first()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    };
    Some((byte, 1))
}

/// One word for `sh`.
pub fn shell(word: &str) -> Quoted {
    let word = plain(word)?;
    match shlex::try_quote(&word) {
        Ok(quoted) => Ok(quoted.into_owned()),
        Err(_) => refuse("no shell can hold it"),
    }
}

/// The command of a Procfile: a line for `sh`, as the user wrote it.
pub fn procfile(command: &str) -> Quoted {
    let command = plain(&command.replace('\t', " "))?;
    if command.trim().is_empty() { refuse("it is empty") } else { Ok(command.trim().to_owned()) }
}

/// A value of supervisor.conf. There is no way to quote there: a `;` or `#` after a blank begins a
/// comment, and blanks at the ends are lost.
pub fn supervisor(value: &str) -> Quoted {
    let value = plain(value)?;
    if value.trim() != value {
        return refuse("supervisor drops the blank at its beginning or end");
    }
    if begins_comment(&value) {
        return refuse("supervisor takes a `;` or `#` after a blank for a comment");
    }
    if value.contains(HERE) {
        return refuse("supervisor puts a path in the place of `%(here)s`, however it is written");
    }
    Ok(value.replace('%', "%%"))
}

/// Replaced before anything else is looked at, and so beyond all quoting.
const HERE: &str = "%(here)s";

/// The path of a log of supervisor.conf: the one value that supervisor expands twice.
pub fn supervisor_log(path: &str) -> Quoted {
    Ok(supervisor(path)?.replace("%%", "%%%%"))
}

fn begins_comment(value: &str) -> bool {
    let mut previous = 'x';
    value.chars().any(|c| {
        let begins = (c == ';' || c == '#') && previous.is_whitespace();
        previous = c;
        begins
    })
}

/// A command of supervisor.conf, from its words.
pub fn supervisor_command<S: AsRef<str>>(words: &[S]) -> Quoted {
    let words: Result<Vec<_>, _> = words.iter().map(|word| supervisor_word(word.as_ref())).collect();
    supervisor(&words?.join(" "))
}

/// A word as Python's `shlex` reads it, with nothing in it that supervisor's own reader would cut.
fn supervisor_word(word: &str) -> Quoted {
    let word = plain(word)?;
    if !word.is_empty() && word.chars().all(|c| is_plain(c) || c == '%') {
        return Ok(word);
    }
    let mut out = String::from("'");
    let mut previous = '\'';
    for c in word.chars() {
        match c {
            '\'' => out.push_str("'\"'\"'"),
            ';' | '#' if previous.is_whitespace() => {
                // A closed and opened quote parts it from the blank.
                out.push_str("''");
                out.push(c);
            }
            '(' if previous == '%' => out.push_str("(''"),
            _ => out.push(c),
        }
        previous = c;
    }
    out.push('\'');
    Ok(out)
}

/// `environment=` of supervisor.conf. Its reader knows quotes but no way to write one inside them.
pub fn supervisor_environment(name: &str, value: &str) -> Quoted {
    let name = environment_name(name)?;
    let is_quote = |c| c == '"' || c == '\'';
    let quote = if value.contains('"') { '\'' } else { '"' };
    if value.contains(quote) || value.starts_with(is_quote) || value.ends_with(is_quote) {
        return refuse("supervisor cannot hold this mixture of quotes in a variable");
    }
    if begins_comment(value) {
        return refuse("supervisor takes a `;` or `#` after a blank for a comment");
    }
    if value.contains(HERE) {
        return refuse("supervisor puts a path in the place of `%(here)s`, however it is written");
    }
    Ok(format!("{name}={quote}{}{quote}", plain(value)?.replace('%', "%%")))
}

/// The name of an environment variable.
fn environment_name(name: &str) -> Quoted {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(name.to_owned())
    } else {
        refuse(format!("`{}` is not the name of an environment variable", name.escape_debug()))
    }
}

/// A value of a unit file that runs to the end of its line: a description, a folder, a log.
pub fn systemd(value: &str) -> Quoted {
    let value = plain(value)?;
    if value.trim() != value || value.ends_with('\\') {
        return refuse("systemd drops a blank at its beginning or end, and a `\\` at its end");
    }
    Ok(value.replace('%', "%%"))
}

/// `ExecStart=` of a unit file, from its words. `$` is no variable in the program's own path.
pub fn systemd_command<S: AsRef<str>>(words: &[S]) -> Quoted {
    if words.first().is_some_and(|program| program.as_ref().contains(['"', '\'', '\\'])) {
        return refuse("systemd runs no program whose path holds a quote or a `\\`");
    }
    let mut out = String::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        let word = word.as_ref();
        out.push_str(&systemd_word(&if index > 0 { word.replace('$', "$$") } else { word.to_owned() })?);
    }
    Ok(out)
}

/// One word of a unit file's list.
pub fn systemd_word(word: &str) -> Quoted {
    let word = plain(word)?.replace('%', "%%");
    if !word.is_empty() && word.chars().all(|c| is_plain(c) || c == '%') {
        Ok(word)
    } else {
        Ok(in_double_quotes(&word))
    }
}

/// `Environment=` of a unit file.
pub fn systemd_environment(name: &str, value: &str) -> Quoted {
    systemd_word(&format!("{}={}", environment_name(name)?, plain(value)?))
}

/// One path of a unit file's list of paths, where a backslash is a character like any other.
pub fn systemd_path(path: &str) -> Quoted {
    let path = plain(path)?.replace('%', "%%");
    if path.chars().all(|c| is_plain(c) || c == '%') {
        return Ok(path);
    }
    let parts: Vec<_> = path.split('"').map(|part| format!("\"{part}\"")).collect();
    Ok(parts.join("'\"'"))
}

fn in_double_quotes(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
