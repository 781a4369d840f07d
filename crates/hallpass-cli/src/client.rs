//! The MCP client of the commands: a connection, what the server says and asks meanwhile, and what its
//! answers hold.

mod connection;
pub(crate) mod content;
mod elicitation;
mod input_required;
mod listener;
pub(crate) mod rmcp_error;
pub(crate) mod schema;

pub(crate) use self::{connection::Connection, input_required::InputRounds, listener::Listener};
