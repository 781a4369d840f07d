//! The database restarts while refreshes wait for their answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, CredentialStore, Diagnostic as _, HttpClient, HttpError, Remedy, ServerSettings,
    http::{Body, RequestOptions},
};
use hallpass_postgres::{PostgresStore, migrate};
use hallpass_session::Session;
use http::{Request, Response};
use tokio::sync::{Semaphore, watch};

use crate::{
    fixture::{data_keys, key, options, sign_in},
    server::Server,
};

const ACCOUNTS: usize = 12;

/// An authorization server where a refresh token is good once. It answers when the test lets it.
#[derive(Debug)]
struct StrictServer {
    answers: Semaphore,
    posts: watch::Sender<usize>,
    /// The refresh tokens that are good, and how often each account's was replaced.
    good: Mutex<HashMap<String, usize>>,
    reused: Mutex<Vec<String>>,
}

impl StrictServer {
    fn new() -> Arc<Self> {
        let good = (0..ACCOUNTS).map(|number| (format!("refresh-{number}-0"), 0));
        Arc::new(Self {
            answers: Semaphore::new(0),
            posts: watch::Sender::new(0),
            good: Mutex::new(good.collect()),
            reused: Mutex::default(),
        })
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        self.posts.send_modify(|posts| *posts += 1);
        let body = String::from_utf8(request.into_body().to_vec()).unwrap();
        let token = body
            .split('&')
            .find_map(|pair| pair.strip_prefix("refresh_token="));
        let token = token.unwrap().to_owned();
        // The server replaces the token at once, and its answer takes a while.
        let replaced = self.good.lock().unwrap().remove(&token);
        let answer = if let Some(count) = replaced {
            let account = token.rsplit_once('-').unwrap().0;
            let next = format!("{account}-{}", count + 1);
            self.good.lock().unwrap().insert(next.clone(), count + 1);
            let text = format!(
                r#"{{"access_token":"access-{next}","token_type":"Bearer","expires_in":3600,"refresh_token":"{next}"}}"#
            );
            (200, text)
        } else {
            self.reused.lock().unwrap().push(token);
            (400, r#"{"error":"invalid_grant"}"#.to_owned())
        };
        self.answers.acquire().await.unwrap().forget();
        Response::builder()
            .status(answer.0)
            .body(Body::whole(answer.1))
            .unwrap()
    }
}

impl HttpClient for StrictServer {
    fn open(
        &self,
        request: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        Box::pin(async { Ok(self.answer(request).await) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sign_in_is_lost_when_the_database_crashes_between_post_and_save() {
    let Some(server) = Server::start("fsync = off") else {
        return;
    };
    server.create_database("restart");
    let owner = options(&server.url("hallpass_migrate", "restart"));
    migrate(&owner, "hallpass").await.unwrap();
    let replica = options(&server.url("hallpass", "restart"));
    let open = async || PostgresStore::open(&replica, data_keys(1)).await.unwrap();
    let (first, second) = (open().await, open().await);
    let http = StrictServer::new();
    let session = |store: &PostgresStore, number: usize| {
        let (store, http) = (Arc::new(store.clone()), Arc::clone(&http));
        let key = key("acme", &format!("user-{number}"));
        Session::builder(key, ServerSettings::default(), store, http)
            .build()
            .unwrap()
    };
    for number in 0..ACCOUNTS {
        let user = format!("user-{number}");
        sign_in(&first, &user, &format!("refresh-{number}-0"), 2_000).await;
    }
    let mut refreshes = tokio::task::JoinSet::new();
    for number in 0..ACCOUNTS {
        let session = session(&first, number);
        refreshes.spawn(async move {
            // A caller hears of the outage, and the grant waits until it is saved.
            while let Err(error) = session.token().await {
                assert_eq!(error.remedy(), Remedy::Retry, "{error:?}");
                tokio::task::yield_now().await;
            }
        });
    }
    let mut posts = http.posts.subscribe();
    posts.wait_for(|posts| *posts == ACCOUNTS).await.unwrap();
    server.control(&["stop", "--mode=immediate"]);
    // The new grants come while nothing can be saved.
    http.answers.add_permits(2 * ACCOUNTS);
    server.control(&["start"]);
    while let Some(token) = refreshes.join_next().await {
        token.unwrap();
    }
    for number in 0..ACCOUNTS {
        let token = session(&second, number).token().await.unwrap();
        assert_eq!(
            token.access_token().expose(),
            format!("access-refresh-{number}-1")
        );
        let key = key("acme", &format!("user-{number}"));
        let saved = first.load(&key).await.unwrap().unwrap().grant.unwrap();
        let refresh = saved.refresh_token.unwrap();
        assert_eq!(refresh.expose(), format!("refresh-{number}-1"));
    }
    assert_eq!(*http.reused.lock().unwrap(), [] as [String; 0]);
    assert_eq!(*http.posts.borrow(), ACCOUNTS);
}
