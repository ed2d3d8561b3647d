//! How long a server may take.

use std::time::Duration;

/// How long a server may take, and how much it may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Deadlines {
    /// For a connection that is ready for commands: connected, logged in, database selected.
    pub connect: Duration,
    /// For a command and its whole reply.
    pub reply: Duration,
    /// The largest reply that is taken. The default, 512 MiB, is the largest value Redis itself takes.
    pub max_reply: usize,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(250),
            reply: Duration::from_millis(500),
            max_reply: 512 * 1024 * 1024,
        }
    }
}

impl Deadlines {
    /// With another deadline for connecting.
    #[must_use]
    pub fn connect(mut self, deadline: Duration) -> Self {
        self.connect = deadline;
        self
    }

    /// With another deadline for a command and its reply.
    #[must_use]
    pub fn reply(mut self, deadline: Duration) -> Self {
        self.reply = deadline;
        self
    }

    /// With another limit to the size of a reply, in bytes.
    #[must_use]
    pub fn max_reply(mut self, bytes: usize) -> Self {
        self.max_reply = bytes;
        self
    }
}
