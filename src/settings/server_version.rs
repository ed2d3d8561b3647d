//! Which redis-server is installed: what a template may ask of it.

use std::fmt;

/// The kind of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// Redis itself.
    Redis,
    /// Valkey, which counts from 7.2 on.
    Valkey,
    /// Another relative, whose numbers say nothing to us.
    Other,
}

/// The version of a redis-server, in whole numbers: 7.10 is after 7.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerVersion {
    /// Whose numbers these are.
    pub kind: ServerKind,
    /// 7 of 7.0.15
    pub major: u32,
    /// 0 of 7.0.15
    pub minor: u32,
    /// 15 of 7.0.15
    pub patch: u32,
}

impl ServerVersion {
    /// Reads what `redis-server --version` prints: `Redis server v=7.0.15 sha=…`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.lines().find_map(|line| line.split_once(" server v="))?;
        let mut numbers =
            rest.split_whitespace().next()?.split(['.', '-']).map(|part| part.parse::<u32>().ok());
        let major = numbers.next()??;
        let mut next = || numbers.next().flatten().unwrap_or(0);
        let kind = match name.trim() {
            "Redis" => ServerKind::Redis,
            "Valkey" => ServerKind::Valkey,
            _ => ServerKind::Other,
        };
        Some(Self { kind, major, minor: next(), patch: next() })
    }

    /// Whether it understands what came with this version of Redis. Valkey began as Redis 7.2 and went
    /// its own way; of an unknown relative only what Redis 6.0 had is taken for granted.
    pub fn understands_redis(self, major: u32, minor: u32) -> bool {
        let compatible = match self.kind {
            ServerKind::Redis => (self.major, self.minor),
            ServerKind::Valkey => (7, 2),
            ServerKind::Other => (6, 0),
        };
        compatible >= (major, minor)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            ServerKind::Redis => "redis",
            ServerKind::Valkey => "valkey",
            ServerKind::Other => "an unknown relative of redis",
        };
        write!(f, "{name} {}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_servers_own_words() {
        for (text, shown) in [
            (
                "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c",
                "redis 7.0.15",
            ),
            ("Redis server v=255.255.255 sha=1:0\n", "redis 255.255.255"),
            ("Valkey server v=8.1.0 sha=0:0", "valkey 8.1.0"),
            ("Redis server v=8.0-rc1 sha=0", "redis 8.0.0"),
            ("warning: x\nKeyDB server v=6.3.4 sha=0", "an unknown relative of redis 6.3.4"),
        ] {
            assert_eq!(ServerVersion::parse(text).map(|v| v.to_string()).as_deref(), Some(shown), "{text}");
        }
        for text in ["", "Python 3.11.7", "Redis server v=", "Redis server v=x.y"] {
            assert_eq!(ServerVersion::parse(text), None, "{text}");
        }
    }

    #[test]
    fn versions_are_compared_as_whole_numbers() {
        let version = |text| ServerVersion::parse(text).expect("a version");
        let redis = version("Redis server v=7.10.0 x");
        assert!(redis.understands_redis(7, 9) && !redis.understands_redis(7, 11));
        let old = version("Redis server v=6.2.14 x");
        assert!(old.understands_redis(6, 2) && !old.understands_redis(7, 0));
        let valkey = version("Valkey server v=9.0.0 x");
        assert!(valkey.understands_redis(7, 2) && !valkey.understands_redis(7, 4));
        assert!(!version("KeyDB server v=99.0.0 x").understands_redis(6, 2));
    }
}
