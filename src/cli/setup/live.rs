//! A redis-server that is running gets new settings without a restart, so that the cache stays warm.

use std::path::Path;
use std::time::Duration;

use dontmanage_cache::{Connection, Deadlines, RedisUrl, Reply};

use super::Setup;
use crate::files::{MAX_TEXT, read_text};
use crate::render::{Server, directive_words, read_maxmemory};
use crate::settings::MaxMemory;

/// How long a server may take for one answer. Who does not answer is not told anything.
const PATIENCE: Duration = Duration::from_secs(1);

/// What only a start settles, and where a change is not for a running server: who is connected would be
/// cut off, or its files would be elsewhere.
const NEEDS_RESTART: [&str; 10] = [
    "bind",
    "dbfilename",
    "dir",
    "pidfile",
    "port",
    "requirepass",
    "tls-port",
    "unixsocket",
    "unixsocketperm",
    "user",
];

/// Lets this bench's running server take over what its file says now. `before` is what the file said.
/// Nothing here fails the command: the file is right, and the next start reads it.
pub fn apply(setup: &Setup<'_>, server: &Server<'_>, before: Option<&str>) {
    let Some(mut running) = connect(setup, server) else { return };
    let file = setup.dir.join(server.file());
    let Ok(Some(text)) = read_text(&file, MAX_TEXT) else { return };
    let mut wanted = directive_words(&text);
    // The user's own file is read last, and wins.
    if let Ok(Some(local)) =
        read_text(&setup.dir.join(format!("config/{}.local.conf", server.name)), MAX_TEXT)
    {
        for words in directive_words(&local) {
            wanted.retain(|known| known[0] != words[0]);
            wanted.push(words);
        }
    }
    let mut restart = Vec::new();
    for words in &wanted {
        let [name, values @ ..] = words.as_slice() else { continue };
        if name == "include" {
            continue;
        }
        let value = values.join(" ");
        match running.bring(name, &value) {
            Step::Same => {}
            Step::Changed(was) => {
                // A password is nothing to show.
                let is_secret = name.contains("pass") || name.contains("auth");
                let change = if is_secret {
                    format!("`{name}`")
                } else {
                    format!("`{name} {value}` (it was `{was}`)")
                };
                setup.context.say(format!("note: {}, which is running, took over {change}", server.name));
            }
            Step::NeedsRestart => restart.push(name.clone()),
        }
    }
    let gone = directive_words(before.unwrap_or_default()).into_iter().map(|words| words[0].clone());
    restart.extend(gone.filter(|name| name != "aclfile" && wanted.iter().all(|words| words[0] != *name)));
    if !restart.is_empty() {
        restart.dedup();
        setup.context.say(format!(
            "note: {} is running, and takes over {} only when it is started again: `bench restart {}`",
            server.name,
            restart.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            server.name
        ));
    }
}

/// What came of bringing one directive to the running server.
enum Step {
    Same,
    Changed(String),
    NeedsRestart,
}

struct Running(Connection);

/// A connection to this bench's own server, if it is running.
fn connect(setup: &Setup<'_>, server: &Server<'_>) -> Option<Running> {
    let socket = server.settings.socket.as_ref().filter(|socket| socket.exists());
    let by_socket = socket.map(|socket| server.settings.url.by_socket(socket));
    let urls: Vec<RedisUrl> = by_socket.into_iter().chain([server.settings.url.clone()]).collect();
    let deadlines = Deadlines::default().connect(PATIENCE).reply(PATIENCE);
    let mut running = urls.iter().find_map(|url| Connection::open(url, &deadlines).ok()).map(Running)?;
    // Another bench's server, or the system's, is nothing to change.
    let is_ours = running.config_file() == setup.dir.join(server.file()).canonicalize().ok()
        && running.get("dir").is_some_and(|dir| is_same(Path::new(&dir), &setup.dir.join("config/pids")));
    is_ours.then_some(running)
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

impl Running {
    fn config_file(&mut self) -> Option<std::path::PathBuf> {
        let info = self.0.info("server").ok()?;
        Path::new(info.get("config_file")?).canonicalize().ok()
    }

    fn get(&mut self, name: &str) -> Option<String> {
        let reply = self.0.command(&[b"CONFIG", b"GET", name.as_bytes()]).ok()?;
        let value = reply.as_array()?.get(1).and_then(Reply::as_bytes)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn bring(&mut self, name: &str, value: &str) -> Step {
        // What it does not know it can't have had from the file.
        let Some(was) = self.get(name) else { return Step::Same };
        if means_the_same(&was, value) {
            return Step::Same;
        }
        if NEEDS_RESTART.contains(&name) {
            return Step::NeedsRestart;
        }
        if self.0.command(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]).is_err() {
            return Step::NeedsRestart;
        }
        match self.get(name) {
            Some(now) if now == was => Step::Same,
            _ => Step::Changed(was),
        }
    }
}

/// Whether two spellings of a value are one: sizes by their bytes, modes and addresses as they are.
fn means_the_same(was: &str, value: &str) -> bool {
    let bytes = |text: &str| match read_maxmemory(text) {
        Some(MaxMemory::Limit(bytes)) => Some(bytes),
        _ => None,
    };
    was.eq_ignore_ascii_case(value) || (bytes(was).is_some() && bytes(was) == bytes(value))
}
