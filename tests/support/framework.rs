//! A bench with something in the framework's place: a Python package that is found and started as the
//! framework is, in an environment that is one.

use std::path::{Path, PathBuf};

use super::{TestBench, free_port, write_program};

/// The sites of a bench with the stand-in.
pub const SITES: [&str; 2] = ["one.test", "two.test"];

impl TestBench {
    /// A bench with these settings whose framework's command line is this Python text.
    pub fn with_framework(common_site_config: &str, helper: &str) -> Self {
        let mut bench = Self::existing(common_site_config);
        bench.run_as_who_tests();
        bench.write("apps/dontmanage/dontmanage/__init__.py", "__version__ = \"15.0.0\"\n");
        bench.write("apps/dontmanage/dontmanage/utils/__init__.py", "");
        bench.write("apps/dontmanage/dontmanage/utils/bench_helper.py", helper);
        bench.run(&["setup", "env"]).success();
        bench.see_packages("dontmanage", &bench.path("apps/dontmanage"));
        bench
    }

    /// A bench with redis and two sites, whose framework is `tests/stand_in`, of this version; in its
    /// environment are gunicorn and redis-py. Its workers are patient: the machine may be busy.
    pub fn with_stand_in(version: &str) -> Self {
        let mut bench = Self::existing(&format!(
            r#"{{"redis_cache": "redis://127.0.0.1:{}", "redis_queue": "redis://127.0.0.1:{}",
                "webserver_port": {}, "gunicorn_workers": 2,
                "redis_cache_timeout": 30, "redis_cache_connect_timeout": 30}}"#,
            free_port(),
            free_port(),
            free_port()
        ));
        bench.run_as_who_tests();
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_in/dontmanage");
        for file in [
            "__init__",
            "app",
            "probes",
            "utils/__init__",
            "utils/bench_helper",
            "utils/caching",
            "utils/redis_wrapper",
        ] {
            let text = std::fs::read_to_string(stand_in.join(file).with_extension("py")).expect("a file");
            let text = text.replace("__version__ = \"15.0.0\"", &format!("__version__ = \"{version}\""));
            bench.write(&format!("apps/dontmanage/dontmanage/{file}.py"), &text);
        }
        for (site, name) in SITES.into_iter().zip(["_1f", "_2e"]) {
            bench.write(&format!("sites/{site}/site_config.json"), &format!("{{\"db_name\": \"{name}\"}}"));
        }
        bench.run(&["setup", "redis"]).success();
        bench.run(&["setup", "env"]).success();
        bench.see_packages("dontmanage", &bench.path("apps/dontmanage"));
        bench.see_packages("tests", &test_packages());
        let gunicorn = format!(
            "#!{}\nimport sys\nfrom gunicorn.app.wsgiapp import run\nsys.exit(run())\n",
            bench.path("env/bin/python").display()
        );
        write_program(&bench.path("env/bin/gunicorn"), &gunicorn);
        bench
    }

    /// Where a package of the bench's environment is, or would be.
    pub fn package(&self, name: &str) -> PathBuf {
        let lib = self.path("env/lib");
        let mut versions =
            std::fs::read_dir(lib).expect("a folder").map(|entry| entry.expect("an entry").path());
        versions.next().expect("a version").join("site-packages").join(name)
    }

    /// Lets the environment see the packages of a folder, as an editable install does.
    pub fn see_packages(&self, name: &str, folder: &Path) {
        let line = format!("{}\n", folder.display());
        std::fs::write(self.package(&format!("{name}.pth")), line).expect("a file");
    }

    fn run_as_who_tests(&mut self) {
        if nix::unistd::Uid::effective().is_root() {
            self.env("BENCH_USER", "root");
        }
    }
}

/// What `make test` installs for the tests.
fn test_packages() -> PathBuf {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/tests/lib");
    let version = std::fs::read_dir(&lib)
        .ok()
        .and_then(|mut entries| Some(entries.next()?.ok()?.path().join("site-packages")))
        .filter(|packages| packages.join("gunicorn").is_dir());
    version.unwrap_or_else(|| panic!("gunicorn is not in {}: run the tests by `make test`", lib.display()))
}
