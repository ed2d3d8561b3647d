//! The same calls for each client.

use dontmanage_cache::{Cache, Client, KeyPrefix, Lifetime, RedisUrl, SigningKey};
use redis::Commands;
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::floor::{Floor, command};

/// Sizes of values: a pickled number, and what the pickle of a document of the framework takes.
const SMALL: usize = 5;
const KB: usize = 1003;
const FIELDS: usize = 10;

/// A value of a Rust worker's own.
#[derive(Serialize, Deserialize, Clone)]
struct Price {
    item: String,
    amount: f64,
    currency: String,
    valid_for: Vec<i64>,
}

/// All that are measured, on connections that are kept.
pub struct Clients {
    socket: String,
    signed: Cache,
    unsigned: Cache,
    peer: redis::Connection,
    price: Price,
}

type Call<'c> = Box<dyn FnMut() -> Outcome<()> + 'c>;

impl Clients {
    /// Connects and stores what will be read.
    pub fn new(socket: &str) -> Outcome<Self> {
        let cache = |name: &str| -> Outcome<Cache> {
            Ok(Cache::new(Client::new(RedisUrl::unix(socket)), KeyPrefix::new(name)?))
        };
        let price = Price {
            item: "ITEM-00042".to_owned(),
            amount: 12.5,
            currency: "EUR".to_owned(),
            valid_for: (0..20).collect(),
        };
        let mut clients = Self {
            socket: socket.to_owned(),
            signed: cache("rs")?.with_signing_key(SigningKey::from_bytes([7; 32])),
            unsigned: cache("ru")?,
            peer: redis::Client::open(format!("unix://{socket}"))?.get_connection()?,
            price,
        };
        for cache in [&clients.signed, &clients.unsigned] {
            cache.strict().set_pickle("small", &[0; SMALL], Lifetime::NONE)?;
            cache.strict().set_pickle("kb", &[0; KB], Lifetime::NONE)?;
            cache.set("price", &clients.price, Lifetime::NONE)?;
        }
        let json = serde_json::to_vec(&clients.price)?;
        for (key, value) in [("peer|small", vec![0; SMALL]), ("peer|kb", vec![0; KB]), ("peer|price", json)] {
            let () = clients.peer.set(key, value)?;
        }
        let mut floor = clients.floor()?;
        for (key, size) in [("floor|small", SMALL), ("floor|kb", KB)] {
            floor.round_trip(&command(&[b"SET", key.as_bytes(), &vec![0; size]]), Some(5))?;
        }
        for number in 0..FIELDS {
            let field = format!("f{number}");
            floor.round_trip(&command(&[b"HSET", b"floor|hash", field.as_bytes(), &[0; KB]]), Some(4))?;
        }
        Ok(clients)
    }

    /// A bare socket of its own.
    pub fn floor(&self) -> std::io::Result<Floor> {
        Floor::open(&self.socket)
    }

    /// A client's way to do a piece of work.
    pub fn call(&mut self, client: &str, workload: &str) -> Outcome<Call<'_>> {
        match client {
            "floor" => self.bare(workload),
            "signed" => ours(&self.signed, &self.price, workload),
            "unsigned" => ours(&self.unsigned, &self.price, workload),
            "redis-rs" => peers(&mut self.peer, &self.price, workload),
            _ => Err(format!("no client is called `{client}`").into()),
        }
    }

    fn bare(&self, workload: &str) -> Outcome<Call<'static>> {
        let (small, kb) = (vec![0; SMALL], vec![0; KB]);
        let bytes = match workload {
            "get_small" => command(&[b"GET", b"floor|small"]),
            "get_kb" => command(&[b"GET", b"floor|kb"]),
            "set_small" => command(&[b"SET", b"floor|small", &small]),
            "set_kb" => command(&[b"SET", b"floor|kb", &kb]),
            "hget_kb" => command(&[b"HGET", b"floor|hash", b"f1"]),
            "hgetall" => command(&[b"HGETALL", b"floor|hash"]),
            _ => return Err(unknown(workload)),
        };
        let mut socket = self.floor()?;
        let length = socket.round_trip(&bytes, None)?;
        Ok(Box::new(move || Ok(socket.round_trip(&bytes, Some(length)).map(drop)?)))
    }
}

fn ours<'c>(cache: &'c Cache, price: &'c Price, workload: &str) -> Outcome<Call<'c>> {
    let strict = cache.strict();
    Ok(match workload {
        "get_small" => Box::new(move || length(strict.get_pickle("small", <[u8]>::len)?, SMALL)),
        "get_kb" => Box::new(move || length(strict.get_pickle("kb", <[u8]>::len)?, KB)),
        "set_small" => Box::new(move || Ok(strict.set_pickle("small", &[0; SMALL], Lifetime::NONE)?)),
        "set_kb" => Box::new(move || Ok(strict.set_pickle("kb", &[0; KB], Lifetime::NONE)?)),
        "get_struct" => Box::new(move || {
            let price: Option<Price> = strict.get("price")?;
            length(price.map(|price| price.valid_for.len()), 20)
        }),
        "set_struct" => Box::new(move || Ok(cache.set("price", price, Lifetime::NONE)?)),
        _ => return Err(unknown(workload)),
    })
}

fn peers<'c>(peer: &'c mut redis::Connection, price: &'c Price, workload: &str) -> Outcome<Call<'c>> {
    Ok(match workload {
        "get_small" => {
            Box::new(|| length(peer.get::<_, Option<Vec<u8>>>("peer|small")?.map(|v| v.len()), SMALL))
        }
        "get_kb" => Box::new(|| length(peer.get::<_, Option<Vec<u8>>>("peer|kb")?.map(|v| v.len()), KB)),
        "set_small" => Box::new(|| Ok(peer.set("peer|small", &[0u8; SMALL][..])?)),
        "set_kb" => Box::new(|| Ok(peer.set("peer|kb", &[0u8; KB][..])?)),
        "get_struct" => Box::new(|| {
            let json: Option<Vec<u8>> = peer.get("peer|price")?;
            let price: Price = serde_json::from_slice(&json.unwrap_or_default())?;
            length(Some(price.valid_for.len()), 20)
        }),
        "set_struct" => Box::new(|| Ok(peer.set("peer|price", serde_json::to_vec(price)?)?)),
        _ => return Err(unknown(workload)),
    })
}

/// What is measured must have been done.
fn length(found: Option<usize>, expected: usize) -> Outcome<()> {
    if found == Some(expected) { Ok(()) } else { Err(format!("a value of {found:?}, not {expected}").into()) }
}

fn unknown(workload: &str) -> Box<dyn std::error::Error> {
    format!("this client has no workload `{workload}`").into()
}
