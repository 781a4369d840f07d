use std::error::Error;

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, KeyPair};

use super::*;

fn certificate(name: &str) -> Vec<u8> {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

fn block(label: &str, content: &[u8]) -> String {
    let base64 = STANDARD.encode(content);
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

#[test]
fn bundle_keeps_good_certificates_and_reports_bad_ones() {
    let (one, two) = (certificate("one"), certificate("two"));
    let good = block("CERTIFICATE", &one);
    let lines = good.lines().count();
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB\nnot base64!\n-----END CERTIFICATE-----\n";
    let other_end = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END X509 CRL-----\n";
    let no_end = "-----BEGIN CERTIFICATE-----\nMIIB\n";
    let text = [
        "# Corp CA, valid until 2031\n",
        &good,
        broken,
        &block("X509 CRL", b"whatever"),
        &block("CERTIFICATE", b"no certificate"),
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        other_end,
        no_end,
        // With Windows line ends and blanks around.
        &block("CERTIFICATE", &two).replace('\n', " \r\n"),
    ]
    .concat();
    let bundle = CaBundle::from_pem(&text).unwrap();
    assert_eq!(bundle.len(), 2);
    let problems: Vec<_> = bundle.problems().iter().map(ToString::to_string).collect();
    let line = |after: usize| lines + 2 + after;
    assert_eq!(
        problems,
        [
            format!(
                "block 2 (line {}): it is not base64 from line {} on",
                line(0),
                line(2)
            ),
            format!(
                "block 4 (line {}): it is no usable certificate: invalid peer certificate: \
                 BadEncoding",
                line(7)
            ),
            format!("block 5 (line {}): it is empty", line(10)),
            format!(
                "block 6 (line {}): its END line does not fit its BEGIN line",
                line(12)
            ),
            format!("block 7 (line {}): it has no END line", line(15)),
        ]
    );
    assert_eq!(bundle.problems()[0].number(), 2);
    assert_eq!(bundle.problems()[0].line(), line(0));
}

#[test]
fn trusted_certificate_block_is_read_without_its_settings() {
    let der = certificate("one");
    // OpenSSL appends a SEQUENCE with purposes and an alias.
    let trusted = [der.as_slice(), &[0x30, 2, 0x0c, 0]].concat();
    let bundle = CaBundle::from_pem(block("TRUSTED CERTIFICATE", &trusted)).unwrap();
    assert_eq!(bundle.certificates()[0].as_ref(), der);
    assert!(bundle.problems().is_empty());
    assert_eq!(bundle.roots().len(), 1);
}

#[test]
fn repeated_certificate_counts_once() {
    let text = block("CERTIFICATE", &certificate("one")).repeat(2);
    let mut bundle = CaBundle::from_pem(&text).unwrap();
    assert_eq!(bundle.len(), 1);
    bundle.add(CaBundle::from_pem(&text).unwrap());
    assert_eq!(bundle.len(), 1);
    bundle.add(CaBundle::from_pem(block("CERTIFICATE", &certificate("two"))).unwrap());
    assert_eq!(bundle.len(), 2);
}

#[test]
fn bundle_without_certificate_is_an_error_with_path_and_hint() {
    let directory = tempfile::tempdir().unwrap();
    let check = |content: Option<&[u8]>, expected: &str, hint: &str| {
        let path = directory.path().join("ca.pem");
        let _ = fs::remove_file(&path);
        if let Some(content) = content {
            write(&path, content);
        }
        let error = CaBundle::from_file(&path).unwrap_err();
        assert_eq!(error.path(), Some(path.as_path()));
        assert_eq!(error.remedy(), Remedy::Configure);
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("`{}` ", path.display())),
            "{text}"
        );
        assert!(text.contains(expected), "{text}");
        let advice = error.hints()[0].to_string();
        assert!(advice.contains(hint), "{advice}");
        assert_eq!(error.source().is_some(), content.is_none());
    };
    check(None, "can't be read", "permissions");
    check(
        Some(b""),
        "holds no usable certificate",
        "BEGIN CERTIFICATE",
    );
    check(
        Some(b"-----BEGIN CERTIFICATE-----\n"),
        "block 1 (line 1)",
        "BEGIN",
    );
    check(
        Some(&certificate("one")),
        "is not PEM",
        "openssl x509 -inform der",
    );
    let key = block("PRIVATE KEY", b"canary");
    check(Some(key.as_bytes()), "holds no usable certificate", "BEGIN");
    let error = CaBundle::from_pem("nothing").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the given bundle holds no usable certificate"
    );
}

#[test]
fn directory_gives_the_certificates_of_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let empty = CaBundle::from_directory(directory.path()).unwrap_err();
    assert!(
        empty.to_string().ends_with("holds no usable certificate"),
        "{empty}"
    );
    let path = |name: &str| directory.path().join(name);
    let one = block("CERTIFICATE", &certificate("one"));
    write(&path("a.pem"), one.as_bytes());
    write(&path("12345678.0"), one.as_bytes());
    write(
        &path("b.pem"),
        block("CERTIFICATE", &certificate("two")).as_bytes(),
    );
    write(&path("broken.pem"), b"-----BEGIN CERTIFICATE-----\n");
    write(&path("README"), b"nothing here");
    fs::create_dir(path("deeper")).unwrap();
    let bundle = CaBundle::from_directory(directory.path()).unwrap();
    assert_eq!(bundle.len(), 2);
    assert_eq!(bundle.problems().len(), 1);
    let problem = bundle.problems()[0].to_string();
    assert!(problem.contains("broken.pem"), "{problem}");
    assert!(CaBundle::from_directory(path("absent")).is_err());
}

#[expect(clippy::disallowed_methods, reason = "a test's own directory")]
fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
}
