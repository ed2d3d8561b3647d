//! Questions of several callers, answered in one round trip: for event loops, whose tasks ask at the same
//! time and must not be held up by each other.

use std::time::{Duration, Instant};

use crate::client::Call;
use crate::connection::Pipeline;
use crate::envelope::Place;
use crate::error::RedisError;
use crate::lifetime::{Lifetime, Ttl};
use crate::memo;
use crate::resp::Reply;
use crate::store::{Found, Store, add_set, found, still_there};
use crate::tally::{Counts, Note};

/// What one caller wants of the server: a single step, that others may travel with.
///
/// Keys are full keys.
#[derive(Debug)]
#[non_exhaustive]
pub enum Question {
    /// The value of a key; with the time left to it if it is `timed`.
    Find {
        /// The key.
        key: Vec<u8>,
        /// Whether the answer tells the time left; [`Ttl::Unlimited`] otherwise.
        timed: bool,
    },
    /// A field of a hash.
    FindField {
        /// The hash's key.
        key: Vec<u8>,
        /// The field.
        field: Vec<u8>,
        /// Whether the answer tells the time left to the hash.
        timed: bool,
    },
    /// To store a value.
    Set {
        /// The key.
        key: Vec<u8>,
        /// The pickle of the value.
        pickle: Vec<u8>,
        /// How long it is kept.
        lifetime: Lifetime,
    },
    /// To store a field of a hash.
    SetField {
        /// The hash's key.
        key: Vec<u8>,
        /// The field.
        field: Vec<u8>,
        /// The pickle of the value.
        pickle: Vec<u8>,
        /// Whether the answer tells the time left to the hash, which keeps its lifetime.
        timed: bool,
    },
    /// Any command on one key.
    Command {
        /// What it means.
        call: Call,
        /// The command's words.
        words: Vec<Vec<u8>>,
    },
    /// Whether a function's answer is there. Where it is not, the call's next look goes on from here.
    Peek(Box<memo::Call>),
}

/// What became of a [`Question`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The value.
    Found(Found),
    /// There is none, or one that is not taken.
    Missing,
    /// It is stored.
    Done,
    /// It is stored in a hash that has this time left.
    Stored(Ttl),
    /// What the server says to a command.
    Reply(Reply),
    /// The server is there and says no.
    Refused,
    /// The server was not reached, or did not answer in time.
    Away,
}

impl Question {
    /// Whether it may be asked again if a connection turns out to be closed. Those that may not should not
    /// travel with those that may.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Command { call: Call::Once, .. })
    }

    /// What it means for the server.
    fn call(&self) -> Call {
        match self {
            Self::Find { .. } | Self::FindField { .. } | Self::Peek(_) => Call::Read,
            Self::Set { .. } | Self::SetField { .. } => Call::Write,
            Self::Command { call, .. } => *call,
        }
    }

    /// Its first command, for messages.
    fn command(&self) -> &'static str {
        match self {
            Self::Find { .. } | Self::Peek(_) => "GET",
            Self::FindField { .. } => "HGET",
            Self::Set { .. } => "SET",
            Self::SetField { .. } => "HSET",
            Self::Command { .. } => "a command",
        }
    }

    /// Whether a server can reply so to the first command.
    fn is_answer(&self, reply: &Reply) -> bool {
        match (self, reply) {
            (_, Reply::Error(_)) | (Self::Command { .. }, _) => true,
            (Self::Find { .. } | Self::FindField { .. } | Self::Peek(_), reply) => {
                matches!(reply, Reply::Bulk(_) | Reply::Nil)
            }
            (Self::Set { .. }, reply) => *reply == Reply::Status(b"OK".to_vec()),
            (Self::SetField { .. }, reply) => matches!(reply, Reply::Int(_)),
        }
    }

    /// Appends its commands. How many bytes the value has that it stores.
    fn add(&self, store: Store<'_>, pipeline: &mut Pipeline) -> usize {
        match self {
            Self::Find { key, timed } => {
                pipeline.add(&[b"GET", key]);
                // The envelope knows the end.
                if *timed && !store.is_signed() {
                    pipeline.add(&[b"PTTL", key]);
                }
            }
            Self::FindField { key, field, timed } => {
                pipeline.add(&[b"HGET", key, field]);
                if *timed {
                    pipeline.add(&[b"PTTL", key]);
                }
            }
            Self::Set { key, pickle, lifetime } => {
                let sealed = store.sealed(Place { key, field: None }, pickle, *lifetime);
                let stored = sealed.as_deref().unwrap_or(pickle);
                add_set(pipeline, key, stored, *lifetime);
                return stored.len();
            }
            Self::SetField { key, field, pickle, timed } => {
                let sealed = store.sealed(Place { key, field: Some(field) }, pickle, Lifetime::NONE);
                let stored = sealed.as_deref().unwrap_or(pickle);
                pipeline.add(&[b"HSET", key, field, stored]);
                if *timed {
                    pipeline.add(&[b"PTTL", key]);
                }
                return stored.len();
            }
            Self::Command { words, .. } => {
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                pipeline.add(&words);
            }
            Self::Peek(call) => call.add_get(pipeline),
        }
        0
    }

    /// What is counted of its key; none for a command, which may be about anything.
    fn counts<'c>(&'c self, store: Store<'c>) -> Option<&'c Counts> {
        match self {
            Self::Find { key, .. }
            | Self::FindField { key, .. }
            | Self::Set { key, .. }
            | Self::SetField { key, .. } => Some(store.counts(key)),
            Self::Command { .. } => None,
            Self::Peek(call) => Some(call.counts()),
        }
    }

    /// Reads the replies to its commands. An error is one that the server told.
    fn read(
        &mut self,
        store: Store<'_>,
        mut replies: Vec<Reply>,
        took: Duration,
        stored: usize,
    ) -> Result<Answer, RedisError> {
        let left = if replies.len() > 1 { replies.pop() } else { None };
        let reply = match (replies.pop(), self) {
            (Some(Reply::Error(error)), _) => return Err(store.client().refused(error)),
            (None, _) => return Ok(Answer::Away),
            (Some(reply), Self::Peek(call)) => {
                return Ok(call
                    .peeked(&reply, left.as_ref(), took)
                    .map_or(Answer::Missing, |(pickle, left)| Answer::Found(Found { pickle, left })));
            }
            (Some(reply), Self::Command { .. }) => return Ok(Answer::Reply(reply)),
            (Some(_), Self::Set { key, .. } | Self::SetField { key, .. }) => {
                let counts = store.counts(key);
                counts.write_times.note(took);
                counts.wrote(stored);
                return Ok(left.map_or(Answer::Done, |left| {
                    Answer::Stored(still_there(left.as_int()).unwrap_or(Ttl::Missing))
                }));
            }
            (Some(reply), Self::Find { key, .. }) => (reply, Place { key, field: None }),
            (Some(reply), Self::FindField { key, field, .. }) => (reply, Place { key, field: Some(field) }),
        };
        let mut note = Note::default();
        let (reply, place) = reply;
        let opened = if let Reply::Bulk(bytes) = &reply {
            store.opened_until(bytes, place, &mut note).ok()
        } else {
            note.miss();
            None
        };
        store.counts(place.key).read(&note, Some(took));
        let Some((pickle, ends_at)) = opened else { return Ok(Answer::Missing) };
        let found = match left {
            None if place.field.is_some() => {
                Some(Found { pickle: pickle.into_owned(), left: Ttl::Unlimited })
            }
            None => Some(found(pickle.into_owned(), ends_at)),
            // Gone between the two commands: it is over.
            Some(left) => still_there(left.as_int()).map(|left| Found { pickle: pickle.into_owned(), left }),
        };
        Ok(found.map_or(Answer::Missing, Answer::Found))
    }
}

impl Store<'_> {
    /// Asks all questions in one round trip, with one deadline for all. The answers are in the questions'
    /// order. To be called where it may block.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Answer, Lifetime, Question, Value};
    ///
    /// cache.set_value("a", &Value::from(1), Lifetime::NONE)?;
    /// let key = |name: &str| Question::Find { key: cache.make_key(name), timed: true };
    /// let answers = cache.store().ask_all(&mut [key("a"), key("b")]);
    /// assert!(matches!(answers[..], [Answer::Found(_), Answer::Missing]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ask_all(self, questions: &mut [Question]) -> Vec<Answer> {
        let mut pipeline = Pipeline::new();
        let mut ends = Vec::with_capacity(questions.len());
        let mut sizes = Vec::with_capacity(questions.len());
        for question in &*questions {
            sizes.push(question.add(self, &mut pipeline));
            ends.push(pipeline.len());
        }
        let began = Instant::now();
        let is_repeatable = questions.iter().all(Question::is_repeatable);
        // Writes are noted one by one, below.
        let call = if is_repeatable { Call::Read } else { Call::Once };
        let mut replies = Vec::with_capacity(pipeline.len());
        let asked = self.client().run(call, |redis| {
            replies.clear();
            redis.queries_together(&pipeline, |reply| replies.push(reply.to_owned())).inspect_err(
                |error| {
                    if matches!(error, RedisError::NotRedis { .. }) {
                        replies.clear();
                    }
                },
            )?;
            let mut start = 0;
            for (question, end) in questions.iter().zip(&ends) {
                if !question.is_answer(&replies[start]) {
                    // Whose reply it is nobody knows then, nor whose the others are.
                    replies.clear();
                    return Err(redis.unexpected(question.command()));
                }
                start = *end;
            }
            Ok(())
        });
        let took = began.elapsed();
        let answered = ends.partition_point(|&end| end <= replies.len());
        if asked.is_err() {
            // The exchange has counted as one call that failed.
            self.client().note_more_failures(&asked, questions.len() - answered);
        }
        let mut replies = replies.into_iter();
        let mut start = 0;
        let mut answers = Vec::with_capacity(questions.len());
        let (mut written, mut refused) = (false, false);
        for (number, ((question, end), stored)) in questions.iter_mut().zip(ends).zip(sizes).enumerate() {
            if number >= answered {
                if let Some(counts) = question.counts(self)
                    && counts.asked(asked.as_ref().err())
                {
                    let times =
                        if question.call() == Call::Read { &counts.read_times } else { &counts.write_times };
                    times.note(took);
                }
                answers.push(self.leave_unasked(question));
                continue;
            }
            let own = replies.by_ref().take(end - start).collect();
            start = end;
            let call = question.call();
            answers.push(question.read(self, own, took, stored).unwrap_or_else(|error| {
                refused |= call != Call::Read;
                self.client().note_refused(call, &error);
                if let Some(counts) = question.counts(self) {
                    counts.errors.add();
                }
                if call != Call::Read {
                    self.note_dropped_write();
                }
                Answer::Refused
            }));
            written |= call == Call::Write;
        }
        if written && !refused {
            self.client().note_written();
        }
        answers
    }

    /// The answer to a question that is not asked, because the server is known to be away.
    #[must_use]
    pub fn leave_unasked(self, question: &Question) -> Answer {
        if question.call() != Call::Read {
            self.note_dropped_write();
        }
        Answer::Away
    }
}
