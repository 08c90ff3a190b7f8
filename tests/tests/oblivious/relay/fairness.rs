//! What one client or network does does not end or hold up what another has asked for.

use std::time::{Duration, Instant};

use pennyblack_base::problem::ProblemType;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::wait::until;
use tokio::task::JoinHandle;

use super::scene::{REQUEST, Scene};

/// Longest wait for what happens at once.
const SOON: Duration = Duration::from_secs(20);

/// So many requests, over connections that each have as many as a relay works on.
fn ask_often(
    scene: &Scene,
    address: [u8; 4],
    body: &'static str,
    count: usize,
) -> Vec<JoinHandle<Answer>> {
    let ask = |client: &reqwest::Client| {
        let request = client.post(scene.url()).header("content-type", REQUEST);
        let request = request.body(body);
        tokio::spawn(async move { Answer::to(request).await.unwrap() })
    };
    let clients = (0..count.div_ceil(16)).map(|_| scene.client(address));
    let asked = clients.flat_map(|client| (0..16).map(move |_| ask(&client)));
    asked.take(count).collect()
}

async fn until_asked(scene: &Scene, what: &str, count: usize) {
    let question = format!("{count} requests at the gateway");
    until(&question, SOON, async || {
        (scene.gateway.asked_for(what) >= count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_client_leaves_the_others_their_part() {
    let scene = Scene::open(&[]).await;
    let greedy = ask_often(&scene, [127, 0, 0, 1], "wait", 128);
    until("refusals of all that is too much", SOON, async || {
        let ended = greedy.iter().filter(|request| request.is_finished());
        (ended.count() == 96).then_some(())
    })
    .await;
    until_asked(&scene, "wait", 32).await;
    // In another network: the greedy one has its half of the streams.
    let modest = scene.client([127, 0, 2, 1]);
    let answer = scene.ask(&modest, "hello").await;
    assert_eq!(answer.content(), b"answer to hello");
    scene.gateway.release();
    let mut answered = 0;
    for request in greedy {
        let answer = request.await.unwrap();
        match answer.status.as_u16() {
            200 => answered += 1,
            _ => assert_eq!(answer.problem(), ProblemType::TooManyRequests),
        }
    }
    assert_eq!(answered, 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_break_nothing_off_at_the_gateway() {
    let scene = Scene::open(&["clients.requests_a_second=100000", "clients.at_once=1000"]).await;
    let staying = ask_often(&scene, [127, 0, 0, 2], "wait", 1);
    until_asked(&scene, "wait", 1).await;
    let leaving = ask_often(&scene, [127, 0, 0, 1], "wait", 30);
    until_asked(&scene, "wait", 31).await;
    for request in leaving {
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
    }
    // A request that comes after they have left.
    let client = scene.client([127, 0, 0, 1]);
    assert_eq!(
        scene.ask(&client, "hello").await.content(),
        b"answer to hello"
    );
    scene.gateway.release();
    for request in staying {
        assert_eq!(request.await.unwrap().content(), b"answer to wait");
    }
    let series = r#"pennyblack_relay_requests_total{gateway="cps-a",outcome="answered"} 32"#;
    until(
        "an answer to each, also of those who left",
        SOON,
        async || scene.admin("/metrics").await.contains(series).then_some(()),
    )
    .await;
    assert_eq!(scene.gateway.broken_off(), 0);
    assert_eq!(scene.gateway.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_gets_so_many_at_one_time_and_so_many_wait() {
    // Half of the streams are for one network.
    let scene = Scene::open(&["forward.streams=4", "forward.waiting=3"]).await;
    let requests = ask_often(&scene, [127, 0, 0, 1], "wait", 10);
    until("refusals of all that is too much", SOON, async || {
        let ended = requests.iter().filter(|request| request.is_finished());
        (ended.count() == 5).then_some(())
    })
    .await;
    until_asked(&scene, "wait", 2).await;
    scene.gateway.release();
    let mut answered = 0;
    for request in requests {
        let answer = request.await.unwrap();
        match answer.status.as_u16() {
            200 => answered += 1,
            _ => assert_eq!(answer.problem(), ProblemType::Overloaded),
        }
    }
    assert_eq!((answered, scene.gateway.asked_for("wait")), (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_too_often_is_told_so_and_another_is_not() {
    let scene = Scene::open(&["clients.requests_a_second=5"]).await;
    let [often, seldom] = [1, 2].map(|n| scene.client([127, 0, 0, n]));
    let mut refused = 0;
    for _ in 0..50 {
        let answer = scene.ask(&often, "hello").await;
        if answer.status == 429 {
            assert_eq!(answer.problem(), ProblemType::TooManyRequests);
            refused += 1;
        }
    }
    assert!(refused >= 1);
    assert_eq!(
        scene.ask(&seldom, "hello").await.content(),
        b"answer to hello"
    );
    assert_eq!(scene.gateway.asked_for("hello"), 51 - refused);
}

/// Longest wait for an answer when another network asks for all that it may have.
const STATED: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn a_network_full_of_clients_leaves_the_others_their_part() {
    let scene = Scene::open(&[]).await;
    let begun = Instant::now();
    let flood: Vec<_> = (1..=250)
        .flat_map(|number| ask_often(&scene, [127, 0, 1, number], "pause 2000", 4))
        .collect();
    until_asked(&scene, "pause 2000", 32).await;
    let modest = scene.client([127, 0, 2, 1]);
    for _ in 0..20 {
        let answer = tokio::time::timeout(STATED, scene.ask(&modest, "hello")).await;
        assert_eq!(answer.expect("in time").content(), b"answer to hello");
    }
    let mut answered = 0;
    for request in flood {
        let answer = request.await.unwrap();
        match answer.status.as_u16() {
            200 => answered += 1,
            429 => assert_eq!(answer.problem(), ProblemType::TooManyRequests),
            // Without a turn until the deadline.
            503 => assert_eq!(answer.problem(), ProblemType::Overloaded),
            _ => assert_eq!(answer.problem(), ProblemType::GatewayTimeout),
        }
    }
    // 32 at a time, each for two seconds at least.
    let most = 32 * begun.elapsed().as_secs() / 2;
    assert!((1..=most).contains(&answered), "{answered} of {most}");
}
