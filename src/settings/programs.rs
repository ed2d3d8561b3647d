//! `[programs.NAME]`

use indexmap::IndexMap;

use super::convert;
use super::key::KeyPath;
use super::model::Program;
use super::probe;
use super::reader::{Convert, Reader};
use crate::error::Problem;
use crate::names::ProgramName;

/// Reads all programs.
pub fn read(reader: &mut Reader) -> IndexMap<ProgramName, Program> {
    let mut programs = IndexMap::new();
    for (name, place) in reader.names_below("programs") {
        match ProgramName::new(name) {
            Ok(name) => {
                let program = read_one(reader, &name);
                programs.insert(name, program);
            }
            Err(error) => {
                reader.problems.push(Problem::new(error.to_string()).at(place).fix("choose another name"));
            }
        }
    }
    programs
}

fn read_one(reader: &mut Reader, name: &ProgramName) -> Program {
    fn field<T>(reader: &mut Reader, table: &KeyPath, key: &str, convert: Convert<T>) -> Option<T> {
        reader.pick(&table.child(key), convert).map(|picked| picked.value)
    }
    let table = KeyPath::from("programs").child(name.as_str());
    let depends_on = reader.pick(&table.child("depends_on"), convert::program_names);
    if let Some(picked) = &depends_on
        && picked.value.contains(name)
    {
        reader.problems.push(
            Problem::new(format!("`{name}` depends on itself, so it would never start"))
                .at(&picked.place)
                .fix("remove it from its own list"),
        );
    }
    Program {
        command: field(reader, &table, "command", convert::text),
        instances: field(reader, &table, "instances", convert::count),
        restart: field(reader, &table, "restart", convert::restart),
        stop_signal: field(reader, &table, "stop_signal", convert::stop_signal),
        stop_timeout: field(reader, &table, "stop_timeout", convert::duration),
        depends_on: depends_on.map(|picked| picked.value),
        ready: field(reader, &table, "ready", probe::ready),
        health: field(reader, &table, "health", probe::health),
        memory_limit: field(reader, &table, "memory_limit", convert::size),
        env: env(reader, &table),
    }
}

fn env(reader: &mut Reader, program: &KeyPath) -> IndexMap<String, String> {
    let table = program.child("env");
    let mut env = IndexMap::new();
    for (name, place) in reader.names_below(&table.to_string()) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() || !name.bytes().all(plain) {
            reader.problems.push(
                Problem::new(format!("`{name}` is no name for a variable"))
                    .at(place)
                    .fix("use letters, digits and `_`, and begin with a letter or `_`"),
            );
        } else if let Some(value) = reader.pick(&table.child(&name), convert::variable) {
            env.insert(name, value.value);
        }
    }
    env
}
