//! `bench --site SITE migrate-doctypes` and the like, where no framework is: handed to the library in the
//! environment.

use std::os::unix::fs::PermissionsExt;

use crate::support::{TestBench, TestRedis};

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
    let said =
        |words: &str| format!("-m dontmanage_cache migrate-doctypes {words} | {0} | {0}\n", sites.display());
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

/// A bench on that server, with the library in its environment.
fn bench_on(redis: &TestRedis) -> TestBench {
    let mut bench =
        TestBench::existing(&format!("{{\"redis_cache\": \"redis://127.0.0.1:{}\"}}", redis.port()));
    if nix::unistd::Uid::effective().is_root() {
        bench.env("BENCH_USER", "root");
    }
    bench.run(&["setup", "env"]).success();
    bench
}

#[test]
fn clearing_spares_what_the_apps_keep_and_calls_their_hooks() {
    let redis = TestRedis::start();
    let bench = bench_on(&redis);
    for site in ["a", "b"] {
        bench.run(&["new-site", site]).success();
    }
    bench.write("sites/apps.txt", "shop\n");
    bench.write("apps/shop/shop/__init__.py", "");
    let hooks = "persistent_cache_keys = [\"rates\"]\nclear_cache = \"shop.clearing.cleared\"\n";
    bench.write("apps/shop/shop/hooks.py", hooks);
    let clearing = "import dontmanage\n\
                    def cleared():\n    dontmanage.cache.set_value(\"cleared\", dontmanage.local.site)\n";
    bench.write("apps/shop/shop/clearing.py", clearing);
    bench.see_packages("shop", &bench.path("apps/shop"));
    let set = |site: &str, key: &str| bench.run(&["cache", "set", "--site", site, key, "1"]).success();
    let has = |site: &str, key: &str| bench.run(&["cache", "get", "--site", site, key]).status.success();
    for site in ["a", "b"] {
        for key in ["rates", "price", "home_page"] {
            set(site, key);
        }
    }
    bench.run(&["--site", "a", "clear-website-cache"]).success();
    assert_eq!(["rates", "price", "home_page"].map(|key| has("a", key)), [true, true, false]);
    let output = bench.run(&["--site", "a", "clear-cache"]).success();
    assert_eq!(output.stdout, "a: the cache is cleared\n");
    assert_eq!(["rates", "price", "cleared"].map(|key| has("a", key)), [true, false, true]);
    assert_eq!(["rates", "price", "home_page"].map(|key| has("b", key)), [true; 3], "another site's");
    bench.run(&["--site", "all", "clear-cache"]).success();
    assert_eq!(["rates", "price", "cleared"].map(|key| has("b", key)), [true, false, true]);
    bench.run(&["--site", "nosuch", "clear-cache"]).code(1).says("there is no site `nosuch`");
    drop(redis);
    bench.run(&["--site", "a", "clear-cache"]).code(5).says("no redis-server answers").says("bench start");
}

/// The documentation's words on cached documents, as a worker has them.
const DOCUMENTS: &str = r#"
import dontmanage

dontmanage.connect("shop.test")
settings = dontmanage.get_doc("System Settings")
settings.language = "de"
settings.save()
dontmanage.get_doc({"doctype": "Item", "name": "apple", "price": 3}).insert()
dontmanage.db.commit()


def seen():
    "What a new request reads."
    dontmanage.connect("shop.test")
    return dontmanage.get_cached_doc("Item", "apple").price


print(dontmanage.get_cached_doc("System Settings").language, seen(), seen())
dontmanage.db.set_value("Item", "apple", "price", 4)
dontmanage.db.commit()
print(seen())
apple = dontmanage.get_doc("Item", "apple")
apple.price = 5
apple.save()
dontmanage.db.commit()
print(seen())
dontmanage.db.sql("update `tabItem` set price = 6")
dontmanage.db.commit()
print("a raw query:", seen())
dontmanage.clear_document_cache("Item", "apple")
print("cleared by hand:", seen())
"#;

#[test]
fn documents_are_cached_as_documented_with_what_bench_carries() {
    let redis = TestRedis::start();
    let bench = bench_on(&redis);
    bench.run(&["new-site", "shop.test"]).success();
    bench.write(
        "sites/doctypes/item.json",
        r#"{"name": "Item", "fields": [{"fieldname": "price", "fieldtype": "Int"}]}"#,
    );
    bench.write(
        "sites/doctypes/system_settings.json",
        r#"{"name": "System Settings", "issingle": 1, "fields": [{"fieldname": "language", "fieldtype": "Data"}]}"#,
    );
    let said = bench.run(&["--site", "shop.test", "migrate-doctypes"]).success().stdout;
    assert!(said.contains("made `tabItem`"), "{said}");
    let again = bench.run(&["--site", "all", "migrate-doctypes"]).success().stdout;
    assert_eq!(again, "shop.test: the tables are what the doctypes declare\n");
    bench.write("documents.py", DOCUMENTS);
    let said = bench.run(&["run", "python", "documents.py"]).success().stdout;
    assert_eq!(said, "de 3 3\n4\n5\na raw query: 5\ncleared by hand: 6\n");
}
