//! `bench new-site`, `bench use` and `bench sites`, for benches without the framework. Where it is
//! installed, the first two are its own.

use dontmanage_cache::KeyPrefix;
use serde_json::json;

use super::{Context, stdout};
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;
use crate::files::{self, Mode};
use crate::names::SiteName;
use crate::settings::{BenchDir, Site};

/// Make a site
#[derive(clap::Args, Debug)]
pub struct NewSiteArgs {
    /// The site's name: the host name it is served under
    site: String,
    /// What its keys in the cache begin with [default: the site's name]
    #[arg(long)]
    db_name: Option<String>,
}

/// Choose the site that commands without `--site` mean
#[derive(clap::Args, Debug)]
pub struct UseArgs {
    /// The site's name
    site: String,
}

/// List the sites, one a line
#[derive(clap::Args, Debug)]
pub struct SitesArgs {
    /// One JSON list
    #[arg(long)]
    json: bool,
}

pub fn new_site(args: &NewSiteArgs, context: &Context) -> Result<ExitCode> {
    let bench = context.bench()?;
    make(&bench, &args.site, args.db_name.as_deref())?;
    context.tell(format_args!("made sites/{}/site_config.json", args.site));
    Ok(ExitCode::Done)
}

/// Makes a site whose keys no other site has. One that is there already is refused.
pub fn make(bench: &BenchDir, name: &str, db_name: Option<&str>) -> Result<()> {
    let name = SiteName::for_new_site(name).map_err(|error| {
        Error::usage(Problem::new(error.to_string()).fix("choose a name like `shop.localhost`"))
    })?;
    let prefix = db_name.unwrap_or_else(|| name.as_str());
    KeyPrefix::new(prefix).map_err(|error| {
        Error::usage(
            Problem::new(format!("`{prefix}` can't begin keys: {error}")).fix("choose another --db-name"),
        )
    })?;
    let config = bench.sites().join(name.as_str()).join("site_config.json");
    let known = bench.site_names()?;
    if known.contains(&name) {
        return Err(Error::failed(
            Problem::new(format!("the site `{name}` exists already"))
                .at(config.display())
                .fix("choose another name, or use it as it is"),
        ));
    }
    if name.as_str() == "assets" {
        return Err(Error::usage(
            Problem::new("`sites/assets` holds the assets of all sites").fix("choose another name"),
        ));
    }
    for other in known {
        let other = Site::find(bench, other.as_str())?;
        if other.key_prefix() == prefix {
            return Err(Error::failed(
                Problem::new(format!("the keys of the site `{}` begin with `{prefix}` already", other.name))
                    .fix("choose another --db-name: two sites that share it share their cache"),
            ));
        }
    }
    files::make_folder(bench.path(), &bench.sites().join(name.as_str()))?;
    let text = format!("{{\n \"db_name\": {}\n}}", json!(prefix));
    if files::create(bench.path(), &config, text.as_bytes(), Mode::Public)? {
        Ok(())
    } else {
        Err(Error::failed(Problem::new(format!("`{}` exists already", config.display()))))
    }
}

pub fn use_site(args: &UseArgs, context: &Context) -> Result<ExitCode> {
    let bench = context.bench()?;
    let site = Site::find(&bench, &args.site)?;
    // Without a line end, as the framework writes it.
    let file = current_site_file(&bench);
    files::write(bench.path(), &file, site.name.as_str().as_bytes(), Mode::Public)?;
    context.tell(format_args!("commands without `--site` mean {} now", site.name));
    Ok(ExitCode::Done)
}

/// The site that commands without `--site` mean, if one was chosen.
pub fn current_site(bench: &BenchDir) -> Result<Option<String>> {
    let text = files::read_text(&current_site_file(bench), files::MAX_TEXT)?;
    Ok(text.map(|text| text.trim().to_owned()).filter(|name| !name.is_empty()))
}

fn current_site_file(bench: &BenchDir) -> std::path::PathBuf {
    bench.sites().join("currentsite.txt")
}

pub fn sites(args: &SitesArgs, context: &Context) -> Result<ExitCode> {
    let names = context.bench()?.site_names()?;
    let mut out = stdout::Stdout::new();
    if args.json {
        out.line(json!(names.iter().map(SiteName::as_str).collect::<Vec<_>>()))?;
    } else {
        for name in &names {
            out.line(name)?;
        }
    }
    out.finish()?;
    Ok(ExitCode::Done)
}
