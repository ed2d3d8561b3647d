//! Is there a redis-server, is it ready, and which process is it. Only an answer counts: the kernel
//! accepts connections for a server that is stopped.
//!
//! A PING tells all that keeps a server from its work, also that it takes no writes because it could
//! not save its data (it answers MISCONF to PING itself), so nothing is ever written to find out.

use std::io::{self, Read, Write};
use std::time::Duration;

use dontmanage_cache::{Address, Connection, Deadlines, RedisError, RedisUrl, ServerError, ServerErrorKind};

use super::connect;
use super::deadline::Deadline;
use super::http::shown;
use super::redis_answer::{RedisAnswer, RedisFacts};

/// The largest answer that is taken: ten times the longest INFO.
const MAX_REPLY: usize = 256 * 1024;

/// Asks the server whether it is ready, and who it is. Returns within the timeout, whatever it does;
/// only a host name that needs a lookup may let it leave a thread of its own behind for a while.
pub fn ask(url: &RedisUrl, timeout: Duration) -> RedisAnswer {
    let deadline = Deadline::after(timeout);
    match exchange(url, deadline) {
        Ok(answer) => answer,
        Err(RedisError::NotRedis { source, .. }) => {
            let said = first_words(url, deadline).ok().filter(|said| !said.is_empty());
            RedisAnswer::NotRedis(said.unwrap_or_else(|| source.to_string()))
        }
        Err(error) => RedisAnswer::from_error(error),
    }
}

fn exchange(url: &RedisUrl, deadline: Deadline) -> Result<RedisAnswer, RedisError> {
    let left = || deadline.left().unwrap_or(Duration::from_micros(1));
    let limits = Deadlines::default().connect(left()).max_reply(MAX_REPLY);
    let mut connection = Connection::open(url, &limits)?;
    connection.set_reply_deadline(left());
    let pong = connection.ping();
    let refusal = pong.as_ref().err().and_then(RedisError::server_error).map(ServerError::kind);
    let mut info = |section| {
        connection.set_reply_deadline(left());
        connection.info(section)
    };
    match (pong, refusal) {
        (Ok(latency), _) => match info("server") {
            Ok(info) => Ok(RedisAnswer::Ready(RedisFacts::new(&info, latency))),
            // It may be asked for PING alone: ready, but without proof of who it is.
            Err(error) if error.server_error().is_some_and(|e| e.kind() == ServerErrorKind::NoPerm) => {
                Ok(RedisAnswer::Ready(RedisFacts { latency, ..RedisFacts::default() }))
            }
            Err(error) => Err(error),
        },
        (Err(_), Some(ServerErrorKind::Loading)) => {
            let process_id = info("server").ok().and_then(|info| info.process_id());
            let percent = info("persistence").ok().and_then(|info| percent(info.get("loading_loaded_perc")?));
            Ok(RedisAnswer::Loading { process_id, percent })
        }
        (Err(_), Some(ServerErrorKind::MisConf)) => {
            Ok(RedisAnswer::MisConf { process_id: info("server").ok().and_then(|info| info.process_id()) })
        }
        (Err(error), _) => Err(error),
    }
}

/// `24.00`
fn percent(text: &str) -> Option<u32> {
    text.split('.').next()?.parse().ok()
}

/// What the thing behind the address says to a PING, for a person.
fn first_words(url: &RedisUrl, deadline: Deadline) -> io::Result<String> {
    let mut said = [0; 512];
    let count = match url.address() {
        Address::Unix(path) => {
            let mut stream = connect::open_unix(path)?;
            stream.set_nonblocking(false)?;
            stream.set_write_timeout(Some(deadline.left()?))?;
            stream.write_all(b"PING\r\n")?;
            stream.set_read_timeout(Some(deadline.left()?))?;
            stream.read(&mut said)?
        }
        Address::Tcp { host, port } => {
            let mut stream = connect::open(host, *port, deadline)?;
            stream.set_write_timeout(Some(deadline.left()?))?;
            stream.write_all(b"PING\r\n")?;
            stream.set_read_timeout(Some(deadline.left()?))?;
            stream.read(&mut said)?
        }
        _ => 0,
    };
    Ok(shown(&said[..count]))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::testing::{Authority, TestRedis, until};
    use dontmanage_cache::TlsError;

    const SOON: Duration = Duration::from_secs(5);

    fn url(text: &str) -> RedisUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn ask_tcp(redis: &TestRedis) -> RedisAnswer {
        ask(&url(&redis.url()), SOON)
    }

    #[test]
    fn a_server_that_serves_is_ready_and_says_who_it_is() {
        let redis = TestRedis::start();
        for url in [url(&redis.url()), RedisUrl::unix(redis.socket())] {
            let RedisAnswer::Ready(facts) = ask(&url, SOON) else { panic!("{:?}", ask(&url, SOON)) };
            assert_eq!(facts.process_id, Some(redis.pid()));
            assert!(
                facts
                    .version
                    .is_some_and(|version| version.starts_with("redis ") || version.starts_with("valkey "))
            );
            assert_eq!(facts.config_file, Some(redis.folder().join("r.conf")));
        }
    }

    #[test]
    fn passwords_that_are_missing_wrong_or_needless_are_told_apart() {
        let redis = TestRedis::start_with("requirepass s3cret");
        let with = |login: &str| ask(&url(&redis.url().replace("//", &format!("//{login}"))), SOON);
        assert_eq!(with(""), RedisAnswer::NoAuth);
        assert_eq!(with(":wrong@"), RedisAnswer::WrongPass);
        assert_eq!(with("nobody:s3cret@"), RedisAnswer::WrongPass);
        assert!(with(":s3cret@").is_ready());

        let open = TestRedis::start();
        let needless = open.url().replace("//", "//:s3cret@");
        assert_eq!(ask(&url(&needless), SOON), RedisAnswer::NoPasswordSet);
    }

    #[test]
    fn a_user_that_may_not_ping_is_refused_and_one_that_may_only_ping_is_served() {
        let redis =
            TestRedis::start_with("user none on >x ~* &* -@all +get\nuser ping on >x ~* &* -@all +ping");
        let with = |user: &str| ask(&url(&redis.url().replace("//", &format!("//{user}:x@"))), SOON);
        let answer = with("none");
        assert!(matches!(&answer, RedisAnswer::NoPerm(words) if words.contains("ping")), "{answer:?}");
        let RedisAnswer::Ready(facts) = with("ping") else { panic!("{:?}", with("ping")) };
        assert_eq!(facts.process_id, None);
    }

    #[test]
    fn a_server_that_loads_its_data_is_alive_but_not_ready_until_it_has() {
        let mut redis = TestRedis::start_with("enable-debug-command local");
        redis.cli(&["DEBUG", "POPULATE", "1500", "key", "100"]);
        redis.cli(&["SAVE"]);
        redis.kill();
        // A millisecond for each key, and a look at its clients after each kilobyte.
        let slow = "\nkey-load-delay 1000\nloading-process-events-interval-bytes 1024";
        redis.start_again(slow, &["Loading RDB"]);
        let answer = ask_tcp(&redis);
        let RedisAnswer::Loading { process_id, percent } = answer else { panic!("{answer:?}") };
        assert_eq!(process_id, Some(redis.pid()));
        assert!(percent.is_some_and(|percent| percent < 100), "{percent:?}");
        assert!(answer.is_alive() && !answer.is_ready());
        until("it has loaded its data", || ask_tcp(&redis).is_ready().then_some(()));
    }

    #[test]
    fn a_server_in_an_endless_script_is_busy_until_the_script_is_killed() {
        let redis = TestRedis::start_with("busy-reply-threshold 50");
        let socket = redis.socket();
        let script = thread::spawn(move || {
            std::process::Command::new("redis-cli")
                .arg("-s")
                .arg(socket)
                .args(["EVAL", "while true do end", "0"])
                .output()
                .expect("redis-cli")
        });
        // Before the threshold it answers nobody; before the script begins it is ready.
        until("it is busy", || (ask_tcp(&redis) == RedisAnswer::Busy).then_some(()));
        assert!(RedisAnswer::Busy.is_alive());
        redis.cli(&["SCRIPT", "KILL"]);
        until("it is ready", || ask_tcp(&redis).is_ready().then_some(()));
        script.join().expect("redis-cli to end");
    }

    #[test]
    fn a_server_that_could_not_save_takes_no_writes_and_says_so_to_a_ping() {
        let folder = tempfile::tempdir().expect("a folder");
        let gone = folder.path().join("gone");
        std::fs::create_dir(&gone).expect("a folder");
        let redis = TestRedis::start_with(&format!("save 3600 1\ndir {}", gone.display()));
        // Gone rather than unwritable, as root may write everywhere.
        std::fs::remove_dir(&gone).expect("a removed folder");
        redis.cli(&["BGSAVE"]);
        let answer = until("it fails to save", || Some(ask_tcp(&redis)).filter(|answer| !answer.is_ready()));
        assert_eq!(answer, RedisAnswer::MisConf { process_id: Some(redis.pid()) });
    }

    #[test]
    fn a_stopped_server_is_not_ready_though_it_accepts_connections() {
        let redis = TestRedis::start();
        redis.freeze();
        for url in [url(&redis.url()), RedisUrl::unix(redis.socket())] {
            let started = Instant::now();
            assert_eq!(ask(&url, Duration::from_millis(200)), RedisAnswer::TimedOut);
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        }
        redis.thaw();
        assert!(ask_tcp(&redis).is_ready());
    }

    #[test]
    fn a_server_with_all_the_clients_it_takes_says_so() {
        let redis = TestRedis::start_with("maxclients 1");
        let held = until("a place is free", || {
            let mut held = Connection::open(&url(&redis.url()), &Deadlines::default()).ok()?;
            held.ping().ok().map(|_| held)
        });
        assert_eq!(ask_tcp(&redis), RedisAnswer::MaxClients);
        drop(held);
        until("the place is free again", || ask_tcp(&redis).is_ready().then_some(()));
    }

    #[test]
    fn nobody_there_is_told_from_no_socket() {
        let mut redis = TestRedis::start();
        let socket = redis.socket();
        redis.kill();
        assert_eq!(ask_tcp(&redis), RedisAnswer::Refused);
        // Its file is left behind, as after any SIGKILL.
        assert_eq!(ask(&RedisUrl::unix(&socket), SOON), RedisAnswer::Refused);
        assert_eq!(ask(&RedisUrl::unix(socket.with_extension("none")), SOON), RedisAnswer::NoSocket);
        assert_eq!(ask(&url("rediss://127.0.0.1:1"), SOON), RedisAnswer::Refused);
    }

    #[test]
    fn a_server_by_tls_is_ready_or_what_is_wrong_with_it_is_named() {
        let authority = Authority::new();
        let good = TestRedis::start_with_tls(&authority.issue());
        let by_tls = |redis: &TestRedis, query: &str| {
            ask(&url(&format!("rediss://127.0.0.1:{}?{query}", redis.tls_port())), SOON)
        };
        let RedisAnswer::Ready(facts) = by_tls(&good, &authority.trusted()) else { panic!("it is ready") };
        assert_eq!(facts.process_id, Some(good.pid()));
        assert!(by_tls(&good, "ssl_cert_reqs=none").is_ready());

        let expired = TestRedis::start_with_tls(&authority.issue_expired());
        let answer = by_tls(&expired, &authority.trusted());
        assert!(matches!(answer, RedisAnswer::Tls(TlsError::Expired { .. })), "{answer:?}");
        // It is there; starting it again would not mend it.
        assert!(answer.is_alive() && !answer.is_ready());

        // Each asked in the other's language.
        let plain = TestRedis::start();
        let crossed = url(&plain.url().replace("redis://", "rediss://"));
        assert_eq!(ask(&crossed, Duration::from_millis(500)), RedisAnswer::Tls(TlsError::NotSpoken));
        let crossed = RedisUrl::tcp("127.0.0.1", good.tls_port());
        assert_eq!(ask(&crossed, SOON), RedisAnswer::Tls(TlsError::Needed));
    }

    /// A server that sends these bytes to whoever connects, one at a time if told so, and then waits
    /// for the other side to go, or hangs up itself.
    fn impostor(said: &'static [u8], pause: Duration, hang_up: bool) -> RedisUrl {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        // Ends with the test binary: it waits for connections as long as anyone asks.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                thread::spawn(move || {
                    let pieces =
                        if pause.is_zero() { said.chunks(said.len().max(1)) } else { said.chunks(1) };
                    for piece in pieces {
                        if stream.write_all(piece).is_err() {
                            return;
                        }
                        thread::sleep(pause);
                    }
                    if !hang_up {
                        let _ = io::copy(&mut stream, &mut io::sink());
                    }
                });
            }
        });
        RedisUrl::tcp("127.0.0.1", port)
    }

    #[test]
    fn what_is_no_redis_server_is_shown_by_its_words() {
        let answer = ask(&impostor(b"220 mail \x1b[2J ready\r\n", Duration::ZERO, false), SOON);
        assert_eq!(answer, RedisAnswer::NotRedis("220 mail \\u{1b}[2J ready".to_owned()));
        assert!(!answer.is_alive());
    }

    #[test]
    fn an_answer_of_a_gigabyte_is_not_waited_for() {
        let started = Instant::now();
        let answer = ask(&impostor(b"$1073741824\r\nxxxx", Duration::ZERO, false), SOON);
        assert_eq!(answer, RedisAnswer::NotRedis("$1073741824".to_owned()));
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    }

    #[test]
    fn a_byte_now_and_then_gains_no_time() {
        let slow =
            impostor(b"+PONG\r\n$100000\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxx", Duration::from_millis(40), false);
        let started = Instant::now();
        assert_eq!(ask(&slow, Duration::from_millis(500)), RedisAnswer::TimedOut);
        assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    }

    #[test]
    fn one_that_hangs_up_or_sends_half_a_line_is_not_ready() {
        for said in [&b""[..], b"+PO"] {
            assert_eq!(ask(&impostor(said, Duration::ZERO, true), SOON), RedisAnswer::HungUp, "{said:?}");
        }
    }

    #[test]
    fn a_unix_socket_whose_queue_is_full_does_not_hold_us() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).expect("a socket");
        let mut waiting = Vec::new();
        while let Ok(stream) = connect::open_unix(&path) {
            waiting.push(stream);
        }
        let started = Instant::now();
        assert_eq!(ask(&RedisUrl::unix(&path), Duration::from_millis(200)), RedisAnswer::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        drop(listener);
    }
}
