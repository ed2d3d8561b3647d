//! Faults that a bench must survive: each test makes one happen to the real binary.

mod ends;
mod followers;
mod inherited;
mod leftovers;
mod probes;
mod redis_lines;
