//! OAuth 2.1 grants as pure values: request out, response in.
