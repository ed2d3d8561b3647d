//! `config/redis_cache.conf` and its siblings.

use serde::Serialize;

use super::quote::split_redis;
use super::scene::{Scene, Server, text};
use super::seal::{Comment, seal};
use super::template::{Filler, Template};
use super::{Rendered, Syntax};
use crate::error::{Error, Problem, Result};
use crate::settings::{EvictionPolicy, MaxMemory, ServerVersion};

const TEMPLATE: Template =
    Template { name: "redis.conf", text: include_str!("../../templates/redis.conf.tera") };

/// What the template is filled with.
#[derive(Debug, Serialize)]
struct Conf {
    name: &'static str,
    dbfilename: String,
    dir: String,
    pidfile: String,
    bind: String,
    port: u16,
    cache: Option<Cache>,
    directives: Vec<Directive>,
    include: Option<String>,
}

#[derive(Debug, Serialize)]
struct Cache {
    maxmemory: String,
    policy: &'static str,
}

#[derive(Debug, Serialize)]
struct Directive {
    key: String,
    words: Vec<String>,
}

impl Directive {
    fn new(key: &str, words: &[&str]) -> Self {
        Self { key: key.to_owned(), words: words.iter().map(|&word| word.to_owned()).collect() }
    }

    fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

/// Directives that cannot be added, beside those that the settings refuse: what to do instead.
const SETTLED: [(&str, &str); 3] = [
    ("requirepass", "write the password in the URL"),
    ("tls-port", "write a `rediss://` URL"),
    ("user", "write user and password in the URL, or the line in the server's `.local.conf`"),
];

/// The same, for the cache.
const SETTLED_FOR_CACHE: [(&str, &str); 2] = [
    ("appendonly", "remove it: a cache is not kept on disk"),
    ("save", "remove it: a cache is not kept on disk"),
];

/// Renders the file of each server that this bench runs.
pub fn render(scene: &Scene<'_>) -> Result<Vec<Rendered>> {
    no_pattern(scene)?;
    let filler = Filler::new(TEMPLATE)?;
    scene.servers().iter().map(|server| render_one(scene, server, &filler)).collect()
}

/// From 7.0 on, redis-server takes such a path of its own file for a pattern; where that matches nothing
/// it starts all the same, with no setting of ours.
fn no_pattern(scene: &Scene<'_>) -> Result<()> {
    let root = scene.root()?;
    if scene.servers().is_empty() || !root.contains(['*', '?', '[']) {
        return Ok(());
    }
    Err(Error::usage(
        Problem::new("redis-server takes `*`, `?` and `[` in the path of its file for a pattern")
            .at(root)
            .fix("move the bench to a directory whose path has none of them"),
    ))
}

fn render_one(scene: &Scene<'_>, server: &Server<'_>, filler: &Filler) -> Result<Rendered> {
    let conf = conf(scene, server)?;
    let text = filler.fill(&conf)?;
    let mut facts = Vec::new();
    if let Some(cache) = &conf.cache {
        facts.push(format!("maxmemory={}", cache.maxmemory));
        facts.extend(scene.tools.cache_server.iter().map(|server| format!("server={}", server.to_fact())));
    }
    Ok(Rendered {
        path: server.file().into(),
        text: seal(&text, Comment::Hash, &facts),
        is_private: server.settings.url.password().is_some(),
        syntax: Syntax::Redis,
    })
}

fn conf(scene: &Scene<'_>, server: &Server<'_>) -> Result<Conf> {
    let Server { name, settings } = *server;
    let version = scene.tools.cache_server.as_ref().map(|server| server.version);
    let is_cache = name == "redis_cache";
    let cache = is_cache.then(|| Cache {
        maxmemory: maxmemory(scene.settings.redis_cache.maxmemory),
        policy: policy(scene.settings.redis_cache.maxmemory_policy),
    });
    let port = match settings.port {
        Some(port) if !settings.url.is_tls() => port.number(),
        _ => 0,
    };
    let local = format!("config/{name}.local.conf");
    let include = scene.tools.local_files.contains(&name).then(|| scene.path(&local)).transpose()?;
    Ok(Conf {
        name,
        dbfilename: format!("{name}.rdb"),
        dir: scene.path("config/pids")?,
        pidfile: scene.path(&format!("config/pids/{name}.pid"))?,
        bind: settings.bind.to_string(),
        port,
        cache,
        directives: directives(server, version)?,
        include,
    })
}

/// The value of `maxmemory`: whole mebibytes where it is that, as everybody writes it.
pub fn maxmemory(limit: MaxMemory) -> String {
    match limit {
        MaxMemory::Unlimited => "0".to_owned(),
        MaxMemory::Limit(bytes) if bytes.0 % (1 << 20) == 0 => format!("{}mb", bytes.mib()),
        MaxMemory::Limit(bytes) => bytes.0.to_string(),
    }
}

/// The value of `maxmemory-policy`.
pub const fn policy(policy: EvictionPolicy) -> &'static str {
    match policy {
        EvictionPolicy::AllkeysLru => "allkeys-lru",
        EvictionPolicy::AllkeysLfu => "allkeys-lfu",
        EvictionPolicy::AllkeysRandom => "allkeys-random",
        EvictionPolicy::VolatileLru => "volatile-lru",
        EvictionPolicy::VolatileLfu => "volatile-lfu",
        EvictionPolicy::VolatileRandom => "volatile-random",
        EvictionPolicy::VolatileTtl => "volatile-ttl",
        EvictionPolicy::Noeviction => "noeviction",
    }
}

/// Whether the server understands what came with this version; one that is not known, what 6.0 had.
fn knows(version: Option<ServerVersion>, major: u32, minor: u32) -> bool {
    version.map_or((major, minor) <= (6, 0), |version| version.understands_redis(major, minor))
}

/// What stands below the documented part.
fn directives(server: &Server<'_>, version: Option<ServerVersion>) -> Result<Vec<Directive>> {
    let Server { name, settings } = *server;
    let mut directives = Vec::new();
    if let (true, Some(port)) = (settings.url.is_tls(), settings.port) {
        directives.push(Directive::new("url", &["tls-port", &port.to_string()]));
        needs_certificate(server)?;
    }
    if let Some(socket) = &settings.socket {
        let key = format!("{name}.socket");
        directives.push(Directive::new(&key, &["unixsocket", &text(socket.clone())?]));
        directives.push(Directive::new(&key, &["unixsocketperm", "700"]));
    }
    directives.extend(login(server, version));
    match name {
        "redis_cache" => {
            // Memory is freed in a thread of its own: a large hash that goes must not stop the rest.
            for what in ["eviction", "expire", "server-del", "user-del"] {
                directives.push(Directive::new("redis_cache", &[&format!("lazyfree-lazy-{what}"), "yes"]));
            }
            if knows(version, 6, 2) {
                directives.push(Directive::new("redis_cache", &["lazyfree-lazy-user-flush", "yes"]));
            }
        }
        "redis_queue" => directives.push(Directive::new("redis_queue", &["maxmemory-policy", "noeviction"])),
        _ => {}
    }
    for extra in extra(server)? {
        directives.retain(|directive| directive.name() != extra.name());
        directives.push(extra);
    }
    Ok(directives)
}

/// The password of the URL, for the server. With a user's name, only this user can enter.
fn login(server: &Server<'_>, version: Option<ServerVersion>) -> Vec<Directive> {
    let url = &server.settings.url;
    let key = format!("{}.url", server.name);
    match (url.username().filter(|&user| user != "default"), url.password()) {
        (_, None) => Vec::new(),
        (None, Some(password)) => vec![Directive::new(&key, &["requirepass", password])],
        (Some(user), Some(password)) => {
            let password = format!(">{password}");
            let mut words = vec!["user", user, "on", &password, "~*"];
            if knows(version, 6, 2) {
                words.push("&*");
            }
            words.push("+@all");
            vec![Directive::new(&key, &["user", "default", "off"]), Directive::new(&key, &words)]
        }
    }
}

/// What the settings add, checked: a directive of the bench's own is replaced, one that has a setting
/// is refused.
fn extra(server: &Server<'_>) -> Result<Vec<Directive>> {
    let mut directives = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in &server.settings.extra {
        let key = format!("{}.extra.{name}", server.name);
        match extra_directive(server, name, value, &key) {
            Ok(directive) => directives.push(directive),
            Err(problem) => problems.push(problem.at(key)),
        }
    }
    if problems.is_empty() {
        Ok(directives)
    } else {
        Err(Error::with_code(crate::exit_code::ExitCode::Usage, problems))
    }
}

fn extra_directive(
    server: &Server<'_>,
    name: &str,
    value: &str,
    key: &str,
) -> std::result::Result<Directive, Problem> {
    let for_cache = if server.name == "redis_cache" { &SETTLED_FOR_CACHE[..] } else { &[] };
    if let Some((_, instead)) =
        SETTLED.iter().chain(for_cache).find(|(settled, _)| settled.eq_ignore_ascii_case(name))
    {
        return Err(Problem::new(format!("`{name}` can't be an extra directive")).fix(*instead));
    }
    let Some(mut words) = split_redis(value) else {
        return Err(Problem::new(format!("the quotes in `{value}` are not balanced")));
    };
    if words.is_empty() {
        words.push(String::new());
    }
    words.insert(0, name.to_owned());
    Ok(Directive { key: key.to_owned(), words })
}

fn needs_certificate(server: &Server<'_>) -> Result<()> {
    let extra = &server.settings.extra;
    if extra.contains_key("tls-cert-file") && extra.contains_key("tls-key-file") {
        return Ok(());
    }
    Err(Error::usage(
        Problem::new(format!("the URL of {} asks for TLS, but the server has no certificate", server.name))
            .at(format!("{}.url", server.name))
            .fix(format!("set `{}.extra.tls-cert-file` and `tls-key-file`", server.name)),
    ))
}
