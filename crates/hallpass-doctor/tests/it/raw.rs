//! Addresses without a listener, and with one that refuses TLS.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// An address without a listener.
pub(crate) async fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

/// An address at which every TLS handshake is refused: the alert `handshake_failure` (RFC 8446 §6.2).
pub(crate) async fn refuses_handshakes() -> String {
    const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Whatever the client greets with, it is read before it is refused.
            let mut greeting = [0; 4096];
            if stream.read(&mut greeting).await.is_ok() {
                let _ = stream.write_all(&ALERT).await;
            }
        }
    });
    address
}
