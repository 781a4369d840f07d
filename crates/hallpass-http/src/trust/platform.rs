//! The operating system's certificate authorities.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use super::{Anchors, CaBundle};
use crate::HttpConfigError;

/// Apple, Windows and Android decide through the system's own verifier.
#[cfg(any(windows, target_vendor = "apple", target_os = "android"))]
pub(super) fn anchors(
    extra: Option<&CaBundle>,
    provider: &Arc<CryptoProvider>,
) -> Result<Anchors, HttpConfigError> {
    use rustls::client::danger::ServerCertVerifier;
    use rustls_platform_verifier::Verifier;

    let description = match extra {
        None => "the operating system's certificate authorities".to_owned(),
        Some(bundle) => format!(
            "the operating system's certificate authorities and those of {}",
            bundle.origin()
        ),
    };
    let verifier = match extra {
        None => Verifier::new(Arc::clone(provider)),
        #[cfg(not(target_os = "android"))]
        Some(bundle) => Verifier::new_with_extra_roots(
            bundle.certificates().iter().cloned(),
            Arc::clone(provider),
        ),
        #[cfg(target_os = "android")]
        Some(_) => {
            return Err(HttpConfigError::new(
                hallpass_core::Remedy::Configure,
                "Android takes no certificate authorities beside its own",
            ));
        }
    };
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(verifier.map_err(super::unusable)?);
    Ok(Anchors {
        verifier: Some(verifier),
        description: description.into(),
        platform: None,
    })
}

/// Elsewhere there is a file or a directory of certificates. It is looked for here and not by a
/// library that would also ask the environment: the variables are the program's to read.
#[cfg(not(any(windows, target_vendor = "apple", target_os = "android")))]
pub(super) fn anchors(
    extra: Option<&CaBundle>,
    provider: &Arc<CryptoProvider>,
) -> Result<Anchors, HttpConfigError> {
    use std::path::Path;

    use rustls::RootCertStore;

    /// Where Debian, Fedora, SUSE, Alpine, the BSDs, Solaris and others keep the bundle.
    const FILES: [&str; 10] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem",
        "/etc/ssl/cert.pem",
        "/usr/local/etc/ssl/cert.pem",
        "/usr/local/share/certs/ca-root-nss.crt",
        "/etc/openssl/certs/ca-certificates.crt",
        "/etc/certs/ca-certificates.crt",
    ];
    /// Where only single files are.
    const DIRECTORIES: [&str; 4] = [
        "/etc/ssl/certs",
        "/etc/pki/tls/certs",
        "/usr/local/share/certs",
        "/etc/openssl/certs",
    ];

    let mut roots = RootCertStore::empty();
    let files = FILES.iter().map(Path::new);
    let directories = DIRECTORIES.iter().map(Path::new);
    let platform = files
        .filter_map(|path| CaBundle::from_file(path).ok())
        .chain(directories.filter_map(|path| CaBundle::from_directory(path).ok()))
        .next();
    let named = |bundle: &CaBundle| {
        let count = super::count(bundle.certificates().len());
        format!("the {count} of {}", bundle.origin())
    };
    let mut description: Vec<_> = platform.iter().chain(extra).map(named).collect();
    if platform.is_none() {
        tracing::warn!("no certificate authorities are installed on this machine");
        description.push(format!(
            "none of this machine, which has no `{}` nor its like",
            FILES[0]
        ));
    }
    for bundle in platform.iter().chain(extra) {
        roots.add_parsable_certificates(bundle.certificates().iter().cloned());
    }
    Ok(Anchors {
        verifier: super::verify_with(roots, provider)?,
        description: description.join(" and ").into(),
        platform,
    })
}
