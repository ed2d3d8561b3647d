//! What one database transaction changes.

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use super::Documents;
use super::names::{self, WriterKeys};
use super::owed::Debt;
use super::script::{self, Run};
use crate::client::{Call, Client};
use crate::connection::{Connection, Pipeline};
use crate::error::RedisError;
use crate::key::{Beginning, KeyPrefix};
use crate::resp::Reply;
use crate::scan;
use crate::server_error::ServerErrorKind;

/// How many documents one round trip concerns.
const BATCH: usize = 200;

/// What one database transaction changes: told before each statement, and at the transaction's end.
///
/// From [`touch`](Self::touch) to the end nobody stores the document in the cache, and at the end whatever
/// may be there goes. One that is dropped before its end has been told is taken for rolled back.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// # fn execute(_: &str) {}
/// # fn commit() {}
/// use dontmanage_cache::Documents;
///
/// let mut writes = Documents::new(&cache).writes();
/// writes.touch("Item", "apple");
/// execute("update item set price = 3 where name = 'apple'");
/// writes.committing();
/// commit();
/// writes.committed();
/// ```
pub struct Writes {
    documents: Documents,
    writer: Vec<u8>,
    pid: u32,
    /// By doctype, and by name within it; no name is all of the doctype.
    touched: HashMap<String, HashMap<Option<String>, Touched>>,
}

struct Touched {
    at: Instant,
    /// Whether the server knows of it.
    reached: bool,
}

impl Writes {
    pub(super) fn new(documents: Documents) -> Self {
        Self { documents, writer: crate::memo::token(), pid: std::process::id(), touched: HashMap::new() }
    }

    /// Tells that the next statement changes a document. Nobody stores it from now on, and what was stored
    /// is gone. Whether the server knows it; if not, it is told again before the end.
    pub fn touch(&mut self, doctype: &str, name: &str) -> bool {
        self.touch_one(doctype, Some(name))
    }

    /// The same for all documents of a doctype: for a statement of which is not known whom it will change.
    pub fn touch_doctype(&mut self, doctype: &str) -> bool {
        self.touch_one(doctype, None)
    }

    fn touch_one(&mut self, doctype: &str, name: Option<&str>) -> bool {
        let renew = self.documents.times.mark / 4;
        let place = name.map(str::to_owned);
        let known = self.touched.get(doctype).and_then(|names| names.get(&place));
        if known.is_some_and(|touched| touched.reached && touched.at.elapsed() < renew) {
            // Nobody can have stored it since.
            return true;
        }
        let at = Instant::now();
        let reached = self.announce(&[(doctype, name)]).is_ok();
        self.touched.entry(doctype.to_owned()).or_default().insert(place, Touched { at, reached });
        reached
    }

    /// Whether the transaction has changed the document: then it is read within the transaction, around the
    /// cache, and not stored.
    #[must_use]
    pub fn holds(&self, doctype: &str, name: &str) -> bool {
        self.touched
            .get(doctype)
            .is_some_and(|names| names.contains_key(&None) || names.contains_key(&Some(name.to_owned())))
    }

    /// Whether the transaction has changed anything of the doctype.
    #[must_use]
    pub fn holds_doctype(&self, doctype: &str) -> bool {
        self.touched.contains_key(doctype)
    }

    /// What has been told of: the doctype, and the document's name; no name is all of the doctype.
    pub fn touched(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.places().map(|(doctype, name, _)| (doctype, name))
    }

    /// Whether nothing has been changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }

    /// To be called before the commit: tells the server again what did not reach it, and what was told so
    /// long ago that it may forget it. Usually it asks nothing. Whether the server knows all.
    pub fn committing(&mut self) -> bool {
        let renew = self.documents.times.mark / 4;
        let late: Vec<(String, Option<String>)> = self
            .places()
            .filter(|(_, _, touched)| !touched.reached || touched.at.elapsed() >= renew)
            .map(|(doctype, name, _)| (doctype.to_owned(), name.map(str::to_owned)))
            .collect();
        let mut all = true;
        for batch in late.chunks(BATCH) {
            let at = Instant::now();
            let batch: Vec<(&str, Option<&str>)> =
                batch.iter().map(|(doctype, name)| (doctype.as_str(), name.as_deref())).collect();
            let reached = self.announce(&batch).is_ok();
            all &= reached;
            for (doctype, name) in batch {
                if let Some(touched) =
                    self.touched.get_mut(doctype).and_then(|names| names.get_mut(&name.map(str::to_owned)))
                    && reached
                {
                    *touched = Touched { at, reached };
                }
            }
        }
        all
    }

    /// To be called after the commit, before anybody is told of it. Whether the server knows it; if not, the
    /// process goes on trying.
    pub fn committed(&mut self) -> bool {
        self.finish()
    }

    /// To be called after the rollback.
    pub fn rolled_back(&mut self) -> bool {
        self.finish()
    }

    fn places(&self) -> impl Iterator<Item = (&str, Option<&str>, &Touched)> {
        self.touched.iter().flat_map(|(doctype, names)| {
            names.iter().map(move |(name, touched)| (doctype.as_str(), name.as_deref(), touched))
        })
    }

    fn finish(&mut self) -> bool {
        let touched = std::mem::take(&mut self.touched);
        let places: Vec<(&str, Option<&str>, bool)> = touched
            .iter()
            .flat_map(|(doctype, names)| {
                names.iter().map(move |(name, told)| (doctype.as_str(), name.as_deref(), told.reached))
            })
            .collect();
        let mut all = true;
        for batch in places.chunks(BATCH) {
            if self.conclude(batch).is_err() {
                all = false;
                let debts = batch
                    .iter()
                    .map(|(doctype, name, _)| Debt::new(self.prefix(), Some(doctype), *name, &self.writer))
                    .collect();
                self.client().owed().add(self.client(), debts);
            }
        }
        // A transaction of its own from now on: a mark that arrives late must not be taken for its.
        self.writer = crate::memo::token();
        all
    }

    /// Tells the server of changes to come.
    fn announce(&self, places: &[(&str, Option<&str>)]) -> Result<(), RedisError> {
        let keys: Vec<WriterKeys> =
            places.iter().map(|(doctype, name)| WriterKeys::new(self.prefix(), doctype, *name)).collect();
        let mark = self.documents.times.mark.as_millis().to_string();
        self.client().run(Call::Write, |redis| touch(redis, &keys, &self.writer, mark.as_bytes()))?;
        for (doctype, name) in places {
            if name.is_none() {
                remove(self.client(), &names::entries_of(self.prefix(), doctype))?;
            }
        }
        Ok(())
    }

    /// Tells the server of the end of changes, also while calls are held back: what a reader may store must
    /// not outlast the transaction. With each place comes whether its announcement was done as a whole.
    fn conclude(&self, places: &[(&str, Option<&str>, bool)]) -> Result<(), RedisError> {
        let keys: Vec<WriterKeys> =
            places.iter().map(|(doctype, name, _)| WriterKeys::new(self.prefix(), doctype, *name)).collect();
        let marked = self.client().insist(Call::Write, |redis| finish(redis, &keys, &self.writer))?;
        for ((doctype, name, announced), marked) in places.iter().zip(marked) {
            // If all had been removed, nobody could store anything while the mark was valid.
            if name.is_none() && !(*announced && marked) {
                remove(self.client(), &names::entries_of(self.prefix(), doctype))?;
            }
        }
        Ok(())
    }

    fn prefix(&self) -> &KeyPrefix {
        &self.documents.cache.prefix
    }

    fn client(&self) -> &Client {
        &self.documents.cache.client
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        // A forked child has a copy of its parent's transaction, not the transaction.
        if !self.touched.is_empty() && self.pid == std::process::id() {
            self.finish();
        }
    }
}

impl fmt::Debug for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writes").field("changed", &self.places().count()).finish_non_exhaustive()
    }
}

/// Removes entries, in bounded steps. No lease from before may still be valid.
fn remove(client: &Client, entries: &Beginning) -> Result<(), RedisError> {
    client.insist(Call::Write, |redis| scan::remove(redis, entries, &mut 0))
}

fn touch(redis: &mut Connection, keys: &[WriterKeys], writer: &[u8], mark: &[u8]) -> Result<(), RedisError> {
    let runs: Vec<Run<'_>> = keys
        .iter()
        .map(|keys| Run { script: &script::TOUCH, keys: keys.all(), args: vec![writer, mark, &keys.doctype] })
        .collect();
    match script::run(redis, &runs) {
        Err(error) if is_forbidden(&error) => without_scripts(redis, keys),
        done => done.map(drop),
    }
}

/// For each place, whether the writer's mark was still valid.
pub(super) fn finish(
    redis: &mut Connection,
    keys: &[WriterKeys],
    writer: &[u8],
) -> Result<Vec<bool>, RedisError> {
    let runs: Vec<Run<'_>> = keys
        .iter()
        .map(|keys| Run { script: &script::FINISH, keys: keys.all(), args: vec![writer, &keys.doctype] })
        .collect();
    match script::run(redis, &runs) {
        Err(error) if is_forbidden(&error) => without_scripts(redis, keys).map(|()| vec![false; keys.len()]),
        replies => Ok(replies?.iter().map(|reply| *reply == Reply::Int(1)).collect()),
    }
}

/// Where no scripts may be run, nobody can have stored anything either, but for what was there before.
fn without_scripts(redis: &mut Connection, keys: &[WriterKeys]) -> Result<(), RedisError> {
    let mut pipeline = Pipeline::new();
    for keys in keys {
        pipeline.add(&[b"UNLINK", &keys.first, &keys.lease, &keys.last_modified_lease]);
        pipeline.add(&[b"HDEL", &keys.last_modified, &keys.doctype]);
    }
    let refusal = redis
        .pipeline(&pipeline)?
        .into_iter()
        .find_map(|reply| if let Reply::Error(error) = reply { Some(error) } else { None });
    refusal.map_or(Ok(()), |error| Err(redis.refused(error)))
}

fn is_forbidden(error: &RedisError) -> bool {
    error.server_error().is_some_and(|error| error.kind() == ServerErrorKind::NoPerm)
}
