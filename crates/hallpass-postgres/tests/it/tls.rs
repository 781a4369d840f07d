//! TLS to the server: verified in full, with channel binding and client certificates.

use hallpass_core::{Remedy, StoreError};
use hallpass_postgres::{PostgresOptions, PostgresStore, migrate};
use hallpass_testkit::{Identity, TestCa};

use crate::{
    fixture::{data_keys, hints},
    server::{PASSWORD, Server},
};

const SETTINGS: &str = "fsync = off
ssl = on
ssl_cert_file = '{folder}/server.crt'
ssl_key_file = '{folder}/server.key'
ssl_ca_file = '{folder}/ca.crt'";

/// A server with this authority's certificate, and a migrated database `tls`. The database `clients` asks for
/// a client certificate.
async fn server(ca: &TestCa) -> Option<Server> {
    let server = Server::start_with(SETTINGS, |folder| {
        set(folder, &ca.server().unwrap());
        std::fs::write(folder.join("ca.crt"), ca.pem()).unwrap();
        let hba = folder.join("data/pg_hba.conf");
        let rest = std::fs::read_to_string(&hba).unwrap();
        let rule = "hostssl clients hallpass 127.0.0.1/32 trust clientcert=verify-ca\n";
        std::fs::write(&hba, format!("{rule}{rest}")).unwrap();
    })?;
    for name in ["tls", "clients"] {
        server.create_database(name);
        let owner = options(&server, "hallpass_migrate", name, ca);
        migrate(&owner, "hallpass").await.unwrap();
    }
    Some(server)
}

fn set(folder: &std::path::Path, identity: &Identity) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(folder.join("server.crt"), identity.certificate_pem()).unwrap();
    let key = folder.join("server.key");
    std::fs::write(&key, identity.key_pem()).unwrap();
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn options(server: &Server, role: &str, database: &str, ca: &TestCa) -> PostgresOptions {
    let url = format!(
        "postgresql://{role}:{PASSWORD}@localhost:{}/{database}?hostaddr=127.0.0.1&sslmode=verify-full&channel_binding=require",
        server.port()
    );
    // A role that no password is asked of can't bind one to the channel.
    let url = match role {
        "hallpass_migrate" => url,
        _ => url.replace("&channel_binding=require", ""),
    };
    PostgresOptions::from_url(&url)
        .unwrap()
        .with_ca_certificates(ca.pem().as_bytes())
        .unwrap()
        .with_durable_storage_elsewhere(true)
}

async fn refusal(options: &PostgresOptions) -> (StoreError, String) {
    let error = PostgresStore::open(options, data_keys(1))
        .await
        .unwrap_err();
    assert_eq!(error.remedy(), Remedy::Configure, "{error:?}");
    let hints = hints(&error);
    (error, hints)
}

#[tokio::test]
async fn server_s_certificate_is_verified_in_full() {
    let (ca, other) = (TestCa::new().unwrap(), TestCa::named("other").unwrap());
    // The migration binds its password to the channel (RFC 5929).
    let Some(server) = server(&ca).await else {
        return;
    };
    let options_of = |ca| options(&server, "hallpass", "tls", ca);
    PostgresStore::open(&options_of(&ca), data_keys(1))
        .await
        .unwrap();
    let (error, hint) = refusal(&options_of(&other)).await;
    assert!(hint.contains("certificate authority"), "{error}: {hint}");
    for (identity, wanted) in [
        (ca.expired_server().unwrap(), "has expired"),
        (ca.server_named(&["wrong.example"]).unwrap(), "another name"),
    ] {
        set(server.folder(), &identity);
        server.restart();
        let (error, hint) = refusal(&options_of(&ca)).await;
        assert!(hint.contains(wanted), "{error}: {hint}");
    }
}

#[tokio::test]
async fn server_that_asks_for_a_client_certificate_gets_the_one_that_is_set() {
    let ca = TestCa::new().unwrap();
    let Some(server) = server(&ca).await else {
        return;
    };
    let without = options(&server, "hallpass", "clients", &ca);
    let (error, hint) = refusal(&without).await;
    assert!(hint.contains("client certificate"), "{error}: {hint}");
    let set = |identity: &Identity| {
        let (certificate, key) = (identity.certificate_pem(), identity.key_pem());
        let options = options(&server, "hallpass", "clients", &ca);
        options
            .with_client_certificate(certificate.as_bytes(), key.as_bytes())
            .unwrap()
    };
    PostgresStore::open(&set(&ca.client("hallpass").unwrap()), data_keys(1))
        .await
        .unwrap();
    let foreign = TestCa::named("other").unwrap().client("hallpass").unwrap();
    let (error, hint) = refusal(&set(&foreign)).await;
    assert!(hint.contains("client certificate"), "{error}: {hint}");
}
