use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, string::BmpString};

use super::*;

fn certificate(entries: &[(DnType, rcgen::DnValue)]) -> Vec<u8> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in entries {
        params.distinguished_name.push(kind.clone(), value.clone());
    }
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

#[test]
fn certificate_names_are_read() {
    let bmp = BmpString::try_from("Zürich").unwrap();
    let der = certificate(&[
        (DnType::CountryName, "CH".into()),
        (DnType::OrganizationName, "Corp\u{1b}[2J\n GmbH".into()),
        (DnType::LocalityName, rcgen::DnValue::BmpString(bmp)),
        (DnType::CustomDnType(vec![2, 5, 4, 5]), "4711".into()),
        (DnType::CommonName, "x".repeat(500).into()),
    ]);
    let names = Certificate::read(&der).unwrap();
    let common = "x".repeat(100);
    assert_eq!(
        names.subject(),
        format!("C=CH, O=Corp[2J  GmbH, L=Zürich, CN={common}")
    );
    assert_eq!(
        names.to_string(),
        format!("`{}` signed by itself", names.subject())
    );
    let unnamed = Certificate::read(&certificate(&[])).unwrap();
    assert_eq!(unnamed.issuer(), "(no name)");
}

#[test]
fn endless_certificate_name_is_cut() {
    // SET { SEQUENCE { 2.5.4.3, "x" } }
    let attribute = [
        0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, b'x',
    ];
    assert_eq!(name(&attribute.repeat(1000)), ["CN=x"; 8].join(", "));
    // The same in one set.
    let mut set = vec![0x31, 0x82, 0x27, 0x10];
    set.extend(attribute[2..].repeat(1000));
    assert_eq!(name(&set), ["CN=x"; 8].join(", "));
}

#[test]
fn damaged_certificate_is_not_read() {
    let der = certificate(&[(DnType::CommonName, "x".into())]);
    for length in 0..der.len() {
        assert_eq!(Certificate::read(&der[..length]), None, "{length}");
    }
    for index in 0..der.len() {
        for value in [0, 0x30, 0x7f, 0x80, 0x84, 0xff] {
            let mut damaged = der.clone();
            damaged[index] = value;
            // Whatever comes of it, it comes back.
            let _ = Certificate::read(&damaged);
        }
    }
}

#[test]
fn certificate_hosts_times_and_fingerprint_are_read() {
    let mut params = CertificateParams::new(vec![
        "mcp.example".to_owned(),
        "*.mcp.example".to_owned(),
        "192.0.2.7".to_owned(),
        "2001:db8::7".to_owned(),
    ])
    .unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 2, 29);
    params.not_after = rcgen::date_time_ymd(2055, 1, 1);
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let certificate = Certificate::read(&der).unwrap();
    assert_eq!(
        certificate.names(),
        ["mcp.example", "*.mcp.example", "192.0.2.7", "2001:db8::7"]
    );
    let seconds = |time: Option<Timestamp>| time.map(Timestamp::as_unix_seconds);
    assert_eq!(seconds(certificate.not_before()), Some(1_582_934_400));
    assert_eq!(seconds(certificate.not_after()), Some(2_682_374_400));
    let with_more = [der.as_slice(), &[0x30, 0]].concat();
    assert_eq!(Certificate::read(&with_more).unwrap(), certificate);
    let digest: [u8; 32] = Sha256::digest(&der).into();
    assert_eq!(certificate.sha256().len(), 64);
    for (index, byte) in digest.iter().enumerate() {
        let digits = &certificate.sha256()[2 * index..2 * index + 2];
        assert_eq!(digits, format!("{byte:02x}"));
    }
}
