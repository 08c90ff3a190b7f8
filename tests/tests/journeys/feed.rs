//! The feed of key records (docs/protocol.md section 5.2): who mirrors the directory is told
//! what has come and what has gone, and the log says the same without a number.

use std::time::Duration;

use http::StatusCode;
use pennyblack_base::encoding::base64url;
use pennyblack_base::problem::ProblemType;
use pennyblack_evidence::log_entry::{KeyRecordHash, LogEntry, Statement};
use pennyblack_protocol::key_record::KEY_RECORD_MEDIA_TYPE;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::needles::{Needles, all_files};
use pennyblack_tests::record_feed::{Feed, Told, hash_of, parsed};
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::{FIRST_NUMBER, World};
use pennyblack_tlog::{FULL_TILE, LogReader, Mirror, Position, WitnessPolicy};

const HOUR: Duration = Duration::from_secs(3_600);

fn feed(world: &World) -> Feed {
    Feed::at(world, world.cps_name().as_str())
}

/// Registers a record of a mailbox, so much older than now.
async fn register(world: &World, mailbox: &Mailbox, age: Duration) -> String {
    let iat = world.clock.now().minus(age);
    let record = mailbox.record(&world.holder, world.cps_name(), iat);
    let token = record.sign(world.holder.certificate(), world.holder.key());
    world.put_record(&token).await.assert_created();
    token
}

fn mailbox() -> Mailbox {
    Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER)
}

async fn record_at(world: &World, hash: &str) -> Answer {
    world.get(&format!("/v1/records/{hash}")).await
}

/// What the log says of key records, as its files on the disk prove it.
async fn logged(world: &World) -> Vec<Statement> {
    let public = world.cps.cps.data_directory.join("log/public");
    let key = world.get("/log/key").await;
    let key = std::str::from_utf8(key.content()).unwrap();
    let mirror = Mirror::new(&public);
    let reader = LogReader::new(
        mirror,
        key.trim_end().parse().unwrap(),
        WitnessPolicy::default(),
    );
    let checkpoint = reader.checkpoint().await.unwrap();
    let mut statements = Vec::new();
    let visit = |_, bytes: &[u8]| {
        let entry = LogEntry::parse(bytes).unwrap();
        let is_of_record = matches!(
            entry.statement,
            Statement::KeyRecordPublished(_) | Statement::KeyRecordEnded(_)
        );
        statements.extend(is_of_record.then_some(entry.statement));
        Ok::<_, pennyblack_tlog::ReadLogError>(())
    };
    reader
        .advance(&Position::default(), &checkpoint, visit)
        .await
        .unwrap();
    statements
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_feed_knows_what_is_registered_and_the_log_says_the_same() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let (one, other) = (mailbox(), mailbox());
    let mut reader = feed(world);
    let first = register(world, &one, HOUR).await;
    reader.read_until(world, &Told::Record(&first)).await;
    let second = register(world, &other, HOUR).await;
    reader.read_until(world, &Told::Record(&second)).await;
    let newer = register(world, &one, Duration::ZERO).await;
    reader.read_until(world, &Told::end_of(&first)).await;
    let told = reader.told();
    let expected = [
        Told::Record(&first),
        Told::Record(&second),
        Told::Record(&newer),
        Told::end_of(&first),
    ];
    assert_eq!(told, expected);
    let published = |token: &str| Statement::KeyRecordPublished(KeyRecordHash::of(token));
    let ended = Statement::KeyRecordEnded(KeyRecordHash::of(&first));
    let said = [
        published(&first),
        published(&second),
        published(&newer),
        ended,
    ];
    assert_eq!(logged(world).await, said);
    let minute = reader.lines[0].minute;
    assert!(minute.is_multiple_of(60) && minute <= world.clock.now().0);

    // Who begins now is given what there is.
    let scene = scene.restart().await;
    let world = &scene.world;
    let mut late = feed(world);
    late.read_until(world, &Told::Record(&newer)).await;
    assert_eq!(late.told(), [Told::Record(&second), Told::Record(&newer)]);
    // And who knew all of it is told nothing twice.
    let known = reader.lines.len();
    reader.read(world).await;
    assert_eq!(reader.lines.len(), known);
    assert_eq!(logged(world).await, said);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_had_by_its_hash_while_it_is_unexpired() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = mailbox();
    let older = register(world, &mailbox, HOUR).await;
    let answer = record_at(world, &hash_of(&older)).await;
    assert_eq!(answer.content(), older.as_bytes());
    assert_eq!(answer.headers["content-type"], KEY_RECORD_MEDIA_TYPE);
    let newer = register(world, &mailbox, Duration::ZERO).await;
    for unknown in [hash_of(&older), base64url(&[7; 32]), "x".to_owned()] {
        let answer = record_at(world, &unknown).await;
        assert_eq!(answer.problem(), ProblemType::UnknownKeyRecord, "{unknown}");
    }
    let hash = hash_of(&newer);
    assert_eq!(record_at(world, &hash).await.content(), newer.as_bytes());
    scene.hand.advance(Duration::from_secs(8 * 86_400));
    assert_eq!(record_at(world, &hash).await.status, StatusCode::NOT_FOUND);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_reader_has_is_not_sent_again_and_a_bad_question_is_refused() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = mailbox();
    let first = register(world, &mailbox, HOUR).await;
    let mut reader = feed(world);
    reader.read_until(world, &Told::Record(&first)).await;
    let answer = reader.ask(world).await;
    let (lines, end) = parsed(&answer);
    assert!(lines.is_empty() && end.complete);
    let etag = answer.headers["etag"].to_str().unwrap().to_owned();
    let again = async |etag: &str| {
        let path = format!("/v1/keys/feed?after={}", end.after.unwrap());
        let url = format!("{}{path}", world.url_of(world.cps_name().as_str()));
        let request = world.client.get(url).header("if-none-match", etag);
        Answer::to(request).await.unwrap()
    };
    let known = again(&etag).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    assert!(known.body.is_empty());
    assert_eq!(known.headers["etag"], etag);
    assert_eq!(again("\"another\"").await.status, StatusCode::OK);
    register(world, &mailbox, Duration::ZERO).await;
    reader.read_until(world, &Told::end_of(&first)).await;
    assert_eq!(again(&etag).await.status, StatusCode::OK);

    for query in [
        "after=x",
        "after=-1",
        "after=",
        "before=1",
        "after=1&after=2",
    ] {
        let answer = world.get(&format!("/v1/keys/feed?{query}")).await;
        assert_eq!(
            answer.problem(),
            ProblemType::MalformedPageRequest,
            "{query}"
        );
    }
    scene.close().await;
}

/// What stays in a log that is never shortened is no number, in whatever form.
#[tokio::test(flavor = "multi_thread")]
async fn no_number_is_in_the_log_whatever_is_registered() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = mailbox();
    let first = register(world, &mailbox, HOUR).await;
    let mut reader = feed(world);
    reader.read_until(world, &Told::Record(&first)).await;
    let newest = register(world, &mailbox, Duration::ZERO).await;
    reader.read_until(world, &Told::Record(&newest)).await;

    let needles = needles(&[&first, &newest]);
    let data = &world.cps.cps.data_directory;
    let found = needles.found_in(&all_files(&data.join("log")));
    assert_eq!(found, std::collections::BTreeMap::new());
    let served = served_log(world).await;
    assert_eq!(needles.found_in(&served), std::collections::BTreeMap::new());
    assert!(
        served
            .windows(32)
            .any(|bytes| bytes == KeyRecordHash::of(&newest).0)
    );
    // The search finds what is there: in the directory, which forgets.
    let planted = needles.found_in(&all_files(&data.join("keys")));
    assert!(planted.contains_key("the number"), "{planted:?}");
    scene.close().await;
}

/// The number as digits, as a whole number, and in pairs of digits; and the records.
fn needles(records: &[&str]) -> Needles {
    let mut needles = Needles::default();
    needles.add("the number", FIRST_NUMBER.as_bytes());
    let number: u64 = FIRST_NUMBER.parse().unwrap();
    needles.add_whole("the number", &number.to_be_bytes()[3..]);
    needles.add_whole("the number", &number.to_le_bytes()[..5]);
    for swapped in [false, true] {
        needles.add_whole("the number", &pairs_of_digits(FIRST_NUMBER, swapped));
    }
    let wide: Vec<_> = FIRST_NUMBER
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    needles.add("the number", &wide);
    for record in records {
        needles.add_text("a record", record);
    }
    needles
}

/// Two digits a byte, from the first one on; telephony swaps them.
fn pairs_of_digits(number: &str, swapped: bool) -> Vec<u8> {
    let digits: Vec<u8> = number.bytes().map(|digit| digit - b'0').collect();
    let pair = |pair: &[u8]| match swapped {
        true => pair[1] << 4 | pair[0],
        false => pair[0] << 4 | pair[1],
    };
    digits.chunks_exact(2).map(pair).collect()
}

/// The checkpoint and every tile, as they are served.
async fn served_log(world: &World) -> Vec<u8> {
    let checkpoint = world.get("/log/checkpoint").await;
    let text = String::from_utf8(checkpoint.content().to_vec()).unwrap();
    let size: u64 = text.lines().nth(1).unwrap().parse().unwrap();
    assert!(size < u64::from(FULL_TILE), "one tile of each kind");
    let mut all = checkpoint.body;
    for kind in ["0", "entries"] {
        let tile = world.get(&format!("/log/tile/{kind}/000.p/{size}")).await;
        all.extend(tile.content());
    }
    all
}
