//! MCP's streamable HTTP transport as bytes.
