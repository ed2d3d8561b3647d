//! `bench cache stats`

use dontmanage_cache::Info;
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use super::escape::escaped;
use super::ping::{describe_memory, describe_server};
use super::server::{Connected, Server};
use super::site_cache::SiteCache;
use super::site_stats::SiteStats;
use crate::cli::{Context, stdout};
use crate::error::Result;
use crate::exit_code::ExitCode;

/// Show how full the cache is, how often it is hit, and what a site keeps in it
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Count this site's keys too, and what memory they take
    #[arg(long)]
    site: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let site = args.site.as_deref().map(|name| SiteCache::open(name, context)).transpose()?;
    let elsewhere;
    let connected = if let Some(site) = &site {
        &site.connected
    } else {
        elsewhere = Server::of(context)?.connect()?;
        &elsewhere
    };
    let info = connected.ask(|redis| redis.info("default"))?;
    let stats = site.as_ref().map(SiteStats::of).transpose()?;
    let named = site.as_ref().zip(stats.as_ref());
    if args.json {
        let mut all = server_json(&info, connected);
        if let (Some(object), Some((site, stats))) = (all.as_object_mut(), named) {
            object.insert("site".to_owned(), site_json(site, stats));
        }
        stdout::print(all)?;
    } else {
        let mut lines = describe(&info);
        if let Some((site, stats)) = named {
            lines.push(String::new());
            lines.extend(describe_site(site, stats));
        }
        stdout::print(lines.join("\n"))?;
    }
    Ok(ExitCode::Done)
}

fn describe(info: &Info) -> Vec<String> {
    let count = |field| HumanCount(info.number(field).unwrap_or_default());
    let mut lines = Vec::new();
    lines.extend(describe_server(info).map(|text| format!("server    {text}")));
    let fragmentation = info.get("mem_fragmentation_ratio").map(|ratio| format!(", fragmentation {ratio}"));
    lines.extend(
        describe_memory(info).map(|text| format!("memory    {text}{}", fragmentation.unwrap_or_default())),
    );
    lines.push(match hit_rate(info) {
        Some(rate) => {
            let (hits, misses) = (count("keyspace_hits"), count("keyspace_misses"));
            format!("hit rate  {:.1} % ({hits} hits, {misses} misses)", rate * 100.0)
        }
        None => "hit rate  not asked for anything yet".to_owned(),
    });
    lines.push(format!("gone      {} evicted, {} expired", count("evicted_keys"), count("expired_keys")));
    lines.push(format!("clients   {}", count("connected_clients")));
    lines
}

fn describe_site(site: &SiteCache, stats: &SiteStats) -> Vec<String> {
    let mut lines = vec![
        format!("site      {} (keys begin with `{}|`)", site.name(), site.cache.prefix()),
        format!("keys      {}", HumanCount(stats.keys)),
    ];
    if stats.keys > 0 {
        let about = if stats.measured < stats.keys {
            format!(
                "about {} ({} of the keys measured)",
                HumanBytes(stats.bytes()),
                HumanCount(stats.measured)
            )
        } else {
            HumanBytes(stats.bytes()).to_string()
        };
        lines.push(format!("memory    {about}"));
    }
    for (index, (size, key)) in stats.biggest.iter().enumerate() {
        let head = if index == 0 { "biggest" } else { "" };
        lines.push(format!("{head:<8}{:>12}  {}", HumanBytes(*size).to_string(), escaped(key)));
    }
    lines
}

/// The part of the reads that found something; none before the first one.
fn hit_rate(info: &Info) -> Option<f64> {
    let (hits, misses) = (info.number("keyspace_hits")?, info.number("keyspace_misses")?);
    let all = hits.saturating_add(misses);
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
    (all > 0).then(|| hits as f64 / all as f64)
}

fn server_json(info: &Info, connected: &Connected) -> Value {
    json!({
        "address": connected.url.to_string(),
        "version": info.version(),
        "process_id": info.process_id(),
        "uptime_s": info.number("uptime_in_seconds"),
        "used_memory_bytes": info.number("used_memory"),
        "maxmemory_bytes": info.number("maxmemory"),
        "maxmemory_policy": info.get("maxmemory_policy"),
        "fragmentation_ratio": info.get("mem_fragmentation_ratio").and_then(|ratio| ratio.parse::<f64>().ok()),
        "hits": info.number("keyspace_hits"),
        "misses": info.number("keyspace_misses"),
        "hit_rate": hit_rate(info),
        "evicted_keys": info.number("evicted_keys"),
        "expired_keys": info.number("expired_keys"),
        "connected_clients": info.number("connected_clients"),
    })
}

fn site_json(site: &SiteCache, stats: &SiteStats) -> Value {
    let biggest =
        stats.biggest.iter().map(|(size, key)| json!({ "key": String::from_utf8_lossy(key), "bytes": size }));
    json!({
        "name": site.name().as_str(),
        "prefix": site.cache.prefix().as_str(),
        "keys": stats.keys,
        "bytes": stats.bytes(),
        "keys_measured": stats.measured,
        "biggest": biggest.collect::<Vec<_>>(),
    })
}
