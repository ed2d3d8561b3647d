//! Each promise of docs/promises.md names tests that exist.

use std::path::Path;

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            text.push_str(&std::fs::read_to_string(&path).expect("a readable file"));
        }
    }
}

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let promises = std::fs::read_to_string(root.join("docs/promises.md")).expect("docs/promises.md");
    let mut code = String::new();
    for folder in ["src", "tests", "cache/src", "cache/tests", "python/tests"] {
        sources(&root.join(folder), &mut code);
    }
    let promises = promises.lines().skip_while(|line| !line.starts_with("1.")).collect::<Vec<_>>().join("\n");
    let mut named = 0;
    for (number, promise) in promises.lines().filter(|line| !line.is_empty()).enumerate() {
        for name in promise.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 2) {
            let is_there = ["fn", "def"].iter().any(|keyword| code.contains(&format!("{keyword} {name}(")));
            assert!(is_there, "line {number} names `{name}`, which is no test");
            named += 1;
        }
    }
    assert!(named > 20, "only {named} tests are named");
}
