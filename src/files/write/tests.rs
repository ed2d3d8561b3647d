use std::os::unix::fs::{MetadataExt, symlink};

use tempfile::TempDir;

use super::fail_points::{CRASH, fail_at, fail_nowhere};
use super::*;

const STEPS: [Step; 5] = [Step::Create, Step::Write, Step::SyncFile, Step::Name, Step::SyncFolder];

struct Root(TempDir);

impl Root {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn write(&self, below: &str, contents: &str, mode: Mode) -> Result<Outcome> {
        write(self.0.path(), &self.path(below), contents.as_bytes(), mode)
    }

    fn read(&self, below: &str) -> Option<String> {
        std::fs::read_to_string(self.path(below)).ok()
    }

    fn mode(&self, below: &str) -> u32 {
        self.path(below).metadata().expect("a file").mode() & 0o7777
    }

    fn names(&self) -> Vec<String> {
        let entries = self.0.path().read_dir().expect("a folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }
}

#[test]
fn an_unchanged_file_is_not_rewritten() {
    let root = Root::new();
    assert_eq!(root.write("f", "one", Mode::Public), Ok(Outcome::Created));
    let inode = root.path("f").metadata().expect("a file").ino();
    assert_eq!(root.write("f", "one", Mode::Public), Ok(Outcome::Unchanged));
    assert_eq!(root.path("f").metadata().expect("a file").ino(), inode);
    assert_eq!(root.write("f", "two", Mode::Public), Ok(Outcome::Replaced));
    assert_eq!(root.read("f").as_deref(), Some("two"));
    assert_eq!(root.names(), ["f"]);
}

#[test]
fn a_private_file_is_private_also_when_it_was_not_before() {
    let root = Root::new();
    root.write("f", "one", Mode::Public).expect("written");
    std::fs::set_permissions(root.path("f"), std::fs::Permissions::from_mode(0o644)).expect("a mode");
    assert_eq!(root.write("f", "one", Mode::Private), Ok(Outcome::Replaced));
    assert_eq!(root.mode("f"), 0o600);
    // And a public one keeps what its owner gave it.
    root.write("f", "two", Mode::Public).expect("written");
    assert_eq!(root.mode("f"), 0o600);
}

#[test]
fn a_failure_at_any_step_leaves_the_old_file_or_the_new_and_nothing_else() {
    for step in STEPS {
        let root = Root::new();
        root.write("f", "old", Mode::Public).expect("written");
        fail_at(step, Errno::ENOSPC);
        let error = root.write("f", "new", Mode::Public).expect_err("a full disk").to_string();
        fail_nowhere();
        assert!(error.contains("no space left on device") && error.contains("fix: "), "{error}");
        let text = root.read("f").expect("a file");
        assert_eq!(text, if step == Step::SyncFolder { "new" } else { "old" }, "{step:?}");
        assert_eq!(root.names(), ["f"], "{step:?}");
    }
}

#[test]
fn what_a_crash_left_is_swept_up_by_the_next_write() {
    for step in STEPS {
        let root = Root::new();
        root.write("f", "old", Mode::Public).expect("written");
        fail_at(step, CRASH);
        root.write("f", "new", Mode::Public).expect_err("a crash");
        fail_nowhere();
        let text = root.read("f").expect("a file");
        assert!(text == "old" || text == "new", "{step:?}: {text}");
        root.write("f", "newer", Mode::Public).expect("written");
        assert_eq!(root.names(), ["f"], "{step:?}");
    }
}

#[test]
fn other_files_that_look_temporary_are_left_alone() {
    let root = Root::new();
    for name in [".f.tmp", ".f.mine.tmp", ".g.abcdefgh.tmp", "f.abcdefgh.tmp"] {
        std::fs::write(root.path(name), "").expect("a file");
    }
    std::fs::write(root.path(".f.abcdefgh.tmp"), "").expect("a file");
    root.write("f", "text", Mode::Public).expect("written");
    assert_eq!(root.names(), [".f.mine.tmp", ".f.tmp", ".g.abcdefgh.tmp", "f", "f.abcdefgh.tmp"]);
}

#[test]
fn nothing_is_written_through_a_link_that_leads_out_of_the_bench() {
    let outside = Root::new();
    let root = Root::new();
    symlink(outside.0.path(), root.path("config")).expect("a link");
    let error = root.write("config/f", "text", Mode::Public).expect_err("a link").to_string();
    assert!(error.contains("symbolic link that leads out of the bench"), "{error}");
    assert!(make_folder(root.0.path(), &root.path("config/pids")).is_err());
    assert_eq!(outside.names(), Vec::<String>::new());
}

#[test]
fn a_link_inside_the_bench_is_followed() {
    let root = Root::new();
    make_folder(root.0.path(), &root.path("real/deep")).expect("a folder");
    symlink("real", root.path("config")).expect("a link");
    root.write("config/deep/f", "text", Mode::Public).expect("written");
    assert_eq!(root.read("real/deep/f").as_deref(), Some("text"));
}

#[test]
fn a_target_that_is_a_link_is_refused() {
    let root = Root::new();
    std::fs::write(root.path("precious"), "mine").expect("a file");
    symlink("precious", root.path("f")).expect("a link");
    let error = root.write("f", "text", Mode::Public).expect_err("a link").to_string();
    assert!(error.contains("is a symbolic link"), "{error}");
    assert_eq!(root.read("precious").as_deref(), Some("mine"));
    assert_eq!(create(root.0.path(), &root.path("f"), b"key", Mode::Private), Ok(false));
}

#[test]
fn a_path_outside_the_bench_is_refused() {
    let root = Root::new();
    assert!(write(root.0.path(), Path::new("/tmp/elsewhere"), b"", Mode::Public).is_err());
    assert!(root.write("a/../../f", "", Mode::Public).is_err());
    assert!(root.write("..", "", Mode::Public).is_err());
}

#[test]
fn a_missing_folder_is_named() {
    let root = Root::new();
    let error = root.write("config/f", "text", Mode::Public).expect_err("no folder").to_string();
    assert!(error.contains("config`: no such file or directory"), "{error}");
}

#[test]
fn a_new_file_is_created_once_and_privately() {
    let root = Root::new();
    assert_eq!(create(root.0.path(), &root.path("key"), b"one", Mode::Private), Ok(true));
    assert_eq!(create(root.0.path(), &root.path("key"), b"two", Mode::Private), Ok(false));
    assert_eq!(root.read("key").as_deref(), Some("one"));
    assert_eq!(root.mode("key"), 0o600);
    assert_eq!(root.names(), ["key"]);
}

#[test]
fn a_backup_keeps_text_and_mode() {
    let root = Root::new();
    assert_eq!(back_up(root.0.path(), &root.path("f")), Ok(None));
    root.write("f", "mine", Mode::Private).expect("written");
    assert_eq!(back_up(root.0.path(), &root.path("f")), Ok(Some(root.path("f.bak"))));
    assert_eq!(root.read("f.bak").as_deref(), Some("mine"));
    assert_eq!(root.mode("f.bak"), 0o600);
}

#[test]
fn many_writers_at_once_leave_one_whole_file() {
    let root = Root::new();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let root = &root;
            scope.spawn(move || {
                for round in 0..20 {
                    let text = format!("{writer}-{round}\n").repeat(500);
                    root.write("f", &text, Mode::Public).expect("written");
                }
            });
        }
    });
    let text = root.read("f").expect("a file");
    let first = text.lines().next().expect("a line").to_owned();
    assert_eq!(text, format!("{first}\n").repeat(500));
    assert_eq!(root.names(), ["f"]);
}

#[test]
fn a_removed_file_is_gone_and_a_missing_one_no_error() {
    let root = Root::new();
    root.write("f", "text", Mode::Public).expect("written");
    assert_eq!(remove(root.0.path(), &root.path("f")), Ok(true));
    assert_eq!(remove(root.0.path(), &root.path("f")), Ok(false));
}
