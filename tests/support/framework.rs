//! A bench with something in the framework's place: a Python package that is found and started as the
//! framework is, in an environment that is one.

use super::TestBench;

impl TestBench {
    /// A bench with these settings whose framework's command line is this Python text.
    pub fn with_framework(common_site_config: &str, helper: &str) -> Self {
        let mut bench = Self::existing(common_site_config);
        if nix::unistd::Uid::effective().is_root() {
            bench.env("BENCH_USER", "root");
        }
        bench.write("apps/dontmanage/dontmanage/__init__.py", "__version__ = \"15.0.0\"\n");
        bench.write("apps/dontmanage/dontmanage/utils/__init__.py", "");
        bench.write("apps/dontmanage/dontmanage/utils/bench_helper.py", helper);
        bench.run(&["setup", "env"]).success();
        let packages = std::fs::read_dir(bench.path("env/lib")).expect("a folder").next().expect("a version");
        let packages = packages.expect("an entry").path().join("site-packages");
        // As an editable install does it.
        let app = bench.path("apps/dontmanage").display().to_string();
        std::fs::write(packages.join("dontmanage.pth"), app + "\n").expect("a file");
        bench
    }
}
