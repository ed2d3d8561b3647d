//! One redis server's settings: the URL, and the port, address and socket that the server listens on,
//! brought into agreement. The highest layer has its way; within one file, contradictions are mistakes.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dontmanage_cache::MAX_SOCKET_PATH;
use indexmap::IndexMap;

use super::convert;
use super::key::KeyPath;
use super::layout::BenchDir;
use super::model::RedisServer;
use super::reader::{Picked, Reader};
use super::url_text::{self, Url};
use crate::error::Problem;
use crate::names::Port;

/// What a server is like when nobody says anything.
#[derive(Clone, Copy)]
pub struct Defaults {
    /// The settings' table.
    pub table: &'static str,
    /// The TCP port.
    pub port: Port,
    /// How this machine is spelt in the URL.
    pub host: &'static str,
    /// The unix socket, below the bench.
    pub socket: Option<&'static str>,
}

/// Directives that have a key of their own here, or that would break supervision.
const NOT_EXTRA: &[(&str, Option<&str>)] = &[
    ("port", Some("port")),
    ("bind", Some("bind")),
    ("unixsocket", Some("socket")),
    ("maxmemory", Some("maxmemory")),
    ("maxmemory-policy", Some("maxmemory_policy")),
    ("daemonize", None),
    ("supervised", None),
    ("pidfile", None),
    ("dir", None),
    ("dbfilename", None),
    ("include", None),
];

/// Reads the table of one server.
pub fn read(reader: &mut Reader, bench: &BenchDir, defaults: Defaults) -> RedisServer {
    let table = KeyPath::from(defaults.table);
    let url = reader.pick(&table.child("url"), url_text::url);
    let port = reader.pick(&table.child("port"), convert::port);
    let bind = reader.pick(&table.child("bind"), convert::address);
    let socket = reader.pick(&table.child("socket"), convert::path);
    let binary = reader.pick(&table.child("binary"), convert::path).map(|picked| picked.value);
    let extra = extra(reader, &table);

    let socket = socket.map(|picked| Picked { value: bench.join(&picked.value), ..picked });
    if let Some(socket) = &socket {
        check_length(reader, socket);
    }
    let address = effective_url(reader, defaults, url.as_ref(), port.as_ref(), bind.as_ref());
    if url.is_some()
        && port.as_ref().is_none_or(|port| url.as_ref().is_some_and(|url| url.layer > port.layer))
    {
        // The port is the URL's, so this is where someone looks for it.
        let origin = reader.origins.of(&table.child("url").to_string()).clone();
        reader.origins.set(table.child("port").to_string(), origin);
    }
    let binds_to_url = bind.as_ref().is_some_and(|bind| host_is(&address, bind.value));
    let local = (address.url.is_local() && !address.url.is_tls()) || binds_to_url;
    if !local {
        refuse_remote(reader, url.as_ref(), bind.as_ref().map(|bind| (bind.layer, &bind.place)));
        refuse_remote(reader, url.as_ref(), socket.as_ref().map(|socket| (socket.layer, &socket.place)));
    } else if let (Some(url), Some(bind)) = (&url, &bind) {
        refuse_other_address(reader, url, bind);
    }
    if let (Some(url), Some(socket)) = (&url, &socket) {
        refuse_other_socket(reader, url, socket);
    }

    let by_socket = address.url.path().map(Path::to_path_buf);
    RedisServer {
        local,
        bind: bind.map_or_else(|| listening_address(&address), |bind| bind.value),
        port: match &by_socket {
            Some(_) => port.map(|port| port.value),
            None => address.url.port().and_then(|port| Port::new(port.into()).ok()),
        },
        socket: match by_socket {
            Some(path) => Some(path),
            None if !local => None,
            None => socket.map(|socket| socket.value).or_else(|| default_socket(bench, defaults)),
        },
        binary: binary.map(|path| if path.components().count() > 1 { bench.join(path) } else { path }),
        extra,
        url_text: address.text,
        url: address.url,
    }
}

/// The URL that workers are told, after port and address have had their say.
fn effective_url(
    reader: &mut Reader,
    defaults: Defaults,
    url: Option<&Picked<Url>>,
    port: Option<&Picked<Port>>,
    bind: Option<&Picked<IpAddr>>,
) -> Url {
    let Some(url) = url else {
        let port = port.map_or(defaults.port, |port| port.value);
        return match bind {
            Some(bind) if !bind.value.is_unspecified() && bind.value != Ipv4Addr::LOCALHOST => {
                url_text::at(&bind.value.to_string(), port)
            }
            _ => url_text::at(defaults.host, port),
        };
    };
    let (Some(port), Some(written)) = (port, url.value.url.port()) else { return url.value.clone() };
    if port.value.number() == written || port.layer < url.layer {
        return url.value.clone();
    }
    if port.layer == url.layer {
        reader.problems.push(
            Problem::new(format!("the port is {}, but the URL says {written}", port.value))
                .at(format!("{} and {}", port.place, url.place))
                .fix("keep one of the two"),
        );
        return url.value.clone();
    }
    let text = url.value.text.with_port(port.value);
    match text.reveal().parse() {
        Ok(url) => Url { text, url },
        Err(_) => url.value.clone(),
    }
}

fn host_is(url: &Url, address: IpAddr) -> bool {
    url.url.host().and_then(|host| host.parse::<IpAddr>().ok()) == Some(address)
}

/// The address to listen on for a URL: its own, if it is one, and never all of them unasked.
fn listening_address(url: &Url) -> IpAddr {
    url.url
        .host()
        .and_then(|host| host.parse::<IpAddr>().ok())
        .filter(IpAddr::is_loopback)
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn default_socket(bench: &BenchDir, defaults: Defaults) -> Option<PathBuf> {
    let path = bench.join(defaults.socket?);
    (path.as_os_str().len() <= MAX_SOCKET_PATH).then_some(path)
}

fn check_length(reader: &mut Reader, socket: &Picked<PathBuf>) {
    let length = socket.value.as_os_str().as_bytes().len();
    if length > MAX_SOCKET_PATH {
        reader.problems.push(
            Problem::new(format!(
                "the socket path `{}` has {length} bytes, and the system allows {MAX_SOCKET_PATH}",
                socket.value.display()
            ))
            .at(&socket.place)
            .fix("choose a shorter path, for instance below `/run`"),
        );
    }
}

fn refuse_remote(
    reader: &mut Reader,
    url: Option<&Picked<Url>>,
    other: Option<(super::reader::Layer, &String)>,
) {
    if let (Some(url), Some((layer, place))) = (url, other)
        && layer >= url.layer
    {
        reader.problems.push(
            Problem::new(format!(
                "the server of `{}` is not started here, so it can't listen here",
                url.value.url
            ))
            .at(format!("{place} and {}", url.place))
            .fix("remove one of the two"),
        );
    }
}

fn refuse_other_address(reader: &mut Reader, url: &Picked<Url>, bind: &Picked<IpAddr>) {
    let Some(host) = url.value.url.host() else { return };
    let reached = match host.parse::<IpAddr>() {
        Ok(address) => address == bind.value || address.is_unspecified(),
        Err(_) => bind.value.is_loopback(),
    };
    if !reached && !bind.value.is_unspecified() && bind.layer >= url.layer {
        reader.problems.push(
            Problem::new(format!("the server listens on {}, but workers connect to `{host}`", bind.value))
                .at(format!("{} and {}", bind.place, url.place))
                .fix("make the two agree, or remove one"),
        );
    }
}

fn refuse_other_socket(reader: &mut Reader, url: &Picked<Url>, socket: &Picked<PathBuf>) {
    if let Some(path) = url.value.url.path()
        && path != socket.value
        && socket.layer >= url.layer
    {
        reader.problems.push(
            Problem::new(format!(
                "the server listens on `{}`, but workers connect to `{}`",
                socket.value.display(),
                path.display()
            ))
            .at(format!("{} and {}", socket.place, url.place))
            .fix("make the two agree, or remove one"),
        );
    }
}

fn extra(reader: &mut Reader, table: &KeyPath) -> IndexMap<String, String> {
    let table = table.child("extra");
    let mut extra = IndexMap::new();
    for (name, place) in reader.names_below(&table.to_string()) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            reader.problems.push(
                Problem::new(format!("`{name}` is no directive of redis"))
                    .at(place)
                    .fix("write a name of redis.conf, like `lazyfree-lazy-eviction`"),
            );
            continue;
        }
        if let Some((_, key)) = NOT_EXTRA.iter().find(|(word, _)| word.eq_ignore_ascii_case(&name)) {
            let problem = Problem::new(format!("`{name}` can't be an extra directive")).at(place);
            let table = table.to_string();
            let server = table.trim_end_matches(".extra");
            reader.problems.push(match key {
                Some(key) => problem.fix(format!("set `{server}.{key}`")),
                None => problem.fix("remove it: `bench` itself depends on this one"),
            });
            continue;
        }
        if let Some(value) = reader.pick(&table.child(&name), convert::directive) {
            extra.insert(name, value.value);
        }
    }
    extra
}
