use rcgen::{CertificateParams, KeyPair};

use super::*;

#[test]
fn client_identity_error_says_what_is_missing_or_damaged() {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(Vec::new()).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let key = key.serialize_pem();
    let block = |label: &str, content: &str| {
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    };
    let encrypted = block("ENCRYPTED PRIVATE KEY", "MIIB");
    let old_encrypted = block(
        "RSA PRIVATE KEY",
        "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nYWJjZA==",
    );
    let check = |chain: &str, key: &str, expected: &str| {
        let error = ClientIdentity::from_pem(chain, key).unwrap_err();
        assert_eq!(error.to_string(), format!("client certificate: {expected}"));
        assert_eq!(error.remedy(), Remedy::Configure);
        error.hints()
    };
    check("", &key, "there is no certificate in it");
    check(&key, &key, "there is no certificate in it");
    check(&certificate, &certificate, "there is no private key in it");
    check(
        &block("CERTIFICATE", "!"),
        &key,
        "the certificate on line 1 is damaged",
    );
    check(
        &certificate,
        &block("PRIVATE KEY", "!"),
        "the key on line 1 is damaged",
    );
    for key in [encrypted, old_encrypted] {
        let hint = check(&certificate, &key, "the private key is encrypted");
        assert!(hint[0].to_string().contains("openssl pkey"));
    }
    check(
        &certificate,
        &block("DSA PRIVATE KEY", "MIIB"),
        "a key of the kind `DSA PRIVATE KEY` is not supported",
    );
    let identity = ClientIdentity::from_pem(&certificate, &key).unwrap();
    assert_eq!(format!("{identity:?}"), "ClientIdentity(1 certificates)");
}

#[test]
fn client_identity_error_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(Vec::new()).unwrap();
    write(&path("chain.pem"), &params.self_signed(&key).unwrap().pem());
    write(&path("key.pem"), &key.serialize_pem());
    ClientIdentity::from_files(path("chain.pem"), path("key.pem")).unwrap();
    let check = |chain: &str, key: &str, at_fault: &str| {
        let error = ClientIdentity::from_files(path(chain), path(key)).unwrap_err();
        assert_eq!(error.path(), Some(path(at_fault).as_path()));
        assert!(error.to_string().contains(at_fault), "{error}");
    };
    check("absent.pem", "key.pem", "absent.pem");
    check("chain.pem", "absent.pem", "absent.pem");
    check("key.pem", "key.pem", "key.pem");
    check("chain.pem", "chain.pem", "chain.pem");
}

#[expect(clippy::disallowed_methods, reason = "a test's own directory")]
fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
}
