//! Readers and writers of one document in any order, with a server that forgets: what is in the cache is
//! never older than the commits that it has to know of.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use dontmanage_cache::{
    Cache, Client, ClientOptions, DOCUMENT_LIFETIME, Deadlines, Documents, KeyPrefix, Lease, Look, Writes,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::server::{PATIENCE, Server};

static CASES: AtomicU32 = AtomicU32::new(0);

/// What may happen next. Numbers are those of readers and writers.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A reader asks the cache.
    Look(usize),
    /// He reads the database.
    Read(usize),
    /// He stores what he has read.
    Fill(usize),
    /// A writer tells of a change to come.
    Touch(usize),
    /// The same for the whole doctype.
    TouchDoctype(usize),
    /// The same, and the server is not reached.
    TouchLost(usize),
    /// Before the commit.
    Committing(usize),
    /// The database commits.
    Commit(usize),
    /// The writer tells of the transaction's end.
    Finish(usize),
    /// The writer dies instead.
    Die(usize),
    /// Someone unknown to the cache commits, and then invalidates by hand: the document, the doctype, all.
    ByHand(usize),
    /// The server forgets a key of ours, or all.
    Forget(usize),
}

const WHO: usize = 2;

fn step() -> impl Strategy<Value = Step> {
    let who = 0..WHO;
    prop_oneof![
        4 => who.clone().prop_map(Step::Look),
        4 => who.clone().prop_map(Step::Read),
        4 => who.clone().prop_map(Step::Fill),
        3 => who.clone().prop_map(Step::Touch),
        1 => who.clone().prop_map(Step::TouchDoctype),
        1 => who.clone().prop_map(Step::TouchLost),
        1 => who.clone().prop_map(Step::Committing),
        3 => who.clone().prop_map(Step::Commit),
        3 => who.clone().prop_map(Step::Finish),
        1 => who.prop_map(Step::Die),
        2 => (0..3usize).prop_map(Step::ByHand),
        1 => (0..KEYS.len() + 1).prop_map(Step::Forget),
    ]
}

const KEYS: [&str; 7] = [
    "document_cache::Item::apple",
    "document_lease::Item::apple",
    "document_writers::Item::apple",
    "document_writers::Item",
    "document_changes::Item",
    "document_generation::Item",
    "document_generation",
];

#[derive(Default)]
struct Reader {
    lease: Option<Lease>,
    version: Option<u64>,
}

#[derive(Default)]
struct Writer {
    writes: Option<Writes>,
    committed: Option<u64>,
    /// Whether the server has known of him all the time, so that even his death leaves nothing old.
    known: bool,
}

/// How readers store and writers write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Leases,
    /// As everybody does it first: store what was read, delete after the commit.
    DeleteOnSave,
}

struct World {
    mode: Mode,
    cache: Cache,
    documents: Documents,
    about_time: bool,
    readers: [Reader; WHO],
    writers: [Writer; WHO],
    database: u64,
    /// Versions that nothing in the cache may be older than.
    told: BTreeSet<u64>,
}

impl World {
    /// In a site of its own. It is about a document, or about the time of the doctype's last change.
    fn new(server: &Server, mode: Mode, about_time: bool) -> Self {
        let prefix = format!("case{}", CASES.fetch_add(1, Ordering::Relaxed));
        let deadlines = Deadlines::default().connect(PATIENCE).reply(PATIENCE);
        let client = Client::with_options(server.url(), ClientOptions::new().deadlines(deadlines));
        let cache = Cache::new(client, KeyPrefix::new(&prefix).expect("a prefix"));
        Self {
            mode,
            documents: Documents::new(&cache),
            cache,
            about_time,
            readers: Default::default(),
            writers: Default::default(),
            database: 0,
            told: BTreeSet::new(),
        }
    }

    fn look(&self) -> Look {
        if self.about_time {
            self.documents.look_last_modified("Item")
        } else {
            self.documents.look("Item", "apple")
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Look(who) => {
                let look = self.look();
                let reader = &mut self.readers[who];
                *reader = Reader::default();
                if let Look::Read(lease) = look {
                    reader.lease = Some(lease);
                }
            }
            Step::Read(who) => {
                if self.readers[who].lease.is_some() && self.readers[who].version.is_none() {
                    self.readers[who].version = Some(self.database);
                }
            }
            Step::Fill(who) => {
                let Reader { lease: Some(lease), version: Some(version) } =
                    std::mem::take(&mut self.readers[who])
                else {
                    return;
                };
                let bytes = version.to_string();
                if self.mode == Mode::Leases {
                    self.documents.fill(lease, bytes.as_bytes(), DOCUMENT_LIFETIME);
                } else {
                    let key = self.documents.key("Item", "apple");
                    self.cache.store().set(&key, bytes.as_bytes(), DOCUMENT_LIFETIME).expect("SET");
                }
            }
            Step::Touch(who) => self.touch(who, |writes| writes.touch("Item", "apple")),
            Step::TouchDoctype(who) => self.touch(who, |writes| writes.touch_doctype("Item")),
            Step::TouchLost(who) => {
                let writer = &mut self.writers[who];
                if writer.writes.is_none() {
                    // The library would try again before the commit; here that is lost too.
                    *writer = Writer { writes: Some(self.documents.writes()), committed: None, known: false };
                }
            }
            Step::Committing(who) => {
                let writer = &mut self.writers[who];
                if let (Some(writes), None) = (&mut writer.writes, writer.committed) {
                    assert!(writes.committing());
                }
            }
            Step::Commit(who) => {
                let writer = &mut self.writers[who];
                if writer.writes.is_some() && writer.committed.is_none() {
                    self.database += 1;
                    writer.committed = Some(self.database);
                    if writer.known && self.mode == Mode::Leases {
                        // Nothing old is there, and nothing old can come.
                        self.told.insert(self.database);
                    }
                }
            }
            Step::Finish(who) => self.finish(who),
            Step::Die(who) => std::mem::forget(std::mem::take(&mut self.writers[who])),
            Step::ByHand(how) => {
                self.database += 1;
                assert!(match how {
                    0 => self.documents.invalidate("Item", "apple"),
                    1 => self.documents.invalidate_doctype("Item"),
                    _ => self.documents.invalidate_all(),
                });
                self.told.insert(self.database);
            }
            Step::Forget(which) => {
                let all = KEYS.iter().map(|key| self.cache.make_key(*key));
                let gone: Vec<Vec<u8>> = match KEYS.get(which) {
                    Some(key) => vec![self.cache.make_key(*key)],
                    None => all.collect(),
                };
                self.cache.store().delete(&gone).expect("UNLINK");
                if which >= 2 {
                    // From now on their ends have to be told.
                    for writer in &mut self.writers {
                        writer.known = false;
                    }
                }
            }
        }
    }

    fn touch(&mut self, who: usize, touch: impl FnOnce(&mut Writes) -> bool) {
        let writer = &mut self.writers[who];
        if writer.writes.is_some() {
            return;
        }
        let mut change = self.documents.writes();
        if self.mode == Mode::Leases {
            assert!(touch(&mut change));
        }
        *writer = Writer { writes: Some(change), committed: None, known: self.mode == Mode::Leases };
    }

    fn finish(&mut self, who: usize) {
        let writer = std::mem::take(&mut self.writers[who]);
        let Some(mut change) = writer.writes else { return };
        if self.mode == Mode::Leases {
            // Of one whose touch was lost, as the library does at the end.
            if !change.holds("Item", "apple") {
                assert!(self.documents.invalidate("Item", "apple"));
            }
            assert!(if writer.committed.is_some() { change.committed() } else { change.rolled_back() });
        } else {
            self.cache.store().delete(&[self.documents.key("Item", "apple")]).expect("UNLINK");
        }
        self.told.extend(writer.committed);
    }

    /// What another process gets from the cache, if it gets anything.
    fn check(&self) -> Result<(), TestCaseError> {
        let Look::Found(found) = self.look() else { return Ok(()) };
        let text = String::from_utf8(found.pickle).expect("a number");
        let version: u64 = text.parse().expect("a number");
        let floor = self.told.last().copied().unwrap_or(0);
        prop_assert!(version >= floor, "version {version} is in the cache after {floor} was committed");
        Ok(())
    }
}

fn run(mode: Mode, about_time: bool, cases: u32) -> Result<(), TestError<Vec<Step>>> {
    // One for the whole search, which ends with it.
    let server = Server::start();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&prop::collection::vec(step(), 1..60), |steps| {
        let mut world = World::new(&server, mode, about_time);
        for step in steps {
            world.take(step);
            world.check()?;
        }
        Ok(())
    })
}

#[test]
fn in_no_order_of_steps_is_an_entry_older_than_a_commit_it_must_know_of() {
    for about_time in [false, true] {
        run(Mode::Leases, about_time, 800).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_same_search_finds_what_is_wrong_with_delete_on_save() {
    let found = run(Mode::DeleteOnSave, false, 4000);
    assert!(matches!(found, Err(TestError::Fail(..))), "the search can't fail");
}
