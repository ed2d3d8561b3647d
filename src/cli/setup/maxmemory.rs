//! `maxmemory`, changed by hand in `config/redis_cache.conf` as the documentation says, becomes a setting.

use super::Setup;
use super::put::has_no_users;
use crate::cli::env;
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::files::{MAX_TEXT, read_text};
use crate::render::{self, MaxmemoryEdit, Rendered, Standing, maxmemory_edit, read_maxmemory, standing};
use crate::settings::{self, Change, MaxMemory};

const KEY: &str = "redis_cache.maxmemory";
const FILE: &str = "config/redis_cache.conf";

/// What was written by hand, and what it changes of the settings.
#[derive(Debug)]
pub struct TakenOver {
    /// The limit in the file.
    pub limit: MaxMemory,
    /// New texts of the settings' files; none if they say so already.
    pub changes: Vec<Change>,
    /// What to tell the user.
    pub note: Option<String>,
}

/// Looks for the edit. None if there is none, or not only this one; the file is then treated as any other.
/// `rendered` is the file as the settings have it.
pub fn take_over(setup: &Setup<'_>, rendered: &[Rendered]) -> Result<Option<TakenOver>> {
    let Some(rendered) = rendered.iter().find(|file| file.path.as_os_str() == FILE) else { return Ok(None) };
    let Some(on_disk) = read_text(&setup.dir.join(FILE), MAX_TEXT)? else { return Ok(None) };
    if standing(rendered, Some(&on_disk), &has_no_users) != Standing::Edited {
        return Ok(None);
    }
    let Some(edit) = maxmemory_edit(rendered, &on_disk, &has_no_users) else { return Ok(None) };
    let set = setup.settings.redis_cache.maxmemory;
    match read_maxmemory(&edit.value) {
        Some(limit) if limit == set => Ok(Some(TakenOver { limit, changes: Vec::new(), note: None })),
        // With `--force` the settings count, as for any other edit.
        _ if setup.choices.overwrites()
            && (is_set_too(setup, &edit) || read_maxmemory(&edit.value).is_none()) =>
        {
            Ok(None)
        }
        None => Err(unreadable(&edit)),
        Some(_) if is_set_too(setup, &edit) => Err(both_changed(setup, &edit)),
        Some(limit) => become_setting(setup, &edit, limit).map(Some),
    }
}

/// Whether the settings, too, have changed since the file was rendered. Of a file of today's tool nobody
/// knows what it was rendered from.
fn is_set_too(setup: &Setup<'_>, edit: &MaxmemoryEdit) -> bool {
    match &edit.rendered {
        Some(rendered) => *rendered != render::maxmemory(setup.settings.redis_cache.maxmemory),
        None => setup.settings.origins.is_set(KEY),
    }
}

fn become_setting(setup: &Setup<'_>, edit: &MaxmemoryEdit, limit: MaxMemory) -> Result<TakenOver> {
    let typed = match limit {
        MaxMemory::Limit(bytes) => bytes.to_string(),
        MaxMemory::Unlimited => "unlimited".to_owned(),
    };
    let changes = settings::set(&setup.dir, &env, KEY, &typed)?;
    let files: Vec<_> = changes
        .iter()
        .map(|change| {
            change.path.strip_prefix(setup.dir.path()).unwrap_or(&change.path).display().to_string()
        })
        .collect();
    let note = format!(
        "note: `maxmemory {}` of {FILE}:{} is a setting now, {KEY} in {}",
        edit.value,
        edit.line,
        files.join(" and ")
    );
    Ok(TakenOver { limit, changes, note: Some(note) })
}

fn place(edit: &MaxmemoryEdit) -> String {
    format!("{FILE}:{} maxmemory", edit.line)
}

fn unreadable(edit: &MaxmemoryEdit) -> Error {
    let what = if edit.value == "0" {
        "`maxmemory 0` would mean no limit: the cache would grow until memory is full".to_owned()
    } else {
        format!("`maxmemory {}` is not a size", edit.value)
    };
    let fix = "write a size, like `512mb`; `bench config set redis_cache.maxmemory unlimited` says that there is none";
    Error::with_code(ExitCode::Failed, vec![Problem::new(what).at(place(edit)).fix(fix)])
}

fn both_changed(setup: &Setup<'_>, edit: &MaxmemoryEdit) -> Error {
    let set = render::maxmemory(setup.settings.redis_cache.maxmemory);
    Problem::new(format!("the file was changed to `maxmemory {}`, but the settings say {set}", edit.value))
        .at(format!("{} and {}", place(edit), setup.settings.origins.place(KEY)))
        .fix(format!(
            "choose one: `bench config set {KEY} {}`, or `bench setup redis --force` for the settings' value",
            edit.value
        ))
        .into()
}
