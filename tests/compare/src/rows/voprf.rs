//! VOPRF evaluations in batches of 64, each batch with its one proof.

use p384::NistP384;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce};
use pennyblack_privacypass::voprf::{PendingVoprfToken, VoprfKind, VoprfSecretKey};

use crate::cpu_time::seconds_per_call;
use crate::finding::{Finding, Goal, Unit};
use crate::machine::on_core;
use crate::pairs::Pairs;
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

/// Our evaluation, its proof checked, against `peer`, which takes a batch.
fn line(
    setting: &Setting,
    kind: VoprfKind,
    what: (&str, &str, f64),
    mut peer: impl FnMut(&[Vec<u8>]) + Send,
) -> Finding {
    let secret = VoprfSecretKey::generate(kind).unwrap();
    let batch = blinded(&secret);
    let (batches, core) = (setting.scaled(BATCHES), setting.cores.service);
    let tokens = BATCH as f64;
    let ours = || {
        on_core(core, || {
            seconds_per_call(batches, || drop(secret.evaluate(&batch).unwrap())) / tokens
        })
    };
    let theirs = || on_core(core, || seconds_per_call(batches, || peer(&batch)) / tokens);
    let pairs = Pairs::measure(setting.pairs, ours, theirs);
    let (name, against, goal) = what;
    Finding::measured(
        name,
        against,
        Goal::AtLeast(goal),
        Unit::Times,
        pairs.speed(),
    )
    .note(format!(
        "{} tokens a second and core, the peer {}, which does not check its own proof",
        number(1.0 / pairs.ours().median),
        number(1.0 / pairs.floor().median)
    ))
}

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let ristretto = {
        use voprf_ng::{BlindedElement, Ristretto255, VoprfServer};
        let server = VoprfServer::<Ristretto255>::new(&mut rand::rng()).unwrap();
        move |batch: &[Vec<u8>]| {
            let read = |bytes: &Vec<u8>| BlindedElement::<Ristretto255>::deserialize(bytes);
            let elements: Vec<_> = batch.iter().map(|one| read(one).unwrap()).collect();
            server
                .batch_blind_evaluate(&mut rand::rng(), &elements)
                .unwrap();
        }
    };
    let p384 = {
        use voprf::{BlindedElement, VoprfServer};
        let server = VoprfServer::<NistP384>::new(&mut rand_core::OsRng).unwrap();
        move |batch: &[Vec<u8>]| {
            let read = |bytes: &Vec<u8>| BlindedElement::<NistP384>::deserialize(bytes);
            let elements: Vec<_> = batch.iter().map(|one| read(one).unwrap()).collect();
            server
                .batch_blind_evaluate(&mut rand_core::OsRng, &elements)
                .unwrap();
        }
    };
    vec![
        line(
            setting,
            VoprfKind::Ristretto255,
            (
                "VOPRF ristretto255, batch of 64, per core",
                "the `voprf-ng` crate",
                1.9,
            ),
            ristretto,
        ),
        line(
            setting,
            VoprfKind::P384,
            (
                "VOPRF P-384, batch of 64, per core",
                "the `voprf` crate, bare",
                4.0,
            ),
            p384,
        ),
    ]
}
