use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pennyblack_http::HttpOptions;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_runtime::clock::ClockHand;
use pennyblack_runtime::logging::testing::levels_of;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tracing::Level;

use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);
const NUMBER: &str = "12125550142";
const HOUR: Duration = Duration::from_secs(3600);
/// How often these publishers show their records.
const OFTEN: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

fn identity(home: &Path) -> Arc<FromFiles<StirIdentity>> {
    let names = CaNames::default();
    let mut pki = PkiDirectory::init(home, &names, 24 * HOUR, NOW).unwrap();
    let request = LeafRequest::new(vec![TnAuthEntry::one(NUMBER).unwrap()]);
    pki.issue("office", &request, None, NOW).unwrap();
    let issued = home.join("issued");
    StirIdentity::renewed(&issued.join("office.pem"), &issued.join("office.key"), None).unwrap()
}

fn publisher(identity: &FromFiles<StirIdentity>, cps: &TcpListener) -> Publisher {
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    let address = cps.local_addr().unwrap();
    Publisher {
        identity: identity.current().as_ref().clone(),
        coverage: Coverage::Number(NUMBER.parse().unwrap()),
        key: key.config().clone(),
        cpss: cpss(&[("cps", address)]),
        lifetime: 24 * HOUR,
        retry: RetryPolicy::NONE,
    }
}

/// CPSs with these names at these addresses.
fn cpss(cpss: &[(&str, SocketAddr)]) -> MailboxCpss {
    let cpss = cpss.iter();
    let mut all = cpss.map(|(name, at)| format!("{name}.example=http://{at}").parse().unwrap());
    let first = MailboxCpss::one(all.next().unwrap()).unwrap();
    first.and(all.collect(), None).unwrap()
}

/// The body of a request.
async fn body_of(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            if body.len() >= length.unwrap().trim().parse().unwrap() {
                return body.to_owned();
            }
        }
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
    }
}

/// Answers one request as a CPS with these records does.
async fn answer(cps: &TcpListener, records: &mut HashSet<String>) -> String {
    let (mut stream, _) = cps.accept().await.unwrap();
    let body = body_of(&mut stream).await;
    let status = match records.insert(body.clone()) {
        true => "201 Created",
        false => "200 OK",
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    body
}

/// Keeps a mailbox registered at a CPS for as long as `cps` runs; the levels of what it said.
fn levels_with<F: Future<Output = ()>>(
    cps: impl FnOnce(TcpListener, ClockHand) -> F,
) -> Vec<Level> {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    levels_of(|| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let identity = identity(home.path());
            let publisher = publisher(&identity, &listener);
            let client = HttpOptions::default().client().unwrap();
            let (clock, hand) = Clock::by_hand(NOW);
            let shutdown = Shutdown::new();
            let kept = publisher.keep_registered(&identity, &client, (&clock, OFTEN), &shutdown);
            let served = async {
                let served = tokio::time::timeout(PATIENCE, cps(listener, hand));
                served.await.expect("nothing was registered");
                shutdown.trigger();
            };
            tokio::join!(kept, served);
        });
    })
}

fn count(levels: &[Level], level: Level) -> usize {
    levels.iter().filter(|said| **said == level).count()
}

#[test]
fn a_record_that_the_cps_has_lost_is_there_again_and_that_is_said() {
    let levels = levels_with(async |cps, _| {
        let mut records = HashSet::new();
        let first = answer(&cps, &mut records).await;
        for _ in 0..3 {
            assert_eq!(answer(&cps, &mut records).await, first);
        }
        records.clear();
        assert_eq!(answer(&cps, &mut records).await, first);
        assert_eq!(answer(&cps, &mut records).await, first);
        assert_eq!(records.len(), 1);
    });
    assert_eq!(count(&levels, Level::INFO), 1);
    assert_eq!(count(&levels, Level::WARN), 1);
}

#[test]
fn a_record_is_renewed_when_half_of_its_life_is_over() {
    let levels = levels_with(async |cps, hand| {
        let mut records = HashSet::new();
        let first = answer(&cps, &mut records).await;
        hand.advance(11 * HOUR);
        assert_eq!(answer(&cps, &mut records).await, first);
        hand.advance(HOUR);
        let mut second = answer(&cps, &mut records).await;
        if second == first {
            // It was on its way already.
            second = answer(&cps, &mut records).await;
        }
        assert_ne!(second, first);
        assert_eq!(answer(&cps, &mut records).await, second);
    });
    assert_eq!(count(&levels, Level::INFO), 2);
    assert_eq!(count(&levels, Level::WARN), 0);
}

/// What a CPS has heard, and what the list beside the key said then.
async fn heard(cps: TcpListener, mailbox_key: PathBuf) -> (String, Vec<String>) {
    let (mut stream, _) = cps.accept().await.unwrap();
    let body = body_of(&mut stream).await;
    let listed = PolledCpss::of(&mailbox_key).unwrap().with(Vec::new(), NOW);
    let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    let names = listed.iter().map(|cps| cps.authority().to_string());
    (body, names.collect())
}

#[tokio::test]
async fn every_cps_gets_the_record_once_it_is_written_down_where_to_poll() {
    let home = tempfile::tempdir().unwrap();
    let identity = identity(&home.path().join("pki"));
    let mailbox_key = home.path().join("office.mailbox");
    std::fs::write(&mailbox_key, "").unwrap();
    let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b, away) = (listen().await, listen().await, listen().await);
    let at = |cps: &TcpListener| cps.local_addr().unwrap();
    let mut publisher = publisher(&identity, &a);
    let all = [("a", at(&a)), ("b", at(&b)), ("away", at(&away))];
    publisher.cpss = cpss(&all).listed_beside(&mailbox_key);
    drop(away);
    let client = HttpOptions::default().client().unwrap();
    let (published, first, second) = tokio::join!(
        publisher.publish(&client, NOW),
        heard(a, mailbox_key.clone()),
        heard(b, mailbox_key.clone()),
    );
    let published = published.unwrap();
    assert_eq!(first, second);
    assert_eq!(first.1, ["a.example", "b.example", "away.example"]);
    let names = |names: &[Authority]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&published.at), ["a.example", "b.example"]);
    assert_eq!(published.failed[0].0.as_str(), "away.example");
}

#[tokio::test]
async fn nothing_is_published_that_cannot_be_written_down() {
    let home = tempfile::tempdir().unwrap();
    let identity = identity(&home.path().join("pki"));
    let cps = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut publisher = publisher(&identity, &cps);
    publisher.cpss = publisher.cpss.listed_beside(&home.path().join("missing"));
    let client = HttpOptions::default().client().unwrap();
    let refused = publisher.publish(&client, NOW).await;
    assert!(matches!(refused, Err(PublishError::List(_))), "{refused:?}");
    let asked = tokio::time::timeout(Duration::from_millis(100), cps.accept());
    assert!(asked.await.is_err());
}

#[tokio::test]
async fn a_cps_that_nobody_reaches_is_not_polled_for_a_record_that_it_never_had() {
    let home = tempfile::tempdir().unwrap();
    let identity = identity(&home.path().join("pki"));
    let mailbox_key = home.path().join("office.mailbox");
    std::fs::write(&mailbox_key, "").unwrap();
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut publisher = publisher(&identity, &away);
    publisher.cpss = publisher.cpss.listed_beside(&mailbox_key);
    drop(away);
    let client = HttpOptions::default().client().unwrap();
    let published = publisher.publish(&client, NOW).await.unwrap();
    assert_eq!((published.at.len(), published.failed.len()), (0, 1));
    assert_eq!(PolledCpss::of(&mailbox_key).unwrap(), PolledCpss::default());
}
