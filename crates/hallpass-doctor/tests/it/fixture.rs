//! Two servers and a host that wants to know why it does not work.

use std::{sync::Arc, time::Duration};

use hallpass::{
    CredentialKey, Hallpass, HallpassBuilder, Hint, Record, ServerSettings,
    http_client::HttpConfig,
    login::Interaction,
    store::{CredentialStore, LockKind, MemoryStore, Saved, StoreDiagnostics},
};
use hallpass_doctor::{Doctor, Report};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Endpoint, Fault, LeakCheck, McpServer,
    McpServerOptions, Person, PlannedFault, RecordedBody, RecordedRequest, When,
};

use crate::{browser::Browser, snapshot};

pub(crate) struct Fixture {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    pub(crate) settings: ServerSettings,
    pub(crate) http: HttpConfig,
    pub(crate) store: Arc<dyn CredentialStore>,
    pub(crate) person: Person,
    /// The URL that the host was told, where it is not the server's.
    pub(crate) url: String,
    /// Further words that differ from run to run.
    pub(crate) names: Vec<(String, &'static str)>,
    pub(crate) limit: Duration,
    pub(crate) refreshes: bool,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    pub(crate) async fn with(
        issuer: impl FnOnce(&mut AuthorizationServerOptions),
        server: impl FnOnce(&mut McpServerOptions),
    ) -> Self {
        let mut options = AuthorizationServerOptions {
            seed: Some(7),
            ..AuthorizationServerOptions::default()
        };
        issuer(&mut options);
        let issuer = AuthorizationServer::start(options).await.unwrap();
        let mut options = McpServerOptions::protected_by(&issuer);
        server(&mut options);
        let server = McpServer::start(options).await.unwrap();
        Self {
            url: server.url(),
            issuer,
            server,
            settings: ServerSettings::default(),
            http: HttpConfig::default(),
            store: Arc::new(MemoryStore::default()),
            person: Person::new(),
            names: Vec::new(),
            // Longer than anything takes that must succeed.
            limit: Duration::from_secs(60),
            refreshes: false,
        }
    }

    /// A fixture with a signed-in user.
    pub(crate) async fn signed_in() -> Self {
        let fixture = Self::new().await;
        fixture.sign_in().await;
        fixture
    }

    pub(crate) fn builder(&self) -> HallpassBuilder {
        Hallpass::builder(self.url.parse().unwrap())
            .settings(self.settings.clone())
            .http(self.http.clone())
            .store(Arc::clone(&self.store))
    }

    pub(crate) async fn sign_in(&self) {
        let browser: Arc<dyn Interaction> = Arc::new(Browser(self.person.clone()));
        let hallpass = self.builder().interactive(browser).build().unwrap();
        hallpass.login().await.unwrap();
        hallpass
            .close(std::time::Duration::from_secs(10))
            .await
            .unwrap();
    }

    pub(crate) fn key(&self) -> CredentialKey {
        CredentialKey::new(self.url.parse().unwrap())
    }

    pub(crate) async fn record(&self) -> Record {
        self.store.load(&self.key()).await.unwrap().unwrap()
    }

    /// Changes what is kept, as time and other programs do.
    pub(crate) async fn change(&self, change: impl FnOnce(&mut Record)) {
        let mut record = self.record().await;
        let expected = Some(record.generation);
        change(&mut record);
        let key = self.key();
        let mut guard = self
            .store
            .lock(&key, LockKind::Credential, self.limit)
            .await
            .unwrap();
        let saved = self.store.save(&record, expected, &mut guard).await;
        assert!(matches!(saved.unwrap(), Saved::Written(_)));
    }

    /// Every MCP request gets this answer.
    pub(crate) fn answers(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let fault = answer(status, headers, body);
        self.server.plan(vec![always(Endpoint::Mcp, fault)]);
    }

    pub(crate) fn doctor(&self) -> Doctor {
        self.doctor_of(self.builder())
    }

    pub(crate) fn doctor_of(&self, builder: HallpassBuilder) -> Doctor {
        let doctor = Doctor::with_response_timeout(builder, self.limit).unwrap();
        if self.refreshes {
            doctor.with_refresh()
        } else {
            doctor
        }
    }

    /// Examines, and compares the report with the file of this name. Nothing that is kept may have
    /// changed, no client may have registered, and no secret may be printed.
    pub(crate) async fn report(&self, name: &str) -> Report {
        self.report_of(name, self.doctor()).await
    }

    pub(crate) async fn report_of(&self, name: &str, doctor: Doctor) -> Report {
        let kept = self
            .store
            .diagnostics()
            .and_then(StoreDiagnostics::read_only);
        let kept = kept.unwrap_or_else(|| Arc::clone(&self.store));
        let before = kept.load(&self.key()).await.ok();
        let registrations = self.count(Endpoint::Registration);
        let tokens = self.count(Endpoint::Token);
        let report = doctor.diagnose().await;
        self.check_token_requests(tokens, name);
        doctor
            .hallpass()
            .close(std::time::Duration::from_secs(10))
            .await
            .unwrap();
        if !self.refreshes {
            assert_eq!(kept.load(&self.key()).await.ok(), before, "{name}");
        }
        assert_eq!(self.count(Endpoint::Registration), registrations, "{name}");

        let findings = report.steps.iter().flat_map(|step| &step.findings);
        for hint in findings.flat_map(|finding| &finding.hints) {
            let settings: Vec<_> = match hint {
                Hint::Setting { setting, .. } => vec![*setting],
                Hint::Settings { settings } => settings.keys().copied().collect(),
                _ => Vec::new(),
            };
            for setting in settings {
                assert!(Hint::SETTINGS.contains(&setting), "{name}: {setting}");
            }
        }
        let text = snapshot::text(&report);
        let mut leaks = LeakCheck::new();
        leaks.watch_record(self.issuer.recorder(), &[]);
        leaks.check(name, &text).unwrap();
        leaks.check(name, &format!("{report:?}")).unwrap();
        let mut names = self.names.clone();
        names.push((self.server.origin().to_owned(), "https://mcp.example"));
        names.push((self.issuer.origin().to_owned(), "https://as.example"));
        snapshot::check(name, &snapshot::normalized(&text, &names));
        report
    }

    /// Where no refresh is allowed, the token endpoint is asked once at most, without a secret.
    fn check_token_requests(&self, before: usize, name: &str) {
        if self.refreshes {
            return;
        }
        let asked = self.posts(Endpoint::Token).split_off(before);
        assert!(asked.len() <= 1, "{name}: {} requests", asked.len());
        for request in asked {
            let form = match &request.body {
                RecordedBody::Form(form) => form.as_slice(),
                _ => &[],
            };
            assert!(!form.is_empty(), "{name}");
            let harmless = [
                "grant_type",
                "code",
                "code_verifier",
                "redirect_uri",
                "resource",
                "client_id",
            ];
            for (parameter, value) in form {
                assert!(harmless.contains(&&**parameter), "{name}: {parameter}");
                if parameter == "code" {
                    assert_eq!(value, "a-code-that-was-not-issued", "{name}");
                }
            }
            let headers = request.headers.iter();
            let mut secret = headers.filter(|(header, _)| header == "authorization");
            assert_eq!(secret.next(), None, "{name}");
        }
    }

    fn posts(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        let mut requests = self.issuer.recorder().requests_to(endpoint);
        requests.retain(|request| request.method == "POST");
        requests
    }

    fn count(&self, endpoint: Endpoint) -> usize {
        self.posts(endpoint).len()
    }
}

pub(crate) fn always(endpoint: Endpoint, fault: Fault) -> PlannedFault {
    PlannedFault {
        endpoint,
        when: When::Always,
        fault,
    }
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Fault::Answer {
        status,
        headers: headers.iter().map(owned).collect(),
        body: body.to_owned(),
    }
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
