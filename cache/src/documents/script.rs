//! The scripts: what Redis does in one step, while it serves nobody else.

use std::sync::OnceLock;

use sha1_smol::Sha1;

use crate::connection::{Connection, Pipeline};
use crate::error::RedisError;
use crate::resp::Reply;

/// A script, and the name that Redis knows it by.
pub(super) struct Script {
    text: &'static str,
    sha: OnceLock<String>,
}

impl Script {
    const fn new(text: &'static str) -> Self {
        Self { text, sha: OnceLock::new() }
    }

    /// The SHA-1 of the text in hexadecimal digits, as EVALSHA wants it.
    fn sha(&self) -> &str {
        self.sha.get_or_init(|| Sha1::from(self.text).hexdigest())
    }
}

/// One call of a script: its keys and its other arguments.
pub(super) struct Run<'a> {
    pub(super) script: &'static Script,
    pub(super) keys: Vec<&'a [u8]>,
    pub(super) args: Vec<&'a [u8]>,
}

impl Run<'_> {
    fn add(&self, pipeline: &mut Pipeline, by_name: bool) {
        let count = self.keys.len().to_string();
        let head: [&[u8]; 3] = if by_name {
            [b"EVALSHA", self.script.sha().as_bytes(), count.as_bytes()]
        } else {
            [b"EVAL", self.script.text.as_bytes(), count.as_bytes()]
        };
        let words: Vec<&[u8]> = self.keys.iter().chain(&self.args).copied().collect();
        pipeline.add_with(&head, &words);
    }
}

/// Runs scripts in one round trip; in two where the server has forgotten them, as it does when it restarts.
/// All of them can be run twice.
pub(super) fn run(redis: &mut Connection, runs: &[Run<'_>]) -> Result<Vec<Reply>, RedisError> {
    let mut replies = Vec::new();
    for by_name in [true, false] {
        let mut pipeline = Pipeline::new();
        for run in runs {
            run.add(&mut pipeline, by_name);
        }
        replies = redis.pipeline(&pipeline)?;
        if !replies.iter().any(is_unknown) {
            break;
        }
    }
    match replies.iter().find_map(|reply| if let Reply::Error(error) = reply { Some(error) } else { None }) {
        Some(error) => Err(redis.refused(error.clone())),
        None => Ok(replies),
    }
}

fn is_unknown(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(error) if error.message().starts_with("NOSCRIPT"))
}

macro_rules! script {
    ($($line:expr),* $(,)?) => { Script::new(concat!($($line, "\n"),*)) };
}

// The server's clock is the only one that is asked.
macro_rules! now {
    () => {
        "local clock=redis.call('TIME') local now=clock[1]*1000+math.floor(clock[2]/1000)"
    };
}

// Whether one of the writers' marks is still valid.
macro_rules! written {
    () => {
        "local function written(key) \
         local last=redis.call('ZREVRANGE',key,0,0,'WITHSCORES') \
         return last[2] and tonumber(last[2])>now end"
    };
}

/// What a reader does who found no entry.
///
/// KEYS: entry, lease, writers, other writers, generation, the site's generation.
/// ARGV: a new token, the lease's milliseconds, the field (none: a plain key), `1` to pass over the entry,
/// the generations' milliseconds.
///
/// Answers the entry and the time left to it; 0 if it is being written; or the lease's token and the
/// generations.
pub(super) static LOOK: Script = script!(
    "if ARGV[4]=='' then",
    "  local entry",
    "  if ARGV[3]=='' then entry=redis.call('GET',KEYS[1]) else entry=redis.call('HGET',KEYS[1],ARGV[3]) end",
    "  if entry then return {entry,redis.call('PTTL',KEYS[1])} end",
    "end",
    now!(),
    written!(),
    "if written(KEYS[3]) or written(KEYS[4]) then return 0 end",
    "local function held(key,time)",
    "  local token=redis.call('GET',key)",
    "  if not token then token=ARGV[1] redis.call('SET',key,token,'PX',time) end",
    "  return token",
    "end",
    "return {held(KEYS[2],ARGV[2]),held(KEYS[5],ARGV[5]),held(KEYS[6],ARGV[5])}",
);

/// What a reader does with what he read.
///
/// KEYS: as for [`LOOK`]. ARGV: the lease's token, the generations, the field (none: a plain key), what to
/// store, the milliseconds to keep it (0: no end).
///
/// Answers whether it was stored.
pub(super) static FILL: Script = script!(
    "if redis.call('GET',KEYS[2])~=ARGV[1] or redis.call('GET',KEYS[5])~=ARGV[2]",
    "  or redis.call('GET',KEYS[6])~=ARGV[3] then return 0 end",
    now!(),
    written!(),
    "if written(KEYS[3]) or written(KEYS[4]) then return 0 end",
    "if ARGV[4]~='' then",
    "  redis.call('HSET',KEYS[1],ARGV[4],ARGV[5])",
    // Fields have no end of their own: the hash ends with its first field.
    "  if ARGV[6]~='0' and redis.call('PTTL',KEYS[1])<0 then redis.call('PEXPIRE',KEYS[1],ARGV[6]) end",
    "elseif ARGV[6]=='0' then redis.call('SET',KEYS[1],ARGV[5])",
    "else redis.call('SET',KEYS[1],ARGV[5],'PX',ARGV[6]) end",
    "redis.call('DEL',KEYS[2])",
    "return 1",
);

/// What a writer does before a statement.
///
/// KEYS: the entry (of a whole doctype: the generation), the lease, the writers, all writers of the doctype,
/// the hash `last_modified`, its lease.
/// ARGV: the writer, the milliseconds that his mark is valid, the doctype.
///
/// First what may be done by a server that is full: after that Redis lets a script do the rest.
pub(super) static TOUCH: Script = script!(
    "redis.call('UNLINK',KEYS[1],KEYS[2],KEYS[6])",
    "redis.call('HDEL',KEYS[5],ARGV[3])",
    now!(),
    "for at=3,4 do",
    "  redis.call('ZREMRANGEBYSCORE',KEYS[at],'-inf',now)",
    "  redis.call('ZADD',KEYS[at],now+ARGV[2],ARGV[1])",
    "  if redis.call('PTTL',KEYS[at])<tonumber(ARGV[2]) then redis.call('PEXPIRE',KEYS[at],ARGV[2]) end",
    "end",
    "return 1",
);

/// What a writer does at the end of his transaction.
///
/// KEYS: as for [`TOUCH`]. ARGV: the writer, the doctype.
///
/// Answers whether his mark was still valid.
pub(super) static FINISH: Script = script!(
    "redis.call('UNLINK',KEYS[1],KEYS[2],KEYS[6])",
    "redis.call('HDEL',KEYS[5],ARGV[2])",
    now!(),
    "local mark=redis.call('ZSCORE',KEYS[3],ARGV[1])",
    "redis.call('ZREM',KEYS[3],ARGV[1])",
    "redis.call('ZREM',KEYS[4],ARGV[1])",
    "if mark and tonumber(mark)>now then return 1 end",
    "return 0",
);
