//! The program as a person or a script runs it: one process each, over the same files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

#[cfg(unix)]
mod asked;
#[cfg(target_os = "linux")]
mod bound_tokens;
mod calls;
#[cfg(unix)]
mod child_environment;
mod client;
mod config;
mod contract;
mod demo;
#[cfg(unix)]
mod device;
mod doctor;
mod faults;
mod first_steps;
mod forgetting;
mod handover;
#[cfg(unix)]
mod hostile;
mod import;
mod import_asked;
mod keeping;
mod life;
mod limits;
mod lists;
mod log_out;
mod lost_key;
mod options;
#[cfg(unix)]
mod people;
mod program;
mod proxy;
mod registered;
mod secrets;
#[cfg(unix)]
mod serving;
mod shells;
#[cfg(unix)]
mod signals;
mod stateless;
mod status;
mod store;
mod store_format;
#[cfg(unix)]
mod table;
#[cfg(unix)]
mod terminal;
mod token_source;
mod tokens;
#[cfg(unix)]
mod trusted_files;
#[cfg(target_os = "linux")]
mod walk_through;
mod window;
