//! What the doctor says, fault by fault: one report each, compared with the file of its name below
//! `tests/reports`.

mod account;
mod case;
mod codes;
mod endpoint;
mod folding;
mod metadata;
mod network;
mod raw;
mod snapshot;
mod store;
mod token;
