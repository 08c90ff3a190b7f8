//! What single parts take: `cargo bench -p pennyblack-compare`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_client::trust::load_trust;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_privacypass::token::{ChallengeDigest, Nonce};
use pennyblack_privacypass::voprf::{PendingVoprfToken, VoprfKind, VoprfSecretKey};
use pennyblack_sealing::envelope::{Cursor, PageHeader, Slots, seal_envelope};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_sealing::sealed::{open_passport, seal_passport};
use pennyblack_stir::{Certificate, TrustPolicy, verify_chain};

const NOW: UnixTime = UnixTime(1_795_000_000);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn cps() -> Authority {
    "cps.example.net".parse().unwrap()
}

fn certificates(criterion: &mut Criterion) {
    let home = tempfile::tempdir().unwrap();
    let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), WEEK, NOW).unwrap();
    let request = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
    pki.issue("carrier", &request, None, NOW).unwrap();
    let chain = pki.credential("carrier").unwrap().path().to_vec();
    let trust = load_trust(&pki.roots_path(), None, NOW).unwrap();
    let anchors = Arc::new(trust.anchors().clone());
    criterion.bench_function("certificate, parsed", |bench| {
        bench.iter(|| Certificate::parse(black_box(&chain[0])).unwrap());
    });
    criterion.bench_function("chain, for the first time", |bench| {
        bench.iter(|| {
            let trust = TrustPolicy::new(Arc::clone(&anchors));
            verify_chain(&chain, &trust, NOW).unwrap()
        });
    });
    criterion.bench_function("chain, once more", |bench| {
        bench.iter(|| verify_chain(&chain, &trust, NOW).unwrap());
    });
}

fn sealing(criterion: &mut Criterion) {
    let passport = "a".repeat(1_200);
    for kem in Kem::ALL {
        let key = RecipientKey::generate(kem, &mut rand::rng()).unwrap();
        let seal = || seal_passport(key.config(), &cps(), &passport, &mut rand::rng()).unwrap();
        let sealed = seal();
        criterion.bench_function(&format!("PASSporT, sealed to {kem}"), |bench| {
            bench.iter(seal);
        });
        criterion.bench_function(&format!("PASSporT, opened with {kem}"), |bench| {
            bench.iter(|| open_passport(&key, &cps(), sealed.as_bytes()).unwrap());
        });
    }
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    for slots in [Slots::Four, Slots::Sixteen, Slots::SixtyFour] {
        let header = PageHeader {
            more: false,
            next: Cursor(1),
            server_time: NOW,
        };
        let none: [&[u8]; 0] = [];
        criterion.bench_function(&format!("envelope of {slots} slots"), |bench| {
            bench.iter(|| {
                seal_envelope(key.config(), &cps(), slots, &none, header, &mut rand::rng()).unwrap()
            });
        });
    }
}

fn voprf(criterion: &mut Criterion) {
    for kind in [VoprfKind::Ristretto255, VoprfKind::P384] {
        let secret = VoprfSecretKey::generate(kind).unwrap();
        let blind = || {
            PendingVoprfToken::blind(secret.public(), Nonce([1; 32]), ChallengeDigest([2; 32]))
                .unwrap()
        };
        let pending = blind();
        let response = secret.evaluate(&[pending.blinded()]).unwrap();
        let token = pending.finalize(&response).unwrap();
        criterion.bench_function(&format!("{kind:?}: blinded"), |bench| bench.iter(blind));
        criterion.bench_function(&format!("{kind:?}: evaluated, with proof"), |bench| {
            bench.iter(|| secret.evaluate(&[pending.blinded()]).unwrap());
        });
        criterion.bench_function(&format!("{kind:?}: unblinded"), |bench| {
            bench.iter(|| pending.finalize(&response).unwrap());
        });
        criterion.bench_function(&format!("{kind:?}: verified"), |bench| {
            bench.iter(|| secret.verify(token.clone()).unwrap());
        });
    }
}

criterion_group!(parts, certificates, sealing, voprf);
criterion_main!(parts);
