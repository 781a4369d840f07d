//! Addresses at which nobody is.

use tokio::net::TcpListener;

/// An address at which nobody listens.
pub(super) async fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}
