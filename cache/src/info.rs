//! The answer to INFO, by field.

use std::collections::HashMap;

/// Fields of INFO such as `process_id` or `used_memory`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Info {
    fields: HashMap<String, String>,
}

impl Info {
    pub(crate) fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let fields = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { fields }
    }

    /// The text of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    /// A field that is a number.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<u64> {
        self.get(field)?.parse().ok()
    }

    /// The server's process id, by which a stranger on our address is told from our own child.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.get("process_id")?.parse().ok()
    }

    /// The server's name and version, `redis 7.0.15` or `valkey 8.1.0`.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        // Valkey also tells the Redis version that it is compatible with.
        self.get("valkey_version")
            .map(|version| format!("valkey {version}"))
            .or_else(|| self.get("redis_version").map(|version| format!("redis {version}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_from_the_servers_text() {
        let info =
            Info::parse(b"# Server\r\nredis_version:7.0.15\r\nprocess_id:812\r\nos:Linux 6.1:x\r\n\r\n");
        assert_eq!(info.process_id(), Some(812));
        assert_eq!(info.version().as_deref(), Some("redis 7.0.15"));
        assert_eq!(info.get("os"), Some("Linux 6.1:x"));
        assert_eq!(info.get("# Server"), None);
    }

    #[test]
    fn a_valkey_is_named_as_such() {
        let info = Info::parse(b"redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n");
        assert_eq!(info.version().as_deref(), Some("valkey 8.1.0"));
    }
}
