use std::{fs, path::Path};

use rcgen::{CertificateParams, KeyPair};

use super::*;

fn certificate() -> String {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(Vec::new()).unwrap();
    params.self_signed(&key).unwrap().pem()
}

#[test]
fn trust_variables_are_read_with_their_precedence() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(&root.join("own.pem"), &certificate());
    write(&root.join("file.pem"), &certificate());
    fs::create_dir(root.join("many")).unwrap();
    write(&root.join("many/1.pem"), &certificate());
    write(&root.join("many/2.pem"), &certificate());
    let check = |values: &[(&str, &str)], expected: Option<&str>| {
        let trust = Trust::from_environment_values(|name| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            // `@` stands for the directory.
            Some(value.replace('@', root.to_str().unwrap()).into())
        });
        let got = trust.map(|trust| match trust {
            Trust::Platform => "platform".to_owned(),
            Trust::PlatformPlus(bundle) => format!("plus {}", bundle.len()),
            Trust::Only(bundle) => format!("only {}", bundle.len()),
        });
        assert_eq!(got.ok().as_deref(), expected, "{values:?}");
    };
    let (own, file, many) = ("HALLPASS_CA_CERTIFICATE", "SSL_CERT_FILE", "SSL_CERT_DIR");
    check(&[], Some("platform"));
    check(&[(own, ""), (file, ""), (many, "")], Some("platform"));
    check(&[(own, "@/own.pem"), (file, "@/file.pem")], Some("plus 1"));
    check(&[(own, "@/absent.pem"), (file, "@/file.pem")], None);
    check(&[(file, "@/file.pem")], Some("only 1"));
    check(&[(file, "@/absent.pem"), (many, "@/many")], None);
    check(&[(file, "@/file.pem"), (many, "@/many")], Some("only 3"));
    check(&[(many, "@/many")], Some("only 2"));
    #[cfg(unix)]
    check(&[(many, "@/absent::@/many")], Some("only 2"));
    check(&[(many, "@/absent")], None);
    check(&[(file, "@/file.pem"), (many, "@/absent")], Some("only 1"));
}

#[expect(clippy::disallowed_methods, reason = "a test's own directory")]
fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
}
