//! The layers that settings come from, lowest first, and reading one key through all of them.
//! Mistakes are collected, not returned: the user sees all of them at once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use indexmap::IndexMap;

use super::key::KeyPath;
use super::origin::{Origin, Origins};
use super::schema::{self, KEYS};
use super::value::{Node, Value};
use crate::error::Problem;

/// The settings file of today's tool, relative to the bench.
pub const COMMON_SITE_CONFIG: &str = "sites/common_site_config.json";
/// Our settings file, relative to the bench.
pub const BENCH_TOML: &str = "bench.toml";

/// Who says something. Later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// `sites/common_site_config.json`, where some values are written as today's tool writes them.
    CommonSiteConfig,
    /// `bench.toml`
    BenchToml,
    /// `BENCH_…`
    Environment,
    /// A flag.
    CommandLine,
}

/// A value that some layer has for a key.
#[derive(Clone, Debug)]
struct Given {
    node: Node,
    origin: Origin,
    /// File, line and the key's name there.
    place: String,
}

/// A value that was read, and where it came from.
#[derive(Clone, Debug)]
pub struct Picked<T> {
    /// The value.
    pub value: T,
    /// Who said it.
    pub layer: Layer,
    /// For an error: file, line and the key's name there.
    pub place: String,
}

/// Why a value was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong with it, after the key's name.
    pub what: String,
    /// What to write.
    pub fix: String,
}

impl Refusal {
    /// `KEY is VALUE, but must be …`
    pub fn kind(node: &Node, must_be: &str, fix: impl Into<String>) -> Self {
        Self { what: format!("is {}, but must be {must_be}", node.describe()), fix: fix.into() }
    }

    /// Anything else, as a sentence that begins with the key.
    pub fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

/// Turns what stands somewhere into what it means; none if it means the same as nothing.
pub type Convert<T> = fn(&Node, Layer) -> Result<Option<T>, Refusal>;

/// All layers of one bench, and what was found wrong with them.
#[derive(Default)]
pub struct Reader {
    layers: IndexMap<KeyPath, BTreeMap<Layer, Given>>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is odd.
    pub warnings: Vec<Problem>,
    /// Where the values that won came from.
    pub origins: Origins,
}

impl Reader {
    /// Takes `common_site_config.json`. What it does not know there is the framework's.
    pub fn add_common_site_config(&mut self, entries: Vec<(String, Node)>) {
        let mut seen: IndexMap<String, usize> = IndexMap::new();
        for (name, node) in entries {
            let place = |name: &str| format!("{COMMON_SITE_CONFIG}:{} {name}", node.line);
            let known = name == "workers" || schema::find_legacy(&name).is_some();
            if let Some(first) = seen.insert(name.clone(), node.line)
                && known
            {
                self.problems.push(
                    Problem::new(format!("`{name}` stands there twice"))
                        .at(place(&name))
                        .fix(format!("keep one of the lines {first} and {}", node.line)),
                );
                continue;
            }
            if name == "workers" {
                self.add_queues(&node);
            } else if let Some(key) = schema::find_legacy(&name) {
                let place = place(&name);
                self.give(KeyPath::from(key.name), Layer::CommonSiteConfig, node, COMMON_SITE_CONFIG, place);
            }
        }
    }

    /// `workers`: the queues of the bench's own.
    fn add_queues(&mut self, node: &Node) {
        let queues = match &node.value {
            Value::Null => return,
            Value::Table(queues) => queues,
            _ => {
                self.problems.push(
                    Problem::new(format!(
                        "`workers` is {}, but must be an object of queues",
                        node.describe()
                    ))
                    .at(format!("{COMMON_SITE_CONFIG}:{} workers", node.line))
                    .fix("write `{\"NAME\": {\"timeout\": 3000}}`"),
                );
                return;
            }
        };
        for (name, queue) in queues {
            let path = KeyPath::from("workers.queues").child(name);
            let place = |line: usize, what: &str| format!("{COMMON_SITE_CONFIG}:{line} workers.{name}{what}");
            let Value::Table(fields) = &queue.value else {
                self.problems.push(
                    Problem::new(format!(
                        "the queue `{name}` is {}, but must be an object",
                        queue.describe()
                    ))
                    .at(place(queue.line, ""))
                    .fix("write `{\"timeout\": 3000}`"),
                );
                continue;
            };
            // Also a queue of which nothing is said is a queue.
            self.give(
                path.clone(),
                Layer::CommonSiteConfig,
                queue.clone(),
                COMMON_SITE_CONFIG,
                place(queue.line, ""),
            );
            for (field, value) in fields {
                let child = match field.as_str() {
                    "timeout" => "timeout",
                    "background_workers" => "count",
                    _ => continue,
                };
                let place = place(value.line, &format!(".{field}"));
                self.give(
                    path.child(child),
                    Layer::CommonSiteConfig,
                    value.clone(),
                    COMMON_SITE_CONFIG,
                    place,
                );
            }
        }
    }

    /// Takes `bench.toml`, where nothing unknown may stand.
    pub fn add_bench_toml(&mut self, entries: Vec<(String, Node)>) {
        for (name, node) in entries {
            self.add_toml(&KeyPath::new(vec![name]), node);
        }
    }

    fn add_toml(&mut self, path: &KeyPath, node: Node) {
        let place = format!("{BENCH_TOML}:{} {path}", node.line);
        if schema::find(path).is_some() {
            self.give(path.clone(), Layer::BenchToml, node, BENCH_TOML, place);
        } else if schema::is_table(path) {
            match &node.value {
                Value::Table(entries) => {
                    let entries = entries.clone();
                    // A table is noted too: `[programs.web]` with nothing in it is a program.
                    self.give(path.clone(), Layer::BenchToml, node, BENCH_TOML, place);
                    for (name, node) in entries {
                        self.add_toml(&path.child(&name), node);
                    }
                }
                _ => self.problems.push(
                    Problem::new(format!("`{path}` is {}, but must be a table", node.describe()))
                        .at(place)
                        .fix(format!("write `[{path}]` and the settings below it")),
                ),
            }
        } else {
            let problem = Problem::new(format!("unknown key `{path}`")).at(place);
            self.problems.push(match schema::suggestion(path) {
                Some(known) => problem.fix(format!("did you mean `{known}`?")),
                None => problem.fix("`bench config keys` lists the keys there are"),
            });
        }
    }

    /// Takes the variables of the environment that belong to a key. An empty one says nothing.
    pub fn add_environment(&mut self, env: &dyn Fn(&str) -> Option<String>) {
        for key in KEYS {
            if let Some(variable) = key.variable()
                && let Some(text) = env(&variable).filter(|text| !text.is_empty())
            {
                let given = Given {
                    node: Node::text(text),
                    place: format!("${variable}"),
                    origin: Origin::Environment(variable),
                };
                self.layers.entry(KeyPath::from(key.name)).or_default().insert(Layer::Environment, given);
            }
        }
    }

    /// Takes what a flag says about a key.
    pub fn add_flag(&mut self, key: &str, flag: &'static str, text: &str) {
        let given =
            Given { node: Node::text(text), place: flag.to_owned(), origin: Origin::CommandLine(flag) };
        self.layers.entry(KeyPath::from(key)).or_default().insert(Layer::CommandLine, given);
    }

    fn give(&mut self, path: KeyPath, layer: Layer, node: Node, file: &str, place: String) {
        let origin = Origin::File { file: PathBuf::from(file), line: node.line };
        self.layers.entry(path).or_default().insert(layer, Given { node, origin, place });
    }

    /// Whether any layer says something about the key.
    pub fn is_given(&self, key: &str) -> bool {
        self.layers.contains_key(&KeyPath::from(key))
    }

    /// Reads a key: every layer's value is checked, the highest one wins.
    pub fn pick<T>(&mut self, path: &KeyPath, convert: Convert<T>) -> Option<Picked<T>> {
        let given = self.layers.get(path)?.clone();
        let mut picked = None;
        for (layer, given) in given {
            match convert(&given.node, layer) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    self.origins.set(path.to_string(), given.origin.clone());
                    picked = Some(Picked { value, layer, place: given.place });
                }
                Err(refusal) => {
                    let name = given.place.split_once(' ').map_or(given.place.as_str(), |(_, name)| name);
                    self.problems.push(
                        Problem::new(format!("`{name}` {}", refusal.what))
                            .at(given.place.clone())
                            .fix(refusal.fix),
                    );
                }
            }
        }
        picked
    }

    /// Reads a key: its value only.
    pub fn read<T>(&mut self, key: &str, convert: Convert<T>) -> Option<T> {
        self.pick(&KeyPath::from(key), convert).map(|picked| picked.value)
    }

    /// The names that the user chose below a table, in the order in which they were first said.
    pub fn names_below(&self, table: &str) -> Vec<(String, String)> {
        let table = KeyPath::from(table);
        let depth = table.parts().len();
        let mut names: IndexMap<String, String> = IndexMap::new();
        for (path, given) in &self.layers {
            let parts = path.parts();
            if parts.len() > depth
                && parts.starts_with(&table.parts())
                && let (Some(name), Some(given)) = (parts.get(depth), given.values().next())
            {
                names.entry((*name).to_owned()).or_insert_with(|| given.place.clone());
            }
        }
        names.into_iter().collect()
    }
}
