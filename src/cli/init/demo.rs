//! A demonstration: two sites, and two programs in Python that show the cache at work.

use std::fmt::Write as _;

use super::super::{Context, sites};
use crate::error::Result;
use crate::files::{self, Mode};
use crate::settings::{BenchDir, Settings};

const SITES: &[&str] = &["site1.localhost", "site2.localhost"];

/// The programs' folder in the bench.
const FOLDER: &str = "demo";

/// What lies there; the user may play with it.
const FILES: &[(&str, &str)] = &[
    ("page.html", include_str!("../../../python/demo/page.html")),
    ("places.py", include_str!("../../../python/demo/places.py")),
    ("sums.py", include_str!("../../../python/demo/sums.py")),
    ("web.py", include_str!("../../../python/demo/web.py")),
    ("worker.py", include_str!("../../../python/demo/worker.py")),
];

/// The programs, by name.
const PROGRAMS: &[&str] = &["web", "worker"];

/// Makes of it what is not there yet.
pub fn set_up(context: &Context, bench: &BenchDir) -> Result<()> {
    let known = bench.site_names()?;
    for site in SITES {
        if !known.iter().any(|name| name.as_str() == *site) {
            sites::make(bench, site, None)?;
        }
    }
    let folder = bench.join(FOLDER);
    files::make_folder(bench.path(), &folder)?;
    for (name, text) in FILES {
        files::create(bench.path(), &folder.join(name), text.as_bytes(), Mode::Public)?;
    }
    let settings = context.settings(bench)?;
    if settings.programs.is_empty() {
        let file = bench.settings_file();
        let text = files::read_text(&file, files::MAX_TEXT)?.unwrap_or_default();
        let text = text + &programs(&settings);
        files::write(bench.path(), &file, text.as_bytes(), Mode::Public)?;
    }
    Ok(())
}

/// The programs' tables for `bench.toml`.
fn programs(settings: &Settings) -> String {
    let mut text = String::new();
    for name in PROGRAMS {
        // Writing to a string does not fail.
        let _ = write!(text, "\n[programs.{name}]\ncommand = \"env/bin/python {FOLDER}/{name}.py\"\n");
        if *name == "web" {
            let _ = writeln!(text, "ready = {{ tcp = {} }}", settings.web.port);
        }
    }
    text
}
