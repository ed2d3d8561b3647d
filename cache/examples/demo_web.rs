//! A web page that shows the documentation's `slow_add` being slow once and instant after.
//!
//!     bench start      # sets PORT, BENCH_DIR and DONTMANAGE_REDIS_CACHE

#[path = "demo/bench.rs"]
mod bench;
#[path = "demo/http.rs"]
mod http;

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bench::{Answer, Site, shown};
use dontmanage_cache::Lifetime;
use http::{Request, Response, encoded, escaped};

struct Web {
    sites: Vec<Site>,
    /// How long each sum took when this process worked it out.
    first: Mutex<HashMap<Vec<u8>, Duration>>,
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let web = Web { sites: bench::sites()?, first: Mutex::default() };
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("`PORT` is `{port}`, which is no port"))?,
        Err(_) => 8000,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| format!("can't listen on port {port}: {error}"))?;
    log(&format!("listening on http://{}", listener.local_addr()?));
    let web = &web;
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            let handled = stream.and_then(|stream| {
                std::thread::Builder::new().spawn_scoped(scope, move || web.handle(&stream)).map(drop)
            });
            if let Err(error) = handled {
                log(&format!("a visitor was turned away: {error}"));
                // Out of threads or file handles: others will end soon.
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    });
    Ok(())
}

impl Web {
    fn handle(&self, stream: &TcpStream) {
        let start = Instant::now();
        let Ok(request) = Request::read(stream) else {
            let _ = Response::text("400 Bad Request", "not a request").write(stream);
            return;
        };
        let (response, note) = self.answer(&request);
        // A browser that has gone away is no matter of ours.
        let _ = response.write(stream);
        let status = response.status.split(' ').next().unwrap_or_default();
        let time = shown(start.elapsed());
        let path = request.path.escape_debug();
        log(format!("{status} {time:>8}  {} {path}  {note}", request.method.escape_debug()).trim_end());
    }

    /// The answer, and what the log says of it.
    fn answer(&self, request: &Request) -> (Response, String) {
        let site = request.field("site").and_then(|name| self.sites.iter().find(|site| site.name == name));
        let site = site.unwrap_or(&self.sites[0]);
        let (a, b) = (request.number("a").unwrap_or(40), request.number("b").unwrap_or(2));
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => match bench::slow_add(&site.cache, a, b, Lifetime::NONE) {
                Some(answer) => {
                    let how = if answer.hit { "hit" } else { "miss" };
                    let note = format!("{how} {} {}", answer.key, site.name);
                    (Response::page(self.page(site, (a, b), &answer)), note)
                }
                None => {
                    (Response::text("400 Bad Request", "these numbers are too large to add"), String::new())
                }
            },
            ("POST", "/delete") => {
                let key = format!("slow_addition|{a}+{b}");
                let found = if site.cache.delete_value(&key) { "deleted" } else { "nothing to delete" };
                (Response::see(link(site, a, b)), format!("{found} {key} {}", site.name))
            }
            ("GET", "/api/method/ping") => {
                (Response::text("200 OK", "{\"message\":\"pong\"}"), String::new())
            }
            ("GET", _) => (Response::text("404 Not Found", "no such page"), String::new()),
            _ => (Response::text("405 Method Not Allowed", "GET a page or POST a form"), String::new()),
        }
    }

    fn page(&self, site: &Site, (a, b): (i64, i64), answer: &Answer) -> String {
        let full_key = site.cache.make_key(&answer.key);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if !answer.hit {
            // As many as a visitor can try by hand.
            if first.len() > 1000 {
                first.clear();
            }
            first.insert(full_key.clone(), answer.took);
        }
        let before = match first.get(&full_key) {
            Some(time) => shown(*time),
            None => "by another process".to_owned(),
        };
        let verdict = if answer.hit { "from the cache" } else { "worked out" };
        let class = if answer.hit { "hit" } else { "miss" };
        let hint = if answer.hit {
            "Reload as often as you like. Delete the key, and it is slow once more."
        } else {
            "Reload the page: the cache has it now."
        };
        let site_links: Vec<String> = self
            .sites
            .iter()
            .map(|other| {
                let here = if other.name == site.name { " class=here" } else { "" };
                format!("<a{here} href=\"{}\">{}</a>", escaped(&link(other, a, b)), escaped(&other.name))
            })
            .collect();
        let others: Vec<String> = [(1, 1), (2, 2), (3, 3), (a.wrapping_add(1), b)]
            .iter()
            .map(|&(a, b)| format!("<a href=\"{}\">{a} + {b}</a>", escaped(&link(site, a, b))))
            .collect();
        let stats = site.cache.client().stats();
        let away = if site.cache.client().is_paused() {
            "<p class=away>The cache is away. The page still works, slowly.</p>"
        } else {
            ""
        };
        PAGE.replace("{style}", STYLE)
            .replace("{sites}", &site_links.concat())
            .replace("{a}", &a.to_string())
            .replace("{b}", &b.to_string())
            .replace("{sum}", &answer.sum.to_string())
            .replace("{class}", class)
            .replace("{now}", &shown(answer.took))
            .replace("{verdict}", verdict)
            .replace("{before}", &before)
            .replace("{hint}", hint)
            .replace("{away}", away)
            .replace("{others}", &others.concat())
            .replace("{hits}", &stats.hits.to_string())
            .replace("{misses}", &stats.misses.to_string())
            .replace("{site}", &escaped(&site.name))
            .replace("{key}", &escaped(&String::from_utf8_lossy(&full_key)))
    }
}

fn link(site: &Site, a: i64, b: i64) -> String {
    format!("/?site={}&a={a}&b={b}", encoded(&site.name))
}

fn log(line: &str) {
    // Without a reader there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}

const STYLE: &str = include_str!("demo/style.css");
const PAGE: &str = include_str!("demo/page.html");
