//! The cache of one site, as its workers see it, for a person.

use std::path::Path;

use dontmanage_cache::{Cache, CacheError, Key, KeyPrefix, SigningKey};

use super::escape::escaped;
use super::server::{Connected, Server, failed};
use crate::cli::Context;
use crate::error::{Error, Problem, Result};
use crate::files::read_text;
use crate::names::SiteName;
use crate::settings::{BenchDir, Settings, Site};

/// A key file holds 65 bytes.
const KEY_FILE_LIMIT: u64 = 4096;

/// Which site, for every command about keys.
#[derive(clap::Args, Debug)]
pub struct SiteArgs {
    /// The site
    #[arg(long, value_name = "SITE")]
    pub site: String,
}

/// Whose key: the site's, or one user's.
#[derive(clap::Args, Debug)]
pub struct KeyArgs {
    #[command(flatten)]
    pub site: SiteArgs,
    /// The key of this user of the site
    #[arg(long)]
    pub user: Option<String>,
}

impl KeyArgs {
    /// The key of that name.
    pub fn key<'a>(&'a self, name: &'a str) -> Key<'a> {
        match &self.user {
            Some(user) => Key::from(name).user(user),
            None => Key::from(name),
        }
    }
}

/// The cache of one site.
pub struct SiteCache {
    /// Reads and writes its values.
    pub cache: Cache,
    /// The server.
    pub connected: Connected,
    site: Site,
}

impl SiteCache {
    /// Finds the site, and connects.
    pub fn open(site: &str, context: &Context) -> Result<Self> {
        let server = Server::of(context)?;
        // What is wrong here is told before a server is asked.
        let site = Site::find(&server.bench, site)?;
        let prefix = key_prefix(&site)?;
        let signing_key = signing_key(&server.bench, &server.settings)?;
        let connected = server.connect()?;
        let mut cache = Cache::new(connected.client.clone(), prefix);
        if let Some(key) = signing_key {
            cache = cache.with_signing_key(key);
        }
        Ok(Self { cache, connected, site })
    }

    /// The site's name.
    pub fn name(&self) -> &SiteName {
        &self.site.name
    }

    /// An error about a key, for the user.
    pub fn failed(&self, name: &str, error: CacheError) -> Error {
        let what = match error {
            CacheError::Redis(error) => return failed(error, &self.connected.url),
            CacheError::Rejected(rejection) => {
                format!("the value of `{}` is not taken: {rejection}", escaped(name.as_bytes()))
            }
            CacheError::Unreadable(error) => {
                format!("the value of `{}` is no plain data: {error}", escaped(name.as_bytes()))
            }
            other => other.to_string(),
        };
        let fix = format!(
            "workers take it for a miss; remove it with `bench cache delete {} --site {}`",
            quoted(name),
            quoted(self.site.name.as_str())
        );
        Error::failed(Problem::new(what).fix(fix))
    }

    /// The error for a key that is not there.
    pub fn missing(&self, name: &str, field: Option<&str>) -> Error {
        let field =
            field.map(|field| format!("field `{}` of ", escaped(field.as_bytes()))).unwrap_or_default();
        let what = format!(
            "there is no {field}`{}` in the cache of site `{}`",
            escaped(name.as_bytes()),
            self.site.name
        );
        let fix =
            format!("`bench cache keys --site {}` lists what there is", quoted(self.site.name.as_str()));
        Error::failed(Problem::new(what).fix(fix))
    }

    /// A full key without the site's prefix.
    pub fn without_prefix<'k>(&self, full_key: &'k [u8]) -> &'k [u8] {
        full_key.get(self.cache.make_key("").len()..).unwrap_or_default()
    }
}

/// The checked prefix of a site's keys.
pub fn key_prefix(site: &Site) -> Result<KeyPrefix> {
    KeyPrefix::new(site.key_prefix()).map_err(|error| {
        let place = match site.db_name {
            Some(_) => format!("sites/{}/site_config.json db_name", site.name),
            None => format!("sites/{}", site.name),
        };
        Error::usage(Problem::new(error.to_string()).at(place).fix("give the site a `db_name` without it"))
    })
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| escaped(word.as_bytes()), std::borrow::Cow::into_owned)
}

/// The key that this bench's values are signed with; none if they are not.
fn signing_key(bench: &BenchDir, settings: &Settings) -> Result<Option<SigningKey>> {
    if !settings.redis_cache.sign {
        return Ok(None);
    }
    let path = bench.config().join("cache.key");
    let Some(text) = read_text(&path, KEY_FILE_LIMIT)? else {
        if path.is_symlink() {
            // Not to be taken for a bench that does not sign.
            return Err(bad_key_file(&path, "it is a link, and what it points at is not there"));
        }
        return Ok(None);
    };
    SigningKey::from_file_text(&text).map(Some).map_err(|error| bad_key_file(&path, &error.to_string()))
}

fn bad_key_file(path: &Path, why: &str) -> Error {
    Error::usage(
        Problem::new(format!("`config/cache.key` holds no signing key: {why}"))
            .at(path.display())
            .fix("put back a copy of it, or remove it and run `bench setup redis`, which makes a new one"),
    )
}
