//! `Procfile`: what `bench start` runs.

use std::path::Path;

use serde::Serialize;

use super::quote::shell;
use super::scene::{FRAMEWORK, Scene, Server, own_queue_program, text};
use super::seal::{Comment, seal};
use super::template::{Filler, Template};
use super::{Rendered, Syntax};
use crate::error::{Error, Problem, Result};

const TEMPLATE: Template = Template { name: "Procfile", text: include_str!("../../templates/Procfile.tera") };

/// What the template is filled with.
#[derive(Debug, Serialize)]
struct Procfile {
    programs: Vec<Program>,
}

#[derive(Debug, Serialize)]
struct Program {
    key: String,
    name: String,
    command: String,
}

/// Renders the file.
pub fn render(scene: &Scene<'_>) -> Result<Rendered> {
    let text = Filler::new(TEMPLATE)?.fill(&procfile(scene)?)?;
    if let Err(errors) = crate::procfile::parse(&text) {
        // Two queues whose names differ only in what a Procfile cannot hold.
        let problems = errors.iter().map(|error| error.problem("Procfile")).collect();
        return Err(Error::with_code(crate::exit_code::ExitCode::Usage, problems));
    }
    Ok(Rendered {
        path: "Procfile".into(),
        text: seal(&text, Comment::Hash, &[]),
        is_private: false,
        syntax: Syntax::Procfile,
    })
}

fn procfile(scene: &Scene<'_>) -> Result<Procfile> {
    let mut lines = redis_lines(scene)?;
    if scene.has_framework() {
        lines.extend(framework_lines(scene)?);
    }
    let mut programs: Vec<_> = lines
        .into_iter()
        .map(|(name, command)| Program {
            key: format!("programs.{name}"),
            command: scene.command_instead(&name).map_or(command, str::to_owned),
            name,
        })
        .collect();
    programs.extend(scene.own_programs().into_iter().map(|own| Program {
        key: format!("programs.{}.command", own.name),
        name: own.name.to_string(),
        command: own.command.to_owned(),
    }));
    Ok(Procfile { programs })
}

fn redis_lines(scene: &Scene<'_>) -> Result<Vec<(String, String)>> {
    if scene.tools.skip_redis {
        return Ok(Vec::new());
    }
    let mut servers = scene.servers();
    // As today's tool has them: the cache, socketio's, the queue.
    servers.sort_by_key(|server| server.name == "redis_queue");
    let line = |server: &Server<'_>| {
        Ok((server.name.to_owned(), format!("{} {}", redis_program(scene, server)?, server.file())))
    };
    servers.iter().map(line).collect()
}

/// The server's program by its plain name, unless the settings name another.
fn redis_program(scene: &Scene<'_>, server: &Server<'_>) -> Result<String> {
    if let Some(binary) = &server.settings.binary {
        let key = format!("{}.binary", server.name);
        return shell(&text(binary.clone())?)
            .map_err(|refused| Error::usage(Problem::new(refused.to_string()).at(key)));
    }
    let found = scene.tools.redis_server.as_ref().and_then(|path| path.file_name());
    Ok(match found {
        Some(name) if name == "valkey-server" => "valkey-server".to_owned(),
        _ => "redis-server".to_owned(),
    })
}

fn framework_lines(scene: &Scene<'_>) -> Result<Vec<(String, String)>> {
    let web = &scene.settings.web;
    let mut lines = Vec::new();
    let mut add = |name: &str, command: String| lines.push((name.to_owned(), command));
    if web.port_is_set {
        add("web", format!("bench serve --port {}", web.port));
    } else {
        add("web", "bench serve".to_owned());
    }
    match (&scene.tools.node, scene.is_legacy()) {
        (_, false) => add("socketio", "bench socketio".to_owned()),
        (Some(node), true) => add("socketio", format!("{} apps/{FRAMEWORK}/socketio.js", node_path(node)?)),
        // What cannot start is no program.
        (None, true) => {}
    }
    if !scene.tools.ci {
        add("watch", "bench watch".to_owned());
    }
    add("schedule", "bench schedule".to_owned());
    let logs = "1>> logs/worker.log 2>> logs/worker.error.log";
    add("worker", format!("bench worker {logs}"));
    for pool in scene.pools().iter().filter(|pool| pool.own) {
        add(&own_queue_program(&pool.name), format!("bench worker --queue {} {logs}", pool.queues));
    }
    Ok(lines)
}

fn node_path(node: &Path) -> Result<String> {
    shell(&text(node.to_owned())?)
        .map_err(|refused| Error::failed(Problem::new(format!("the path of node: {refused}"))))
}
