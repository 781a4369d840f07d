//! One configured HTTP client for every OAuth and MCP leg: custom CA, headers per origin, proxy, address policy.
