//! Certificate authorities from PEM.

use std::{
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use hallpass_core::{Diagnostic, Hint, Remedy};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use super::{
    der,
    pem::{self, BadBlock},
};

/// More than any bundle holds; a device file or a log read by mistake is not swallowed whole.
const MAX_FILE_SIZE: u64 = 32 << 20;

/// Certificates to trust, read from PEM.
///
/// What can't be used is reported by [`problems`](Self::problems) and the rest is kept. Comments,
/// revocation lists and keys are ignored. OpenSSL's `TRUSTED CERTIFICATE` blocks count as
/// certificates; the trust settings behind the certificate in them are not looked at.
#[derive(Clone)]
pub struct CaBundle {
    certificates: Vec<CertificateDer<'static>>,
    problems: Vec<CaProblem>,
    origin: Option<PathBuf>,
}

impl CaBundle {
    /// Reads a file of one or more certificates.
    ///
    /// # Errors
    ///
    /// When the file can't be read, and when it holds no usable certificate: a file that the user
    /// asked for by name and that adds nothing is a mistake.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, CaBundleError> {
        let path = path.as_ref();
        let content = read(path).map_err(|error| CaBundleError::unreadable(path, error))?;
        Self::read(&content, Some(path))
    }

    /// Reads one or more certificates.
    ///
    /// # Errors
    ///
    /// When there is no usable certificate.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, CaBundleError> {
        Self::read(pem.as_ref(), None)
    }

    /// Reads one or more certificates that the caller has read from `path`, which errors then name.
    ///
    /// # Errors
    ///
    /// When there is no usable certificate.
    pub fn from_pem_of(
        pem: impl AsRef<[u8]>,
        path: impl AsRef<Path>,
    ) -> Result<Self, CaBundleError> {
        Self::read(pem.as_ref(), Some(path.as_ref()))
    }

    /// Reads every file of a directory, as `SSL_CERT_DIR` names one. Directories in it and files
    /// without a certificate are ignored, and a certificate that stands there twice counts
    /// once.
    ///
    /// # Errors
    ///
    /// When the directory can't be read, and when none of its files holds a usable certificate.
    pub fn from_directory(path: impl AsRef<Path>) -> Result<Self, CaBundleError> {
        let path = path.as_ref();
        let unreadable = |error| CaBundleError::unreadable(path, error);
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            files.push(entry.map_err(unreadable)?.path());
        }
        files.sort();
        let mut all = Self {
            certificates: Vec::new(),
            problems: Vec::new(),
            origin: Some(path.to_owned()),
        };
        for file in files.iter().filter(|file| file.is_file()) {
            match Self::from_file(file) {
                Ok(bundle) => all.add(bundle),
                Err(error) => all.problems.extend(error.problems),
            }
        }
        if all.certificates.is_empty() {
            let reason = BundleReason::NothingGood;
            return Err(CaBundleError::new(Some(path), reason, all.problems));
        }
        Ok(all)
    }

    /// Adds another bundle's certificates and problems to this one.
    pub fn add(&mut self, other: Self) {
        for certificate in other.certificates {
            if !self.certificates.contains(&certificate) {
                self.certificates.push(certificate);
            }
        }
        self.problems.extend(other.problems);
    }

    /// How many certificates are in it; at least one.
    #[expect(clippy::len_without_is_empty, reason = "an empty bundle can't be made")]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// The blocks that could not be used.
    pub fn problems(&self) -> &[CaProblem] {
        &self.problems
    }

    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.certificates.iter().cloned());
        roots
    }

    /// Where it came from, for messages.
    pub(super) fn origin(&self) -> String {
        origin(self.origin.as_deref())
    }

    fn read(content: &[u8], path: Option<&Path>) -> Result<Self, CaBundleError> {
        let mut certificates: Vec<CertificateDer<'static>> = Vec::new();
        let mut problems = Vec::new();
        for (index, block) in pem::blocks(content).into_iter().enumerate() {
            let trusted = block.label == "TRUSTED CERTIFICATE";
            if !trusted && !matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE") {
                continue;
            }
            let problem = |reason| CaProblem {
                path: path.map(Path::to_owned),
                number: index + 1,
                line: block.line,
                reason,
            };
            match block.content {
                Err(bad) => problems.push(problem(CaProblemReason::Block(bad))),
                Ok(mut der) => {
                    if trusted && let Some(length) = der::first_element_length(&der) {
                        der.truncate(length);
                    }
                    let der = CertificateDer::from(der);
                    match RootCertStore::empty().add(der.clone()) {
                        Ok(()) if certificates.contains(&der) => {}
                        Ok(()) => certificates.push(der),
                        Err(error) => {
                            problems.push(problem(CaProblemReason::Certificate(error.to_string())));
                        }
                    }
                }
            }
        }
        if certificates.is_empty() {
            let reason = match content.first() {
                // An ASN.1 SEQUENCE with a long length: a certificate without PEM around it.
                Some(0x30) if problems.is_empty() => BundleReason::Binary,
                _ => BundleReason::NothingGood,
            };
            return Err(CaBundleError::new(path, reason, problems));
        }
        Ok(Self {
            certificates,
            problems,
            origin: path.map(Path::to_owned),
        })
    }
}

fn origin(path: Option<&Path>) -> String {
    match path {
        Some(path) => format!("`{}`", path.display()),
        None => "the given bundle".to_owned(),
    }
}

/// Reads a file up to the size that a bundle may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = fs::File::open(path)?;
    file.take(MAX_FILE_SIZE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_SIZE {
        return Err(io::Error::other("larger than 32 MiB"));
    }
    Ok(content)
}

impl fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaBundle")
            .field("origin", &self.origin)
            .field("certificates", &self.certificates.len())
            .field("problems", &self.problems)
            .finish()
    }
}

/// A block of a bundle that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaProblem {
    path: Option<PathBuf>,
    number: usize,
    line: usize,
    reason: CaProblemReason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum CaProblemReason {
    Block(BadBlock),
    Certificate(String),
}

impl CaProblem {
    /// Which block it is, counted from 1; blocks of every kind count.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The line on which the block begins, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for CaProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "`{}`, ", path.display())?;
        }
        write!(f, "block {} (line {}): ", self.number, self.line)?;
        match &self.reason {
            CaProblemReason::Block(BadBlock::NoEnd) => f.write_str("it has no END line"),
            CaProblemReason::Block(BadBlock::OtherEnd) => {
                f.write_str("its END line does not fit its BEGIN line")
            }
            CaProblemReason::Block(BadBlock::NotBase64 { line }) => {
                write!(f, "it is not base64 from line {line} on")
            }
            CaProblemReason::Block(BadBlock::Empty) => f.write_str("it is empty"),
            CaProblemReason::Certificate(text) => {
                write!(f, "it is no usable certificate: {text}")
            }
        }
    }
}

/// A bundle without a single usable certificate.
#[derive(Debug, thiserror::Error)]
#[error("{} {reason}{}", origin(.path.as_deref()), list(.problems))]
pub struct CaBundleError {
    path: Option<PathBuf>,
    reason: BundleReason,
    problems: Vec<CaProblem>,
    source: Option<io::Error>,
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
enum BundleReason {
    #[error("can't be read")]
    Unreadable,
    #[error("is not PEM")]
    Binary,
    #[error("holds no usable certificate")]
    NothingGood,
}

fn list(problems: &[CaProblem]) -> String {
    let texts: Vec<String> = problems.iter().map(CaProblem::to_string).collect();
    let before = if texts.is_empty() { "" } else { ": " };
    format!("{before}{}", texts.join("; "))
}

impl CaBundleError {
    fn new(path: Option<&Path>, reason: BundleReason, problems: Vec<CaProblem>) -> Self {
        Self {
            path: path.map(Path::to_owned),
            reason,
            problems,
            source: None,
        }
    }

    fn unreadable(path: &Path, source: io::Error) -> Self {
        Self {
            source: Some(source),
            ..Self::new(Some(path), BundleReason::Unreadable, Vec::new())
        }
    }

    /// The file or directory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The blocks that could not be used.
    pub fn problems(&self) -> &[CaProblem] {
        &self.problems
    }
}

impl Diagnostic for CaBundleError {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }

    fn hints(&self) -> Vec<Hint> {
        vec![Hint::text(match self.reason {
            BundleReason::Unreadable => "check the path and its permissions",
            BundleReason::Binary => {
                "it looks like a certificate in DER; convert it with `openssl x509 -inform der`"
            }
            BundleReason::NothingGood => {
                "it should hold one or more blocks that begin with `-----BEGIN CERTIFICATE-----`"
            }
        })]
    }
}

#[cfg(test)]
mod tests;
