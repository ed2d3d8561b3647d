//! The demonstration: its page, served by a Python worker that `bench start` has started.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{TestBench, free_port, run, until};

fn bench() -> TestBench {
    let bench = TestBench::empty();
    let mut init = bench.command(&["init", "--demo", "develop-bench"]);
    init.current_dir(bench.parent());
    run(init).success();
    // Those that init has chosen, another test may have by now.
    for key in ["redis_cache.port", "redis_queue.port", "web.port"] {
        bench.run(&["config", "set", key, &free_port().to_string()]).success();
    }
    let web = bench.run(&["config", "get", "web.port"]).success().stdout;
    bench.run(&["config", "set", "programs.web.ready", &format!("{{ tcp = {} }}", web.trim())]).success();
    // It may be busy, too.
    for key in ["redis_cache.timeout", "redis_cache.connect_timeout"] {
        bench.run(&["config", "set", key, "30s"]).success();
    }
    for file in ["redis", "procfile"] {
        bench.run(&["setup", file]).success();
    }
    bench
}

/// Asks the page; a form is posted, and what it leads to is followed.
fn ask(port: u16, path: &str, form: Option<&str>) -> String {
    let answer = until("the page is answered", || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        let method = if form.is_some() { "POST" } else { "GET" };
        let body = form.unwrap_or_default();
        let head = format!("Host: x\r\nConnection: close\r\nContent-Length: {}", body.len());
        write!(stream, "{method} {path} HTTP/1.1\r\n{head}\r\n\r\n{body}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        (!answer.is_empty()).then_some(answer)
    });
    match answer.lines().find_map(|line| line.strip_prefix("Location: ")) {
        Some(next) => ask(port, next, None),
        None => answer,
    }
}

/// The page's two columns: one for each site.
fn columns(page: &str) -> [&str; 2] {
    let mut columns = page.split("<section>").skip(1);
    [columns.next().expect("the first site"), columns.next().expect("the second site")]
}

#[test]
fn the_page_shows_what_is_slow_once_for_each_site() {
    let bench = bench();
    let port = bench.run(&["config", "get", "web.port"]).success().stdout.trim().parse().expect("a port");
    let mut running = bench.start(&[]);
    running.is("web", "ready");

    let page = ask(port, "/", None);
    let [first, second] = columns(&page);
    assert!(first.contains("site1.localhost") && second.contains("site2.localhost"), "{page}");
    assert!(first.contains("Not called yet") && first.contains("slow_function(40, 2)"), "{page}");

    let call = |site: &str| ask(port, "/call", Some(&format!("site={site}&a=40&b=2")));
    assert!(columns(&call("site1.localhost"))[0].contains("worked out"));
    let page = call("site1.localhost");
    let [first, second] = columns(&page);
    assert!(first.contains("from the cache") && first.contains("= 42"), "{page}");
    assert!(second.contains("Not called yet"), "{page}");
    let page = call("site2.localhost");
    assert!(columns(&page)[1].contains("worked out"), "the other site has its own: {page}");

    // What one keeps, the other does not see.
    let page = ask(port, "/keep", Some("site=site1.localhost&greeting=%3Cb%3Ehello"));
    let [first, second] = columns(&page);
    assert!(first.contains("&#x27;&lt;b&gt;hello&#x27;") && !page.contains("<b>hello"), "{page}");
    assert!(second.contains("<code>None</code>"), "{page}");
    let kept = bench.run(&["cache", "get", "--site", "site1.localhost", "greeting"]).success().stdout;
    assert_eq!(kept, "'<b>hello'\n");

    let page = ask(port, "/clear", Some("site=site1.localhost&a=40&b=2"));
    assert!(columns(&page)[0].contains("Not called yet"), "{page}");
    assert!(columns(&call("site1.localhost"))[0].contains("worked out"));
    running.says("worker      | site1.localhost: slow_function(1, 1) = 2");

    // Without Redis it goes on, slowly.
    bench.run(&["stop", "redis_cache"]).success();
    let page = call("site2.localhost");
    assert!(page.contains("Redis is away") && columns(&page)[1].contains("worked out"), "{page}");
    assert!(!running.stdout().contains("Traceback"), "{}", running.stdout());
    running.interrupt();
}

#[test]
fn what_a_visitor_types_is_no_command() {
    let bench = bench();
    let port = bench.run(&["config", "get", "web.port"]).success().stdout.trim().parse().expect("a port");
    let mut running = bench.start(&["web"]);
    running.is("web", "ready");
    for (path, form) in [
        ("/call", "site=..&a=1&b=2"),
        ("/call", "a=1"),
        ("/nothing", "site=site1.localhost"),
        ("/call", "site=site1.localhost%00"),
    ] {
        assert!(ask(port, path, Some(form)).starts_with("HTTP/1.0 404"), "{path} {form}");
    }
    assert!(ask(port, "/?a=x&b=99999999999999999999", None).contains("slow_function(40, 2)"));
    assert!(ask(port, "/?a=%3Cscript%3E", None).contains("slow_function(40, 2)"));
    assert!(!running.stdout().contains("Traceback"), "{}", running.stdout());
    running.interrupt();
}
