//! The one door for maintainers.
fn main() {}
