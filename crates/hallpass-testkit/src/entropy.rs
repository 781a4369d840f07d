//! Random bytes that can be had twice.

use std::{
    fmt, io,
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::Entropy;
use sha2::{Digest, Sha256};

/// A fixed sequence of bytes that looks random: SHA-256 over a seed and a counter.
///
/// Two with the same seed give the same bytes, whatever the sizes of the pieces asked for.
pub struct FixedEntropy {
    seed: [u8; 32],
    stream: Mutex<Stream>,
}

#[derive(Default)]
struct Stream {
    counter: u64,
    rest: Vec<u8>,
}

impl FixedEntropy {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self::with(Sha256::digest(seed.to_be_bytes()).into())
    }

    /// An unpredictable sequence, begun from 32 bytes of the operating system.
    pub(crate) fn unpredictable() -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::getrandom(&mut seed)?;
        Ok(Self::with(seed))
    }

    fn with(seed: [u8; 32]) -> Self {
        Self {
            seed,
            stream: Mutex::default(),
        }
    }

    /// 128 random bits as text that needs no escaping anywhere, after a `prefix` that says what
    /// they are.
    pub(crate) fn token(&self, prefix: &str) -> String {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl Entropy for FixedEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        while stream.rest.len() < bytes.len() {
            let mut block = Sha256::new();
            block.update(self.seed);
            block.update(stream.counter.to_be_bytes());
            stream.counter += 1;
            stream.rest.extend_from_slice(&block.finalize());
        }
        let rest = stream.rest.split_off(bytes.len());
        bytes.copy_from_slice(&stream.rest);
        stream.rest = rest;
    }
}

impl fmt::Debug for FixedEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FixedEntropy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(entropy: &FixedEntropy, sizes: &[usize]) -> Vec<u8> {
        let mut all = Vec::new();
        for size in sizes {
            let mut piece = vec![0; *size];
            entropy.fill(&mut piece);
            all.extend(piece);
        }
        all
    }

    #[test]
    fn same_seed_gives_the_same_bytes_however_they_are_asked_for() {
        let whole = take(&FixedEntropy::new(7), &[100]);
        assert_eq!(whole, take(&FixedEntropy::new(7), &[1, 40, 0, 59]));
        assert_ne!(whole, take(&FixedEntropy::new(8), &[100]));
    }
}
