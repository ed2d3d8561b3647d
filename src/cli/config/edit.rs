//! `bench config set` and `bench config unset`

use crate::cli::{Context, env};
use crate::error::{Problem, Result};
use crate::exit_code::ExitCode;
use crate::files::{self, Mode};
use crate::settings::{self, BenchDir, Change};

/// Change one setting
#[derive(clap::Args, Debug)]
pub struct SetArgs {
    /// The key, like `redis_cache.maxmemory`
    key: String,
    /// Its value, like `1gb`
    #[arg(allow_hyphen_values = true)]
    value: String,
}

/// Take one setting out, so that it has its default
#[derive(clap::Args, Debug)]
pub struct UnsetArgs {
    /// The key, like `redis_cache.maxmemory`
    key: String,
}

pub fn set(args: &SetArgs, context: &Context) -> Result<ExitCode> {
    let bench = context.bench()?;
    let changes = settings::set(&bench, &env, &args.key, &args.value)?;
    write(context, &bench, &changes)?;
    warn_if_overruled(context, &bench, &args.key, false)?;
    Ok(ExitCode::Done)
}

pub fn unset(args: &UnsetArgs, context: &Context) -> Result<ExitCode> {
    let bench = context.bench()?;
    let changes = settings::unset(&bench, &env, &args.key)?;
    write(context, &bench, &changes)?;
    if let Some(place) = settings::said_by(&bench, &env, &args.key)? {
        let problem = Problem::new(format!("`{}` is still set elsewhere", args.key));
        context.warn(&problem.at(place).fix("change or remove it there"));
    }
    Ok(ExitCode::Done)
}

/// Writes the changed files and says which.
pub fn write(context: &Context, bench: &BenchDir, changes: &[Change]) -> Result<()> {
    for change in changes {
        files::write(bench.path(), &change.path, change.text.as_bytes(), Mode::Public)?;
        let shown = change.path.strip_prefix(bench.path()).unwrap_or(&change.path);
        context.tell(format_args!("wrote {}", shown.display()));
    }
    if changes.is_empty() {
        context.tell("nothing to change");
    }
    Ok(())
}

/// A value that a higher layer overrules has no effect, and the user should not have to find out why.
pub fn warn_if_overruled(context: &Context, bench: &BenchDir, key: &str, common: bool) -> Result<()> {
    if let Some(place) = settings::overruled(bench, &env, key, common)? {
        context.warn(
            &Problem::new(format!("`{key}` is overruled elsewhere"))
                .at(place)
                .fix("change or remove it there"),
        );
    }
    Ok(())
}
