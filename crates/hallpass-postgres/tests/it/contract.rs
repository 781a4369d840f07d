//! The contract of stores, over PostgreSQL.

use std::sync::Arc;

use hallpass_core::{CredentialStore, store::Guard};
use hallpass_postgres::PostgresStore;
use hallpass_store::contract;

use crate::{
    fixture::{Database, data_keys, options},
    server::PASSWORD,
};

async fn check(name: &str, pool: usize, through_bouncer: bool) {
    let Some(database) = Database::new(name).await else {
        return;
    };
    let port = if through_bouncer {
        let Some(port) = database.server.bouncer() else {
            return;
        };
        port
    } else {
        database.server.port()
    };
    let url = format!("postgresql://hallpass:{PASSWORD}@127.0.0.1:{port}/{name}");
    let options = options(&url).with_pool_size(pool);
    let open = async || {
        let store = PostgresStore::open(&options, data_keys(1)).await.unwrap();
        Arc::new(store) as Arc<dyn CredentialStore>
    };
    contract::check(open).await.unwrap();
    let lapse = async |guard: &mut Guard| {
        let key_id = hex::encode(guard.key().digest());
        // The taker must have been alive for a whole lease.
        database.sql(&format!(
            "UPDATE hallpass.lease SET acquired_at = acquired_at - interval '76 s' WHERE key_id = '\\x{key_id}';
             UPDATE hallpass.replica SET alive_since = alive_since - interval '7 s'"
        ));
    };
    contract::check_lapsed(open, lapse).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_holds_with_a_pool_of_one() {
    check("contract_one", 1, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_holds_with_a_pool_of_four() {
    check("contract_four", 4, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_holds_through_pgbouncer_with_a_pool_of_one() {
    check("contract_bouncer_one", 1, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_holds_through_pgbouncer_with_a_pool_of_four() {
    check("contract_bouncer_four", 4, true).await;
}
