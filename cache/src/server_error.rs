//! What a Redis server says when it refuses a command, told apart by kind.

use std::fmt;

/// The kinds of refusal that callers treat differently.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ServerErrorKind {
    /// The server is still reading its data from disk.
    Loading,
    /// It asks for a password and got none.
    NoAuth,
    /// User or password are wrong.
    WrongPass,
    /// A password was given, but the server has none set.
    NoPasswordSet,
    /// It runs only for connections from its own machine (protected mode).
    Protected,
    /// A script runs for too long; nothing else is answered.
    Busy,
    /// It can't write to its disk and so takes no writes.
    MisConf,
    /// `maxmemory` is reached and nothing may be evicted.
    Oom,
    /// A replica: it takes no writes.
    ReadOnly,
    /// A replica without its master.
    MasterDown,
    /// The key holds another type of value.
    WrongType,
    /// The ACL forbids the command or key.
    NoPerm,
    /// No more connections.
    MaxClients,
    /// A cluster: the key lives on another server.
    Moved,
    /// Anything else.
    Other,
}

/// A refusal, in the server's own words.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ServerError {
    kind: ServerErrorKind,
    message: String,
}

impl ServerError {
    /// From an error line, without its leading `-`. What would upset a terminal is escaped.
    pub(crate) fn from_line(line: &[u8]) -> Self {
        let mut message = String::with_capacity(line.len());
        for c in String::from_utf8_lossy(line).chars() {
            if c.is_control() {
                message.extend(c.escape_default());
            } else {
                message.push(c);
            }
        }
        Self { kind: kind(&message), message }
    }

    /// What kind of refusal it is.
    #[must_use]
    pub fn kind(&self) -> ServerErrorKind {
        self.kind
    }

    /// The server's words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the server as a whole is of no use for now, so that asking again soon is vain. Other
    /// refusals concern one command, one key, or writes only.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        use ServerErrorKind as K;
        matches!(
            self.kind,
            K::Loading
                | K::NoAuth
                | K::WrongPass
                | K::NoPasswordSet
                | K::Protected
                | K::Busy
                | K::MasterDown
                | K::MaxClients
        )
    }

    /// Whether the server answers reads but takes no writes.
    #[must_use]
    pub fn refuses_writes(&self) -> bool {
        use ServerErrorKind as K;
        matches!(self.kind, K::MisConf | K::Oom | K::ReadOnly)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ServerError {}

fn kind(message: &str) -> ServerErrorKind {
    use ServerErrorKind as K;
    let (code, rest) = message.split_once(' ').unwrap_or((message, ""));
    match code {
        "LOADING" => K::Loading,
        "NOAUTH" => K::NoAuth,
        "WRONGPASS" => K::WrongPass,
        "DENIED" => K::Protected,
        "BUSY" => K::Busy,
        "MISCONF" => K::MisConf,
        "OOM" => K::Oom,
        "READONLY" => K::ReadOnly,
        "MASTERDOWN" => K::MasterDown,
        "WRONGTYPE" => K::WrongType,
        "NOPERM" => K::NoPerm,
        "MOVED" | "ASK" | "CLUSTERDOWN" => K::Moved,
        // Before they had codes of their own, and in old servers still:
        "ERR" if rest.starts_with("max number of clients") => K::MaxClients,
        "ERR" if rest.starts_with("invalid password") => K::WrongPass,
        "ERR" if rest.contains("AUTH") && rest.contains("no password is set") => K::NoPasswordSet,
        "ERR" if rest.starts_with("AUTH") && rest.contains("without any password") => K::NoPasswordSet,
        _ => K::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_comes_from_the_servers_words() {
        use ServerErrorKind as K;
        let cases = [
            ("LOADING Redis is loading the dataset in memory", K::Loading),
            ("NOAUTH Authentication required.", K::NoAuth),
            ("WRONGPASS invalid username-password pair or user is disabled.", K::WrongPass),
            ("ERR invalid password", K::WrongPass),
            ("ERR Client sent AUTH, but no password is set", K::NoPasswordSet),
            (
                "ERR AUTH <password> called without any password configured for the default user.",
                K::NoPasswordSet,
            ),
            ("ERR max number of clients reached", K::MaxClients),
            ("OOM command not allowed when used memory > 'maxmemory'.", K::Oom),
            ("MOVED 3999 127.0.0.1:6381", K::Moved),
            ("ERR unknown command", K::Other),
            ("", K::Other),
        ];
        for (line, want) in cases {
            assert_eq!(ServerError::from_line(line.as_bytes()).kind(), want, "{line}");
        }
    }

    #[test]
    fn control_characters_of_a_message_are_escaped() {
        assert_eq!(ServerError::from_line(b"ERR \x1b[2J\xff").message(), "ERR \\u{1b}[2J\u{fffd}");
    }
}
