//! From an MCP URL or a 401 to its authorization server: RFC 9728, RFC 8414 and OpenID Connect discovery.
