//! From settings and a Procfile to a plan: the Procfile says what runs, `[programs]` says how, and
//! what nobody says follows from what a program is.

mod environment;
mod recognise;

use environment::Own;
pub use environment::{CACHE_VARIABLES, Surroundings, of_bench as environment};
pub(super) use recognise::{own_server, server_program};

use std::collections::BTreeSet;
use std::ffi::OsString;

use indexmap::IndexMap;

use recognise::Kind;

use super::plan::{CommandLine, HealthCheck, InstanceSpec, Plan, Question, Readiness};
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::names::ProgramName;
use crate::procfile::Entry;
use crate::settings::{BenchDir, Probe, Program, RestartPolicy, Settings, StopSignal};

/// What the one who starts the bench chose.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Only these programs, and what they depend on; empty for all.
    pub only: Vec<String>,
    /// How many processes of a program.
    pub instances: IndexMap<String, u32>,
    /// Ends the bench when a program fails for good.
    pub exit_on_failure: bool,
}

/// A program with everything but its number.
struct Planned<'a> {
    name: &'a ProgramName,
    command: &'a str,
    policy: Program,
    kind: Kind,
    depends_on: Vec<String>,
    count: u32,
}

/// Makes the plan, or says everything that is wrong with it.
pub fn plan(
    bench: &BenchDir,
    settings: &Settings,
    procfile: &[Entry],
    surroundings: &Surroundings,
    choice: &Choice,
) -> Result<Plan> {
    let mut problems = Vec::new();
    let mut programs = collect(bench, settings, procfile, choice);
    check(&programs, settings, choice, &mut problems);
    if !choice.only.is_empty() && problems.is_empty() {
        let wanted: BTreeSet<String> =
            with_dependencies(&programs, &choice.only).into_iter().map(str::to_owned).collect();
        programs.retain(|program| wanted.contains(program.name.as_str()));
    }
    if programs.is_empty() && problems.is_empty() {
        problems.push(
            Problem::new("there is no program to start")
                .at(bench.path().display())
                .fix("name one in the Procfile, or in `[programs]` of bench.toml"),
        );
    }
    if !problems.is_empty() {
        return Err(Error::with_code(ExitCode::Usage, problems));
    }
    let of_bench = environment::of_bench(bench, settings, surroundings);
    let mut instances = Vec::new();
    for (index, program) in programs.iter().enumerate() {
        for number in 1..=program.count {
            instances.push(instance(bench, settings, program, (index, number), (surroundings, &of_bench)));
        }
    }
    let run_id = surroundings.run_id.clone();
    Ok(Plan { bench: bench.path().to_owned(), run_id, instances, exit_on_failure: choice.exit_on_failure })
}

fn collect<'a>(
    bench: &BenchDir,
    settings: &'a Settings,
    procfile: &'a [Entry],
    choice: &Choice,
) -> Vec<Planned<'a>> {
    let in_procfile = |name: &ProgramName| procfile.iter().any(|entry| entry.name == *name);
    let from_procfile = procfile.iter().map(|entry| (&entry.name, entry.command.as_str()));
    let of_its_own = settings
        .programs
        .iter()
        .filter(|(name, _)| !in_procfile(name))
        .filter_map(|(name, program)| Some((name, program.command.as_deref()?)));
    let mut programs: Vec<Planned<'a>> = from_procfile
        .chain(of_its_own)
        .map(|(name, command)| {
            let policy = settings.programs.get(name).cloned().unwrap_or_default();
            let count = choice.instances.get(name.as_str()).copied().or(policy.instances).unwrap_or(1);
            let kind = recognise::recognise(bench, settings, name, command);
            Planned { name, command, policy, kind, depends_on: Vec::new(), count }
        })
        .filter(|program| program.count > 0)
        .collect();
    let servers: Vec<String> = programs
        .iter()
        .filter(|program| matches!(program.kind, Kind::Redis(_)))
        .map(|program| program.name.to_string())
        .collect();
    for program in &mut programs {
        program.depends_on = match (&program.policy.depends_on, &program.kind) {
            (Some(named), _) => named.iter().map(ToString::to_string).collect(),
            (None, Kind::Redis(_)) => Vec::new(),
            (None, _) => servers.clone(),
        };
    }
    programs
}

fn check(programs: &[Planned<'_>], settings: &Settings, choice: &Choice, problems: &mut Vec<Problem>) {
    let known: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
    let unknown = |name: &str| {
        Problem::new(format!("there is no program `{name}`"))
            .fix(format!("the programs are {}", known.join(", ")))
    };
    for name in choice
        .only
        .iter()
        .chain(choice.instances.iter().filter(|(_, count)| **count > 0).map(|(name, _)| name))
    {
        if !known.contains(&name.as_str()) {
            problems.push(unknown(name));
        }
    }
    for program in programs {
        for needed in &program.depends_on {
            if !known.contains(&needed.as_str()) {
                let key = format!("programs.{}.depends_on", program.name);
                problems.push(unknown(needed).at(settings.origins.place(&key)));
            }
        }
        if matches!(program.kind, Kind::Redis(_)) && program.count > 1 {
            problems.push(Problem::new(format!(
                "`{}` is a redis-server: it runs once, not {} times",
                program.name, program.count
            )));
        }
    }
    if let Some(program) = programs.iter().find(|program| depends_on_itself(programs, program)) {
        let key = format!("programs.{}.depends_on", program.name);
        problems.push(
            Problem::new(format!("`{}` depends on itself, directly or through others", program.name))
                .at(settings.origins.place(&key))
                .fix("take one of these dependencies away"),
        );
    }
}

fn depends_on_itself(programs: &[Planned<'_>], program: &Planned<'_>) -> bool {
    program.depends_on.iter().any(|needed| {
        with_dependencies(programs, std::slice::from_ref(needed)).contains(program.name.as_str())
    })
}

/// These programs and all they need.
fn with_dependencies<'a>(programs: &'a [Planned<'_>], names: &[String]) -> BTreeSet<&'a str> {
    let mut wanted = BTreeSet::new();
    let mut open: Vec<&str> = names.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        if let Some(program) = programs.iter().find(|program| program.name.as_str() == name)
            && wanted.insert(program.name.as_str())
        {
            open.extend(program.depends_on.iter().map(String::as_str));
        }
    }
    wanted
}

fn instance(
    bench: &BenchDir,
    settings: &Settings,
    program: &Planned<'_>,
    (index, number): (usize, u32),
    (surroundings, of_bench): (&Surroundings, &IndexMap<OsString, OsString>),
) -> InstanceSpec {
    let Planned { name, policy, kind, .. } = program;
    let name = if program.count == 1 { name.to_string() } else { format!("{name}.{number}") };
    let mut command = CommandLine::parse(program.command);
    if let (Kind::Redis(_), CommandLine::Words(words), Some(server)) =
        (kind, &mut command, &surroundings.redis_server)
    {
        // The one that the settings name, or Valkey where that is what is installed; but a path is meant
        // as it is written.
        let named = recognise::server_program(program.command).unwrap_or_default();
        if let Some(word) = words.iter_mut().find(|word| **word == named && !named.contains('/')) {
            *word = server.display().to_string();
        }
    }
    let question = |probe: &Probe| match (probe, kind) {
        (Probe::Redis, Kind::Redis(url)) => Question::Redis(url.clone()),
        (Probe::Redis, _) => Question::Redis(settings.redis_cache.server.url.clone()),
        (probe, _) => Question::Plain(probe.clone()),
    };
    let ready = policy.ready.clone().or_else(|| kind.readiness());
    let notify_socket = matches!(ready, Some(Probe::Notify))
        .then(|| bench.config().join("pids").join(format!("{name}.notify")));
    let health = policy.health.clone().or_else(|| kind.health());
    let own = Own {
        name: &name,
        port: environment::first_port(settings, kind, program.name.as_str(), index) + number - 1,
        env: &policy.env,
        notify_socket: notify_socket.as_deref(),
    };
    InstanceSpec {
        env: environment::of_instance(of_bench, &own, surroundings),
        program: program.name.to_string(),
        command,
        cwd: bench.path().to_owned(),
        restart: policy.restart.unwrap_or(RestartPolicy::Always),
        restart_limit: kind.restart_limit(),
        stop_signal: policy.stop_signal.unwrap_or(StopSignal::Term),
        stop_timeout: policy.stop_timeout.unwrap_or_else(|| kind.stop_timeout()),
        depends_on: program.depends_on.clone(),
        ready: ready
            .map(|probe| Readiness { question: question(&probe), timeout: recognise::ANSWER_TIMEOUT }),
        health: health.map(|health| HealthCheck {
            question: question(&health.probe),
            every: health.every,
            timeout: health.timeout,
            failures: health.failures,
        }),
        memory_limit: policy.memory_limit,
        notify_socket,
        name,
    }
}
