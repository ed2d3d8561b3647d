//! The cache of a DontManage bench, for Rust workers and for the `bench` tool.
#![forbid(unsafe_code)]
