//! Too much, too slow, too many at once; and a store that cannot write.

use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, StatusCode};
use pennyblack_base::problem::ProblemType;
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::process::{Process, Role, write_config};
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const SOON: Duration = Duration::from_secs(30);

/// A request whose body never arrives.
async fn unfinished_request(world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(world.cps_name().as_str()).await.unwrap();
    let head = format!(
        "POST {STORE_PATH} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 2080\r\n\r\n",
        world.cps_name()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Reads an answer up to the end of its connection.
async fn answer_on(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    Answer {
        status: status.parse().unwrap(),
        headers,
        body: body.as_bytes().to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_any_is_refused_unread() {
    let scene = Scene::open_with(|world| world.cps.public.limits.body_bytes = 8192).await;
    let world = &scene.world;
    let url = format!("http://{}{STORE_PATH}", world.cps_name());
    let answer = Answer::to(world.client.post(url).body(vec![0; 8193]))
        .await
        .unwrap();
    assert_eq!(answer.problem(), ProblemType::BodyTooLarge);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let scene = Scene::open_with(|world| {
        world.cps.public.limits.body_read = Duration::from_millis(200);
    })
    .await;
    let stream = unfinished_request(&scene.world).await;
    assert_eq!(
        answer_on(stream).await.problem(),
        ProblemType::RequestTimeout
    );
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_cps_says_so_and_leaves_the_token_as_it_was() {
    let scene = Scene::open_with(|world| world.cps.public.limits.requests = 1).await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    // Requests that wait for the disk are in the way of the others.
    let refused = until("more requests at once than may be", SOON, async || {
        let tokens = world.draw(32).await;
        let requests: Vec<_> = tokens
            .iter()
            .map(|token| world.spend(token, &mailbox, "a.b.c"))
            .collect();
        let answers = join_all(requests.iter().map(|request| world.store(request))).await;
        let answers = requests.into_iter().zip(answers);
        let refused = answers.map(|(request, answer)| (request, answer.unwrap()));
        let refused: Vec<_> = refused
            .filter(|(_, answer)| answer.status != StatusCode::CREATED)
            .collect();
        (!refused.is_empty()).then_some(refused)
    })
    .await;
    for (request, answer) in refused {
        assert_eq!(answer.problem(), ProblemType::Overloaded);
        world.store(&request).await.unwrap().assert_created();
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_write_fails_closed_and_the_same_request_ends_well_later() {
    let world = World::new(Clock::system());
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    // No file may grow beyond 64 blocks of 512 bytes: a few entries.
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"])
        .args([SERVICE, "cps", "--config"])
        .arg(write_config(Role::Cps, &world));
    let cps = Process::start_command(limited, Role::Cps, &world).await;
    let mailbox = world.mailbox().await;
    let mut refused = None;
    let mut stored = Vec::new();
    for (place, token) in world.draw(64).await.into_iter().enumerate() {
        let passport = format!("passport.{place}.x");
        let request = world.spend(&token, &mailbox, &passport);
        let answer = world.store(&request).await.unwrap();
        if answer.status != StatusCode::CREATED {
            assert_eq!(answer.problem(), ProblemType::StoreUnavailable);
            refused = Some((request, passport));
            break;
        }
        stored.push(passport);
    }
    let (request, passport) = refused.expect("the limit on file sizes was not felt");
    assert!(!stored.is_empty());

    cps.kill();
    let _cps = Process::start(SERVICE, Role::Cps, &world).await;
    world.store(&request).await.unwrap().assert_created();
    stored.push(passport);
    assert_eq!(world.read(&mailbox).await, stored);
}
