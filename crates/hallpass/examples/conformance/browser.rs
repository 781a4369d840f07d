//! A browser whose user agrees to everything, in the place of a window.

use bytes::Bytes;
use hallpass::{
    BoxFuture, HttpClient, ServerUrl,
    http::RequestOptions,
    http_client::{Client, HttpConfig},
    login::{Interaction, LoginEvent, OpenError},
};
use http::{Request, header::LOCATION};
use url::Url;

/// How many redirects it follows.
const MAX_REDIRECTS: usize = 20;

/// The browser, on a connection of its own.
#[derive(Debug)]
pub(crate) struct MyWindow {
    client: Client,
    server: ServerUrl,
}

impl MyWindow {
    /// One on the machine that a server is on.
    pub(crate) fn new(server: ServerUrl) -> Result<Self, Box<dyn std::error::Error>> {
        let client = Client::new(HttpConfig::default())?;
        Ok(Self { client, server })
    }

    /// Goes to `url`; where it leads on to.
    async fn visit(&self, url: &Url) -> Result<Option<Url>, OpenError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            OpenError::with_cause("the page did not come up", error)
        };
        let request = Request::get(url.as_str()).body(Bytes::new());
        let request = request.map_err(|error| failed(error.into()))?;
        let options = RequestOptions::authorization_server(&self.server);
        let client: &dyn HttpClient = &self.client;
        let answer = client.fetch(request, options).await;
        let answer = answer.map_err(|error| failed(error.into()))?;
        let location = answer.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        Ok(location.and_then(|location| url.join(location).ok()))
    }
}

impl Interaction for MyWindow {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async move {
            let mut url = url.clone();
            for _ in 0..MAX_REDIRECTS {
                match self.visit(&url).await? {
                    Some(next) => url = next,
                    None => return Ok(()),
                }
            }
            Err(OpenError::new("the page redirects without end"))
        })
    }

    #[expect(clippy::print_stderr, reason = "an example talks to whoever runs it")]
    fn event(&self, event: LoginEvent<'_>) {
        eprintln!("{event:?}");
    }
}
