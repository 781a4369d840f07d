use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    SignatureAlgorithm,
};

use super::*;

fn certificate(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let parameters = CertificateParams::new(vec!["db.example.com".to_owned()]).unwrap();
    parameters.self_signed(&key).unwrap().der().to_vec()
}

#[test]
fn channel_binding_has_the_hash_function_of_the_signature() {
    let p256 = certificate(&PKCS_ECDSA_P256_SHA256);
    assert_eq!(end_point(&p256), Some(Sha256::digest(&p256).to_vec()));
    let p384 = certificate(&PKCS_ECDSA_P384_SHA384);
    assert_eq!(end_point(&p384), Some(Sha384::digest(&p384).to_vec()));
    assert_eq!(end_point(&certificate(&PKCS_ED25519)), None);
}

#[test]
fn bytes_that_are_no_certificate_have_no_channel_binding() {
    let whole = certificate(&PKCS_ECDSA_P256_SHA256);
    for length in 0..40 {
        assert_eq!(end_point(&whole[..length]), None);
    }
    assert_eq!(
        end_point(&[0x30, 0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        None
    );
}

#[test]
fn pem_without_a_certificate_or_key_is_an_error_that_says_so() {
    let mut tls = Tls::default();
    let error = tls.add_authorities(b"canary").unwrap_err();
    assert!(error.to_string().contains("no certificate"), "{error}");
    let error = tls.set_client_certificate(b"", b"").unwrap_err();
    assert!(error.to_string().contains("client certificate"), "{error}");
    assert!(tls.connector().is_err());
}
