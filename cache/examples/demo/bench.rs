//! What the examples know of the bench that started them.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use dontmanage_cache::{Cache, Client, KeyPrefix, RedisUrl, SigningKey};

/// A site and its cache.
pub struct Site {
    pub name: String,
    pub cache: Cache,
}

/// The sites named as arguments, else in `DEMO_SITES`, else all of the bench.
pub fn sites() -> Result<Vec<Site>, Box<dyn Error>> {
    let bench = PathBuf::from(env::var_os("BENCH_DIR").unwrap_or_else(|| ".".into()));
    let url = env::var("DONTMANAGE_REDIS_CACHE")
        .map_err(|_| "`DONTMANAGE_REDIS_CACHE` is not set: start this program with `bench start`")?;
    let client = Client::new(url.parse::<RedisUrl>()?);

    let mut names: Vec<String> = env::args().skip(1).collect();
    if names.is_empty() {
        let listed = env::var("DEMO_SITES").unwrap_or_default();
        names.extend(listed.split([' ', ',']).filter(|name| !name.is_empty()).map(str::to_owned));
    }
    if names.is_empty() {
        names = found(&bench)?;
    }
    if names.is_empty() {
        return Err(format!("`{}` has no sites: make one with `bench new-site NAME`", bench.display()).into());
    }
    let mut sites = Vec::new();
    for name in names {
        let prefix = KeyPrefix::new(&db_name(&bench, &name)?)?;
        let mut cache = Cache::new(client.clone(), prefix);
        if let Some(key) = signing_key(&bench)? {
            cache = cache.with_signing_key(key);
        }
        sites.push(Site { name, cache });
    }
    Ok(sites)
}

fn found(bench: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let folder = bench.join("sites");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| at(&folder, &error))? {
        let path = entry?.path();
        if path.join("site_config.json").is_file()
            && let Some(name) = path.file_name()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// A site's keys begin with its `db_name`, else with its name.
fn db_name(bench: &Path, site: &str) -> Result<String, Box<dyn Error>> {
    let path = bench.join("sites").join(site).join("site_config.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(site.to_owned()),
        Err(error) => return Err(at(&path, &error)),
    };
    let config: serde_json::Value = serde_json::from_str(&text).map_err(|error| at(&path, &error))?;
    Ok(config["db_name"].as_str().filter(|name| !name.is_empty()).unwrap_or(site).to_owned())
}

/// A bench that signs its values has a key.
fn signing_key(bench: &Path) -> Result<Option<SigningKey>, Box<dyn Error>> {
    if env::var("DONTMANAGE_REDIS_CACHE_SIGN").is_ok_and(|sign| sign == "0") {
        return Ok(None);
    }
    let path = bench.join("config/cache.key");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(SigningKey::from_file_text(&text).map_err(|error| at(&path, &error))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(&path, &error)),
    }
}

fn at(path: &Path, error: &dyn Error) -> Box<dyn Error> {
    format!("{}: {error}", path.display()).into()
}
