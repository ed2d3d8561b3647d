//! Where a command is run from, as far as the programs that it starts are concerned.

use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::probe;
use crate::settings::{BenchDir, Settings, WorkerLibrary};
use crate::supervise::Surroundings;

/// Looks around.
pub fn of(bench: &BenchDir, settings: &Settings) -> Result<Surroundings> {
    let bench_program = std::env::current_exe()
        .map_err(|source| Error::io("find", std::path::Path::new("/proc/self/exe"), &source))?;
    Ok(Surroundings {
        shell: std::env::vars_os().collect(),
        dotenv: dotenv(bench)?,
        bench_program,
        redis_server: probe::find_server(settings.redis_cache.server.binary.as_deref()).ok(),
        run_id: run_id()?,
        development: true,
        worker_library: WorkerLibrary::find(bench, settings)?,
    })
}

/// The variables of the bench's `.env`, if it has one.
fn dotenv(bench: &BenchDir) -> Result<Vec<(String, String)>> {
    let path = bench.join(".env");
    match dotenvy::from_path_iter(&path) {
        Ok(entries) => entries.collect::<Result<_, _>>().map_err(|error| {
            let problem = Problem::new(format!("not an environment file: {error}"))
                .at(path.display())
                .fix("write one `NAME=value` a line, values with blanks in quotes");
            Error::with_code(ExitCode::Usage, vec![problem])
        }),
        Err(dotenvy::Error::Io(source)) if source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(dotenvy::Error::Io(source)) => Err(Error::io("read", &path, &source)),
        Err(error) => {
            Err(Problem::new(format!("not an environment file: {error}")).at(path.display()).into())
        }
    }
}

/// 128 random bits in hex.
fn run_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Problem::new(format!("cannot get random numbers: {error}")))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
