//! End-to-end tests: the real binary against real servers. One file per command.

mod support;

mod architecture;
mod awkward_settings;
mod cache_flush;
mod cache_ping;
mod cache_tls;
mod cache_values;
mod completions;
mod config;
mod control;
mod demo;
mod dispatch;
mod documentation;
mod faults;
mod framework;
mod guard;
mod hand_edits;
mod init;
mod library;
mod output;
mod preflight;
mod promises;
mod readme;
mod settings_errors;
mod setup_all;
mod setup_env;
mod setup_procfile;
mod setup_redis;
mod setup_supervisor;
mod setup_systemd;
mod start;
mod supervision;
mod variants;
mod worker_library;
mod worker_settings;
