//! Large answers: a few are made at a time, the next wait in a queue that is bounded, and
//! small answers wait for none of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::StatusCode;
use pennyblack_runtime::config::Limits;
use pennyblack_service::answer_room::{AnswerRoom, most_large_answers};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::held_bytes::Scene;

const LARGE: usize = 200 * 1024;

/// As many as wait in the queue.
fn queue() -> usize {
    32 * most_large_answers()
}

#[derive(Clone)]
struct Steps {
    begun: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
}

async fn large(State(steps): State<Steps>, room: AnswerRoom) -> Response {
    if room.reserve(LARGE, 0).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    steps.begun.add_permits(1);
    steps.may_end.acquire().await.unwrap().forget();
    vec![b'x'; LARGE].into_response()
}

async fn scene() -> (Scene, Steps) {
    let steps = Steps {
        begun: Arc::new(Semaphore::new(0)),
        may_end: Arc::new(Semaphore::new(0)),
    };
    let router = Router::new()
        .route("/large", get(large))
        .with_state(steps.clone())
        .route("/small", get(|| async { "small" }));
    let limits = Limits {
        exchange: Duration::from_secs(3600),
        ..Limits::default()
    };
    (Scene::open(router, limits).await, steps)
}

async fn status(client: reqwest::Client, url: String) -> StatusCode {
    client.get(url).send().await.unwrap().status()
}

#[tokio::test]
async fn those_in_the_queue_have_their_turn_and_one_too_many_is_told_to_come_back() {
    let (scene, steps) = scene().await;
    let mut asking = JoinSet::new();
    let all = most_large_answers() + queue();
    // One more than there is room for, each on a connection of its own.
    for _ in 0..=all {
        asking.spawn(status(reqwest::Client::new(), scene.url("/large")));
    }
    let first = timeout(Duration::from_secs(60), asking.join_next()).await;
    let first = first.expect("an answer").unwrap().unwrap();
    assert_eq!(first, StatusCode::SERVICE_UNAVAILABLE);
    steps
        .begun
        .acquire_many(u32::try_from(most_large_answers()).unwrap())
        .await
        .unwrap()
        .forget();
    assert_eq!(steps.begun.available_permits(), 0, "only so many at a time");
    let small = status(reqwest::Client::new(), scene.url("/small")).await;
    assert_eq!(small, StatusCode::OK);
    steps.may_end.add_permits(all);
    let rest = timeout(Duration::from_secs(60), asking.join_all()).await;
    assert!(
        rest.expect("answers")
            .iter()
            .all(|status| *status == StatusCode::OK)
    );
}

#[tokio::test]
async fn small_answers_of_a_connection_do_not_wait_for_its_large_ones() {
    let (scene, steps) = scene().await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let mut asking = JoinSet::new();
    for _ in 0..40 {
        asking.spawn(status(client.clone(), scene.url("/large")));
    }
    steps.begun.acquire_many(2).await.unwrap().forget();
    let small = timeout(Duration::from_secs(60), status(client, scene.url("/small"))).await;
    assert_eq!(small.expect("an answer"), StatusCode::OK);
    assert_eq!(
        steps.begun.available_permits(),
        0,
        "two of a connection at a time"
    );
    steps.may_end.add_permits(40);
    let rest = timeout(Duration::from_secs(60), asking.join_all()).await;
    assert!(
        rest.expect("answers")
            .iter()
            .all(|status| *status == StatusCode::OK)
    );
}

#[tokio::test]
async fn answers_that_need_a_little_more_take_neither_all_memory_nor_all_places() {
    /// As much as a tile of a log has reserved.
    const TILE: usize = 160 * 1024;
    async fn tile(
        State((arrived, steps)): State<(Arc<Semaphore>, Steps)>,
        room: AnswerRoom,
    ) -> StatusCode {
        arrived.add_permits(1);
        room.reserve(TILE, 0).await.unwrap();
        steps.may_end.acquire().await.unwrap().forget();
        StatusCode::NOT_FOUND
    }
    let (_, steps) = scene().await;
    let arrived = Arc::new(Semaphore::new(0));
    let slow = post(|body: Bytes| async move { body.len().to_string() });
    let router = Router::new()
        .route("/tile", get(tile))
        .with_state((Arc::clone(&arrived), steps.clone()))
        .route("/length", slow);
    let limits = Limits {
        body_read: Duration::from_secs(3600),
        exchange: Duration::from_secs(3600),
        ..Limits::default()
    };
    let scene = Scene::open(router, limits).await;
    // A client that has not sent all of its body yet.
    let mut honest = scene.connect().await;
    let (half, rest) = (vec![b'x'; 20_000], vec![b'x'; 20_000]);
    let head = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n";
    honest.write_all(head.as_bytes()).await.unwrap();
    honest.write_all(&half).await.unwrap();
    // More than there are places, and each connection with more than its share.
    let mut asking = JoinSet::new();
    for _ in 0..70 {
        let client = reqwest::Client::builder().http2_prior_knowledge();
        let client = client.build().unwrap();
        for _ in 0..18 {
            asking.spawn(status(client.clone(), scene.url("/tile")));
        }
    }
    let many = timeout(Duration::from_secs(60), arrived.acquire_many(1_100)).await;
    many.expect("so many wait at one time").unwrap().forget();
    steps.may_end.add_permits(70 * 18);
    while let Some(status) = asking.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::NOT_FOUND);
    }
    honest.write_all(&rest).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"40000") {
        let read = honest.read_buf(&mut answer).await.unwrap();
        assert_ne!(read, 0, "its request gave way");
    }
}

#[tokio::test]
async fn slow_requests_of_a_connection_keep_no_turn_that_all_share() {
    const MIDDLE: usize = 160 * 1024;
    // What is reserved for all of middle size together, beyond what each has anyway.
    let all_middle = Limits::default().held_bytes / 16 / (MIDDLE - 64 * 1024);
    for (bytes, all, turns_left) in [(LARGE, most_large_answers(), 16), (MIDDLE, all_middle, 15)] {
        let (_, steps) = scene().await;
        let (_, slow_steps) = scene().await;
        let arrived = Arc::new(Semaphore::new(0));
        let reserving = {
            let (arrived, steps) = (Arc::clone(&arrived), steps.clone());
            async move |room: AnswerRoom| {
                arrived.add_permits(1);
                room.reserve(bytes, 0).await.unwrap();
                steps.pass().await;
            }
        };
        let slow = {
            let slow_steps = slow_steps.clone();
            async move || slow_steps.pass().await
        };
        let router = Router::new()
            .route("/reserving", get(reserving))
            .route("/slow", get(slow));
        let limits = Limits {
            exchange: Duration::from_secs(3600),
            ..Limits::default()
        };
        let scene = Scene::open(router, limits).await;
        let mut others = JoinSet::new();
        for _ in 0..all {
            others.spawn(status(reqwest::Client::new(), scene.url("/reserving")));
        }
        take(&steps.begun, all).await;
        take(&arrived, all).await;
        let client = reqwest::Client::builder().http2_prior_knowledge();
        let client = client.build().unwrap();
        let mut asking = JoinSet::new();
        asking.spawn(status(client.clone(), scene.url("/reserving")));
        take(&arrived, 1).await;
        for _ in 0..16 {
            asking.spawn(status(client.clone(), scene.url("/slow")));
        }
        take(&slow_steps.begun, turns_left).await;
        steps.may_end.add_permits(all);
        while let Some(status) = others.join_next().await {
            assert_eq!(status.unwrap(), StatusCode::OK);
        }
        // Its turn among those of all has come.
        take(&steps.begun, 1).await;
        steps.may_end.add_permits(1);
        slow_steps.may_end.add_permits(16);
        while let Some(status) = asking.join_next().await {
            assert_eq!(status.unwrap(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn answers_that_wait_for_room_leave_half_of_their_connection_s_turns_to_others() {
    const MIDDLE: usize = 160 * 1024;
    let all_middle = Limits::default().held_bytes / 16 / (MIDDLE - 64 * 1024);
    let (_, steps) = scene().await;
    let arrived = Arc::new(Semaphore::new(0));
    let middle = {
        let (arrived, steps) = (Arc::clone(&arrived), steps.clone());
        async move |room: AnswerRoom| {
            arrived.add_permits(1);
            room.reserve(MIDDLE, 0).await.unwrap();
            steps.pass().await;
        }
    };
    let router = Router::new()
        .route("/middle", get(middle))
        .route("/small", get(|| async { "small" }));
    let limits = Limits {
        exchange: Duration::from_secs(3600),
        ..Limits::default()
    };
    let scene = Scene::open(router, limits).await;
    let mut asking = JoinSet::new();
    for _ in 0..all_middle {
        asking.spawn(status(reqwest::Client::new(), scene.url("/middle")));
    }
    take(&steps.begun, all_middle).await;
    take(&arrived, all_middle).await;
    let client = reqwest::Client::builder().http2_prior_knowledge();
    let client = client.build().unwrap();
    // More than have a turn at one time.
    for _ in 0..40 {
        asking.spawn(status(client.clone(), scene.url("/middle")));
    }
    take(&arrived, 40).await;
    let small = timeout(Duration::from_secs(30), status(client, scene.url("/small")));
    assert_eq!(small.await.expect("an answer"), StatusCode::OK);
    steps.may_end.add_permits(all_middle + 40);
    while let Some(status) = asking.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
}

impl Steps {
    async fn pass(&self) {
        self.begun.add_permits(1);
        self.may_end.acquire().await.unwrap().forget();
    }
}

async fn take(semaphore: &Semaphore, count: usize) {
    let count = u32::try_from(count).unwrap();
    let taken = timeout(Duration::from_secs(30), semaphore.acquire_many(count)).await;
    taken.expect("it does not come").unwrap().forget();
}
