//! The directory of recipients' keys (docs/protocol.md section 5): who is found
//! by which number, for how long, and after a restart.

use std::time::Duration;

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_client::identity::StirIdentity;
use pennyblack_pki::{LeafRequest, TnAuthEntry};
use pennyblack_protocol::key_record::{
    Coverage, KeyRecord, KeyRecordList, PAGE_SIZES, UnverifiedKeyRecord,
};
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::Kem;
use pennyblack_stir::telephone_number::NumberRange;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::{FIRST_NUMBER, World, identity_of};

const HOUR: Duration = Duration::from_secs(3600);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

async fn found(world: &World, look_up: &str) -> Vec<String> {
    let answer = world.get(&format!("/v1/keys{look_up}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{look_up}");
    let list: KeyRecordList = serde_json::from_slice(answer.content()).unwrap();
    list.records
}

/// Registers a record of the holder's, changed before it is signed.
async fn register(world: &World, change: impl FnOnce(&mut KeyRecord)) -> String {
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let mut record = mailbox.record(&world.holder, world.cps_name(), world.clock.now());
    change(&mut record);
    let token = record.sign(world.holder.certificate(), world.holder.key());
    world.put_record(&token).await.assert_created();
    token
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_found_by_the_numbers_it_covers_and_by_their_prefixes_only() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let start = FIRST_NUMBER.parse().unwrap();
    let ten = NumberRange::new(start, 10).unwrap();
    let range = register(world, |record| record.coverage = Coverage::Range(ten)).await;
    let number = register(world, |_| ()).await;
    let both = |mut tokens: Vec<String>| {
        tokens.sort();
        let mut expected = vec![range.clone(), number.clone()];
        expected.sort();
        assert_eq!(tokens, expected);
    };
    both(found(world, "/12125550100").await);
    assert_eq!(
        found(world, "/12125550109").await,
        std::slice::from_ref(&range)
    );
    assert!(found(world, "/12125550110").await.is_empty());
    for prefix in ["1212", "1212555010", "12125550100"] {
        both(found(world, &format!("?prefix={prefix}")).await);
    }
    assert_eq!(
        found(world, "?prefix=12125550105").await,
        std::slice::from_ref(&range)
    );
    for prefix in ["1213", "12125550110", "121255501000"] {
        assert!(found(world, &format!("?prefix={prefix}")).await.is_empty());
    }
    // Two records, one, none: on the way all answers for a number look alike.
    for number in ["12125550100", "12125550109", "12125550110"] {
        let answer = world.get(&format!("/v1/keys/{number}")).await;
        assert_eq!(answer.content().len(), 8 * 1024, "{number}");
    }
    scene.close().await;
}

/// Anybody can list the directory: without padding, a relay would know a block by its length.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_blocks_have_few_lengths_and_may_be_kept_for_an_hour() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let page = async |prefix: &str| world.get(&format!("/v1/keys?prefix={prefix}")).await;
    assert_eq!(page("1999555").await.content().len(), PAGE_SIZES[0]);
    let mut seen = Vec::new();
    for n in 0..40_u64 {
        let number = (12_125_550_100 + n).to_string();
        register(world, |record| {
            record.coverage = Coverage::Number(number.parse().unwrap());
        })
        .await;
        let answer = page("1212555").await;
        let (content, size) = (answer.content().trim_ascii_end(), answer.content().len());
        let fitting = PAGE_SIZES.into_iter().find(|size| content.len() <= *size);
        assert_eq!(Some(size), fitting, "{} bytes", content.len());
        assert_eq!(answer.headers["cache-control"], "max-age=3600");
        let etag = answer.headers["etag"].clone();
        assert!(seen.iter().all(|(before, _)| *before != etag));
        seen.push((etag, size));
    }
    let sizes: Vec<_> = seen.iter().map(|(_, size)| *size).collect();
    assert_eq!((sizes[0], sizes[39]), (PAGE_SIZES[0], PAGE_SIZES[1]));
    let url = format!(
        "{}/v1/keys?prefix=1212555",
        world.url_of(world.cps_name().as_str())
    );
    for (tag, status) in [
        (seen[39].0.clone(), StatusCode::NOT_MODIFIED),
        (seen[38].0.clone(), StatusCode::OK),
    ] {
        let request = world.client.get(&url).header("if-none-match", tag);
        let answer = Answer::to(request).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["cache-control"], "max-age=3600");
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_outlives_a_restart_and_nothing_outlives_its_end() {
    let scene = Scene::open().await;
    let end = scene.world.clock.now().plus(HOUR);
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let mut record = mailbox.record(&scene.world.holder, scene.world.cps_name(), end.minus(HOUR));
    record.exp = end;
    let holder = &scene.world.holder;
    let token = record.sign(holder.certificate(), holder.key());
    scene.world.put_record(&token).await.assert_created();

    let scene = scene.restart().await;
    let look_up = format!("/{FIRST_NUMBER}");
    assert_eq!(found(&scene.world, &look_up).await, [token]);
    let spendable = scene.world.draw(2).await;
    let request = scene.world.spend(&spendable[0], &mailbox, "a.b.c");
    scene.world.store(&request).await.unwrap().assert_created();

    scene.hand.set(end);
    assert!(found(&scene.world, &look_up).await.is_empty());
    let request = scene.world.spend(&spendable[1], &mailbox, "a.b.c");
    let refused = scene.world.store(&request).await.unwrap();
    assert_eq!(refused.problem(), ProblemType::UnknownMailbox);
    let scene = scene.restart().await;
    assert!(found(&scene.world, &look_up).await.is_empty());
    // A poll shows no difference.
    let answer = scene
        .world
        .poll(mailbox.id(), Slots::Four, Cursor::START)
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_record_replaces_the_older_of_its_signer_and_not_a_strangers() {
    let scene = Scene::open_with(|world| {
        let now = world.clock.now();
        let numbers = TnAuthEntry::range("12125550091+20").unwrap();
        let request = LeafRequest::new(vec![numbers]);
        world.pki.issue("stranger", &request, None, now).unwrap();
    })
    .await;
    let world = &scene.world;
    let stranger = identity_of(&world.pki, "stranger");
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let now = world.clock.now();
    let older = mailbox.record(&world.holder, world.cps_name(), now.minus(HOUR));
    let newer = mailbox.record(&world.holder, world.cps_name(), now);
    let foreign = mailbox.record(&stranger, world.cps_name(), now);
    let sign = |record: &KeyRecord, by: &StirIdentity| record.sign(by.certificate(), by.key());
    for token in [
        sign(&older, &world.holder),
        sign(&foreign, &stranger),
        sign(&newer, &world.holder),
    ] {
        world.put_record(&token).await.assert_created();
    }
    let mut records = found(world, &format!("/{FIRST_NUMBER}")).await;
    records.sort();
    assert_eq!(records.len(), 2);
    assert!(!records.iter().any(|token| same_claims(token, &older)));
    assert!(records.iter().any(|token| same_claims(token, &newer)));
    assert!(records.iter().any(|token| same_claims(token, &foreign)));
    scene.close().await;
}

fn same_claims(token: &str, record: &KeyRecord) -> bool {
    let parsed = UnverifiedKeyRecord::parse(token).unwrap();
    parsed.record() == record
}

#[tokio::test(flavor = "multi_thread")]
async fn records_outlive_a_restart_while_nobody_can_judge_them() {
    let mut scene = Scene::open().await;
    scene.world.mailbox().await;
    let look_up = format!("/{FIRST_NUMBER}");
    assert_eq!(found(&scene.world, &look_up).await.len(), 1);

    // The operator has lost the roots; they are there again after the restart.
    let lost = scene.world.path("no-roots");
    let roots = std::mem::replace(&mut scene.world.cps.trust.roots, lost.clone());
    let scene = scene.restart().await;
    assert!(found(&scene.world, &look_up).await.is_empty());
    for file in std::fs::read_dir(roots).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), lost.join(file.file_name())).unwrap();
    }
    let minutes = Duration::from_secs(61);
    until("the record", Duration::from_secs(30), async || {
        scene.hand.advance(minutes);
        (found(&scene.world, &look_up).await.len() == 1).then_some(())
    })
    .await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_room_is_full_renews_a_record_and_makes_room_by_withdrawing_one() {
    let scene = Scene::open_with(|world| {
        let now = world.clock.now();
        let one = TnAuthEntry::one(FIRST_NUMBER).unwrap();
        let request = LeafRequest::new(vec![one]);
        world.pki.issue("one", &request, None, now).unwrap();
    })
    .await;
    let world = &scene.world;
    let one = identity_of(&world.pki, "one");
    let now = world.clock.now();
    let sign = |mailbox: &Mailbox, iat: UnixTime, life: Duration| {
        let mut record = mailbox.record(&one, world.cps_name(), iat);
        record.exp = iat.plus(life);
        record.sign(one.certificate(), one.key())
    };
    let new = || Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let mut mailboxes = Vec::new();
    let one_more = loop {
        let mailbox = new();
        let token = sign(&mailbox, now.minus(HOUR), 2 * HOUR);
        let answer = world.put_record(&token).await;
        if answer.status != StatusCode::CREATED {
            assert_eq!(answer.problem(), ProblemType::TooManyKeyRecords);
            break token;
        }
        mailboxes.push(mailbox);
        assert!(mailboxes.len() < 100, "a holder without a limit");
    };
    let renewed = sign(&mailboxes[1], now, HOUR);
    world.put_record(&renewed).await.assert_created();
    let withdrawn = sign(&mailboxes[0], now, Duration::from_secs(1));
    world.put_record(&withdrawn).await.assert_created();
    let answer = world.put_record(&one_more).await;
    assert_eq!(answer.problem(), ProblemType::TooManyKeyRecords);
    scene.hand.advance(Duration::from_secs(1));
    world.put_record(&one_more).await.assert_created();
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_certificate_has_ended_too_is_removed_at_the_next_start() {
    let mut scene = Scene::open().await;
    scene.world.mailbox().await;
    let files = scene.world.cps.cps.data_directory.join("keys");
    let all = || -> Vec<_> {
        let files = std::fs::read_dir(&files).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    };
    let registered = all();
    assert_eq!(registered.len(), 1);
    // One that the service does not have in memory, as after a night without power.
    std::fs::copy(&registered[0], files.join("copy.jws")).unwrap();
    scene.hand.advance(MONTH);
    let now = scene.world.clock.now();
    scene.world.pki.publish_revocation_list(MONTH, now).unwrap();
    let scene = scene.restart().await;
    assert_eq!(all(), [] as [std::path::PathBuf; 0]);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_records_beyond_the_capacity_wait_and_none_are_added() {
    let scene = Scene::open_with(|world| world.cps.key_records.capacity = 2).await;
    register(&scene.world, |_| ()).await;
    register(&scene.world, |record| {
        record.exp = record.iat.plus(HOUR);
    })
    .await;
    let look_up = format!("/{FIRST_NUMBER}");
    assert_eq!(found(&scene.world, &look_up).await.len(), 2);

    let mut scene = scene;
    scene.world.cps.key_records.capacity = 1;
    let scene = scene.restart().await;
    assert_eq!(found(&scene.world, &look_up).await.len(), 1);
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let now = scene.world.clock.now();
    let record = mailbox.record(&scene.world.holder, scene.world.cps_name(), now);
    let token = record.sign(scene.world.holder.certificate(), scene.world.holder.key());
    let answer = scene.world.put_record(&token).await;
    assert_eq!(answer.problem(), ProblemType::KeyDirectoryFull);
    scene.close().await;
}
