//! One connection: what a probe sees of a healthy server and of each sick one.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use dontmanage_cache::{
    Connection, Deadlines, Phase, Pipeline, ProtocolError, RedisError, RedisUrl, Reply, ServerErrorKind,
};

use crate::server::{Server, free_port, patient};

fn open(url: &RedisUrl) -> Result<Connection, RedisError> {
    Connection::open(url, &patient())
}

fn server_error(error: &RedisError) -> ServerErrorKind {
    error.server_error().unwrap_or_else(|| panic!("not the server's refusal: {error}")).kind()
}

/// A server that takes one connection and does with it as `serve` says, given the first bytes it got.
fn impostor(serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> RedisUrl {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let mut request = [0; 256];
        let _ = stream.read(&mut request);
        serve(stream);
    });
    RedisUrl::tcp("127.0.0.1", port)
}

#[test]
fn a_server_answers_by_socket_and_by_tcp_as_the_process_it_is() {
    let server = Server::start();
    for url in [server.url(), server.tcp_url(), RedisUrl::tcp("localhost", server.port())] {
        let mut redis = open(&url).expect("it connects");
        redis.ping().expect("it answers");
        let info = redis.info("server").expect("it tells of itself");
        assert_eq!(info.process_id(), Some(server.pid()));
        assert!(info.version().is_some());
    }
}

#[test]
fn commands_and_pipelines_get_their_own_replies() {
    let server = Server::start();
    let mut redis = server.connection();
    let big = vec![b'x'; 3 << 20];
    assert_eq!(redis.command(&[b"SET", b"big", &big]).expect("set"), Reply::Status(b"OK".to_vec()));
    assert_eq!(redis.command(&[b"GET", b"big"]).expect("get"), Reply::Bulk(big.clone()));
    assert_eq!(redis.command(&[b"GET", b"none"]).expect("get"), Reply::Nil);
    let error = redis.command(&[b"LPUSH", b"big", b"1"]).expect_err("a string is no list");
    assert_eq!(server_error(&error), ServerErrorKind::WrongType);
    assert!(redis.is_open(), "a refusal leaves the connection open");

    let mut pipeline = Pipeline::new();
    for number in 0..1000 {
        pipeline.add(&[b"SET", b"n", format!("{number}").as_bytes()]).add(&[b"GET", b"n"]);
    }
    pipeline.add(&[b"LPUSH", b"big", b"1"]).add(&[b"GET", b"big"]);
    let replies = redis.pipeline(&pipeline).expect("the pipeline is answered");
    assert_eq!(replies.len(), 2002);
    for number in 0..1000 {
        assert_eq!(replies[number * 2 + 1], Reply::Bulk(format!("{number}").into_bytes()));
    }
    assert!(matches!(&replies[2000], Reply::Error(e) if e.kind() == ServerErrorKind::WrongType));
    assert_eq!(replies[2001], Reply::Bulk(big));
}

#[test]
fn the_database_of_the_url_is_used() {
    let server = Server::start();
    let url = |db: u32| format!("unix://{}?db={db}", server.socket().display()).parse().expect("a url");
    open(&url(3)).expect("db 3").command(&[b"SET", b"k", b"v"]).expect("set");
    assert_eq!(open(&url(0)).expect("db 0").command(&[b"GET", b"k"]).expect("get"), Reply::Nil);
    let error = open(&url(99)).expect_err("there are 16");
    assert_eq!(server_error(&error), ServerErrorKind::Other);
}

#[test]
fn passwords_are_used_and_each_wrong_login_is_named() {
    let server = Server::with(&["--requirepass", "right"]);
    let login = |password: &str| server.tcp_url().with_login(None, password);
    open(&login("right")).expect("it logs in").ping().expect("it answers");
    assert_eq!(server_error(&open(&login("wrong")).expect_err("wrong")), ServerErrorKind::WrongPass);
    let error = open(&server.tcp_url()).expect("it connects").ping().expect_err("no password");
    assert_eq!(server_error(&error), ServerErrorKind::NoAuth);

    let user = server.tcp_url().with_login(Some("default".into()), "right");
    open(&user).expect("a named user logs in").ping().expect("it answers");
    let stranger = server.tcp_url().with_login(Some("nobody".into()), "right");
    assert_eq!(server_error(&open(&stranger).expect_err("unknown")), ServerErrorKind::WrongPass);

    let open_server = Server::start();
    let url = open_server.url().with_login(None, "needless");
    assert_eq!(server_error(&open(&url).expect_err("no password set")), ServerErrorKind::NoPasswordSet);
}

#[test]
fn a_full_server_says_so() {
    let server = Server::with(&["--maxclients", "1"]);
    // The guard's own connection may not be gone yet.
    let mut first = None;
    crate::server::wait_for("the only place", || {
        first = open(&server.url()).ok();
        first.as_mut().is_some_and(|redis| redis.ping().is_ok())
    });
    for url in [server.url(), server.tcp_url()] {
        let error = open(&url).and_then(|mut redis| redis.ping()).expect_err("one client is the limit");
        assert_eq!(server_error(&error), ServerErrorKind::MaxClients, "{error}");
    }
}

#[test]
fn nobody_listening_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let gone = folder.path().join("gone.sock");
    drop(std::os::unix::net::UnixListener::bind(&gone).expect("a socket"));
    for url in [
        RedisUrl::tcp("127.0.0.1", free_port()),
        RedisUrl::tcp("localhost", free_port()),
        RedisUrl::unix(folder.path().join("never.sock")),
        RedisUrl::unix(gone),
    ] {
        let error = open(&url).expect_err("nobody listens");
        assert!(error.is_refused(), "{error}");
    }
}

#[test]
fn an_unknown_name_is_unreachable() {
    let error = open(&RedisUrl::tcp("no-such-host.invalid", 6379)).expect_err("no such name");
    assert!(matches!(error, RedisError::Unreachable { .. }), "{error}");
}

#[test]
fn a_stopped_server_times_out_though_its_port_is_open() {
    let server = Server::start();
    let deadlines = Deadlines::default().reply(Duration::from_millis(60));
    let mut old = Connection::open(&server.url(), &deadlines).expect("it connects");
    server.signal("-STOP");
    for redis in [&mut old, &mut Connection::open(&server.tcp_url(), &deadlines).expect("the kernel accepts")]
    {
        let error = redis.ping().expect_err("stopped");
        assert!(matches!(error, RedisError::TimedOut { phase: Phase::Reply, .. }), "{error}");
        assert!(!redis.is_open(), "never used again");
        assert!(matches!(redis.ping(), Err(RedisError::Closed { .. })));
    }
    server.signal("-CONT");
}

#[test]
fn a_login_that_is_not_answered_counts_as_connecting() {
    let server = Server::with(&["--requirepass", "pw"]);
    server.signal("-STOP");
    let url = server.url().with_login(None, "pw");
    let deadlines = patient().connect(Duration::from_millis(60));
    let error = Connection::open(&url, &deadlines).expect_err("stopped");
    assert!(matches!(error, RedisError::TimedOut { phase: Phase::Connect, .. }), "{error}");
}

#[test]
fn a_full_queue_of_a_unix_socket_does_not_hang_the_caller() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("full.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let deadlines = Deadlines::default().connect(Duration::from_millis(30));
    let mut waiting = Vec::new();
    // Nobody accepts; how long the queue is, is the system's matter.
    let error = loop {
        match Connection::open(&RedisUrl::unix(&path), &deadlines) {
            Ok(connection) => waiting.push(connection),
            Err(error) => break error,
        }
        assert!(waiting.len() < 100_000, "the queue has no end");
    };
    assert!(matches!(error, RedisError::TimedOut { phase: Phase::Connect, .. }), "{error}");
}

#[test]
fn what_is_no_redis_is_told_apart() {
    type Case = (&'static [u8], fn(&RedisError) -> bool);
    let cases: [Case; 5] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", |e| {
            matches!(e, RedisError::NotRedis { source: ProtocolError::UnexpectedByte { byte: b'H' }, .. })
        }),
        (b"+OK\r\n", |e| {
            matches!(
                e,
                RedisError::NotRedis { source: ProtocolError::UnexpectedReply { command: "PING" }, .. }
            )
        }),
        (b"+PONG\r\n+PONG\r\n", |e| matches!(e, RedisError::NotRedis { source: ProtocolError::Unasked, .. })),
        (b"+PO", |e| matches!(e, RedisError::Closed { mid_reply: true, .. })),
        (b"", |e| matches!(e, RedisError::Closed { mid_reply: false, .. })),
    ];
    for (answer, is_right) in cases {
        let url = impostor(move |mut stream| stream.write_all(answer).expect("written"));
        let mut redis = open(&url).expect("it connects");
        let error = redis.ping().expect_err("no redis");
        assert!(is_right(&error), "{:?}: {error:?}", answer.escape_ascii().to_string());
        assert!(!redis.is_open(), "never used again");
    }
}

#[test]
fn a_huge_length_is_refused_before_any_memory_is_given() {
    let url = impostor(|mut stream| {
        stream.write_all(b"$1073741824\r\n").expect("written");
        let _ = stream.read(&mut [0]);
    });
    let error = open(&url).expect("it connects").command(&[b"GET", b"k"]).expect_err("too large");
    assert!(matches!(error, RedisError::NotRedis { source: ProtocolError::TooLarge { .. }, .. }), "{error}");
}

#[test]
fn a_reply_in_drops_does_not_extend_the_deadline() {
    let url = impostor(|mut stream| {
        // Each byte comes well within the deadline; the whole would take many times as long.
        while stream.write_all(b"+").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let deadlines = patient().reply(Duration::from_millis(200));
    let mut redis = Connection::open(&url, &deadlines).expect("it connects");
    let start = Instant::now();
    let error = redis.ping().expect_err("never whole");
    assert!(error.is_timeout(), "{error}");
    assert!(start.elapsed() < crate::server::PATIENCE, "it ends by the deadline, not by the line's limit");
}

#[test]
fn a_server_that_reads_nothing_does_not_hang_a_large_command() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let url = impostor(move |_stream| {
        let _ = receiver.recv();
    });
    let deadlines = patient().reply(Duration::from_millis(60));
    let mut redis = Connection::open(&url, &deadlines).expect("it connects");
    let value = vec![0; 64 << 20];
    let error = redis.command(&[b"SET", b"k", &value]).expect_err("nobody reads");
    assert!(error.is_timeout(), "{error}");
    drop(sender);
}

#[test]
fn a_debug_view_shows_no_secret() {
    let server = Server::with(&["--requirepass", "hunter2"]);
    let redis = open(&server.url().with_login(None, "hunter2")).expect("it logs in");
    assert!(!format!("{redis:?}").contains("hunter2"));
}
