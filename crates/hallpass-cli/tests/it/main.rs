//! The program as a user or a script runs it: one process each, over the same files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod call;
#[cfg(unix)]
mod child_environment;
mod client_metadata;
mod completions;
mod config;
mod demo;
#[cfg(unix)]
mod demo_serve;
#[cfg(unix)]
mod device;
mod doctor;
#[cfg(target_os = "linux")]
mod dpop;
#[cfg(unix)]
mod elicitation;
#[cfg(unix)]
mod endpoints;
mod exit_codes;
mod first_steps;
mod forget_client;
#[cfg(unix)]
mod hostile;
mod http_sse;
mod import;
mod import_confirmation;
mod import_credentials;
#[cfg(unix)]
mod interactive_login;
mod json_output;
mod lifecycle;
mod listing;
mod login_faults;
mod logout_all;
mod lost_key;
mod mistakes;
mod options;
mod printed_fixes;
mod program;
mod proxy;
mod refused_refresh;
mod registered_client;
#[cfg(unix)]
mod script_contract;
mod secrets;
mod server_answers;
mod server_words;
mod shared_sign_in;
#[cfg(unix)]
mod signals;
mod stateless;
mod status;
mod store;
mod store_commands;
mod store_format;
#[cfg(unix)]
mod terminal;
mod timeout;
mod token;
mod token_source;
#[cfg(unix)]
mod trusted_files;
#[cfg(target_os = "linux")]
mod walk_through;
