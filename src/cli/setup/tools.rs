//! What there is on the machine, for the files that name it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User};

use super::Setup;
use crate::cli::env as variable;
use crate::error::{Error, Problem, Result};
use crate::files::{self, MAX_TEXT, Mode, read_text};
use crate::probe::{ServerProblem, find_server, server_version};
use crate::render::{KnownServer, Scene, Seal, Tools, examine, fact};
use crate::settings::{self, BenchDir, Settings, WorkerLibrary};

/// How long `redis-server --version` may take.
const VERSION_LIMIT: Duration = Duration::from_secs(2);

/// Looks for the tools. The version of redis-server is not asked for.
pub fn find(dir: &BenchDir, settings: &Settings) -> Result<Tools> {
    let user = user(settings)?;
    let local_files = ["redis_cache", "redis_queue", "redis_socketio"]
        .into_iter()
        .filter(|name| dir.join(format!("config/{name}.local.conf")).is_file())
        .collect();
    Ok(Tools {
        bench: own_path()?,
        redis_server: find_server(None).ok(),
        cache_server: None,
        node: which::which("node").ok(),
        group: group(&user),
        user,
        ci: std::env::var_os("CI").is_some(),
        skip_redis: false,
        local_files,
        worker_library: None,
    })
}

impl Setup<'_> {
    /// Looks for the tools.
    pub fn tools(&self) -> Result<Tools> {
        let tools = find(&self.dir, &self.settings)?;
        Ok(Tools { skip_redis: self.choices.skip_redis, ..tools })
    }

    /// The same, with the cache library for the programs that are workers.
    pub fn tools_with_library(&self) -> Result<Tools> {
        Ok(Tools { worker_library: WorkerLibrary::find(&self.dir, &self.settings)?, ..self.tools()? })
    }

    /// The same, with the version of redis-server. What is wrong with it is said; the files are then
    /// rendered such that every server reads them.
    pub fn tools_with_version(&self) -> Result<Tools> {
        let mut tools = self.tools()?;
        let server = &self.settings.redis_cache.server;
        // A server elsewhere is not started from here.
        if server.local && !self.choices.skip_redis {
            match find_server(server.binary.as_deref()).and_then(|path| self.known_server(&path)) {
                Ok(known) => tools.cache_server = Some(known),
                Err(problem) => self.context.say(format!("note: {}", problem.problem())),
            }
        }
        Ok(tools)
    }

    /// The server's version. Asking it takes longer than all the rest, so what the file remembers counts
    /// while the program is the same one.
    fn known_server(&self, path: &Path) -> std::result::Result<KnownServer, ServerProblem> {
        let fingerprint = fingerprint(path);
        let remembered = read_text(&self.dir.join("config/redis_cache.conf"), MAX_TEXT).ok().flatten();
        let remembered = remembered
            .filter(|text| examine(text) == Seal::Intact)
            .and_then(|text| KnownServer::from_fact(fact(&text, "server")?));
        match remembered {
            Some(known) if known.fingerprint == fingerprint => Ok(known),
            _ => Ok(KnownServer { version: server_version(path, VERSION_LIMIT)?, fingerprint }),
        }
    }

    /// Changes keys of `common_site_config.json` that nobody minds being changed.
    pub fn edit_common(&self, edits: &[(String, Option<serde_json::Value>)]) -> Result<()> {
        for change in settings::edit_common(&self.dir, &variable, edits)? {
            files::write(self.dir.path(), &change.path, change.text.as_bytes(), Mode::Public)?;
        }
        Ok(())
    }

    /// What the files are rendered from.
    pub const fn scene<'a>(&'a self, tools: &'a Tools) -> Scene<'a> {
        Scene { dir: &self.dir, settings: &self.settings, tools }
    }
}

/// The user that the programs run as.
fn user(settings: &Settings) -> Result<String> {
    if let Some(user) = &settings.bench.user {
        return Ok(user.clone());
    }
    let uid = Uid::effective();
    match User::from_uid(uid) {
        Ok(Some(user)) => Ok(user.name),
        _ => Err(Error::usage(
            Problem::new(format!("the user with the number {uid} has no name")).fix("name one with `--user`"),
        )),
    }
}

/// By which a program is known again: its path, and what changes when it is installed anew.
fn fingerprint(path: &Path) -> String {
    let metadata = path.metadata().ok();
    let facts = metadata.map(|data| (data.dev(), data.ino(), data.size(), data.ctime(), data.ctime_nsec()));
    blake3::hash(format!("{} {facts:?}", path.display()).as_bytes()).to_hex()[..8].to_owned()
}

/// The user's own group, by name; as today's tool, the one of the user's name where that is not known.
fn group(user: &str) -> String {
    let gid: Option<Gid> = User::from_name(user).ok().flatten().map(|user| user.gid);
    let group = gid.and_then(|gid| Group::from_gid(gid).ok().flatten());
    group.map_or_else(|| user.to_owned(), |group| group.name)
}

/// The `bench` that programs are to call: by its name on the PATH, which an update does not change, if
/// that is this program.
fn own_path() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|source| Error::io("find", Path::new("bench"), &source))?;
    let real = |path: &Path| path.canonicalize().ok();
    match which::which("bench") {
        Ok(found) if real(&found).is_some() && real(&found) == real(&own) => Ok(found),
        _ => Ok(own),
    }
}
