//! A TCP proxy before a server that delays, holds back, drips, cuts and forges what the server answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dontmanage_cache::RedisUrl;

use crate::server::wait_for;

/// What happens to the server's answers.
#[derive(Clone, Debug)]
pub enum Mood {
    /// They pass.
    Fair,
    /// They come late.
    Late(Duration),
    /// They come a byte at a time.
    Drip(Duration),
    /// The connection is closed after so many bytes of them.
    Cut(usize),
    /// They are replaced by these bytes.
    Forge(Vec<u8>),
    /// They wait until they are let go.
    Hold(Arc<Hold>),
    /// New connections are closed at once.
    Slam,
}

/// Answers that are held back. What was asked has been done by then.
#[derive(Debug, Default)]
pub struct Hold {
    pub is_there: AtomicBool,
    pub may_go: AtomicBool,
}

pub struct Proxy {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    accepted: Arc<AtomicUsize>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// A proxy before the server on `port` of this machine.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = Self {
            port: listener.local_addr().expect("its address").port(),
            mood: Arc::new(Mutex::new(Mood::Fair)),
            accepted: Arc::default(),
            streams: Arc::default(),
        };
        let (mood, accepted, streams) = (proxy.mood.clone(), proxy.accepted.clone(), proxy.streams.clone());
        // Ends with the test's process, as do the threads of its connections.
        std::thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                accepted.fetch_add(1, Ordering::SeqCst);
                let now = mood.lock().expect("the mood").clone();
                if matches!(now, Mood::Slam) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
                streams.lock().expect("the streams").extend([clone(&caller), clone(&server)]);
                let (from, to) = (clone(&caller), clone(&server));
                std::thread::spawn(move || pass(from, to, |_| Mood::Fair));
                let mood = mood.clone();
                std::thread::spawn(move || pass(server, caller, |_| mood.lock().expect("the mood").clone()));
            }
        });
        proxy
    }

    pub fn url(&self) -> RedisUrl {
        RedisUrl::tcp("127.0.0.1", self.port)
    }

    pub fn set(&self, mood: Mood) {
        *self.mood.lock().expect("the mood") = mood;
    }

    /// How many connections have been made to it.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Closes all connections, as a server does with idle ones.
    pub fn hang_up(&self) {
        for stream in self.streams.lock().expect("the streams").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mood: impl Fn(&[u8]) -> Mood) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..count];
        let passed = match mood(bytes) {
            Mood::Fair | Mood::Slam => to.write_all(bytes),
            Mood::Late(delay) => {
                std::thread::sleep(delay);
                to.write_all(bytes)
            }
            Mood::Hold(hold) => {
                hold.is_there.store(true, Ordering::SeqCst);
                wait_for("the answer is let go", || hold.may_go.load(Ordering::SeqCst));
                to.write_all(bytes)
            }
            Mood::Drip(delay) => bytes.iter().try_for_each(|byte| {
                std::thread::sleep(delay);
                to.write_all(&[*byte])
            }),
            Mood::Cut(limit) => {
                let _ = to.write_all(&bytes[..limit.min(count)]);
                break;
            }
            Mood::Forge(forged) => to.write_all(&forged),
        };
        if passed.is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
