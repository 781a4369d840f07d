use super::*;

#[test]
fn url_of_an_http_error_holds_no_secret() {
    let url = Url::parse("https://user:canary@as.example/token?code=canary#canary").unwrap();
    let error = HttpError::new(
        HttpErrorKind::Connect,
        RequestTarget::AuthorizationServer,
        &url,
    );
    let text = format!("{error} {error:?}");
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(
        error.to_string(),
        "authorization server request to https://as.example/token: no connection"
    );
}

#[test]
fn proxy_authentication_error_has_the_remedy_configure() {
    let url = Url::parse("https://as.example/token").unwrap();
    let kind = HttpErrorKind::ProxyAuthentication;
    let error = HttpError::new(kind, RequestTarget::AuthorizationServer, &url);
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(!error.may_have_been_sent());
}

/// Answers every request with two chunks of four bytes.
#[derive(Debug)]
struct Eight;

struct Fours(u8);

impl Chunks for Fours {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        self.0 += 1;
        Poll::Ready((self.0 <= 2).then(|| Ok(Bytes::from_static(b"four"))))
    }
}

impl HttpClient for Eight {
    fn open(
        &self,
        _: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        Box::pin(async { Ok(Response::new(Body::new(Fours(0)))) })
    }
}

#[test]
fn body_is_read_up_to_the_cap() {
    let server = ServerUrl::parse("https://mcp.example/mcp").unwrap();
    let fetch = |body_cap| {
        let client: &dyn HttpClient = &Eight;
        let request = Request::get("https://as.example/big?key=canary").body(Bytes::new());
        let options = RequestOptions {
            body_cap,
            ..RequestOptions::metadata(&server)
        };
        crate::block_on(client.fetch(request.unwrap(), options))
    };
    assert_eq!(fetch(8).unwrap().body(), "fourfour");
    for cap in [7, 4, 3, 0] {
        let error = fetch(cap).unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::BodyTooLarge, "{cap}");
        assert_eq!(error.url(), "https://as.example/big");
    }
}

#[test]
fn whole_body_is_one_chunk() {
    let mut body = Body::whole("abc");
    assert_eq!(crate::block_on(body.chunk()).unwrap().unwrap(), "abc");
    assert!(crate::block_on(body.chunk()).is_none());
}

/// A client that says whether it attaches the secrets of requests, and leaves it.
#[derive(Debug)]
struct Attaching(bool);

impl HttpClient for Attaching {
    fn open(
        &self,
        _: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        Box::pin(async { Ok(Response::new(Body::whole("x"))) })
    }

    fn attaches_secrets(&self) -> bool {
        self.0
    }
}

#[test]
fn headers_of_a_request_are_copied_only_where_the_client_attaches_none() {
    let server = ServerUrl::parse("https://mcp.example/mcp").unwrap();
    for attaches in [true, false] {
        let client: &dyn HttpClient = &Attaching(attaches);
        let request = Request::get("https://as.example/").header("x-key", "canary-4711");
        let request = request.body(Bytes::new()).unwrap();
        let fetched = client.fetch(request, RequestOptions::metadata(&server));
        let fetched = crate::block_on(fetched).unwrap();
        let secrets = RequestSecrets::from_extensions(fetched.extensions());
        let is_copied = secrets.is_some_and(|secrets| secrets.are_in_word("canary-4711"));
        assert_eq!(is_copied, !attaches);
    }
}
