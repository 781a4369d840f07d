//! What to do about an error.

/// What a host can do about an error. Every public error of the stack answers with one of these;
/// the text of the error is for people.
///
/// There are these four and there will be no fifth: a host decides by them, and a fifth would fall
/// into its last arm unseen. What is finer than this stands in the errors themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Nothing is lost; the same call may succeed later.
    Retry,
    /// A person (or the configured grant) has to sign in again.
    SignIn,
    /// A setting, a certificate or a file has to change; trying again won't help.
    Configure,
    /// The server or Hallpass misbehaves: tell whoever runs it.
    Report,
}
