//! Filling in a template. What is filled in goes through the target's quoting, or is a number:
//! anything else is an error, so a template cannot forget it.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, TeraResult, Value};

use super::quote::{self, Refused};
use crate::error::{Error, Problem, Result};

/// The key of what is no setting: the path of the bench, or of a tool that it calls.
pub const BENCH_PATH: &str = "the bench's path";

/// A template of `templates/`, and its name for messages.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The file's name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// A value that was refused, and the setting it came from.
#[derive(Clone, Debug, Default)]
struct FirstRefusal(Arc<Mutex<Option<(String, Refused)>>>);

impl FirstRefusal {
    fn note(&self, key: String, refused: Refused) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert((key, refused));
    }

    fn take(&self) -> Option<(String, Refused)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A template that is ready to be filled in, as often as needed.
pub struct Filler {
    tera: Tera,
    name: &'static str,
    #[cfg(test)]
    text: &'static str,
    refusal: FirstRefusal,
}

impl Filler {
    /// Reads the template.
    pub fn new(template: Template) -> Result<Self> {
        let refusal = FirstRefusal::default();
        let mut tera = Tera::new();
        // Every value that is not marked as quoted comes to `refuse_unquoted`.
        tera.autoescape_on([""]);
        tera.set_escape_fn(refuse_unquoted);
        for (name, quoting) in WORDS {
            register(&mut tera, name, &refusal, *quoting);
        }
        for (name, quoting) in LISTS {
            register_list(&mut tera, name, &refusal, *quoting);
        }
        for (name, quoting) in PAIRS {
            register_pair(&mut tera, name, &refusal, *quoting);
        }
        tera.add_raw_template(template.name, template.text).map_err(|error| broken(template.name, &error))?;
        Ok(Self {
            tera,
            name: template.name,
            #[cfg(test)]
            text: template.text,
            refusal,
        })
    }

    /// Fills it in.
    pub fn fill(&self, values: &impl Serialize) -> Result<String> {
        #[cfg(test)]
        tests::conditions_are_about(self.text, &serde_json::to_value(values).expect("values"));
        let context = Context::from_serialize(values).map_err(|error| broken(self.name, &error))?;
        self.tera.render(self.name, &context).map_err(|error| match self.refusal.take() {
            Some((key, Refused(why))) => {
                let problem =
                    Problem::new(format!("a value does not fit into {}: {why}", self.name)).at(&key);
                Error::usage(problem.fix(if key == BENCH_PATH {
                    "move the bench to a plainer path"
                } else {
                    "change that setting"
                }))
            }
            None => broken(self.name, &error),
        })
    }
}

fn broken(name: &str, error: &tera::Error) -> Error {
    Error::failed(Problem::new(format!("the template of {name} is wrong: {error}")))
}

type Quoting = fn(&str) -> std::result::Result<String, Refused>;

/// The quoting of one word or value, by the name that templates call it.
const WORDS: &[(&str, Quoting)] = &[
    ("redis", quote::redis),
    ("procfile", quote::procfile),
    ("supervisor", quote::supervisor),
    ("supervisor_log", quote::supervisor_log),
    ("systemd", quote::systemd),
    ("systemd_word", quote::systemd_word),
    ("systemd_path", quote::systemd_path),
];

type QuotingOfList = fn(&[String]) -> std::result::Result<String, Refused>;

/// The quoting of a list of words.
const LISTS: &[(&str, QuotingOfList)] = &[
    ("redis_line", quote::redis_line),
    ("supervisor_command", quote::supervisor_command),
    ("systemd_command", quote::systemd_command),
];

type QuotingOfPair = fn(&str, &str) -> std::result::Result<String, Refused>;

/// The quoting of a variable and its name.
const PAIRS: &[(&str, QuotingOfPair)] = &[
    ("supervisor_environment", quote::supervisor_environment),
    ("systemd_environment", quote::systemd_environment),
];

/// Stands where Tera would escape for HTML. Numbers and what a quoting filter marked do not come here.
fn refuse_unquoted(text: &str, _out: &mut dyn Write) -> std::io::Result<()> {
    Err(std::io::Error::other(format!("`{}` is filled in without quoting", text.escape_debug())))
}

fn register(tera: &mut Tera, name: &'static str, refusal: &FirstRefusal, quoting: Quoting) {
    let refusal = refusal.clone();
    tera.register_filter(name, move |value: &str, kwargs: Kwargs, _: &State| {
        settle(&refusal, &kwargs, quoting(value))
    });
}

fn register_list(tera: &mut Tera, name: &'static str, refusal: &FirstRefusal, quoting: QuotingOfList) {
    let refusal = refusal.clone();
    tera.register_filter(name, move |words: Vec<String>, kwargs: Kwargs, _: &State| {
        settle(&refusal, &kwargs, quoting(&words))
    });
}

fn register_pair(tera: &mut Tera, name: &'static str, refusal: &FirstRefusal, quoting: QuotingOfPair) {
    let refusal = refusal.clone();
    tera.register_filter(name, move |value: &str, kwargs: Kwargs, _: &State| {
        let name: String = kwargs.must_get("name")?;
        settle(&refusal, &kwargs, quoting(&name, value))
    });
}

/// The quoted text, marked as such; a refusal is noted with the setting's key.
fn settle(
    refusal: &FirstRefusal,
    kwargs: &Kwargs,
    quoted: std::result::Result<String, Refused>,
) -> TeraResult<Value> {
    let key: String = kwargs.must_get("key")?;
    quoted.map(|text| Value::safe_string(&text)).map_err(|refused| {
        let error = tera::Error::message(refused.to_string());
        refusal.note(key, refused);
        error
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    /// Fails if a condition asks for what nobody gives: Tera takes that for false, and says nothing.
    pub fn conditions_are_about(template: &str, values: &Json) {
        let tags = template.split("{%").skip(1).filter_map(|part| part.split("%}").next());
        let mut loops: Vec<(&str, Json)> = Vec::new();
        for tag in tags {
            let words: Vec<_> = tag.trim_matches(['-', ' ']).split_whitespace().collect();
            match words.as_slice() {
                ["for", name, "in", path] => {
                    let list = value_at(path, values, &loops);
                    let first = list.as_ref().and_then(|list| list.get(0)).cloned();
                    assert!(list.is_some(), "nobody gives `{path}`");
                    loops.push((name, first.unwrap_or(Json::Null)));
                }
                ["endfor"] => drop(loops.pop()),
                ["if" | "elif", condition @ ..] => {
                    for path in condition.iter().filter(|word| !["not", "and", "or"].contains(word)) {
                        let is_given = *path == "loop.last" || value_at(path, values, &loops).is_some();
                        assert!(is_given, "nobody gives `{path}`");
                    }
                }
                _ => {}
            }
        }
    }

    /// What the path leads to. A loop over an empty list leads to null, and so does what is below it.
    fn value_at(path: &str, values: &Json, loops: &[(&str, Json)]) -> Option<Json> {
        let mut names = path.split('.');
        let first = names.next()?;
        let in_loop = loops.iter().rev().find(|(name, _)| *name == first).map(|(_, value)| value);
        let mut value = in_loop.or_else(|| values.get(first))?;
        for name in names {
            if value.is_null() {
                return Some(Json::Null);
            }
            value = value.get(name)?;
        }
        Some(value.clone())
    }

    #[test]
    #[should_panic(expected = "nobody gives `portt`")]
    fn a_condition_that_is_misspelt_is_found() {
        let _ = fill("{% if portt %}x{% endif %}", "");
    }

    #[derive(Serialize)]
    struct Values {
        port: u16,
        dir: &'static str,
    }

    fn fill(text: &'static str, dir: &'static str) -> Result<String> {
        Filler::new(Template { name: "test.conf", text })?.fill(&Values { port: 13000, dir })
    }

    #[test]
    fn a_template_that_forgets_to_quote_is_an_error() {
        assert_eq!(fill("port {{ port }}\n", "").as_deref(), Ok("port 13000\n"));
        assert_eq!(fill("{{ dir | redis(key='dir') }}\n", "/a b").as_deref(), Ok("\"/a b\"\n"));
        for text in ["{{ dir }}", "{{ dir ~ '/x' }}", "{{ dir | upper }}", "{{ [dir] }}"] {
            assert!(fill(text, "/a b").is_err(), "{text}");
        }
    }

    #[test]
    fn a_refused_value_is_named_by_its_key() {
        let error = fill("dir {{ dir | redis(key='bench.dir') }}\n", "/a\nsave 60 1").expect_err("a newline");
        assert_eq!(
            error.to_string(),
            "error: a value does not fit into test.conf: it holds the control character \\n\n  where: bench.dir\n  \
             fix: change that setting"
        );
    }

    #[test]
    fn an_unknown_variable_is_an_error() {
        assert!(fill("{{ nothing | redis(key='x') }}", "").is_err());
    }
}
