//! `bench config …`: looking at settings and changing them.

mod common;
mod edit;
mod show;

pub use common::{RedisHostArgs, set_redis_host};

use super::Context;
use crate::error::Result;
use crate::exit_code::ExitCode;

/// Show and change the settings
///
/// A bench with a `bench.toml` has its settings changed there, with all comments kept; another one in
/// `sites/common_site_config.json`. A value that would break the settings is refused, and nothing changes.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Show(show::ShowArgs),
    Get(show::GetArgs),
    Set(edit::SetArgs),
    Unset(edit::UnsetArgs),
    Keys(show::KeysArgs),
    SetCommonConfig(common::SetArgs),
    RemoveCommonConfig(common::RemoveArgs),
    #[command(name = "http_timeout")]
    HttpTimeout(common::HttpTimeoutArgs),
    /// Serve each site under its own host name
    #[command(name = "dns_multitenant")]
    DnsMultitenant(common::SwitchArgs),
    /// Serve the default site to unknown hosts
    #[command(name = "serve_default_site")]
    ServeDefaultSite(common::SwitchArgs),
    /// Rebase apps when they are updated
    #[command(name = "rebase_on_pull")]
    RebaseOnPull(common::SwitchArgs),
    /// Restart supervisor's programs after an update
    #[command(name = "restart_supervisor_on_update")]
    RestartSupervisorOnUpdate(common::SwitchArgs),
    /// Restart systemd's units after an update
    #[command(name = "restart_systemd_on_update")]
    RestartSystemdOnUpdate(common::SwitchArgs),
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    match &args.command {
        Command::Show(args) => show::show(args, context),
        Command::Get(args) => show::get(args, context),
        Command::Set(args) => edit::set(args, context),
        Command::Unset(args) => edit::unset(args, context),
        Command::Keys(args) => show::keys(args, context),
        Command::SetCommonConfig(args) => common::set(args, context),
        Command::RemoveCommonConfig(args) => common::remove(args, context),
        Command::HttpTimeout(args) => common::http_timeout(args, context),
        Command::DnsMultitenant(args) => common::switch("dns_multitenant", args, context),
        Command::ServeDefaultSite(args) => common::switch("serve_default_site", args, context),
        Command::RebaseOnPull(args) => common::switch("rebase_on_pull", args, context),
        Command::RestartSupervisorOnUpdate(args) => {
            common::switch("restart_supervisor_on_update", args, context)
        }
        Command::RestartSystemdOnUpdate(args) => common::switch("restart_systemd_on_update", args, context),
    }
}
