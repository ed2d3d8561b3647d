//! The library for Python workers, in a bench's environment.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{TestBench, run};

impl TestBench {
    /// Puts the library into the environment, and where no framework is its documented face: as `make test`
    /// has packed them, or as they stand in the sources if the library has been built there.
    pub fn install_library(&self) {
        static PACKAGES: OnceLock<[PathBuf; 2]> = OnceLock::new();
        let [library, face] = PACKAGES.get_or_init(packages);
        symlink(library, self.package("dontmanage_cache")).expect("a link");
        if !self.path("apps/dontmanage").exists() {
            symlink(face, self.package("dontmanage")).expect("a link");
        }
    }
}

fn packages() -> [PathBuf; 2] {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join("python");
    if source.join("dontmanage_cache/dontmanage_cache/_core.abi3.so").is_file() {
        return [source.join("dontmanage_cache/dontmanage_cache"), source.join("dontmanage/dontmanage")];
    }
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("library");
    let _ = std::fs::remove_dir_all(&unpacked);
    for wheel in std::fs::read_dir(root.join("target/debug/wheels")).expect("wheels: run `make test`") {
        let mut unpack = Command::new("python3");
        unpack.args(["-m", "zipfile", "-e"]).args([&wheel.expect("a wheel").path(), &unpacked]);
        run(unpack).success();
    }
    [unpacked.join("dontmanage_cache"), unpacked.join("dontmanage")]
}
