//! How much memory there is: what the host has, and what our own control group may use of it.

use std::path::Path;

use super::units::Bytes;

/// What limits the memory that a cache here can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The host's.
    pub host: Option<Bytes>,
    /// The smallest limit of our control group and the groups around it.
    pub cgroup: Option<Bytes>,
}

impl Memory {
    /// Asks the kernel.
    pub fn of_this_machine() -> Self {
        Self::below(Path::new("/"))
    }

    /// The same, with the kernel's files below another root.
    pub fn below(root: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
        Self {
            host: read("proc/meminfo").and_then(|text| total(&text)),
            cgroup: read("proc/self/cgroup").and_then(|text| smallest_limit(root, &text)),
        }
    }

    /// The smaller of the two.
    pub fn usable(self) -> Option<Bytes> {
        self.host.into_iter().chain(self.cgroup).min()
    }

    /// The cache's default: a twentieth of it in whole mebibytes, at least 50.
    pub fn default_maxmemory(self) -> Bytes {
        const LEAST_MIB: u64 = 50;
        Bytes::from_mib(self.usable().map_or(0, |memory| memory.mib() / 20).max(LEAST_MIB))
    }
}

fn total(meminfo: &str) -> Option<Bytes> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024).map(Bytes)
}

/// Every group on the way up may have a limit, and the smallest holds. In a container the path is
/// often the host's, so that only the last step, the mount itself, exists here.
fn smallest_limit(root: &Path, groups: &str) -> Option<Bytes> {
    groups
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            Some((parts.next()?, parts.next()?))
        })
        .flat_map(|(controllers, group)| {
            let (mounts, file): (&[&str], _) = if controllers.is_empty() {
                (&["sys/fs/cgroup", "sys/fs/cgroup/unified"], "memory.max")
            } else if controllers.split(',').any(|controller| controller == "memory") {
                (&["sys/fs/cgroup/memory"], "memory.limit_in_bytes")
            } else {
                (&[], "")
            };
            mounts.iter().filter_map(move |mount| limit_up_to(&root.join(mount), group, file))
        })
        .min()
}

fn limit_up_to(mount: &Path, group: &str, file: &str) -> Option<Bytes> {
    // `..` would leave the mount; the kernel writes it for a group outside of our namespace.
    let parts: Vec<&str> = group.split('/').filter(|part| !part.is_empty() && *part != "..").collect();
    (0..=parts.len())
        .filter_map(|depth| {
            let folder = parts.iter().take(depth).fold(mount.to_owned(), |folder, part| folder.join(part));
            let text = std::fs::read_to_string(folder.join(file)).ok()?;
            text.trim().parse().ok().filter(|limit| (1..UNLIMITED).contains(limit)).map(Bytes)
        })
        .min()
}

/// The first version of control groups writes "no limit" as a number near 2^63, cut to whole pages.
const UNLIMITED: u64 = 1 << 62;

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Memory) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let memory = Memory::below(root.path());
        (root, memory)
    }

    const HOST: (&str, &str) = ("proc/meminfo", "MemTotal:       24683520 kB\nMemFree: 1 kB\n");

    #[test]
    fn a_twentieth_of_the_host_in_whole_mebibytes() {
        let (_root, memory) = machine(&[HOST]);
        assert_eq!(memory.default_maxmemory(), Bytes::from_mib(1205));
        let (_root, memory) = machine(&[("proc/meminfo", "MemTotal: 15093760 kB\n")]);
        assert_eq!(memory.default_maxmemory(), Bytes::from_mib(737));
    }

    #[test]
    fn at_least_fifty_mebibytes_also_when_nothing_is_known() {
        let (_root, memory) = machine(&[("proc/meminfo", "MemTotal: 524288 kB\n")]);
        assert_eq!(memory.default_maxmemory(), Bytes::from_mib(50));
        assert_eq!(Memory::default().default_maxmemory(), Bytes::from_mib(50));
    }

    #[test]
    fn the_smallest_group_on_the_way_up_counts() {
        let (_root, memory) = machine(&[
            HOST,
            ("proc/self/cgroup", "0::/system.slice/bench.service\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "4294967296\n"),
            ("sys/fs/cgroup/system.slice/bench.service/memory.max", "max\n"),
        ]);
        assert_eq!(memory.cgroup, Some(Bytes::from_mib(4096)));
        assert_eq!(memory.default_maxmemory(), Bytes::from_mib(204));
    }

    #[test]
    fn a_container_sees_its_limit_at_the_mount_itself() {
        let (_root, memory) = machine(&[
            HOST,
            ("proc/self/cgroup", "9:cpu,memory:/docker/0123\n0::/docker/0123\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n"),
        ]);
        assert_eq!(memory.cgroup, Some(Bytes::from_mib(2048)));
    }

    #[test]
    fn no_limit_is_no_limit_in_both_versions() {
        let (_root, memory) = machine(&[
            HOST,
            ("proc/self/cgroup", "9:memory:/\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
        ]);
        assert_eq!(memory.cgroup, None);
        assert_eq!(memory.usable(), memory.host);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(Memory::of_this_machine().host.is_some());
    }
}
