//! Measures single parts, without services and without peers, and prints the processor
//! time of one call.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement has no better answer to a failure of its scenery than to end"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use http::{Method, StatusCode};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_client::trust::load_trust;
use pennyblack_compare::machine::{self, Cores, Machine};
use pennyblack_compare::parts::Parts;
use pennyblack_hpke::PrivateKey;
use pennyblack_ohttp::binary_http::{Request, Response};
use pennyblack_ohttp::exchange::{open_request, seal_request, seal_response};
use pennyblack_ohttp::key_config::GatewayKey;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_privacypass::token::{ChallengeDigest, Nonce};
use pennyblack_privacypass::voprf::{PendingVoprfToken, VoprfKind, VoprfSecretKey};
use pennyblack_sealing::envelope::{Cursor, PageHeader, Slots, seal_envelope};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_sealing::sealed::{open_passport, seal_passport};
use pennyblack_stir::{Certificate, TrustPolicy, verify_chain};

const NOW: UnixTime = UnixTime(1_795_000_000);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Measures single parts: certificates, sealing, Oblivious HTTP and VOPRF tokens. Needs a machine that
/// does nothing else.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Measure only the parts whose name contains this text, in any case.
    filter: Option<String>,
}

fn main() {
    let Arguments { filter } = Arguments::parse();
    let machine = Machine::here();
    println!("{}; {}.", machine.processor, machine.system);
    machine::pin(Cores::of_this_machine().service);
    let mut parts = Parts::new(&filter.unwrap_or_default());
    certificates(&mut parts);
    sealing(&mut parts);
    oblivious(&mut parts);
    voprf(&mut parts);
    println!("{}", parts.table());
}

fn cps() -> Authority {
    "cps.example.net".parse().unwrap()
}

fn certificates(parts: &mut Parts) {
    let home = tempfile::tempdir().unwrap();
    let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), WEEK, NOW).unwrap();
    let request = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
    pki.issue("carrier", &request, None, NOW).unwrap();
    let chain = pki.credential("carrier").unwrap().path().to_vec();
    let trust = load_trust(&pki.roots_path(), None, NOW).unwrap();
    let anchors = Arc::new(trust.anchors().clone());
    parts.measure("certificate, parsed", || {
        Certificate::parse(black_box(&chain[0])).unwrap()
    });
    parts.measure("chain, verified for the first time", || {
        let trust = TrustPolicy::new(Arc::clone(&anchors));
        verify_chain(&chain, &trust, NOW).unwrap()
    });
    parts.measure("chain, verified again", || {
        verify_chain(&chain, &trust, NOW).unwrap()
    });
}

fn sealing(parts: &mut Parts) {
    let passport = "a".repeat(1_200);
    for kem in Kem::ALL {
        let key = RecipientKey::generate(kem, &mut rand::rng()).unwrap();
        let seal = || seal_passport(key.config(), &cps(), &passport, &mut rand::rng()).unwrap();
        let sealed = seal();
        parts.measure(&format!("PASSporT, sealed to {kem}"), seal);
        parts.measure(&format!("PASSporT, opened with {kem}"), || {
            open_passport(&key, &cps(), sealed.as_bytes()).unwrap()
        });
    }
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    for slots in [Slots::Four, Slots::Sixteen, Slots::SixtyFour] {
        let header = PageHeader {
            more: false,
            dropped: false,
            next: Cursor(1),
            server_time: NOW,
        };
        let none: [&[u8]; 0] = [];
        parts.measure(&format!("envelope of {slots} slots, sealed"), || {
            seal_envelope(key.config(), &cps(), slots, &none, header, &mut rand::rng()).unwrap()
        });
    }
}

/// What Oblivious HTTP adds to a store: at the client, and at the gateway with its answer.
fn oblivious(parts: &mut Parts) {
    let rng = &mut rand::rng();
    let mut request = Request::new(
        Method::POST,
        cps().as_str().parse().unwrap(),
        "/v1/passports".parse().unwrap(),
    );
    request.content = vec![7; 2_999];
    for kem in [Kem::DhkemX25519, Kem::XWing] {
        let keys = [GatewayKey::new(1, PrivateKey::generate(kem, rng)).unwrap()];
        let (sealed, _) = seal_request(keys[0].config(), &request, rng).unwrap();
        parts.measure(&format!("oblivious store, encapsulated for {kem}"), || {
            seal_request(keys[0].config(), &request, &mut rand::rng()).unwrap()
        });
        parts.measure(&format!("oblivious store, opened with {kem}"), || {
            open_request(&keys, &sealed).unwrap()
        });
        for bytes in [512, 33_000] {
            let mut response = Response::new(StatusCode::CREATED);
            response.content = vec![9; bytes];
            let name = format!("oblivious store, opened with {kem}, {bytes} bytes answered");
            parts.measure(&name, || {
                let opened = open_request(&keys, &sealed).unwrap();
                seal_response(opened.sealer, &response, None, &mut rand::rng()).unwrap()
            });
        }
        let mut forged = sealed.clone();
        *forged.last_mut().unwrap() ^= 1;
        parts.measure(
            &format!("oblivious request, forged, refused with {kem}"),
            || open_request(&keys, &forged).unwrap_err(),
        );
    }
}

fn voprf(parts: &mut Parts) {
    for kind in [VoprfKind::Ristretto255, VoprfKind::P384] {
        let secret = VoprfSecretKey::generate(kind).unwrap();
        let blind = || {
            PendingVoprfToken::blind(secret.public(), Nonce([1; 32]), ChallengeDigest([2; 32]))
                .unwrap()
        };
        let pending = blind();
        let response = secret.evaluate(&[pending.blinded()]).unwrap();
        let token = pending.finalize(&response).unwrap();
        parts.measure(&format!("VOPRF {kind:?}, blinded"), blind);
        parts.measure(&format!("VOPRF {kind:?}, evaluated, with proof"), || {
            secret.evaluate(&[pending.blinded()]).unwrap()
        });
        parts.measure(&format!("VOPRF {kind:?}, unblinded"), || {
            pending.finalize(&response).unwrap()
        });
        parts.measure(&format!("VOPRF {kind:?}, verified"), || {
            secret.verify(token.clone()).unwrap()
        });
    }
}
