//! A background worker that keeps a few sums in the cache, for the web program to find.
//!
//!     bench start      # sets BENCH_DIR and DONTMANAGE_REDIS_CACHE

#[path = "demo/bench.rs"]
mod bench;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use dontmanage_cache::Lifetime;

const PAUSE: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let sites = match bench::sites() {
        Ok(sites) => sites,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    // SIGTERM ends it between two jobs or in one: nothing here needs to be finished.
    for job in 0.. {
        let site = &sites[job % sites.len()];
        let number = i64::try_from(job / sites.len() % 3 + 1).unwrap_or(1);
        // So short that some sums have to be worked out again, to be seen in the log.
        if let Some(answer) = bench::slow_add(&site.cache, number, number, Lifetime::secs(60)) {
            let how = if answer.hit { "hit " } else { "miss" };
            let line = format!(
                "{how} {:>8}  {} = {}  {}",
                bench::shown(answer.took),
                answer.key,
                answer.sum,
                site.name
            );
            if writeln!(std::io::stdout(), "{line}").is_err() {
                // Nobody reads any more.
                return ExitCode::SUCCESS;
            }
        }
        std::thread::sleep(PAUSE);
    }
    ExitCode::SUCCESS
}
