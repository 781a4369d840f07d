//! The OAuth 2.1 client stack for MCP hosts.
//!
//! A remote MCP server is an OAuth protected resource. [`Hallpass`] takes a host from its URL to an
//! authorised rmcp transport, and keeps it authorised: it finds the authorization server, registers,
//! has the person sign in when the server asks for it, keeps the credentials, and refreshes them
//! once however many tasks and processes share them.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use hallpass::{Hallpass, store::{FileStore, KeyFile}};
//! use rmcp::ServiceExt;
//!
//! # async fn host(folder: &std::path::Path, my_interaction: Arc<dyn hallpass::login::Interaction>) -> Result<(), Box<dyn std::error::Error>> {
//! let store = FileStore::open(folder, KeyFile::in_folder(folder)).await?;
//! let hallpass = Hallpass::builder("https://mcp.example.com/mcp".parse()?)
//!     .store(Arc::new(store))
//!     .interactive(my_interaction)
//!     .build()?;
//!
//! let client = ().serve(hallpass.transport()).await?;
//! for tool in client.list_all_tools().await? {
//!     println!("{}", tool.name);
//! }
//! client.cancel().await?;
//! hallpass.close(std::time::Duration::from_secs(10)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A host may take the crates below one by one instead: `hallpass-discovery`, `hallpass-http`,
//! `hallpass-store` and `hallpass-session` serve hosts of their own. What this crate deliberately
//! does not do: read the environment, print, or open a browser. The host hands those in.

mod build;
mod hallpass;
mod import;

pub use crate::{
    build::{BuildError, DiagnosisParts, HallpassBuilder},
    hallpass::{Hallpass, LoginFailed},
    import::{ImportError, ImportedCredentials},
};

pub use hallpass_core::*;
pub use hallpass_rmcp::{Error as TransportError, Transport};
pub use hallpass_session::{
    OsEntropy, Revocation, Session, SessionError, SignOut, SignedOut, SystemClock, Token,
};
pub use hallpass_store::MemoryStore;

/// From a URL to the authorization server: `hallpass-discovery`.
pub mod discovery {
    pub use hallpass_discovery::*;
}

/// The HTTP client of every leg: `hallpass-http`.
pub mod http_client {
    pub use hallpass_http::*;
}

/// A person signs in: `hallpass-login`.
pub mod login {
    pub use hallpass_login::*;
}

/// A machine signs in: `hallpass-service`.
pub mod machine {
    pub use hallpass_oauth::{ClientKey, ClientKeyError};
    pub use hallpass_service::*;
}

/// One fresh token, and every way in which there may be none: `hallpass-session`.
pub mod session {
    pub use hallpass_session::*;
}

/// MCP's streamable HTTP as bytes, and the same authorised by a session: `hallpass-mcp`.
pub mod mcp {
    pub use hallpass_mcp::*;
}

/// Credentials at rest: `hallpass-store`.
pub mod store {
    pub use hallpass_core::store::*;
    pub use hallpass_store::*;
}
