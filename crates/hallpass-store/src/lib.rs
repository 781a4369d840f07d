//! Credentials at rest: sealed files, locks, atomic writes.
