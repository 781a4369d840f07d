//! What is signed, and that the signatures are right.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use hallpass_core::{AccessToken, ClientId, DpopKey};
use hallpass_oauth::{Algorithm, ClientKey, Proof, ProofKey, Signer, SigningError};
use http::Method;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::{Counting, NOW, hints, metadata, rsa_key, url};

/// Header, claims, signed text and signature of a compact JWS.
fn open(token: &str) -> (Value, Value, String, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    (
        serde_json::from_slice(&part(header)).unwrap(),
        serde_json::from_slice(&part(claims)).unwrap(),
        signed.to_owned(),
        part(signature),
    )
}

fn verify(header: &Value, signed: &str, signature: &[u8]) {
    let coordinate = |name: &str| {
        let text = header["jwk"][name].as_str().unwrap();
        URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(signed.as_bytes(), signature)
        .unwrap();
}

#[test]
fn proof_for_the_token_endpoint_has_no_token_hash() {
    let key = ProofKey::open(&ProofKey::generate().unwrap()).unwrap();
    let entropy = Counting::default();
    let endpoint = url("https://user:pass@as.example/token?tenant=1#top");
    let mut of = Proof {
        method: &Method::POST,
        url: &endpoint,
        access_token: None,
        nonce: None,
    };
    let proof = key.proof(of, NOW, &entropy).unwrap();
    assert!(proof.is_sensitive());
    let (header, claims, signed, signature) = open(proof.to_str().unwrap());
    verify(&header, &signed, &signature);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("dpop+jwt"), &json!("ES256"))
    );
    // The public half and nothing more.
    let members: Vec<_> = header["jwk"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["crv", "kty", "x", "y"]);
    assert_eq!(
        claims,
        json!({
            "jti": "AAAAAAAAAAAAAAAAAAAAAA",
            "htm": "POST",
            "htu": "https://as.example/token",
            "iat": 1_800_000_000,
        })
    );

    of.nonce = Some("n-1");
    let again = key.proof(of, NOW, &entropy).unwrap();
    let (_, claims, ..) = open(again.to_str().unwrap());
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims["jti"], "AQEBAQEBAQEBAQEBAQEBAQ");
}

#[test]
fn repeated_token_request_has_a_new_proof() {
    let key = ProofKey::open(&ProofKey::generate().unwrap()).unwrap();
    let entropy = Counting::default();
    let endpoint = url("https://as.example/token?tenant=1");
    let mut request = http::Request::post(endpoint.as_str())
        .body(Bytes::new())
        .unwrap();
    let mut claims = |nonce| {
        key.prove(&mut request, &endpoint, nonce, NOW, &entropy)
            .unwrap();
        let proofs: Vec<_> = request.headers().get_all("dpop").iter().collect();
        assert_eq!(proofs.len(), 1);
        open(proofs[0].to_str().unwrap()).1
    };
    let (first, second) = (claims(None), claims(Some("n-1")));
    assert_eq!(first["htm"], "POST");
    assert_eq!(first["htu"], "https://as.example/token");
    assert_eq!(first["nonce"], Value::Null);
    assert_eq!(second["nonce"], "n-1");
    assert_ne!(first["jti"], second["jti"]);
}

#[test]
fn proof_for_an_mcp_request_has_the_token_hash() {
    let key = ProofKey::open(&ProofKey::generate().unwrap()).unwrap();
    let of = Proof {
        method: &Method::DELETE,
        url: &url("http://localhost:3000/mcp"),
        // The token of RFC 9449's own example, with its `ath`.
        access_token: Some(&AccessToken::new(
            "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
        )),
        nonce: None,
    };
    let proof = key.proof(of, NOW, &Counting::default()).unwrap();
    let (_, claims, ..) = open(proof.to_str().unwrap());
    assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    assert_eq!(
        (&claims["htm"], &claims["htu"]),
        (&json!("DELETE"), &json!("http://localhost:3000/mcp"))
    );
}

#[test]
fn stored_proof_key_is_read_back() {
    let kept = ProofKey::generate().unwrap();
    let key = ProofKey::open(&kept).unwrap();
    let again = ProofKey::open(&DpopKey::new(kept.expose())).unwrap();
    assert_eq!(key.thumbprint(), again.thumbprint());
    assert_eq!(key.thumbprint().len(), 43);
    let other = ProofKey::open(&ProofKey::generate().unwrap()).unwrap();
    assert_ne!(key.thumbprint(), other.thumbprint());
    for bad in ["", "canary4711", "%%%"] {
        let error = ProofKey::open(&DpopKey::new(bad)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the key that the tokens are bound to is not a P-256 key"
        );
    }
}

#[test]
fn es256_support_is_read_from_metadata() {
    for (listed, expected) in [
        (None, true),
        (Some(vec!["ES256".to_owned()]), true),
        (Some(vec!["EdDSA".to_owned(), "ES256".to_owned()]), true),
        (Some(vec!["EdDSA".to_owned()]), false),
        (Some(vec![]), false),
    ] {
        let mut metadata = metadata();
        metadata.dpop_signing_alg_values_supported = listed;
        assert_eq!(ProofKey::is_accepted_by(&metadata), expected);
    }
}

fn pem(document: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(document);
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

/// A key in a security module, which gives the length of what it signs.
#[derive(Debug)]
struct Elsewhere;

impl Signer for Elsewhere {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Rs256
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        Ok(message.len().to_be_bytes().to_vec())
    }
}

#[test]
fn client_assertion_is_signed_by_a_key_elsewhere() {
    let key = ClientKey::from_signer(Elsewhere).with_id("k");
    let (client, entropy) = (ClientId::new("c"), Counting::default());
    let assertion = key.assertion(&client, &metadata().issuer, NOW, &entropy);
    let (header, claims, signed, signature) = open(&assertion.unwrap());
    assert_eq!(header, json!({ "typ": "JWT", "alg": "RS256", "kid": "k" }));
    assert_eq!(claims["iss"], "c");
    assert_eq!(signature, signed.len().to_be_bytes());
}

#[test]
fn client_assertion_is_signed_by_the_client_s_key() {
    let random = ring::rand::SystemRandom::new();
    let ed25519 = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let p256 = ring::signature::EcdsaKeyPair::generate_pkcs8(
        &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &random,
    )
    .unwrap();
    let ed25519_public = ring::signature::Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap();
    let p256_public = ring::signature::EcdsaKeyPair::from_pkcs8(
        &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        p256.as_ref(),
        &random,
    )
    .unwrap();
    let rsa = PrivatePkcs8KeyDer::from_pem_slice(rsa_key::PEM.as_bytes()).unwrap();
    let rsa = rsa.secret_pkcs8_der();
    let rsa_public = ring::signature::RsaKeyPair::from_pkcs8(rsa).unwrap();
    let check = |document: &[u8], algorithm: Algorithm, public: UnparsedPublicKey<&[u8]>| {
        let key = ClientKey::from_pem(&pem(document)).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let assertion = key
            .assertion(
                &ClientId::new("c"),
                &metadata().issuer,
                NOW,
                &Counting::default(),
            )
            .unwrap();
        let (header, claims, signed, signature) = open(&assertion);
        assert_eq!(header, json!({ "typ": "JWT", "alg": algorithm.as_str() }));
        assert_eq!(
            claims,
            json!({
                "iss": "c",
                "sub": "c",
                "aud": "https://as.example",
                "iat": 1_800_000_000,
                "exp": 1_800_000_060,
                "jti": "AAAAAAAAAAAAAAAAAAAAAA",
            })
        );
        public.verify(signed.as_bytes(), &signature).unwrap();
        // Another text does not pass, so the check above checks something.
        public.verify(b"x", &signature).unwrap_err();
        let named = key.with_id("k-1");
        let assertion = named
            .assertion(
                &ClientId::new("c"),
                &metadata().issuer,
                NOW,
                &Counting::default(),
            )
            .unwrap();
        assert_eq!(open(&assertion).0["kid"], "k-1");
    };
    check(
        p256.as_ref(),
        Algorithm::Es256,
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, p256_public.public_key().as_ref()),
    );
    check(
        ed25519.as_ref(),
        Algorithm::EdDsa,
        UnparsedPublicKey::new(&ED25519, ed25519_public.public_key().as_ref()),
    );
    check(
        rsa,
        Algorithm::Rs256,
        UnparsedPublicKey::new(
            &RSA_PKCS1_2048_8192_SHA256,
            rsa_public.public_key().as_ref(),
        ),
    );
}

#[test]
fn text_without_usable_key_is_refused() {
    let no_pem = "there is no `BEGIN PRIVATE KEY` block in the client's key";
    let no_key = "the private key is neither P-256 nor Ed25519 nor RSA of 2048 to 4096 bits";
    for (text, expected) in [
        (String::new(), no_pem),
        ("canary4711".to_owned(), no_pem),
        (pem(b"canary4711"), no_key),
    ] {
        let error = ClientKey::from_pem(&text).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(hints(&error).contains("openssl"));
        assert!(!format!("{error:?}").contains("canary"));
    }
}
