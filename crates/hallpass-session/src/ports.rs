//! The ports of a sign-in.

use std::sync::Arc;

use hallpass_core::{Clock, Entropy, HttpClient, ServerSettings, ServerUrl};
use hallpass_discovery::Discovery;

use crate::token_client::TokenClient;

/// What a sign-in needs from its host to send requests.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Sends the requests.
    pub http: Arc<dyn HttpClient>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// Finds authorization servers.
    pub fn discovery<'a>(&'a self, settings: &'a ServerSettings) -> Discovery<'a> {
        Discovery {
            http: &*self.http,
            clock: &*self.clock,
            settings,
        }
    }

    /// Sends requests to endpoints of the authorization server of `server`.
    pub fn token_client<'a>(&'a self, server: &'a ServerUrl) -> TokenClient<'a> {
        TokenClient {
            http: &*self.http,
            clock: &*self.clock,
            entropy: &*self.entropy,
            server,
        }
    }
}
