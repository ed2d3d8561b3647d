//! `bench --site SITE migrate-doctypes`, where no framework is: handed to the library in the environment.

use std::os::unix::fs::PermissionsExt;

use crate::support::TestBench;

/// What stands in for the environment's Python: it says what it was given, and fails for the site `bad`.
const PYTHON: &str = "#!/bin/sh\n\
                      echo \"$@ | $PWD | $SITES_PATH\"\n\
                      echo 'to stderr' >&2\n\
                      case \"$*\" in *bad*) exit 1;; esac\n";

fn bench() -> TestBench {
    let mut bench = TestBench::existing("{}");
    if nix::unistd::Uid::effective().is_root() {
        bench.env("BENCH_USER", "root");
    }
    bench.write("env/bin/python", PYTHON);
    let python = bench.path("env/bin/python");
    std::fs::set_permissions(python, PermissionsExt::from_mode(0o755)).expect("a mode");
    bench
}

#[test]
fn the_tables_of_a_site_are_made_by_the_library() {
    let bench = bench();
    for site in ["a", "b", "bad"] {
        bench.run(&["new-site", site]).success();
    }
    let sites = bench.path("sites").canonicalize().expect("a folder");
    let said = |words: &str| {
        format!("-m dontmanage_cache.model migrate-doctypes {words} | {0} | {0}\n", sites.display())
    };
    let output = bench.run(&["--site", "a", "migrate-doctypes"]).success();
    assert_eq!((output.stdout, output.stderr.as_str()), (said("--site a"), "to stderr\n"));
    assert_eq!(bench.run(&["--site=b", "migrate-doctypes"]).success().stdout, said("--site b"));
    let all = bench.run(&["--site", "all", "migrate-doctypes"]).code(1);
    assert_eq!(all.stdout, said("--site a --site b --site bad"));
    bench.run(&["migrate-doctypes"]).code(2).says("no site is named").says("--site SITE migrate-doctypes");
    bench.run(&["use", "b"]).success();
    assert_eq!(bench.run(&["migrate-doctypes"]).success().stdout, said("--site b"));
    bench.run(&["migrate-doctypes", "--now"]).code(2);
}

#[test]
fn an_environment_that_is_missing_is_told() {
    let bench = bench();
    bench.run(&["--site", "all", "migrate-doctypes"]).code(2).says("has no site").says("bench new-site SITE");
    std::fs::remove_dir_all(bench.path("env")).expect("removed");
    bench
        .run(&["--site", "a", "migrate-doctypes"])
        .code(1)
        .says("the bench's Python, which is missing")
        .says("bench setup env");
}
