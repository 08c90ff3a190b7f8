//! What is text or JSON: PASSporTs, attestations, key records, tables, names.

use std::path::Path;
use std::{fs, io};

use pennyblack_fuzz::compact;
use pennyblack_fuzz::world::{CARRIER_NUMBER, CARRIER_SPC, NOW, world};
use pennyblack_base::encoding::{base64_standard, sha256};
use pennyblack_base::problem::ProblemType;
use pennyblack_evidence::spend::RequestDigest;
use serde_json::{Value, json};

use super::Corpus;

const URL: &str = "https://cert.example.org/passport.cer";

pub(crate) fn add(corpus: &mut Corpus, certificates: &Path) -> io::Result<()> {
    let vectors = fs::read_to_string(certificates.join("passport-vectors.json"))?;
    add_passport_vectors(corpus, &serde_json::from_str(&vectors)?);
    add_passports(corpus);
    add_attestation(corpus);
    add_key_records(corpus);
    add_names(corpus);
    corpus.add(
        "numbering_table",
        "spc,first,count\n683G,12125550000,10000\n683G,12125560000,1\n",
    );
    corpus.add(
        "numbering_table",
        "# of today\nspc,first,count\n \"683G\" ,911,1\r\n1234,999999999999990,10\n",
    );
    for json in [
        r#"{"0-1234":"https://cps.example.com"}"#,
        r#"{"1-15714341000-99":"https://cps.example.com/oob","2-911":"https://[::1]:8443"}"#,
    ] {
        corpus.add("advertisement", json);
    }
    for kind in ProblemType::ALL {
        corpus.add("problem_document", kind.because("it was so").to_json());
    }
    Ok(())
}

fn add_passport_vectors(corpus: &mut Corpus, vectors: &Value) {
    let vectors = vectors.get("vectors").and_then(Value::as_array);
    for vector in vectors.into_iter().flatten() {
        if let Some(token) = vector.get("token").and_then(Value::as_str) {
            corpus.add("passport", token);
            corpus.add("jws", token);
            corpus.add("identity_header", format!("{token};info=<{URL}>;alg=ES256"));
        }
    }
}

/// PASSporTs of the call that the target `passport` asks about.
fn add_passports(corpus: &mut Corpus) {
    let orig = json!({"tn": "12155551212"});
    let (dest, first_dest) = (
        json!({"tn": ["12155551213"]}),
        json!({"tn": ["12155551214"]}),
    );
    let origid = "de305d54-75b4-431b-adb2-eb6b9e546014";
    let shaken = |dest: &Value| json!({"attest": "A", "dest": dest, "iat": NOW, "orig": orig, "origid": origid});
    // The party that diverts is one of the carrier's ten numbers.
    let diversion = |opt: Option<String>| {
        let mut claims =
            json!({"dest": dest, "div": {"tn": "12155551214"}, "iat": NOW, "orig": orig});
        if let Some(opt) = opt {
            claims["opt"] = json!(opt);
        }
        claims
    };
    let original = compact::token(
        &header("shaken").to_string(),
        &shaken(&first_dest).to_string(),
    );
    let passports = [
        (header("shaken"), shaken(&dest)),
        (header("shaken"), shaken(&first_dest)),
        (header("div"), diversion(None)),
        (header("div-o"), diversion(Some(original))),
        (
            json!({"alg": "ES256", "typ": "passport", "x5u": URL}),
            json!({"dest": {"tn": ["12155551213"], "uri": ["sip:a@example.net"]}, "iat": NOW,
                "orig": orig, "mky": [{"alg": "sha-256", "dig": "02:1A:CC"}]}),
        ),
        (
            header("rcd"),
            json!({"dest": dest, "iat": NOW, "orig": orig, "rcd": {"nam": "A"}}),
        ),
    ];
    let lines = passports
        .each_ref()
        .map(|(header, claims)| format!("{header}\n{claims}\n"));
    for (line, (header, _)) in lines.iter().zip(&passports) {
        corpus.add("passport", line);
        corpus.add("jws", line);
        let ppt = header.get("ppt").and_then(Value::as_str);
        let ppt = ppt.map_or(String::new(), |ppt| format!(";ppt=\"{ppt}\""));
        corpus.add(
            "identity_header",
            format!("{line};info=<{URL}>;alg=ES256{ppt}"),
        );
    }
    corpus.add("passport", lines.concat());
}

fn header(ppt: &str) -> Value {
    json!({"alg": "ES256", "ppt": ppt, "typ": "passport", "x5u": URL})
}

fn add_attestation(corpus: &mut Corpus) {
    let digest = base64_standard(&sha256(b"a token request"));
    let claims = json!({"iat": NOW, "exp": NOW.0 + 60, "jti": "1f0a1f6e-8f63-4b3a-9d5c-0d6f3a5c1a11",
        "action": "issue", "aud": "cps.example.net", "iss": CARRIER_SPC,
        "request": format!("sha256-{digest}")});
    let header = json!({"alg": "ES256", "typ": "JWT", "x5u": URL});
    let lines = format!("{header}\n{claims}\n");
    corpus.add("jws", &lines);
    corpus.add("attestation", lines);
    let certificate = base64_standard(&world().carrier_chain[0]);
    let header = json!({"alg": "ES256", "x5c": [certificate]}).to_string();
    let token = compact::token(&header, &claims.to_string());
    corpus.add("attestation", format!("Bearer {token}"));
}

fn add_key_records(corpus: &mut Corpus) {
    let header = json!({"alg": "ES256", "typ": "pennyblack-key", "x5u": URL});
    let coverages = [
        ("tn", json!(CARRIER_NUMBER)),
        ("range", json!({"start": CARRIER_NUMBER, "count": 10})),
        ("range", json!({"start": "12125550100", "count": 100})),
        ("spc", json!(CARRIER_SPC)),
    ];
    for (key, (claim, coverage)) in world().recipients.iter().cycle().zip(coverages) {
        let claims = json!({"iat": NOW, "exp": NOW.0 + 3600, "iss": CARRIER_SPC, claim: coverage,
            "hpke": key.config().to_string(), "cps": "https://cps.example.net"});
        corpus.add("key_record", format!("{header}\n{claims}\n"));
        let token = compact::token(&header.to_string(), &claims.to_string());
        corpus.add("key_record", json!({"records": [token]}).to_string());
        corpus.add("key_record", token);
    }
}

fn add_names(corpus: &mut Corpus) {
    let digest = RequestDigest::of(b"content").to_field();
    let mailbox = world().recipient().mailbox().to_string();
    for name in [
        "cps.example.net:8443",
        "[2001:db8::1]:443",
        URL,
        "http://127.0.0.1:8443",
        "683G",
        "+1 (215) 555-1212",
        "12155551212",
        "16",
        "18446744073709551615",
        "de305d54-75b4-431b-adb2-eb6b9e546014",
        &digest,
        &mailbox,
    ] {
        corpus.add("names", name);
    }
}
