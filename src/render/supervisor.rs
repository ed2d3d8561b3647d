//! `config/supervisor.conf`, for a bench in production.

use serde::Serialize;

use super::scene::{FRAMEWORK, Pool, Scene, Variable, own_queue_program, seconds};
use super::seal::{Comment, seal};
use super::template::{BENCH_PATH, Filler, Template};
use super::{Rendered, Syntax};
use crate::error::{Error, Problem, Result};
use crate::settings::{self, RestartPolicy, StopSignal};

const TEMPLATE: Template =
    Template { name: "supervisor.conf", text: include_str!("../../templates/supervisor.conf.tera") };

/// What the template is filled with.
#[derive(Debug, Serialize)]
struct Conf {
    programs: Vec<Program>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug, Serialize)]
struct Program {
    /// Its name in the Procfile, by which `[programs]` knows it.
    #[serde(skip)]
    policy: String,
    /// Where its command comes from.
    key: String,
    name: String,
    command: Vec<String>,
    priority: u32,
    restart: Option<&'static str>,
    /// Without `.log` and `.error.log`.
    log: String,
    stop_signal: Option<&'static str>,
    stop_seconds: Option<u64>,
    stops_group: bool,
    kills_group: bool,
    user: String,
    directory: String,
    retries: Option<u32>,
    environment: Vec<Variable>,
    instances: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    programs: Vec<String>,
}

/// How long the web server may take to stop: its requests have 30 s.
const WEB_STOP_SECONDS: u64 = 40;

/// Renders the file.
pub fn render(scene: &Scene<'_>) -> Result<Rendered> {
    let text = Filler::new(TEMPLATE)?.fill(&conf(scene)?)?;
    // Variables may be secrets.
    let is_private = scene.settings.programs.values().any(|program| !program.env.is_empty());
    Ok(Rendered {
        path: "config/supervisor.conf".into(),
        text: seal(&format!("{text}\n"), Comment::Semicolon, &[]),
        is_private,
        syntax: Syntax::Sections,
    })
}

fn conf(scene: &Scene<'_>) -> Result<Conf> {
    let bench = &scene.settings.bench.name;
    let (mut web, mut workers) = (Vec::new(), Vec::new());
    if scene.has_framework() {
        web.push(web_server(scene)?);
        web.extend(socketio(scene)?);
        workers.push(schedule(scene)?);
        for pool in scene.pools() {
            workers.push(worker(scene, &pool)?);
        }
    }
    let redis = redis(scene)?;
    let own: Result<Vec<_>> = scene
        .own_programs()
        .into_iter()
        .map(|own| own_program(scene, own.name.as_str(), own.command))
        .collect();
    let own = own?;

    let mut groups = Vec::new();
    let mut group = |name: &str, programs: &[Program]| {
        if !programs.is_empty() {
            let programs = programs.iter().map(|program| program.name.clone()).collect();
            groups.push(Group { name: format!("{bench}-{name}"), programs });
        }
    };
    group("web", &web);
    // The older layout leaves the bench's own queues in groups of their own.
    let own_queues = if scene.is_legacy() { scene.pools().iter().filter(|pool| pool.own).count() } else { 0 };
    group("workers", &workers[..workers.len() - own_queues]);
    group("redis", &redis);
    group("programs", &own);

    // In the order of today's tool: socketio comes after redis.
    let socketio = web.split_off(web.len().min(1));
    let programs: Vec<_> = web.into_iter().chain(workers).chain(redis).chain(socketio).chain(own).collect();
    no_name_twice(&programs)?;
    Ok(Conf { programs, groups })
}

fn no_name_twice(programs: &[Program]) -> Result<()> {
    for (index, program) in programs.iter().enumerate() {
        if let Some(other) = programs[..index].iter().find(|other| other.name == program.name) {
            return Err(Error::usage(
                Problem::new(format!("two programs would be called `{}` in supervisor", program.name))
                    .at(format!("programs.{} and programs.{}", other.policy, program.policy))
                    .fix("rename one of them"),
            ));
        }
    }
    Ok(())
}

/// What all programs have in common; `policy` is the name in the Procfile, by which `[programs]` knows it.
fn program(scene: &Scene<'_>, policy: &str, name: &str, log: &str, command: Vec<String>) -> Result<Program> {
    let program = Program {
        policy: policy.to_owned(),
        key: BENCH_PATH.to_owned(),
        name: format!("{}-{name}", scene.settings.bench.name),
        command,
        priority: 4,
        restart: Some("true"),
        log: scene.path(&format!("logs/{log}"))?,
        stop_signal: None,
        stop_seconds: None,
        stops_group: false,
        kills_group: false,
        user: scene.tools.user.clone(),
        directory: scene.root()?,
        retries: (!scene.is_legacy()).then_some(10),
        environment: Vec::new(),
        instances: None,
    };
    Ok(program)
}

/// What the settings say about the program, said for supervisor.
fn with_policy(scene: &Scene<'_>, policy: &str, mut program: Program) -> Result<Program> {
    if let Some(command) = scene.command_instead(policy) {
        program.command = shell(command);
        program.key = format!("programs.{policy}.command");
    }
    if let Some(said) = scene.policy(policy) {
        apply(said, &mut program);
    }
    program.environment = scene.environment(policy)?;
    Ok(program)
}

fn apply(said: &settings::Program, program: &mut Program) {
    if let Some(restart) = said.restart {
        program.restart = Some(match restart {
            RestartPolicy::Always => "true",
            RestartPolicy::OnFailure => "unexpected",
            RestartPolicy::Never => "false",
        });
    }
    program.stop_signal = said.stop_signal.map(signal).or(program.stop_signal);
    program.stop_seconds = said.stop_timeout.map(seconds).or(program.stop_seconds);
}

const fn signal(signal: StopSignal) -> &'static str {
    match signal {
        StopSignal::Term => "TERM",
        StopSignal::Int => "INT",
        StopSignal::Quit => "QUIT",
        StopSignal::Hup => "HUP",
        StopSignal::Usr1 => "USR1",
        StopSignal::Usr2 => "USR2",
        StopSignal::Kill => "KILL",
    }
}

/// A line for `sh`, as words.
fn shell(line: &str) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()]
}

fn web_server(scene: &Scene<'_>) -> Result<Program> {
    let web = program(scene, "web", &format!("{FRAMEWORK}-web"), "web", scene.web_command()?)?;
    let is_current = !scene.is_legacy();
    let web = Program {
        stop_seconds: is_current.then_some(WEB_STOP_SECONDS),
        kills_group: is_current,
        directory: scene.path("sites")?,
        ..web
    };
    with_policy(scene, "web", web)
}

fn schedule(scene: &Scene<'_>) -> Result<Program> {
    let command = scene.bench_command(&["schedule"])?;
    let schedule = program(scene, "schedule", &format!("{FRAMEWORK}-schedule"), "schedule", command)?;
    // As today's tool has it: in the current layout supervisor's own default.
    let restart = scene.is_legacy().then_some("true");
    with_policy(scene, "schedule", Program { priority: 3, restart, ..schedule })
}

fn worker(scene: &Scene<'_>, pool: &Pool) -> Result<Program> {
    let command = scene.bench_command(&["worker", "--queue", &pool.queues])?;
    let policy = if pool.own { own_queue_program(&pool.name) } else { "worker".to_owned() };
    let worker = program(scene, &policy, &format!("{FRAMEWORK}-{}-worker", pool.name), "worker", command)?;
    let worker = Program {
        stop_seconds: Some(seconds(pool.stop_timeout)),
        kills_group: true,
        instances: Some(pool.count),
        ..worker
    };
    with_policy(scene, &policy, worker)
}

fn redis(scene: &Scene<'_>) -> Result<Vec<Program>> {
    if scene.tools.skip_redis {
        return Ok(Vec::new());
    }
    let mut programs = Vec::new();
    for server in scene.servers() {
        let name = server.dashed();
        let command = vec![scene.redis_program(&server)?, scene.path(&server.file())?];
        let redis = program(scene, server.name, &name, &name, command)?;
        let redis = Program { priority: 1, directory: scene.path("sites")?, ..redis };
        programs.push(with_policy(scene, server.name, redis)?);
    }
    Ok(programs)
}

fn socketio(scene: &Scene<'_>) -> Result<Option<Program>> {
    let Some(command) = scene.socketio_command()? else { return Ok(None) };
    let socketio = program(scene, "socketio", "node-socketio", "node-socketio", command)?;
    with_policy(scene, "socketio", socketio).map(Some)
}

fn own_program(scene: &Scene<'_>, name: &str, command: &str) -> Result<Program> {
    let own = program(scene, name, name, name, shell(command))?;
    let instances = scene.policy(name).and_then(|policy| policy.instances);
    // Its shell may have started others.
    let own = Program {
        stops_group: true,
        kills_group: true,
        instances: instances.filter(|&count| count != 1),
        retries: Some(10),
        ..own
    };
    with_policy(scene, name, own)
}
