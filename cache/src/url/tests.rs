//! URLs as people write them, rightly and wrongly.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::*;
use proptest::prelude::*;

fn url(text: &str) -> RedisUrl {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn a_url_without_parts_means_the_defaults() {
    let got = url("redis://");
    assert_eq!((got.host(), got.port(), got.db()), (Some("localhost"), Some(6379), 0));
    assert_eq!(url("redis://:7000"), RedisUrl::tcp("localhost", 7000));
    assert_eq!(url("redis://cache.example/"), RedisUrl::tcp("cache.example", 6379));
    assert_eq!(url("10.0.0.1:13000"), RedisUrl::tcp("10.0.0.1", 13000));
    assert_eq!(url(" redis://localhost:1#x "), RedisUrl::tcp("localhost", 1));
}

#[test]
fn every_part_of_a_url_is_read_and_decoded() {
    let got = url("redis://us%65r:p%40ss%3A@[::1]:7000/12?protocol=2");
    assert_eq!(got.username(), Some("user"));
    assert_eq!(got.password(), Some("p@ss:"));
    assert_eq!((got.host(), got.port(), got.db()), (Some("::1"), Some(7000), 12));

    let got = url("unix://bob@/run/a%20b.sock?db=3&password=x%26y");
    assert_eq!(got.path(), Some(Path::new("/run/a b.sock")));
    assert_eq!((got.username(), got.password(), got.db()), (Some("bob"), Some("x&y"), 3));

    assert_eq!(url("/run/redis.sock"), RedisUrl::unix("/run/redis.sock"));
    assert!(url("rediss://host:6380").is_tls());
    assert_eq!(url("redis://:pw@h").username(), None);
    assert_eq!(url("redis://h?db=4").db(), 4);
}

#[test]
fn a_server_reached_by_its_socket_is_asked_with_the_same_login() {
    let got = url("redis://bob:pw@localhost:1/3").by_socket("/run/x.sock");
    assert_eq!(got, url("unix://bob:pw@/run/x.sock?db=3"));
}

#[test]
fn only_addresses_of_this_machine_are_local() {
    for text in ["redis://LOCALHOST", "127.0.0.9:1", "redis://[::1]", "unix:///x", "redis://0.0.0.0:1"] {
        assert!(url(text).is_local(), "{text}");
    }
    for text in ["redis://cache.example", "10.0.0.1:1", "redis://[2001:db8::1]", "rediss://h"] {
        assert!(!url(text).is_local(), "{text}");
    }
}

#[test]
fn what_a_url_says_of_tls_is_read_in_the_words_of_redis_py() {
    let got = url(
        "rediss://h/2?ssl_ca_certs=/a%20b/ca.pem&ssl_ca_path=/etc/certs&ssl_certfile=/c.pem&ssl_keyfile=/k.pem\
         &ssl_cert_reqs=required&ssl_check_hostname=True&protocol=3",
    );
    let tls = got.tls().expect("options");
    assert_eq!(tls.ca_certs(), Some(Path::new("/a b/ca.pem")));
    assert_eq!(tls.ca_path(), Some(Path::new("/etc/certs")));
    assert_eq!((tls.certfile(), tls.keyfile()), (Some(Path::new("/c.pem")), Some(Path::new("/k.pem"))));
    assert_eq!((tls.verification(), got.db()), (Verification::Full, 2));
    assert_eq!(
        got.to_string(),
        "rediss://h:6379/2?ssl_ca_certs=/a%20b/ca.pem&ssl_ca_path=/etc/certs&ssl_certfile=/c.pem&ssl_keyfile=/k.pem"
    );
    let of = |query: &str| url(&format!("rediss://h?{query}")).tls().expect("options").verification();
    assert_eq!(of(""), Verification::Full);
    assert_eq!(of("ssl_cert_reqs=optional&ssl_check_hostname=&ssl_ca_certs="), Verification::Full);
    assert_eq!(of("ssl_check_hostname=no"), Verification::AnyHost);
    assert_eq!(of("ssl_check_hostname=true&ssl_cert_reqs=none"), Verification::None);
    assert_ne!(url("rediss://h"), url("rediss://h?ssl_cert_reqs=none"), "they are not the same server");
    assert_eq!(url("redis://h").tls(), None);
    assert_eq!(url("rediss://h?ssl_ca_certs=/ca.pem").by_socket("/s"), url("unix:///s"));
}

#[test]
fn mistakes_about_tls_are_named_and_nothing_of_it_is_passed_over() {
    let cases = [
        ("rediss://h?ssl_cert_reqs=maybe", "`ssl_cert_reqs=maybe`", "`required` or `none`"),
        ("rediss://h?ssl_cert_reqs=NONE", "`ssl_cert_reqs=NONE`", "`none`"),
        ("rediss://h?ssl_check_hostname=perhaps", "`ssl_check_hostname=perhaps`", "`true` or `false`"),
        ("rediss://h?ssl_ca_certs=ca.pem", "`ssl_ca_certs=ca.pem`", "absolute path"),
        ("rediss://h?ssl_ca_certs=%2", "path", "%25"),
        ("rediss://h?ssl_ciphers=x", "`ssl_ciphers`", "ssl_ca_certs"),
        ("rediss://h?ssl_keyfile=/k.pem", "ssl_keyfile", "ssl_certfile"),
        ("redis://h?ssl_ca_certs=/ca.pem", "`ssl_ca_certs`", "`rediss://`"),
        ("unix:///s?ssl_cert_reqs=required", "`ssl_cert_reqs`", "`rediss://`"),
    ];
    for (text, what, fix) in cases {
        let error = text.parse::<RedisUrl>().expect_err(text).to_string();
        assert!(error.contains(what) && error.contains(fix), "{text}: {error}");
    }
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("", UrlError::Empty),
        ("http://x", UrlError::Scheme { scheme: "http".into() }),
        ("localhost", UrlError::NoScheme { text: "localhost".into() }),
        ("redis://h:0", UrlError::Port { port: "0".into() }),
        ("redis://h:65536", UrlError::Port { port: "65536".into() }),
        ("redis://h:+1", UrlError::Port { port: "+1".into() }),
        ("redis://h/x", UrlError::Database { db: "x".into() }),
        ("redis://h/1/2", UrlError::Database { db: "1/2".into() }),
        ("redis://::1:6379", UrlError::Host { host: "::1:6379".into() }),
        ("redis://[x]:6379", UrlError::Host { host: "[x]:6379".into() }),
        ("unix://run/x.sock", UrlError::RelativeSocket),
        ("unix://", UrlError::RelativeSocket),
        ("redis://:%zz@h", UrlError::Encoding { part: "password" }),
        ("redis://:%ff@h", UrlError::Encoding { part: "password" }),
        ("redis://h\n:1", UrlError::ControlCharacter),
        ("unix:///a%00b", UrlError::ControlCharacter),
    ];
    for (text, want) in cases {
        assert_eq!(text.parse::<RedisUrl>(), Err(want), "{text}");
    }
    let long = format!("/{}", "x".repeat(107));
    assert!(matches!(long.parse::<RedisUrl>(), Err(UrlError::SocketPathLength { length: 108, .. })));
}

#[test]
fn what_is_shown_never_holds_the_password() {
    for text in ["redis://bob:hunter2@h:1/2", "unix:///x?password=hunter2&db=2", "rediss://:hunter2@h"] {
        let got = url(text);
        assert!(!format!("{got} {got:?}").contains("hunter2"), "{got}");
        assert!(got.to_string().contains("***"), "{got}");
    }
    for text in ["redis://:hunter2@h:x", "bob:hunter2@h", "redis://u:hunter2%@h", "redis://:hunter2/@h"] {
        let error = text.parse::<RedisUrl>().expect_err(text);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_parses_or_errs(text in "\\PC{0,60}") {
        let _ = text.parse::<RedisUrl>();
    }

    #[test]
    fn a_whole_url_reads_back(
        user in "[a-z:@%/ é]{0,6}", password in proptest::option::of("\\PC{1,8}"), db in 0u32..16,
        address in prop_oneof![
            ("[a-z]{1,8}", 1u16..).prop_map(|(host, port)| Address::Tcp { host, port }),
            any::<(std::net::Ipv6Addr, u16)>()
                .prop_map(|(ip, port)| Address::Tls { host: ip.to_string(), port: port.max(1) }),
            proptest::collection::vec(1u8.., 0..20).prop_map(|mut path| {
                path.insert(0, b'/');
                Address::Unix(OsString::from_vec(path).into())
            }),
        ],
        paths in proptest::collection::vec(proptest::option::of("/\\PC{0,8}"), 4),
        unverified: bool, any_host: bool,
    ) {
        let username = Some(user).filter(|user| !user.is_empty());
        let mut paths = paths.into_iter().map(|path| path.map(PathBuf::from));
        let mut path = || paths.next().flatten();
        let (ca_certs, ca_path, certfile) = (path(), path(), path());
        let keyfile = certfile.is_some().then(path).flatten();
        let tls = TlsOptions { ca_certs, ca_path, certfile, keyfile, unverified, any_host };
        let tls = matches!(address, Address::Tls { .. }).then(|| Box::new(tls));
        let want = RedisUrl { address, username, password, db, tls };
        prop_assert_eq!(want.to_full_string().parse::<RedisUrl>(), Ok(want));
    }
}
