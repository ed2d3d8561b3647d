//! End-to-end tests: the real binary against real servers. One file per command.

mod support;
#![expect(dead_code, unused_imports, reason = "the builder serves the tests of commands that land one after the other")]


mod completions;
