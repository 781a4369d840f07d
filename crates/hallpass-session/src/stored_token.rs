//! Tokens of the record in the store, each replaced by its refresh token.

use std::sync::Arc;

use hallpass_core::{BoxFuture, Challenge};

use crate::{
    error::SessionError,
    refresh_engine::RefreshEngine,
    token::Token,
    token_origin::{RefreshIntent, TokenOrigin},
    transaction, unauthorized,
};

#[derive(Debug)]
pub(crate) struct StoredTokens(pub(crate) Arc<RefreshEngine>);

impl StoredTokens {
    fn fetch(
        &self,
        intent: RefreshIntent,
        challenges: &[Challenge],
    ) -> BoxFuture<'static, Result<Token, SessionError>> {
        let (engine, challenges) = (Arc::clone(&self.0), challenges.to_vec());
        Box::pin(async move {
            match &intent {
                RefreshIntent::Replace(refused) => {
                    unauthorized::run(&engine, refused, &challenges).await
                }
                RefreshIntent::Fresh | RefreshIntent::Refresh(_) => {
                    transaction::run(&engine, &intent).await
                }
            }
        })
    }
}

impl TokenOrigin for StoredTokens {
    fn renew<'a>(
        &'a self,
        intent: RefreshIntent,
        challenges: &'a [Challenge],
    ) -> BoxFuture<'a, Result<Token, SessionError>> {
        Box::pin(
            self.0
                .renew(intent, move |intent| self.fetch(intent, challenges)),
        )
    }

    fn refresh_in_background(&self, token: Token) {
        let intent = RefreshIntent::Refresh(token);
        self.0
            .renew_in_background(&intent, |intent| self.fetch(intent, &[]));
    }
}
