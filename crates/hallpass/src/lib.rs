//! The OAuth 2.1 client stack for MCP hosts.
