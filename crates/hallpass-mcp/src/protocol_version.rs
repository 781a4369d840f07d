//! The protocol versions at which MCP changes what a client sends.

/// The only version with batches.
pub const WITH_BATCHES: &str = "2025-03-26";

/// The newest version that begins with `initialize`.
pub const NEWEST_WITH_HANDSHAKE: &str = "2025-11-25";

/// The first version without sessions: each request names its version and its client.
pub const STATELESS: &str = "2026-07-28";

/// Where a message names its own version, as each request does from [`STATELESS`] on.
pub const META_PATH: [&str; 2] = ["_meta", "io.modelcontextprotocol/protocolVersion"];
