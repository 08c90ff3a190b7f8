//! VOPRF evaluations in batches of 64, each batch with its one proof.

use std::ffi::OsStr;

use pennyblack_privacypass::token::{ChallengeDigest, Nonce};
use pennyblack_privacypass::voprf::{PendingVoprfToken, VoprfKind, VoprfSecretKey};

use crate::cpu_time::seconds_per_call;
use crate::finding::Finding;
use crate::machine::on_core;
use crate::pairs::Pairs;
use crate::peer::{Comparison, Peer};
use crate::report::number;
use crate::setting::Setting;

const BATCH: usize = 64;
const BATCHES: usize = 40;

/// A batch of blinded messages for a key.
fn blinded(secret: &VoprfSecretKey) -> Vec<Vec<u8>> {
    let one = |number: usize| {
        let nonce = Nonce([u8::try_from(number).unwrap(); 32]);
        let pending = PendingVoprfToken::blind(secret.public(), nonce, ChallengeDigest([1; 32]));
        pending.unwrap().blinded().to_vec()
    };
    (0..BATCH).map(one).collect()
}

/// Our evaluation, its proof checked, against the peer of this name.
fn line(setting: &Setting, kind: VoprfKind, peer: &str, comparison: Comparison<'_>) -> Finding {
    let secret = VoprfSecretKey::generate(kind).unwrap();
    let batch = blinded(&secret);
    let (batches, core) = (setting.scaled(BATCHES), setting.cores.service);
    let ours = || {
        on_core(core, || {
            seconds_per_call(batches, || drop(secret.evaluate(&batch).unwrap())) / BATCH as f64
        })
    };
    let note = |pairs: &Pairs| {
        format!(
            "{} tokens a second and core, the peer {}, which does not check its own proof",
            number(1.0 / pairs.ours().median),
            number(1.0 / pairs.floor().median)
        )
    };
    let peer = Peer::start(setting, core, &[OsStr::new(peer)]);
    comparison.by_turns(setting, peer, batches * BATCH, ours, note)
}

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let ristretto = Comparison {
        what: "VOPRF ristretto255, batch of 64, per core",
        against: "the `voprf-ng` crate",
        goal: 1.9,
    };
    let p384 = Comparison {
        what: "VOPRF P-384, batch of 64, per core",
        against: "the `voprf` crate, bare",
        goal: 4.0,
    };
    vec![
        line(
            setting,
            VoprfKind::Ristretto255,
            "voprf-ristretto255",
            ristretto,
        ),
        line(setting, VoprfKind::P384, "voprf-p384", p384),
    ]
}
