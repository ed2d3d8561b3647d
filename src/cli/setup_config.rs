//! `bench setup config`: completes `sites/common_site_config.json`.

use std::net::{IpAddr, Ipv4Addr};

use super::{Context, env};
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::files::{self, Mode};
use crate::names::Port;
use crate::probe::{self, Listener};
use crate::settings::{BenchDir, Change, Surroundings, setup_config};

/// Completes the file and says so.
pub fn run(context: &Context, bench: &BenchDir) -> Result<ExitCode> {
    if let Some(change) = change(context, bench)? {
        files::make_folder(bench.path(), &bench.sites())?;
        files::write(bench.path(), &change.path, change.text.as_bytes(), Mode::Public)?;
        context.tell("wrote sites/common_site_config.json");
    }
    Ok(ExitCode::Done)
}

/// The file's new text; none if nothing is missing.
pub fn change(context: &Context, bench: &BenchDir) -> Result<Option<Change>> {
    let user = super::run_as::login_name();
    let is_free = |port| is_free(bench, port);
    let planned = setup_config(bench, &env, &Surroundings { user: &user, is_free: &is_free })?;
    for warning in &planned.warnings {
        context.warn(warning);
    }
    Ok(planned.change)
}

/// Whether nobody listens there, or only this bench, which may be running.
fn is_free(bench: &BenchDir, port: Port) -> bool {
    probe::check_free(IpAddr::V4(Ipv4Addr::LOCALHOST), port).is_ok()
        || match probe::listener(port) {
            Listener::Known(owner) => owner.bench_dir.as_deref() == Some(bench.path()),
            Listener::None | Listener::Hidden { .. } => false,
        }
}
