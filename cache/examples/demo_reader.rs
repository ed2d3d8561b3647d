//! A worker in Rust that reads what the page of the demonstration, in Python, keeps for each site.
//!
//!     bench start      # sets BENCH_DIR and DONTMANAGE_REDIS_CACHE

#[path = "demo/bench.rs"]
mod bench;

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

const PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match read() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read() -> Result<(), Box<dyn Error>> {
    let sites = bench::sites()?;
    let mut seen = HashMap::new();
    // SIGTERM ends it at any time: nothing here needs to be finished.
    loop {
        for bench::Site { name, cache } in &sites {
            // A dict of Python's; what is of another shape is a miss.
            let Some(shown) = cache.get::<HashMap<String, i64>>("shown") else { continue };
            let (Some(times), Some(a), Some(b)) = (shown.get("times"), shown.get("a"), shown.get("b")) else {
                continue;
            };
            if seen.insert(name, *times) != Some(*times) {
                let line = format!("{name}: the page was shown {times} times, at last with {a} + {b}");
                if writeln!(std::io::stdout(), "{line}").is_err() {
                    // Nobody reads any more.
                    return Ok(());
                }
            }
        }
        std::thread::sleep(PAUSE);
    }
}
