//! Keys of a log that witnesses must have cosigned.

use pennyblack_runtime::logging::testing::lines_of;
use pennyblack_tlog::cosignature::PolicyError;
use pennyblack_tlog::{AddCheckpoint, Cosigner, SignatureLine, SignedCheckpoint};

use super::*;

const CHECKPOINT: &str = "/log/checkpoint";

fn witness(number: u8) -> Cosigner {
    let name = format!("witness-{number}.example").parse().unwrap();
    let kind = SignatureType::CosignatureV1;
    Cosigner::new(NoteSigner::generate(name, kind, &mut rand::rng())).unwrap()
}

/// What they say of the log that the CPS shows, which it shows from then on; `forged` is what
/// becomes of each on its way.
fn cosigned(scene: &Scene, witnesses: &[&Cosigner], forged: impl Fn(&mut SignatureLine)) {
    let mut files = scene.files.lock().unwrap();
    let text = String::from_utf8(files[CHECKPOINT].clone()).unwrap();
    let shown: SignedCheckpoint = text.parse().unwrap();
    let (old_size, proof) = (0, Vec::new());
    let checkpoint = shown.clone();
    let request = AddCheckpoint {
        old_size,
        proof,
        checkpoint,
    };
    let mut cosigned = shown;
    for witness in witnesses {
        let mut line = request.cosign(witness, NOW);
        forged(&mut line);
        cosigned.add(line);
    }
    files.insert(CHECKPOINT.to_owned(), cosigned.to_string().into_bytes());
}

#[tokio::test]
async fn a_key_is_trusted_when_enough_witnesses_have_cosigned_its_log() {
    let mut scene = Scene::new().await;
    let (one, other, third) = (witness(1), witness(2), witness(3));
    let keys = [&one, &other, &third].map(|it| it.verifier().clone());
    scene.fetcher.witnesses = WitnessPolicy::new(keys.to_vec(), 2).unwrap();
    let (first, second) = (config(2), config(4));
    scene.shows(&[&first], &[&first]);
    cosigned(&scene, &[&one], |_| ());
    let refused = scene.fetch_at(NOW).await.unwrap_err();
    let KeyFetchError::Log(ObliviousLogError::TooFewWitnesses(few)) = &refused else {
        panic!("{refused}")
    };
    assert!(
        matches!(few, PolicyError::TooFew { actual: 1, .. }),
        "{few}"
    );
    let known = scene.remembered().await;
    assert_eq!(used(&known, NOW), None);
    cosigned(&scene, &[&third], |_| ());
    assert_eq!(used(&scene.fetch_at(NOW).await.unwrap(), NOW), Some(2));
    // A log that nobody has cosigned since costs its keys within an hour, and accuses nobody.
    scene.shows(&[&first, &second], &[&first, &second]);
    let minutes = |number: u32| NOW.plus(MINUTE * number);
    let refused = scene.fetch_at(minutes(30)).await.unwrap_err();
    assert!(!refused.is_untrusted(), "{refused}");
    let known = scene.remembered().await;
    assert_eq!(known.refused, None);
    assert_eq!(known.used_until(minutes(30)), Some(minutes(60)));
    assert_eq!(used(&known, minutes(60)), Some(2));
    assert_eq!(used(&known, minutes(61)), None);
    // A forged cosignature does.
    let forged = |line: &mut SignatureLine| line.signature[20] ^= 1;
    cosigned(&scene, &[&one], forged);
    let refused = scene.fetch_at(minutes(30)).await.unwrap_err();
    assert!(refused.is_untrusted(), "{refused}");
}

#[test]
fn trust_on_first_use_is_said_once_with_the_option_that_ends_it() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let lines = lines_of(|| {
        runtime.block_on(async {
            let scene = Scene::new().await;
            let first = config(2);
            scene.shows(&[&first], &[&first]);
            for _ in 0..2 {
                scene.fetch_at(NOW).await.unwrap();
            }
        });
    });
    let said = |line: &&String| line.contains("oblivious.log_keys") && line.contains("--log-key");
    assert_eq!(lines.iter().filter(said).count(), 1, "{lines:?}");
}
