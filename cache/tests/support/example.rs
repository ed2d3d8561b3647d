// What the examples of the documentation run on: a redis-server that ends with the example.
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dontmanage_cache::{
    Cache, Client, ClientOptions, Connection, Deadlines, KeyPrefix, RedisUrl, SigningKey,
};

pub struct Server {
    child: Child,
    folder: tempfile::TempDir,
}

impl Server {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("redis").tempdir().expect("a folder for the server");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--dir"])
            .arg(folder.path())
            .arg("--unixsocket")
            .arg(folder.path().join("redis.sock"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is needed for this example: apt-get install redis-server");
        let server = Self { child, folder };
        let end = Instant::now() + Duration::from_secs(20);
        while !Connection::open(&server.url(), &deadlines()).is_ok_and(|mut redis| redis.ping().is_ok()) {
            assert!(Instant::now() < end, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    pub fn url(&self) -> RedisUrl {
        RedisUrl::unix(self.folder.path().join("redis.sock"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn deadlines() -> Deadlines {
    Deadlines::default().connect(Duration::from_secs(20)).reply(Duration::from_secs(20))
}

/// The cache of a site of a bench that signs.
#[allow(dead_code, reason = "some examples make their own")]
pub fn cache() -> (Server, Cache) {
    let server = Server::start();
    let client = Client::with_options(server.url(), ClientOptions::new().deadlines(deadlines()));
    let prefix = KeyPrefix::new("_3f1b8c2a").expect("a prefix");
    (server, Cache::new(client, prefix).with_signing_key(SigningKey::from_bytes([7; 32])))
}
