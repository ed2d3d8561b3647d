//! What the cache did in this process, as Python's dicts.

use std::time::Duration;

use dontmanage_cache::memo::{self, MemoStats};
use dontmanage_cache::{Client, ServerState, Tally, Times};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// In a forked child: what is counted begins anew. Called by itself.
///
/// ```python
/// >>> from dontmanage_cache._core import after_fork
/// >>> after_fork()
/// ```
#[pyfunction]
pub fn after_fork() {
    dontmanage_cache::after_fork();
}

/// All that is counted of a server, and of the functions whose answers are kept.
pub fn statistics<'py>(py: Python<'py>, client: &Client) -> PyResult<Bound<'py, PyDict>> {
    let stats = client.stats();
    let by_prefix = client.prefix_stats();

    let server = PyDict::new(py);
    server.set_item("url", client.url().to_string())?;
    let (reached, since, retry_in) = match client.state() {
        ServerState::Away { since, retry_in } => ("away", Some(since), Some(retry_in)),
        _ => ("up", None, None),
    };
    server.set_item("state", reached)?;
    server.set_item("away_for_s", since.map(|since| since.as_secs_f64()))?;
    server.set_item("retry_in_s", retry_in.map(|retry_in| retry_in.as_secs_f64()))?;
    server.set_item("outages", stats.outages)?;
    server.set_item("connects", stats.connects)?;

    let total = tally(py, &by_prefix.total())?;
    // Of all calls, also those that concern no key in particular.
    total.set_item("errors", stats.errors)?;
    total.set_item("skipped", stats.skipped)?;
    total.set_item("dropped_writes", stats.dropped_writes)?;

    let refused = PyDict::new(py);
    for (reason, number) in stats.refusals.by_name() {
        refused.set_item(reason, number)?;
    }
    let prefixes = PyDict::new(py);
    for (prefix, counts) in &by_prefix.prefixes {
        prefixes.set_item(prefix, tally(py, counts)?)?;
    }
    let functions = PyDict::new(py);
    for (name, counts) in memo::function_stats() {
        functions.set_item(name, function(py, &counts)?)?;
    }

    let all = PyDict::new(py);
    all.set_item("pid", std::process::id())?;
    all.set_item("counted_for_s", stats.counted_for.as_secs_f64())?;
    all.set_item("server", server)?;
    all.set_item("total", total)?;
    all.set_item("refused", refused)?;
    all.set_item("prefixes", prefixes)?;
    all.set_item("other", tally(py, &by_prefix.other)?)?;
    all.set_item("functions", functions)?;
    Ok(all)
}

/// Lets all of it begin anew.
pub fn reset(client: &Client) {
    client.reset_stats();
    memo::reset_function_stats();
}

fn tally<'py>(py: Python<'py>, counts: &Tally) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("hits", counts.hits)?;
    dict.set_item("local_hits", counts.local_hits)?;
    dict.set_item("redis_hits", counts.hits.saturating_sub(counts.local_hits))?;
    dict.set_item("misses", counts.misses)?;
    dict.set_item("errors", counts.errors)?;
    dict.set_item("skipped", counts.skipped)?;
    dict.set_item("rejected", counts.rejected)?;
    dict.set_item("unreadable", counts.unreadable)?;
    dict.set_item("writes", counts.writes)?;
    dict.set_item("deletes", counts.deletes)?;
    dict.set_item("bytes_read", counts.bytes_read)?;
    dict.set_item("bytes_written", counts.bytes_written)?;
    dict.set_item("read_times", times(py, &counts.read_times)?)?;
    dict.set_item("write_times", times(py, &counts.write_times)?)?;
    Ok(dict)
}

fn function<'py>(py: Python<'py>, counts: &MemoStats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("hits", counts.hits)?;
    dict.set_item("local_hits", counts.local_hits)?;
    dict.set_item("redis_hits", counts.hits.saturating_sub(counts.local_hits))?;
    dict.set_item("stale", counts.stale)?;
    dict.set_item("misses", counts.misses)?;
    dict.set_item("refused", counts.refused)?;
    dict.set_item("computed", counts.computed)?;
    dict.set_item("failed", counts.failed)?;
    dict.set_item("outdated", counts.outdated)?;
    dict.set_item("waited", counts.waited)?;
    dict.set_item("errors", counts.errors)?;
    dict.set_item("bytes_read", counts.bytes_read)?;
    dict.set_item("bytes_written", counts.bytes_written)?;
    dict.set_item("read_times", times(py, &counts.read_times)?)?;
    dict.set_item("compute_times", times(py, &counts.compute_times)?)?;
    dict.set_item("wait_us", micros(counts.wait_time))?;
    Ok(dict)
}

fn times<'py>(py: Python<'py>, times: &Times) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("count", times.count())?;
    dict.set_item("total_us", micros(times.total()))?;
    dict.set_item("p50_us", micros(times.quantile(0.5)))?;
    dict.set_item("p99_us", micros(times.quantile(0.99)))?;
    dict.set_item("longest_us", micros(times.longest()))?;
    Ok(dict)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
