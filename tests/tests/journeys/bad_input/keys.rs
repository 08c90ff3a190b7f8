//! Section 5: recipients' keys.

use std::time::Duration;

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, RevocationReason, TnAuthEntry};
use pennyblack_protocol::key_record::{
    Coverage, KEY_RECORD_MEDIA_TYPE, KEYS_PATH, KeyRecord, Placement,
};
use pennyblack_sealing::mailbox::Kem;
use pennyblack_stir::jws::CertificateReference;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::{CARRIER_SPC, FIRST_NUMBER, World, identity_of};

const DAY: Duration = Duration::from_secs(86_400);

fn record(world: &World) -> KeyRecord {
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    mailbox.record(&world.holder, world.cps_name(), world.clock.now())
}

/// Signs it as the holder of the numbers.
fn signed(world: &World, record: &KeyRecord) -> String {
    record.sign(world.holder.certificate(), world.holder.key())
}

async fn put(world: &World, media_type: &str, body: Vec<u8>) -> Answer {
    let url = format!("http://{}{KEYS_PATH}", world.cps_name());
    let put = world.client.put(url).header("content-type", media_type);
    Answer::to(put.body(body)).await.unwrap()
}

/// What is wrong, the refusal it deserves, and the record that is so.
type Case = (&'static str, ProblemType, fn(&World) -> String);

const CASES: &[Case] = &[
    ("no JWS", ProblemType::MalformedKeyRecord, |_| {
        "nonsense".to_owned()
    }),
    ("nothing", ProblemType::MalformedKeyRecord, |_| {
        String::new()
    }),
    (
        "the record of other CPSs",
        ProblemType::MalformedKeyRecord,
        |world| {
            let [b, c] = ["b", "c"].map(|cps| format!("https://{cps}.example").parse().unwrap());
            signed(
                world,
                &KeyRecord {
                    placement: Placement::new(b, vec![c], None).unwrap(),
                    ..record(world)
                },
            )
        },
    ),
    (
        "a record that has ended",
        ProblemType::KeyRecordNotCurrent,
        |world| {
            let mut record = record(world);
            (record.iat, record.exp) = (record.iat.minus(DAY * 2), record.exp.minus(DAY * 2));
            signed(world, &record)
        },
    ),
    (
        "a record from the future",
        ProblemType::KeyRecordNotCurrent,
        |world| {
            let mut record = record(world);
            (record.iat, record.exp) = (record.iat.plus(DAY), record.exp.plus(DAY));
            signed(world, &record)
        },
    ),
    (
        "a record for a month",
        ProblemType::KeyRecordNotCurrent,
        |world| {
            let mut record = record(world);
            record.exp = record.iat.plus(DAY * 30);
            signed(world, &record)
        },
    ),
    (
        "another key's signature",
        ProblemType::KeyRecordSignature,
        |world| record(world).sign(world.holder.certificate(), world.carrier.key()),
    ),
    (
        "numbers of somebody else",
        ProblemType::NumberNotAuthorized,
        |world| {
            let coverage = Coverage::Number("12125550200".parse().unwrap());
            signed(
                world,
                &KeyRecord {
                    coverage,
                    ..record(world)
                },
            )
        },
    ),
    (
        "another issuer than the certificate's",
        ProblemType::NumberNotAuthorized,
        |world| {
            let iss = "12125550200".to_owned();
            signed(
                world,
                &KeyRecord {
                    iss,
                    ..record(world)
                },
            )
        },
    ),
    (
        "an SPC without a numbering table",
        ProblemType::NumberNotAuthorized,
        |world| {
            let iss = CARRIER_SPC.to_owned();
            let record = KeyRecord {
                iss,
                ..record(world)
            };
            record.sign(world.carrier.certificate(), world.carrier.key())
        },
    ),
    (
        "a certificate of other authorities",
        ProblemType::CertificateUntrusted,
        |world| {
            let (now, week) = (world.clock.now(), DAY * 7);
            let path = world.path("other-pki");
            let mut pki = PkiDirectory::init(&path, &CaNames::default(), week, now).unwrap();
            let holds = TnAuthEntry::range(&format!("{FIRST_NUMBER}+100")).unwrap();
            pki.issue("stranger", &LeafRequest::new(vec![holds]), None, now)
                .unwrap();
            let stranger = identity_of(&pki, "stranger");
            record(world).sign(stranger.certificate(), stranger.key())
        },
    ),
    (
        "a certificate elsewhere",
        ProblemType::CertificateUnavailable,
        |world| {
            let url = "https://certificates.example.net/holder.pem"
                .parse()
                .unwrap();
            record(world).sign(&CertificateReference::X5u(url), world.holder.key())
        },
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_key_record_is_named() {
    let scene = Scene::open().await;
    let world = &scene.world;
    for (what, kind, make) in CASES {
        let answer = world.put_record(&make(world)).await;
        assert_eq!(answer.problem(), *kind, "{what}: {}", answer.text());
    }
    let good = signed(world, &record(world));
    let answer = put(world, "application/jose", good.clone().into_bytes()).await;
    assert_eq!(answer.problem(), ProblemType::UnsupportedMediaType);
    let answer = put(world, KEY_RECORD_MEDIA_TYPE, vec![0xff; 40]).await;
    assert_eq!(answer.problem(), ProblemType::MalformedKeyRecord);
    let listed = world.get(&format!("{KEYS_PATH}/{FIRST_NUMBER}")).await;
    assert!(
        !listed.text().contains("eyJ"),
        "something of all this was registered"
    );
    world.put_record(&good).await.assert_created();
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_record_does_not_replace_a_newer_one_and_the_same_one_changes_nothing() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let newer = record(world);
    let mut older = newer.clone();
    older.iat = older.iat.minus(Duration::from_secs(60));
    let newer = signed(world, &newer);
    world.put_record(&newer).await.assert_created();
    assert_eq!(world.put_record(&newer).await.status, StatusCode::OK);
    let answer = world.put_record(&signed(world, &older)).await;
    assert_eq!(answer.problem(), ProblemType::KeyRecordNotCurrent);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_directory_says_when_to_come_back() {
    let scene = Scene::open_with(|world| world.cps.key_records.capacity = 1).await;
    let world = &scene.world;
    world.mailbox().await;
    let answer = world.put_record(&signed(world, &record(world))).await;
    assert_eq!(answer.problem(), ProblemType::KeyDirectoryFull);
    assert_eq!(answer.headers["retry-after"], "600");
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_registers_nothing() {
    let scene = Scene::open_with(|world| {
        let now = world.clock.now();
        let reason = RevocationReason::KeyCompromise;
        world.pki.revoke("holder", reason, DAY * 7, now).unwrap();
        world.cps.trust.revocation_lists = Some(world.pki.revocation_path());
    })
    .await;
    let world = &scene.world;
    let answer = world.put_record(&signed(world, &record(world))).await;
    assert_eq!(answer.problem(), ProblemType::CertificateRevoked);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_current_revocation_list_no_certificate_is_trusted() {
    let missing = Scene::open_with(|world| {
        world.cps.trust.revocation_lists = Some(world.path("no-lists"));
    });
    let overdue = Scene::open_with(|world| {
        world.cps.trust.revocation_lists = Some(world.pki.revocation_path());
        let made = world.clock.now().minus(DAY);
        world.pki.publish_revocation_list(DAY / 2, made).unwrap();
    });
    for scene in [missing.await, overdue.await] {
        let world = &scene.world;
        let answer = world.put_record(&signed(world, &record(world))).await;
        assert_eq!(answer.problem(), ProblemType::RevocationUnavailable);
        scene
            .until_readiness_is(StatusCode::SERVICE_UNAVAILABLE)
            .await;
        scene.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_look_up_is_named() {
    let scene = Scene::open().await;
    let world = &scene.world;
    for path in [
        "/v1/keys/+12125550100",
        "/v1/keys/1212-555-0100",
        "/v1/keys/1234567890123456",
        "/v1/keys/call-me",
        "/v1/keys?prefix=121",
        "/v1/keys?prefix=+1212",
        "/v1/keys?prefix=",
        "/v1/keys?first=1212",
        "/v1/keys",
    ] {
        assert_eq!(
            world.get(path).await.problem(),
            ProblemType::MalformedNumber,
            "{path}"
        );
    }
    scene.close().await;
}
