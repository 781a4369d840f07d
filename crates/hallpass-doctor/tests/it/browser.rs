//! A browser in which a user approves.

use hallpass::{
    BoxFuture,
    login::{Interaction, LoginEvent, OpenError},
};
use hallpass_testkit::Person;
use url::Url;

#[derive(Debug)]
pub(crate) struct Browser(pub(crate) Person);

impl Interaction for Browser {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        let (person, url) = (self.0.clone(), url.clone());
        tokio::spawn(async move { person.visit(&url).await });
        Box::pin(async { Ok(()) })
    }

    fn event(&self, _: LoginEvent<'_>) {}
}
