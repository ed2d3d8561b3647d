//! Which generation of benches a bench belongs to. Two layouts are in use; nobody chooses one, it
//! follows from the framework and the settings, so that an existing bench sees no change.

use super::layout::{Framework, FrameworkVersion};

/// How a bench's programs are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// socketio shares the cache's redis server. Web and workers have grace periods and retries, and
    /// `bench socketio` starts the framework's socketio.
    Current,
    /// As benches of the framework before 15 are: a third redis server for socketio on port 12000, URLs
    /// with `localhost`, one program for each queue, socketio started with node by its path.
    ThreeRedis,
}

impl Layout {
    /// The rule: a third redis server belongs to a framework that is known to be older than 15, and
    /// either has been set up with one (`redis_socketio` is set and is not `redis_cache`), or is not
    /// set up at all yet (neither is set).
    pub fn of(framework: Framework, socketio: SocketioUrl) -> Self {
        let old = matches!(framework, Framework::Version(FrameworkVersion { major: ..15, .. }));
        match socketio {
            SocketioUrl::Differs | SocketioUrl::NothingSet if old => Self::ThreeRedis,
            _ => Self::Current,
        }
    }

    /// Whether workers listen to several queues at once, so that none idles while another is full:
    /// frameworks after 14.18.0 can, and the older layout never does.
    pub fn merges_queues(self, framework: Framework) -> bool {
        const LAST_WITHOUT: FrameworkVersion = FrameworkVersion { major: 14, minor: 18, patch: 0 };
        self == Self::Current && matches!(framework, Framework::Version(version) if version > LAST_WITHOUT)
    }
}

/// What the settings say about socketio's redis server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketioUrl {
    /// Neither it nor the cache's is set.
    NothingSet,
    /// It is not set, or set to the cache's.
    AsTheCache,
    /// It is set to something else than the cache's.
    Differs,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u32, minor: u32, patch: u32) -> Framework {
        Framework::Version(FrameworkVersion { major, minor, patch })
    }

    #[test]
    fn a_third_redis_belongs_to_old_frameworks_that_were_set_up_with_it() {
        for (framework, url, layout) in [
            (version(14, 30, 0), SocketioUrl::NothingSet, Layout::ThreeRedis),
            (version(14, 30, 0), SocketioUrl::Differs, Layout::ThreeRedis),
            (version(14, 30, 0), SocketioUrl::AsTheCache, Layout::Current),
            (version(15, 0, 0), SocketioUrl::NothingSet, Layout::Current),
            (version(15, 0, 0), SocketioUrl::Differs, Layout::Current),
            (Framework::Unknown, SocketioUrl::Differs, Layout::Current),
            (Framework::None, SocketioUrl::NothingSet, Layout::Current),
        ] {
            assert_eq!(Layout::of(framework, url), layout, "{framework:?} {url:?}");
        }
    }

    #[test]
    fn queues_are_merged_after_14_18_0() {
        for (framework, layout, merged) in [
            (version(14, 18, 0), Layout::Current, false),
            (version(14, 18, 1), Layout::Current, true),
            (version(15, 0, 0), Layout::Current, true),
            (version(14, 30, 0), Layout::ThreeRedis, false),
            (Framework::Unknown, Layout::Current, false),
            (Framework::None, Layout::Current, false),
        ] {
            assert_eq!(layout.merges_queues(framework), merged, "{framework:?} {layout:?}");
        }
    }
}
