//! A function that keeps its answers, for every site of a bench.
//!
//!     bench run cargo run -p dontmanage-cache --example cached_function

#[path = "demo/bench.rs"]
mod bench;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use dontmanage_cache::{redis_cache, with_cache};

/// Takes a second, unless somebody has asked for it in the last minute; for ten minutes more, the old answer
/// serves all but the one who computes it anew.
#[redis_cache(ttl = "60s", stale = "10m")]
fn slow_add(a: i64, b: i64) -> Result<i64, String> {
    std::thread::sleep(Duration::from_secs(1)); // fake workload
    a.checked_add(b).ok_or_else(|| format!("{a} + {b} is too large")) // errors are not kept
}

fn main() -> ExitCode {
    let sites = match bench::sites() {
        Ok(sites) => sites,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    for site in &sites {
        let request = site.cache.request();
        with_cache(&request, || {
            for _ in 0..3 {
                let start = Instant::now();
                match slow_add(40, 2) {
                    Ok(sum) => println!("{:9.2?}  40 + 2 = {sum}  {}", start.elapsed(), site.name),
                    Err(error) => eprintln!("error: {error}"),
                }
            }
        });
    }
    let stats = slow_add::cache_stats();
    println!("{} hits, {} computed in {:?}", stats.hits, stats.computed, stats.compute_times.total());
    ExitCode::SUCCESS
}
