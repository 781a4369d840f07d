//! Strict doubles for testing OAuth clients of MCP servers: an authorization server and a resource-bound MCP server.
