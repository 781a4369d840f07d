//! rmcp's streamable HTTP client on top of a Hallpass session.
