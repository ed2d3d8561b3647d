//! `rediss://`: what works in the clear works by TLS, and whoever can't prove who they are is refused.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dontmanage_cache::{
    Cache, Client, ClientOptions, Connection, KeyPrefix, Lifetime, Phase, Pipeline, RedisError, RedisUrl,
    Reply, ServerErrorKind, TlsError, Value, Verification,
};

use crate::certificates::{Authority, Paper};
use crate::proxy::{Mood, Proxy};
use crate::server::{PATIENCE, Server, TlsPort, free_port, patient, wait_for};

type IsRight = fn(&RedisError) -> bool;

fn open(url: &RedisUrl) -> Result<Connection, RedisError> {
    Connection::open(url, &patient())
}

/// The server's answer to a PING on a new connection.
fn ping(url: &RedisUrl) -> Result<Duration, RedisError> {
    open(url)?.ping()
}

fn tls_error(url: &RedisUrl) -> TlsError {
    match ping(url).expect_err("refused") {
        RedisError::Tls { source, .. } => source,
        error => panic!("not a matter of TLS: {error:?}"),
    }
}

/// What a server with this certificate is told.
fn refused(paper: &Paper, query: &str) -> TlsError {
    let (_server, port) = Server::with_tls(paper, &[]);
    tls_error(&port.url(query))
}

/// A machine without any list of trusted issuers says that.
fn is_not_the_systems(error: &TlsError) {
    assert!(matches!(error, TlsError::UnknownIssuer | TlsError::NobodyTrusted { .. }), "{error:?}");
}

#[test]
fn commands_pipelines_and_large_values_pass_by_tls() {
    let authority = Authority::new();
    let (server, port) = Server::with_tls(&authority.issue(), &["--requirepass", "pw"]);
    let url = port.url(&authority.trusted());
    let url: RedisUrl =
        url.to_full_string().replace("//", "//:pw@").replace('?', "/3?").parse().expect("a URL");
    let mut redis = open(&url).expect("it connects");
    assert_eq!(redis.info("server").expect("it tells of itself").process_id(), Some(server.pid()));

    let big: Vec<u8> = (0..5 << 20).map(|number: u32| number.to_le_bytes()[number as usize % 4]).collect();
    assert_eq!(redis.command(&[b"SET", b"big", &big]).expect("set"), Reply::Status(b"OK".to_vec()));
    assert_eq!(redis.command(&[b"GET", b"big"]).expect("get"), Reply::Bulk(big.clone()));
    assert_eq!(redis.command(&[b"GET", b"none"]).expect("get"), Reply::Nil);
    let error = redis.command(&[b"LPUSH", b"big", b"1"]).expect_err("a string is no list");
    assert_eq!(
        error.server_error().map(dontmanage_cache::ServerError::kind),
        Some(ServerErrorKind::WrongType)
    );
    assert!(redis.is_open(), "a refusal leaves the connection open");

    let mut pipeline = Pipeline::new();
    for number in 0..1000 {
        pipeline.add(&[b"SET", b"n", format!("{number}").as_bytes()]).add(&[b"GET", b"n"]);
    }
    pipeline.add(&[b"GET", b"big"]);
    let replies = redis.pipeline(&pipeline).expect("the pipeline is answered");
    for number in 0..1000 {
        assert_eq!(replies[number * 2 + 1], Reply::Bulk(format!("{number}").into_bytes()));
    }
    assert_eq!(replies[2000], Reply::Bulk(big));

    // In the very database of the URL.
    let plain: RedisUrl = format!("unix://:pw@{}?db=3", server.socket().display()).parse().expect("a URL");
    let mut plain = open(&plain).expect("it connects");
    assert_eq!(plain.command(&[b"GET", b"n"]).expect("get"), Reply::Bulk(b"999".to_vec()));
}

#[test]
fn a_cache_works_by_tls_and_in_the_clear_alike() {
    let authority = Authority::new();
    let (server, port) = Server::with_tls(&authority.issue(), &[]);
    for url in [port.url(&authority.trusted()), server.tcp_url(), server.url()] {
        let cache = Cache::new(Client::new(url), KeyPrefix::new("site").expect("a prefix"));
        let other = Cache::new(cache.client().clone(), KeyPrefix::new("other").expect("a prefix"));
        other.strict().set_value("k", &Value::from(1), Lifetime::NONE).expect("set");
        let strict = cache.strict();
        strict.set_value("k", &Value::from("x".repeat(2 << 20)), Lifetime::secs(60)).expect("set");
        assert_eq!(cache.get_value("k"), Some(Value::from("x".repeat(2 << 20))));
        for number in 0..500 {
            strict.hset("h", format!("f{number}"), &Value::from(number)).expect("hset");
            strict.set_value(&format!("many|{number}"), &Value::from(number), Lifetime::NONE).expect("set");
        }
        assert_eq!(cache.hgetall("h").len(), 500);
        assert_eq!(cache.get_keys("many").len(), 500);
        assert_eq!(cache.flush().expect("flushed").removed, 502);
        assert_eq!(other.get_value("k"), Some(Value::from(1)), "another site's value stays");
    }
}

#[test]
fn threads_share_the_connections_of_a_client_by_tls() {
    let authority = Authority::new();
    let (_server, port) = Server::with_tls(&authority.issue(), &[]);
    let options = ClientOptions::new().deadlines(patient());
    let client = Client::with_options(port.url(&authority.trusted()), options);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let client = &client;
            scope.spawn(move || {
                let key = format!("k{thread}");
                for number in 0..200 {
                    let value = format!("{thread} {number}");
                    client
                        .run(dontmanage_cache::Call::Write, |redis| {
                            redis.command(&[b"SET", key.as_bytes(), value.as_bytes()])?;
                            assert_eq!(
                                redis.command(&[b"GET", key.as_bytes()])?,
                                Reply::Bulk(value.clone().into_bytes())
                            );
                            Ok(())
                        })
                        .expect("answered");
                }
            });
        }
    });
    // A slot of the pool that another thread looks at is passed over.
    assert!(client.stats().connects < 80, "for 800 calls: {:?}", client.stats());
}

#[test]
fn a_certificate_is_verified_against_whom_the_url_names() {
    let authority = Authority::new();
    let paper = authority.issue();
    let (_server, port) = Server::with_tls(&paper, &[]);
    for host in ["127.0.0.1", "localhost"] {
        ping(&port.url_of(host, &authority.trusted())).expect("it is trusted");
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(authority.file(), folder.path().join("0a1b2c3d.0")).expect("copied");
    std::fs::write(folder.path().join("README"), "no certificate").expect("written");
    ping(&port.url(&format!("ssl_ca_path={}", folder.path().display()))).expect("it is trusted");
    let stranger = Authority::new();
    assert_eq!(tls_error(&port.url(&stranger.trusted())), TlsError::UnknownIssuer);
    is_not_the_systems(&tls_error(&port.url("")));
}

#[test]
fn an_expired_certificate_is_refused_with_its_age() {
    let authority = Authority::new();
    let error = refused(&authority.issue_expired(), &authority.trusted());
    let TlsError::Expired { ago } = error else { panic!("{error}") };
    assert!(ago > Duration::from_secs(20 * 365 * 86400), "{ago:?}");
    let error =
        refused(&authority.issue_expired(), &format!("{}&ssl_check_hostname=false", authority.trusted()));
    assert!(matches!(error, TlsError::Expired { .. }), "any host, but not any time: {error}");
    let error = refused(&authority.issue_early(), &authority.trusted());
    assert!(matches!(error, TlsError::NotYetValid { .. }), "{error}");
}

#[test]
fn another_hosts_certificate_is_refused_with_its_names() {
    let authority = Authority::new();
    let paper = authority.issue_for(&["cache.example", "10.0.0.7"]);
    let (_server, port) = Server::with_tls(&paper, &[]);
    for host in ["127.0.0.1", "localhost"] {
        let error = tls_error(&port.url_of(host, &authority.trusted()));
        let TlsError::WrongHost { host: asked, names } = &error else { panic!("{error:?}") };
        assert_eq!(asked, host);
        let listed = names.join(" ");
        assert!(listed.contains("cache.example") && listed.contains("10.0.0.7"), "{error}");
        let any = format!("{}&ssl_check_hostname=false", authority.trusted());
        ping(&port.url_of(host, &any)).expect("the URL says that any host will do");
    }
    let strangers = Authority::new();
    let stranger = format!("{}&ssl_check_hostname=false", strangers.trusted());
    assert_eq!(tls_error(&port.url(&stranger)), TlsError::UnknownIssuer, "any host, but not any issuer");
}

#[test]
fn a_self_signed_certificate_is_refused_unless_it_is_the_one_that_the_url_names() {
    let authority = Authority::new();
    let paper = authority.self_signed();
    let (_server, port) = Server::with_tls(&paper, &[]);
    is_not_the_systems(&tls_error(&port.url("")));
    assert_eq!(tls_error(&port.url(&authority.trusted())), TlsError::UnknownIssuer);
    ping(&port.url(&format!("ssl_ca_certs={}", paper.certificate.display()))).expect("it is named");
}

#[test]
fn an_authoritys_own_certificate_is_refused_unless_it_is_the_one_that_the_url_names() {
    let authority = Authority::new();
    let named = |paper: &Paper| format!("ssl_ca_certs={}", paper.certificate.display());
    let paper = authority.self_signed_authority(2999);
    let (_server, port) = Server::with_tls(&paper, &[]);
    is_not_the_systems(&tls_error(&port.url("")));
    assert_eq!(tls_error(&port.url(&authority.trusted())), TlsError::UnknownIssuer);
    ping(&port.url(&named(&paper))).expect("it is named");
    // Its host and its time are looked at all the same.
    let error = tls_error(&port.url_of("localhost", &named(&paper)));
    assert!(matches!(error, TlsError::WrongHost { .. }), "{error:?}");
    let old = authority.self_signed_authority(2001);
    let error = refused(&old, &named(&old));
    assert!(matches!(error, TlsError::Expired { .. }), "{error:?}");
}

#[test]
fn what_is_not_verified_is_so_because_the_url_says_it_and_is_told_once() {
    let authority = Authority::new();
    let (_server, port) = Server::with_tls(&authority.self_signed(), &[]);
    let told = |query: &str| {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = lines.clone();
        let options = ClientOptions::new()
            .deadlines(patient())
            .max_idle(0)
            .on_event(move |event| sink.lock().expect("the lines").push(event.to_string()));
        let client = Client::with_options(port.url(query), options);
        for _ in 0..3 {
            client.ping().expect("it answers");
        }
        drop(client);
        lines.lock().expect("the lines").clone()
    };
    let [line] = &told("ssl_cert_reqs=none")[..] else { panic!("one line") };
    assert!(line.contains("is not verified") && line.contains("`ssl_cert_reqs=none`"), "{line}");
    let paper = authority.issue_for(&["cache.example"]);
    let (_server, port) = Server::with_tls(&paper, &[]);
    let url = port.url(&format!("{}&ssl_check_hostname=false", authority.trusted()));
    assert_eq!(url.tls().map(dontmanage_cache::TlsOptions::verification), Some(Verification::AnyHost));
    ping(&url).expect("it answers");
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_the_one_that_the_url_names() {
    let authority = Authority::new();
    let (_server, port) = Server::with_tls(&authority.issue(), &["--tls-auth-clients", "yes"]);
    assert_eq!(tls_error(&port.url(&authority.trusted())), TlsError::CertificateWanted);
    let ours = authority.issue_for(&["worker"]);
    let (certificate, key) = (ours.certificate.display(), ours.key.display());
    ping(&port.url(&format!("{}&ssl_certfile={certificate}&ssl_keyfile={key}", authority.trusted())))
        .expect("it is accepted");

    // Both in one file, as redis-py takes them too.
    let both = authority.folder().join("both.pem");
    let text = [&ours.key, &ours.certificate].map(|path| std::fs::read_to_string(path).expect("read"));
    std::fs::write(&both, text.concat()).expect("written");
    ping(&port.url(&format!("{}&ssl_certfile={}", authority.trusted(), both.display())))
        .expect("it is accepted");

    let strangers = Authority::new();
    let stranger = strangers.issue_for(&["worker"]);
    let query = format!(
        "{}&ssl_certfile={}&ssl_keyfile={}",
        authority.trusted(),
        stranger.certificate.display(),
        stranger.key.display()
    );
    let error = tls_error(&port.url(&query));
    assert!(matches!(error, TlsError::CertificateRefused { .. }), "{error:?}");
}

#[test]
fn a_server_that_speaks_only_tls_1_2_is_understood_and_older_ones_are_refused() {
    let authority = Authority::new();
    let (_server, port) = Server::with_tls(&authority.issue(), &["--tls-protocols", "TLSv1.2"]);
    ping(&port.url(&authority.trusted())).expect("it answers");
    let asking = ["--tls-protocols", "TLSv1.2", "--tls-auth-clients", "yes"];
    let (_server, port) = Server::with_tls(&authority.issue(), &asking);
    let said = tls_error(&port.url(&authority.trusted())).to_string();
    assert!(said.contains("may ask for a client certificate"), "{said}");
    let (_server, port) = Server::with_tls(
        &authority.issue(),
        &["--tls-protocols", "TLSv1.1", "--tls-ciphers", "ALL:@SECLEVEL=0"],
    );
    let error = tls_error(&port.url(&authority.trusted()));
    assert!(matches!(error, TlsError::Handshake { .. }), "{error:?}");
    assert!(error.advice().contains("TLS 1.2"), "{error}");
}

#[test]
fn a_port_without_tls_is_named_as_such_and_never_spoken_to_in_the_clear() {
    let authority = Authority::new();
    let server = Server::with(&["--requirepass", "pw"]);
    let text = format!("rediss://:pw@127.0.0.1:{}?{}", server.port(), authority.trusted());
    let url: RedisUrl = text.parse().expect("a URL");
    let deadlines = patient().connect(Duration::from_millis(400));
    let error = Connection::open(&url, &deadlines).expect_err("no TLS there");
    assert!(matches!(&error, RedisError::Tls { source: TlsError::NotSpoken, .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("speaks no TLS") && said.contains("`redis://`"), "{said}");
    // Nobody has logged in: the password did not leave us.
    let mut redis = open(&server.tcp_url().with_login(None, "pw")).expect("it connects");
    let stats = redis.info("commandstats").expect("it tells");
    let auths = stats.get("cmdstat_auth").expect("ours").to_owned();
    assert!(auths.starts_with("calls=1,"), "only our own: {auths}");

    // One that greets, as mail servers do, is told apart at once.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = TlsPort(listener.local_addr().expect("its address").port());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        stream.write_all(b"220 mail ready\r\n").expect("written");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_eq!(tls_error(&port.url(&authority.trusted())), TlsError::NotSpoken);
}

#[test]
fn a_port_with_tls_that_is_asked_in_the_clear_is_named_as_such() {
    let authority = Authority::new();
    let (_server, port) = Server::with_tls(&authority.issue(), &[]);
    for login in ["", ":pw@"] {
        let url: RedisUrl = format!("redis://{login}127.0.0.1:{}", port.0).parse().expect("a URL");
        let error = ping(&url).expect_err("it speaks TLS");
        assert!(matches!(&error, RedisError::Tls { source: TlsError::Needed, .. }), "{error:?}");
        assert!(error.to_string().contains("`rediss://`"), "{error}");
    }
}

#[test]
fn files_that_are_missing_empty_or_the_wrong_ones_are_named() {
    let authority = Authority::new();
    let (_server, port) = Server::with_tls(&authority.issue(), &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let empty = file("empty.pem", "");
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n");
    let gone = folder.path().join("gone.pem").display().to_string();
    let here = folder.path().display().to_string();
    let (ours, other) = (authority.issue(), authority.issue());
    let (certificate, key) = (ours.certificate.display().to_string(), other.key.display().to_string());
    let none = folder.path().join("none").display().to_string();
    std::fs::create_dir(&none).expect("a folder");
    let cases = [
        (format!("ssl_ca_certs={gone}"), "ssl_ca_certs", &gone, "No such file"),
        (format!("ssl_ca_certs={empty}"), "ssl_ca_certs", &empty, "no certificate"),
        (format!("ssl_ca_certs={broken}"), "ssl_ca_certs", &broken, "PEM"),
        (format!("ssl_ca_certs={key}"), "ssl_ca_certs", &key, "no certificate"),
        (format!("ssl_ca_certs={here}"), "ssl_ca_certs", &here, "no file"),
        (format!("ssl_ca_path={none}"), "ssl_ca_path", &none, "no certificate"),
        (format!("ssl_ca_path={gone}"), "ssl_ca_path", &gone, "No such file"),
        (format!("ssl_certfile={gone}"), "ssl_certfile", &gone, "No such file"),
        (format!("ssl_certfile={certificate}"), "ssl_certfile", &certificate, "private key"),
        (format!("ssl_certfile={certificate}&ssl_keyfile={empty}"), "ssl_keyfile", &empty, "private key"),
        (
            format!("ssl_certfile={certificate}&ssl_keyfile={key}"),
            "ssl_keyfile",
            &key,
            "does not hold the key",
        ),
    ];
    for (query, option, path, what) in cases {
        let query = if query.contains("ssl_ca") { query } else { format!("{}&{query}", authority.trusted()) };
        let said = ping(&port.url(&query)).expect_err(&query).to_string();
        let all = [option, path, what, "correct the path"].iter().all(|words| said.contains(words));
        assert!(all, "{query}: {said}");
    }
}

#[test]
fn a_file_that_is_replaced_is_read_again() {
    let (old, new) = (Authority::new(), Authority::new());
    let (_server, port) = Server::with_tls(&new.issue(), &[]);
    let trusted = old.folder().join("trusted.pem");
    std::fs::copy(old.file(), &trusted).expect("copied");
    let url = port.url(&format!("ssl_ca_certs={}", trusted.display()));
    assert_eq!(tls_error(&url), TlsError::UnknownIssuer);
    let next = old.folder().join("next.pem");
    std::fs::copy(new.file(), &next).expect("copied");
    std::fs::rename(&next, &trusted).expect("renamed");
    ping(&url).expect("the new one is trusted");
}

#[test]
fn the_deadline_holds_for_the_whole_handshake() {
    let authority = Authority::new();
    let deadline = Duration::from_millis(150);
    let deadlines = patient().connect(deadline);
    let held = |url: &RedisUrl, what: &str| {
        let start = Instant::now();
        let error = Connection::open(url, &deadlines).expect_err(what);
        assert!(matches!(error, RedisError::TimedOut { phase: Phase::Connect, .. }), "{what}: {error:?}");
        assert!(
            start.elapsed() >= deadline / 2 && start.elapsed() < PATIENCE,
            "{what}: {:?}",
            start.elapsed()
        );
    };
    // One that accepts and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = TlsPort(listener.local_addr().expect("its address").port());
    held(&silent.url(&authority.trusted()), "silent");

    // One that is stopped: the kernel accepts for it.
    let (server, port) = Server::with_tls(&authority.issue(), &[]);
    server.signal("-STOP");
    held(&port.url(&authority.trusted()), "stopped");
    server.signal("-CONT");

    // One whose handshake comes in drops.
    let proxy = Proxy::before(port.0);
    proxy.set(Mood::Drip(Duration::from_millis(5)));
    let dripping = TlsPort(proxy.url().port().expect("a port"));
    held(&dripping.url(&authority.trusted()), "dripping");
}

#[test]
fn the_deadline_holds_for_a_reply_in_pieces_and_a_broken_connection_stays_closed() {
    let authority = Authority::new();
    let (_server, port) = Server::with_tls(&authority.issue(), &[]);
    let proxy = Proxy::before(port.0);
    let url = TlsPort(proxy.url().port().expect("a port")).url(&authority.trusted());
    let deadlines = patient().reply(Duration::from_millis(200));
    let value = vec![b'x'; 100_000];
    open(&url).expect("it connects").command(&[b"SET", b"k", &value]).expect("set");
    let cases: [(Mood, IsRight); 5] = [
        (Mood::Drip(Duration::from_millis(1)), RedisError::is_timeout),
        (Mood::Late(Duration::from_secs(1)), RedisError::is_timeout),
        // In the middle of a record, and between two.
        (Mood::Cut(1000), |error| matches!(error, RedisError::Closed { .. })),
        (Mood::Cut(50_000), |error| matches!(error, RedisError::Closed { mid_reply: true, .. })),
        (Mood::Forge(b"$1\r\nx\r\n".to_vec()), |error| {
            matches!(error, RedisError::Tls { source: TlsError::Handshake { .. }, .. })
        }),
    ];
    for (mood, is_right) in cases {
        proxy.set(Mood::Fair);
        let mut redis = Connection::open(&url, &deadlines).expect("it connects");
        redis.ping().expect("it answers");
        proxy.set(mood.clone());
        let start = Instant::now();
        let error = redis.command(&[b"GET", b"k"]).expect_err("no whole reply");
        assert!(is_right(&error), "{mood:?}: {error:?}");
        assert!(start.elapsed() < PATIENCE, "{mood:?}: {:?}", start.elapsed());
        assert!(!redis.is_open());
        assert!(matches!(redis.ping(), Err(RedisError::Closed { .. })), "{mood:?}: never used again");
    }
}

#[test]
fn a_handshake_of_many_bytes_is_read_to_its_end() {
    let authority = Authority::new();
    let names: Vec<String> = (0..400).map(|number| format!("cache{number}.some.where.example")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["127.0.0.1"]).collect();
    let (_server, port) = Server::with_tls(&authority.issue_for(&names), &[]);
    ping(&port.url(&authority.trusted())).expect("it answers");
}

#[test]
fn the_last_reply_before_the_end_is_read() {
    let authority = Authority::new();
    let (_server, port) = Server::with_tls(&authority.issue(), &[]);
    let url = port.url(&authority.trusted());
    // The reply and the end come together now and then.
    for round in 0..100 {
        let mut redis = open(&url).expect("it connects");
        let reply = redis.command(&[b"QUIT"]).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(reply, Reply::Status(b"OK".to_vec()));
        assert!(matches!(redis.ping(), Err(RedisError::Closed { .. })), "round {round}");
    }
}

#[test]
fn whatever_answers_a_handshake_is_an_error_within_the_deadline() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = TlsPort(listener.local_addr().expect("its address").port());
    // The heads of records and messages of TLS, and what else there is, with all kinds of lengths.
    let heads: [&[u8]; 8] = [
        &[0x16, 3, 3],
        &[0x16, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3],
        &[0x16, 3, 1, 0xff, 0xff],
        &[0x15, 3, 3, 0, 2],
        &[0x14, 3, 3, 0, 1, 1],
        &[0x17, 3, 3, 0x40, 0],
        &[0x16, 0xff],
        &[],
    ];
    let mut seed = 7_u32;
    let mut noise = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    };
    let answers: Vec<Vec<u8>> = (0..80)
        .map(|number: usize| {
            let rest: Vec<u8> = (0..number * 7).map(|_| noise()).collect();
            [heads[number % heads.len()], &rest].concat()
        })
        .collect();
    let count = answers.len();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(&answer);
            // Hangs up, so that nothing is waited for.
        }
    });
    let url = port.url(&authority.trusted());
    for number in 0..count {
        let start = Instant::now();
        let error = open(&url).expect_err("no server");
        let told = matches!(error, RedisError::Tls { .. } | RedisError::Closed { .. });
        assert!(told && start.elapsed() < PATIENCE, "{number}: {error:?} after {:?}", start.elapsed());
    }
}

#[test]
fn what_is_changed_on_its_way_is_found_out() {
    let authority = Authority::new();
    let (_server, port) = Server::with_tls(&authority.issue(), &[]);
    let proxy = Proxy::before(port.0);
    let url = TlsPort(proxy.url().port().expect("a port")).url(&authority.trusted());
    let mut redis = open(&url).expect("it connects");
    redis.ping().expect("it answers");
    // A record of the right shape that nobody with the key has made.
    let forged = [&[0x17, 3, 3, 0, 32][..], &[0; 32]].concat();
    proxy.set(Mood::Forge(forged));
    let error = redis.ping().expect_err("forged");
    assert!(matches!(error, RedisError::Tls { .. }), "{error:?}");
}

#[test]
fn a_server_by_tls_that_goes_is_a_miss_and_is_found_again() {
    let authority = Authority::new();
    let (mut server, port) = Server::with_tls(&authority.issue(), &[]);
    let quick = dontmanage_cache::Backoff::new(Duration::from_millis(5), Duration::from_millis(20));
    let options = ClientOptions::new()
        .deadlines(patient().reply(Duration::from_millis(400)))
        .backoff(quick)
        .on_event(|_| {});
    let client = Client::with_options(port.url(&authority.trusted()), options);
    let cache = Cache::new(client, KeyPrefix::new("site").expect("a prefix"));
    let set = || cache.set_value("k", &Value::from(1), Lifetime::NONE).expect("no error");
    set();
    assert_eq!(cache.get_value("k"), Some(Value::from(1)));

    server.signal("-STOP");
    let start = Instant::now();
    assert_eq!(cache.get_value("k"), None);
    assert!(start.elapsed() < PATIENCE);
    server.signal("-CONT");
    wait_for("it answers again", || cache.get_value("k").is_some());

    server.kill();
    assert_eq!(cache.get_value("k"), None);
    server.restart();
    wait_for("it is found again", || {
        set();
        cache.get_value("k").is_some()
    });
    // Connections that died while they were idle are replaced without a miss.
    server.kill();
    server.restart();
    set();
    assert_eq!(cache.get_value("k"), Some(Value::from(1)));
}

#[test]
fn nobody_at_a_tls_port_is_refused_like_anywhere() {
    let error = ping(&TlsPort(free_port()).url("")).expect_err("nobody listens");
    assert!(error.is_refused(), "{error}");
}
