//! The question to the user whether the result of a sign-in may go to another host.

use std::sync::PoisonError;

use crate::{LoginError, LoginErrorKind, TokenHost, login::Login};

impl Login<'_> {
    /// Has the user confirm where the result goes, once for each pair of hosts.
    pub(crate) async fn confirm(&self, token_host: &TokenHost) -> Result<(), LoginError> {
        let hosts = &token_host.hosts;
        if self.confirmed_hosts().contains(hosts) {
            return Ok(());
        }
        let server = &self.request.key.server;
        let answer = tokio::select! {
            biased;
            answer = self.host.interaction.confirm_token_host(token_host) => answer,
            () = self.host.ports.clock.sleep(self.time_left()) => {
                let seconds = self.host.timeout.as_secs();
                let what = format!("the sign-in to {server} was not confirmed within {seconds} s");
                let error = LoginError::new(LoginErrorKind::Timeout, what);
                return Err(error.with_hints(token_host.hints()));
            }
        };
        let (kind, why) = match answer {
            Some(true) => {
                let mut confirmed = self
                    .confirmed
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                confirmed.push(hosts.clone());
                return Ok(());
            }
            Some(false) => (LoginErrorKind::Denied, "the user did not confirm that"),
            None => (LoginErrorKind::Endpoint, "there is no user to confirm that"),
        };
        let what = format!(
            "no sign-in to {server}: {} has the user sign in at {}, and {} receives the result; {why}",
            token_host.issuer, hosts.page, hosts.token
        );
        Err(LoginError::new(kind, what).with_hints(token_host.hints()))
    }
}
