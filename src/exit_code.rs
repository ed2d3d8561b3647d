//! The exit statuses of `bench`, which scripts rely on.

use std::process::ExitCode as ProcessExitCode;

/// How a command ended. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// 0: done.
    Done,
    /// 1: it failed.
    Failed,
    /// 2: wrong usage or settings.
    Usage,
    /// 3: the bench is not running.
    NotRunning,
    /// 4: the bench is already running.
    AlreadyRunning,
    /// 5: a server answers badly, or not at all.
    Unhealthy,
    /// 128 + n: ended by signal n.
    Signal(u8),
    /// The status of a command that was run for the user, as it is.
    Own(u8),
}

impl ExitCode {
    /// The number the shell sees.
    pub const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::AlreadyRunning => 4,
            Self::Unhealthy => 5,
            Self::Signal(signal) => 128_u8.saturating_add(signal),
            Self::Own(status) => status,
        }
    }
}

impl From<ExitCode> for ProcessExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_documented_number() {
        let numbers = [
            (ExitCode::Done, 0),
            (ExitCode::Failed, 1),
            (ExitCode::Usage, 2),
            (ExitCode::NotRunning, 3),
            (ExitCode::AlreadyRunning, 4),
            (ExitCode::Unhealthy, 5),
            (ExitCode::Signal(2), 130),
            (ExitCode::Own(7), 7),
        ];
        for (code, number) in numbers {
            assert_eq!(code.number(), number, "{code:?}");
        }
    }
}
