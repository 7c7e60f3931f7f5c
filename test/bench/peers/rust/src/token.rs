//! bench: the crate jsonwebtoken, with aws-lc: the tokens of tokens.h, checked as weir's verifier does: signature, exp, iss, aud,
//! tenant. It has no cache. Called as PROGRAM ROW BATCH_MS BATCHES THREADS. A row that it does not know prints nothing.

#[allow(dead_code)]
mod harness;

use jsonwebtoken::{decode, decode_header, Algorithm, DecodingKey, Validation};
use std::hint::black_box;

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Claims {
    iss: String,
    aud: String,
    exp: u64,
    sub: String,
    tenant: String,
    scope: String,
}

fn read(name: &str) -> Vec<u8> {
    let program = std::env::current_exe().unwrap();
    std::fs::read(program.parent().unwrap().join("jwt").join(name)).expect("no folder jwt: run the program tokens")
}

fn main() {
    let bench = harness::Bench::new();
    let (name, algorithm) = match bench.row.as_str() {
        "jwt_hs256" => ("HS256", Algorithm::HS256),
        "jwt_rs256" => ("RS256", Algorithm::RS256),
        "jwt_es256" => ("ES256", Algorithm::ES256),
        "jwt_eddsa" => ("EdDSA", Algorithm::EdDSA),
        _ => return,
    };
    let pem = read(&format!("{name}.key"));
    let key = match algorithm {
        Algorithm::HS256 => DecodingKey::from_secret(&pem),
        Algorithm::RS256 => DecodingKey::from_rsa_pem(&pem).unwrap(),
        Algorithm::ES256 => DecodingKey::from_ec_pem(&pem).unwrap(),
        _ => DecodingKey::from_ed_pem(&pem).unwrap(),
    };
    let token = String::from_utf8(read(&format!("{name}.token"))).unwrap();
    let mut rules = Validation::new(algorithm);
    rules.set_issuer(&["https://login.example.com/"]);
    rules.set_audience(&["orders"]);
    bench.measure("jsonwebtoken", |n| {
        for _ in 0..n {
            let token = black_box(&token);
            // The key is chosen by its kid, as who has several does.
            assert!(decode_header(token).unwrap().kid.as_deref() == Some("2026-11"));
            assert!(decode::<Claims>(token, &key, &rules).unwrap().claims.tenant == "tenant-00");
        }
    });
}
