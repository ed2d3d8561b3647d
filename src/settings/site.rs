//! A site of the bench, as far as its cache is concerned: its name and the prefix of its keys.

use super::json_source;
use super::layout::BenchDir;
use super::schema::nearest;
use super::source;
use super::units::Bytes;
use super::value::Value;
use crate::error::{Error, Problem, Result};
use crate::names::SiteName;

/// Nobody writes so much by hand; whatever is larger is no settings file.
const LIMIT: Bytes = Bytes::from_mib(16);

/// How many sites an error names.
const NAMED: usize = 20;

/// A site of the bench.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its name: its folder's.
    pub name: SiteName,
    /// `db_name` of its `site_config.json`.
    pub db_name: Option<String>,
}

impl Site {
    /// The site of that name. An unknown one is an error that names the known ones.
    pub fn find(bench: &BenchDir, name: &str) -> Result<Self> {
        let names = bench.site_names()?;
        match names.iter().find(|known| known.as_str() == name) {
            Some(name) => Self::read(bench, name.clone()),
            None => Err(unknown(name, &names)),
        }
    }

    /// All sites of the bench, by name. Everything that is wrong with any of them is told at once.
    pub fn all(bench: &BenchDir) -> Result<Vec<Self>> {
        let mut sites = Vec::new();
        let mut problems = Vec::new();
        for name in bench.site_names()? {
            match Self::read(bench, name) {
                Ok(site) => sites.push(site),
                Err(error) => problems.extend_from_slice(error.problems()),
            }
        }
        if problems.is_empty() { Ok(sites) } else { Err(source::refused(problems)) }
    }

    /// What stands before the `|` of the site's keys.
    pub fn key_prefix(&self) -> &str {
        self.db_name.as_deref().unwrap_or_else(|| self.name.as_str())
    }

    /// Other sites with the same prefix, which see this site's keys as theirs. Sites that can't be read
    /// are passed over: they are not what the user asked about.
    pub fn sharers(&self, bench: &BenchDir) -> Result<Vec<SiteName>> {
        let others = bench.site_names()?.into_iter().filter(|name| *name != self.name);
        let sites = others.filter_map(|name| Self::read(bench, name).ok());
        Ok(sites.filter(|site| site.key_prefix() == self.key_prefix()).map(|site| site.name).collect())
    }

    fn read(bench: &BenchDir, name: SiteName) -> Result<Self> {
        let path = bench.sites().join(name.as_str()).join("site_config.json");
        let shown = format!("sites/{name}/site_config.json");
        let text = source::read(&path, LIMIT)?.ok_or_else(|| {
            Error::usage(
                Problem::new(format!("cannot read `{shown}`: there is no such file")).at(path.display()),
            )
        })?;
        let entries = json_source::parse(&text).map_err(|error| {
            let fix = "mend the file, or put back a copy of it; it holds JSON";
            source::refused(vec![error.in_file(&shown).fix(fix)])
        })?;
        // As in every reader of JSON, the last of two counts.
        let Some((_, node)) = entries.into_iter().rev().find(|(key, _)| key == "db_name") else {
            return Ok(Self { name, db_name: None });
        };
        let refused = |what: String, fix: &str| {
            let place = format!("{shown}:{} db_name", node.line);
            Err(source::refused(vec![Problem::new(what).at(place).fix(fix)]))
        };
        match &node.value {
            Value::Null => Ok(Self { name, db_name: None }),
            Value::Text(text) if text.is_empty() => {
                refused("`db_name` is empty".to_owned(), "name the site's database, or take the key out")
            }
            Value::Text(text) => Ok(Self { name, db_name: Some(text.clone()) }),
            _ => refused(
                format!("`db_name` is {}, but must be text", node.describe()),
                "put it in double quotes",
            ),
        }
    }
}

fn unknown(name: &str, known: &[SiteName]) -> Error {
    let problem = Problem::new(format!("there is no site `{name}` in this bench"));
    let fix = match nearest(name, known.iter().map(ToString::to_string)) {
        Some(meant) => format!("did you mean `{meant}`? {}", list(known)),
        None if known.is_empty() => "make one with `bench new-site SITE`; the bench has none yet".to_owned(),
        None => list(known),
    };
    Error::usage(problem.fix(fix))
}

fn list(known: &[SiteName]) -> String {
    let names: Vec<String> = known.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = known.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the bench has {}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(sites: &[(&str, &str)]) -> (tempfile::TempDir, BenchDir) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, config) in sites {
            let site = folder.path().join("sites").join(name);
            std::fs::create_dir_all(&site).expect("a folder");
            std::fs::write(site.join("site_config.json"), config).expect("a written file");
        }
        let bench = BenchDir::at(folder.path().to_owned());
        (folder, bench)
    }

    #[test]
    fn the_prefix_is_the_database_or_else_the_sites_name() {
        let (_folder, bench) = bench(&[
            ("one", r#"{"db_name": "_abc", "db_password": "x"}"#),
            ("two", "{}"),
            ("three", r#"{"db_name": null}"#),
            ("same", r#"{"db_name": "_abc"}"#),
            ("broken", "{"),
        ]);
        let prefix = |name| Site::find(&bench, name).map(|site| site.key_prefix().to_owned());
        assert_eq!(prefix("one"), Ok("_abc".to_owned()));
        assert_eq!(prefix("two"), Ok("two".to_owned()));
        assert_eq!(prefix("three"), Ok("three".to_owned()));
        let one = Site::find(&bench, "one").expect("a site");
        assert_eq!(one.sharers(&bench), Ok(vec![SiteName::new("same").expect("a name")]));
        assert_eq!(Site::find(&bench, "two").and_then(|site| site.sharers(&bench)), Ok(vec![]));
    }

    #[test]
    fn an_unknown_site_names_the_nearest_and_the_known_ones() {
        let (_folder, bench) = bench(&[("shop.localhost", "{}"), ("a*", "{}")]);
        for (name, fix) in [
            ("shop.locahlost", "did you mean `shop.localhost`? the bench has `a*`, `shop.localhost`"),
            ("../x", "the bench has `a*`, `shop.localhost`"),
        ] {
            let error = Site::find(&bench, name).expect_err("no such site").to_string();
            assert_eq!(error, format!("error: there is no site `{name}` in this bench\n  fix: {fix}"));
        }
    }

    #[test]
    fn a_site_config_that_is_no_object_is_named_with_its_place() {
        let (_folder, bench) = bench(&[
            ("cut", "{\n \"db_name\": \"x\","),
            ("list", "[]"),
            ("number", "{\n\n\"db_name\": 7}"),
            ("empty", "{\"db_name\": \"\"}"),
            ("utf", "{}"),
        ]);
        std::fs::write(bench.join("sites/utf/site_config.json"), b"{\n\"a\": \"\xff\"}")
            .expect("a written file");
        let error = |name| Site::find(&bench, name).expect_err("a broken file").to_string();
        assert!(
            error("cut").contains("cut off") && error("cut").contains("sites/cut/site_config.json:2 column")
        );
        assert!(
            error("list").contains("a list")
                && error("list").contains("sites/list/site_config.json:1 column 1")
        );
        assert!(error("number").contains("`db_name` is 7, but must be text"));
        assert!(error("number").contains("sites/number/site_config.json:3 db_name"));
        assert!(error("empty").contains("`db_name` is empty"));
        assert!(error("utf").contains("UTF-8") && error("utf").contains(":2"), "{}", error("utf"));
        let all = Site::all(&bench).expect_err("five broken files");
        assert_eq!(all.problems().len(), 5);
    }
}
