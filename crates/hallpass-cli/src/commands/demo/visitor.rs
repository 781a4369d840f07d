//! A user who says yes to everything, inside this program.

use hallpass::{
    BoxFuture,
    login::{Interaction, LoginEvent, OpenError},
};
use hallpass_testkit::Person;
use url::Url;

/// Goes to the URL at once, and comes back to the callback as a browser would.
#[derive(Debug)]
pub(super) struct Visitor;

impl Interaction for Visitor {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        let url = url.clone();
        // A browser goes on by itself once it was asked.
        tokio::spawn(async move {
            if let Err(error) = Person::new().visit(&url).await {
                tracing::warn!(%error, "the visit broke off");
            }
        });
        Box::pin(async { Ok(()) })
    }

    fn event(&self, _: LoginEvent<'_>) {}
}
