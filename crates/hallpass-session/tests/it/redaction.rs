//! No secret in any Debug, Display, hint or trace.

use std::{
    io,
    sync::{Arc, Mutex},
};

use hallpass_core::{Diagnostic as _, Subject, Tenant};
use hallpass_session::{SessionError, SignInRequest, SignOut};
use tracing::Level;

use crate::{
    fakes::Fault,
    fixture::{CLOSE_TIMEOUT, Fixture, bare, insufficient},
};

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn texts(error: &SessionError) -> String {
    let mut texts = vec![format!("{error:?} {error} {:?}", error.hints())];
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        texts.push(format!("{error} {error:?}"));
        source = error.source();
    }
    texts.join("; ")
}

#[tokio::test]
async fn secrets_never_appear_in_output() {
    let log = Log::default();
    let writer = log.clone();
    // For the whole binary: the traces of the other tests must contain no canary either.
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let mut seen: Vec<String> = Vec::new();
    let mut key_id = String::new();
    for fault in [
        Fault::Says(500, r#"{"error":"oops","input":"body-canary"}"#),
        Fault::Says(200, "body-canary"),
        Fault::Says(400, r#"{"request":"body-canary"}"#),
        Fault::Says(401, "<html>body-canary</html>"),
        Fault::LostAfter,
        Fault::Terse,
    ] {
        let mut fixture = Fixture::empty();
        let subject = Subject::new("user-canary").unwrap();
        fixture.key.subject = subject.with_tenant(Tenant::new("tenant-canary").unwrap());
        fixture.put(|_| ()).await;
        let session = fixture.session();
        key_id = session.key().id();
        let token = session.token().await.unwrap();
        seen.push(format!(
            "{token:?} {:?} {:?}",
            token.authorization(),
            token.access_token()
        ));
        fixture.clock.advance(3_600);
        fixture.server.fault(fault);
        for _ in 0..3 {
            match session.token().await {
                Ok(token) => seen.push(format!("{token:?}")),
                Err(error) => seen.push(texts(&error)),
            }
        }
        match session.handle_challenge(Some(&token), &bare()).await {
            Ok(token) => seen.push(format!("{token:?}")),
            Err(error) => seen.push(texts(&error)),
        }
        let _ = session
            .handle_challenge(Some(&token), &insufficient("w"))
            .await;
        session.sign_in(SignInRequest::default()).await.unwrap();
        seen.push(format!("{session:?} {:?}", session.record().await));
        seen.push(format!("{:?}", session.sign_out(SignOut::default()).await));
        session.close(CLOSE_TIMEOUT).await.unwrap();
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("refresh{"), "the log was written: {logged}");
    assert!(logged.contains("outcome=\"renewed\""), "{logged}");
    // Spans have the id of the key, and no server.
    assert!(
        logged.contains(&format!("refresh{{key={key_id}")),
        "{logged}"
    );
    assert!(!logged.contains("{key=https://"), "{logged}");
    for text in [seen.join("\n"), logged] {
        let at = text.find("canary");
        assert_eq!(at.map(|at| &text[at.saturating_sub(200)..at + 6]), None);
    }
}
