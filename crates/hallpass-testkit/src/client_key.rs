//! A key that a client signs with, and who checks it.

use std::{fmt, io};

use rcgen::{KeyPair, PublicKeyData};

/// A fresh P-256 key for a client that authenticates by `private_key_jwt`. `Debug` shows nothing of
/// it.
pub struct TestClientKey(KeyPair);

impl TestClientKey {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn new() -> io::Result<Self> {
        KeyPair::generate().map(Self).map_err(io::Error::other)
    }

    /// The private half, as a PKCS#8 document in PEM.
    pub fn pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// The public half, as an uncompressed point: what the authorization server is told
    /// ([`Behaviour::client_keys`](crate::Behaviour::client_keys)).
    pub fn public(&self) -> Vec<u8> {
        self.0.der_bytes().to_vec()
    }
}

impl fmt::Debug for TestClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClientKey").finish_non_exhaustive()
    }
}
