//! `config/systemd/`: the units of a bench in production, on a par with supervisor's programs.

use std::path::Path;

use serde::Serialize;

use super::scene::{FRAMEWORK, Pool, Scene, Server, Variable, own_queue_program, seconds, text};
use super::seal::{Comment, seal};
use super::template::{BENCH_PATH, Filler, Template};
use super::{Rendered, Syntax};
use crate::error::Result;
use crate::settings::{RestartPolicy, StopSignal};

const SERVICE: Template =
    Template { name: "a systemd service", text: include_str!("../../templates/service.tera") };
const TARGET: Template =
    Template { name: "a systemd target", text: include_str!("../../templates/target.tera") };

/// What the service's template is filled with.
#[derive(Debug, Serialize)]
struct Service {
    /// Its name in the Procfile, by which `[programs]` knows it.
    #[serde(skip)]
    policy: String,
    /// Where its command comes from.
    key: String,
    /// The unit's name without its suffix.
    name: String,
    /// Whether there are several of it, by number.
    is_template: bool,
    /// How many there are.
    #[serde(skip)]
    count: u32,
    target: String,
    after: Vec<String>,
    user: String,
    group: String,
    directory: String,
    environment: Vec<Variable>,
    command: Vec<String>,
    restart: &'static str,
    restart_seconds: u64,
    stop_signal: &'static str,
    stop_seconds: u64,
    /// Without `.log` and `.error.log`.
    log: String,
    memory_bytes: Option<u64>,
    protect_system: &'static str,
    writable: Vec<String>,
    private_tmp: bool,
}

/// What the target's template is filled with.
#[derive(Debug, Serialize)]
struct Target {
    #[serde(skip)]
    name: String,
    description: String,
    part_of: Option<String>,
    requires: Vec<String>,
    wants: Vec<String>,
}

/// The folder of the units, relative to the bench.
pub const FOLDER: &str = "config/systemd";

const WEB_STOP_SECONDS: u64 = 40;
/// As long as supervisor gives a program of which nothing is said.
const STOP_SECONDS: u64 = 10;
/// The queue may have a snapshot to write.
const REDIS_STOP_SECONDS: u64 = 60;
/// Long enough that systemd's limit of 5 starts in 10 seconds is never reached.
const RESTART_SECONDS: u64 = 3;

/// Renders all units.
pub fn render(scene: &Scene<'_>) -> Result<Vec<Rendered>> {
    let services = services(scene)?;
    let targets = targets(scene, &services);
    let mut rendered = Vec::new();
    let filler = Filler::new(SERVICE)?;
    for service in &services {
        let at = if service.is_template { "@" } else { "" };
        // Variables may be secrets.
        let is_private = scene.policy(&service.policy).is_some_and(|policy| !policy.env.is_empty());
        rendered.push(unit(&format!("{}{at}.service", service.name), &filler.fill(service)?, is_private));
    }
    let filler = Filler::new(TARGET)?;
    for target in &targets {
        rendered.push(unit(&target.name, &filler.fill(target)?, false));
    }
    Ok(rendered)
}

/// Whether systemd takes the bench's name in the name of a unit.
pub fn takes_name(scene: &Scene<'_>) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    scene.settings.bench.name.as_str().bytes().all(plain)
}

fn unit(name: &str, text: &str, is_private: bool) -> Rendered {
    Rendered {
        path: Path::new(FOLDER).join(name),
        text: seal(text, Comment::Hash, &[]),
        is_private,
        syntax: Syntax::Sections,
    }
}

impl Service {
    /// The units that this service makes: itself, or its instances.
    fn units(&self) -> Vec<String> {
        if self.is_template {
            (1..=self.count).map(|number| format!("{}@{number}.service", self.name)).collect()
        } else {
            vec![format!("{}.service", self.name)]
        }
    }
}

fn services(scene: &Scene<'_>) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    if scene.has_framework() {
        services.push(web(scene)?);
        services.extend(socketio(scene)?);
        services.push(schedule(scene)?);
        for pool in scene.pools() {
            services.push(worker(scene, &pool)?);
        }
    }
    if !scene.tools.skip_redis {
        for server in scene.servers() {
            services.push(redis(scene, &server)?);
        }
    }
    for own in scene.own_programs() {
        services.push(own_program(scene, own.name.as_str(), own.command)?);
    }
    depend(scene, &mut services);
    Ok(services)
}

/// What all services have in common; `policy` is the name in the Procfile, by which `[programs]` knows it.
fn service(
    scene: &Scene<'_>,
    policy: &str,
    name: &str,
    target: &str,
    log: &str,
    command: Vec<String>,
) -> Result<Service> {
    let bench = &scene.settings.bench.name;
    let root = scene.root()?;
    let mut service = Service {
        policy: policy.to_owned(),
        key: BENCH_PATH.to_owned(),
        name: format!("{bench}-{name}"),
        is_template: false,
        count: 1,
        target: format!("{bench}-{target}.target"),
        after: Vec::new(),
        user: scene.tools.user.clone(),
        group: scene.tools.group.clone(),
        directory: root.clone(),
        environment: Vec::new(),
        command,
        restart: "always",
        restart_seconds: RESTART_SECONDS,
        stop_signal: "SIGTERM",
        stop_seconds: STOP_SECONDS,
        log: scene.path(&format!("logs/{log}"))?,
        memory_bytes: None,
        protect_system: "full",
        private_tmp: !is_temporary(&root),
        writable: vec![root],
    };
    for server in scene.servers() {
        if let Some(folder) = server.settings.socket.as_deref().and_then(Path::parent) {
            let folder = text(folder.to_owned())?;
            // A private /tmp would hide a socket there.
            service.private_tmp &= !is_temporary(&folder);
        }
    }
    if let Some(command) = scene.command_instead(policy) {
        service.command = shell(command);
        service.key = format!("programs.{policy}.command");
    }
    Ok(service)
}

fn is_temporary(path: &str) -> bool {
    Path::new(path).starts_with("/tmp") || Path::new(path).starts_with("/var/tmp")
}

/// A line for `sh`, as words.
fn shell(line: &str) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()]
}

/// What the settings say about the program, said for systemd.
fn with_policy(scene: &Scene<'_>, policy: &str, mut service: Service) -> Result<Service> {
    service.environment = scene.environment(policy)?;
    let Some(said) = scene.policy(policy) else { return Ok(service) };
    match said.restart {
        Some(RestartPolicy::Always) => service.restart = "always",
        Some(RestartPolicy::OnFailure) => service.restart = "on-failure",
        Some(RestartPolicy::Never) => service.restart = "no",
        None => {}
    }
    if let Some(signal) = said.stop_signal {
        service.stop_signal = signal_name(signal);
    }
    if let Some(timeout) = said.stop_timeout {
        service.stop_seconds = seconds(timeout);
    }
    service.memory_bytes = said.memory_limit.map(|limit| limit.0);
    Ok(service)
}

const fn signal_name(signal: StopSignal) -> &'static str {
    match signal {
        StopSignal::Term => "SIGTERM",
        StopSignal::Int => "SIGINT",
        StopSignal::Quit => "SIGQUIT",
        StopSignal::Hup => "SIGHUP",
        StopSignal::Usr1 => "SIGUSR1",
        StopSignal::Usr2 => "SIGUSR2",
        StopSignal::Kill => "SIGKILL",
    }
}

fn web(scene: &Scene<'_>) -> Result<Service> {
    let web = service(scene, "web", &format!("{FRAMEWORK}-web"), "web", "web", scene.web_command()?)?;
    let web = Service { stop_seconds: WEB_STOP_SECONDS, directory: scene.path("sites")?, ..web };
    with_policy(scene, "web", web)
}

fn socketio(scene: &Scene<'_>) -> Result<Option<Service>> {
    let Some(command) = scene.socketio_command()? else { return Ok(None) };
    let socketio = service(scene, "socketio", "node-socketio", "web", "node-socketio", command)?;
    with_policy(scene, "socketio", socketio).map(Some)
}

fn schedule(scene: &Scene<'_>) -> Result<Service> {
    let command = scene.bench_command(&["schedule"])?;
    let name = format!("{FRAMEWORK}-schedule");
    let schedule = service(scene, "schedule", &name, "workers", "schedule", command)?;
    with_policy(scene, "schedule", schedule)
}

fn worker(scene: &Scene<'_>, pool: &Pool) -> Result<Service> {
    let command = scene.bench_command(&["worker", "--queue", &pool.queues])?;
    let policy = if pool.own { own_queue_program(&pool.name) } else { "worker".to_owned() };
    let name = format!("{FRAMEWORK}-{}-worker", pool.name);
    let worker = service(scene, &policy, &name, "workers", "worker", command)?;
    let worker =
        Service { is_template: true, count: pool.count, stop_seconds: seconds(pool.stop_timeout), ..worker };
    with_policy(scene, &policy, worker)
}

fn redis(scene: &Scene<'_>, server: &Server<'_>) -> Result<Service> {
    let name = server.dashed();
    let command = vec![scene.redis_program(server)?, scene.path(&server.file())?];
    let mut redis = service(scene, server.name, &name, "redis", &name, command)?;
    if let Some(folder) = server.settings.socket.as_deref().and_then(Path::parent)
        && !folder.starts_with(scene.dir.path())
    {
        redis.writable.push(text(folder.to_owned())?);
    }
    let redis = Service {
        directory: scene.path("sites")?,
        restart_seconds: 1,
        stop_seconds: REDIS_STOP_SECONDS,
        protect_system: "strict",
        ..redis
    };
    with_policy(scene, server.name, redis)
}

fn own_program(scene: &Scene<'_>, name: &str, command: &str) -> Result<Service> {
    let own = service(scene, name, name, "programs", name, shell(command))?;
    let count = scene.policy(name).and_then(|policy| policy.instances).unwrap_or(1);
    with_policy(scene, name, Service { is_template: count != 1, count, ..own })
}

/// Fills in what each service comes after: what its settings say, else the redis servers.
fn depend(scene: &Scene<'_>, services: &mut [Service]) {
    let units_of = |program: &str, services: &[Service]| -> Vec<String> {
        services.iter().filter(|service| service.policy == program).flat_map(Service::units).collect()
    };
    let servers: Vec<_> = scene.servers().iter().map(|server| server.name).collect();
    let after: Vec<Vec<String>> = services
        .iter()
        .map(|service| {
            let said = scene.policy(&service.policy).and_then(|policy| policy.depends_on.as_ref());
            match said {
                Some(names) => names.iter().flat_map(|name| units_of(name.as_str(), services)).collect(),
                None if servers.contains(&&*service.policy) => Vec::new(),
                None => servers.iter().flat_map(|server| units_of(server, services)).collect(),
            }
        })
        .collect();
    for (service, after) in services.iter_mut().zip(after) {
        service.after = after;
    }
}

/// One target for each group that has services, and one that stands for the whole bench.
fn targets(scene: &Scene<'_>, services: &[Service]) -> Vec<Target> {
    let bench = &scene.settings.bench.name;
    let whole = format!("{bench}.target");
    let mut targets = Vec::new();
    for (group, what) in
        [("web", "web server"), ("workers", "workers"), ("redis", "redis"), ("programs", "own programs")]
    {
        let name = format!("{bench}-{group}.target");
        let wants: Vec<_> =
            services.iter().filter(|service| service.target == name).flat_map(Service::units).collect();
        if !wants.is_empty() {
            targets.push(Target {
                name,
                description: format!("{bench}: {what}"),
                part_of: Some(whole.clone()),
                requires: Vec::new(),
                wants,
            });
        }
    }
    let requires = targets.iter().map(|target| target.name.clone()).collect();
    targets.push(Target {
        name: whole,
        description: format!("{bench}: all programs"),
        part_of: None,
        requires,
        wants: Vec::new(),
    });
    targets
}
