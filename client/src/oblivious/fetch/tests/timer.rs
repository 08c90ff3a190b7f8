//! When keys are fetched: at times of the timer's own, whatever becomes of requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use pennyblack_http::{HttpError, Request, Route, RouteFault};
use pennyblack_ohttp::encapsulation::encapsulated_request_size;
use pennyblack_ohttp::size_class::REQUEST_SIZE;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use tokio::io::copy_bidirectional;
use tokio::time::{Instant, sleep};

use super::super::super::{Fallback, KeyTimer, ObliviousRoute};
use super::*;

const EVERY: Duration = Duration::from_secs(30 * 60);

/// What an exchange takes of the clock, which goes on while the test waits for sockets.
const TAKES: Duration = Duration::from_secs(1);

/// When clients came.
type Times = Arc<Mutex<Vec<Instant>>>;

/// A way to the scene's CPS that notes when it is taken; without `is_there` it ends there.
async fn noted(scene: &Scene, is_there: bool) -> (ServiceAddress, Times) {
    let url = scene.cps.url("");
    let service = url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let times = Times::default();
    let noting = Arc::clone(&times);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            noting.lock().unwrap().push(Instant::now());
            let far = TcpStream::connect(&service).await;
            tokio::spawn(async move {
                if let (true, Ok(mut far)) = (is_there, far) {
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    let cps = format!("cps.example=http://{address}").parse().unwrap();
    (cps, times)
}

/// A relay that hands on what a CPS without the key answers, in turn as it is none of its
/// keys and as it does not open. Its address, and how often it was asked.
async fn refusing() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = format!("http://{}/cps", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let number = counting.fetch_add(1, Ordering::SeqCst);
            let status = ["400 Bad Request", "422 Unprocessable Content"][number % 2];
            let problem = r#"{"type":"https://iana.org/assignments/http-problem-types#ohttp-key"}"#;
            let length = problem.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{problem}"
            );
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let sealed = encapsulated_request_size(Kem::DhkemX25519, REQUEST_SIZE);
            socket.read_exact(&mut vec![0; sealed]).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (relay, asked)
}

fn timer(scene: &Scene, cps: &ServiceAddress) -> KeyTimer {
    KeyTimer {
        fetcher: scene.fetcher.clone(),
        cpss: vec![cps.clone()],
        http: HttpOptions::default(),
        every: EVERY,
        clock: Clock::by_hand(NOW).0,
    }
}

/// The times between fetches, which take several connections at most.
fn gaps(times: &Times) -> Vec<Duration> {
    let times = times.lock().unwrap();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.filter(|gap| *gap > TAKES).collect()
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_moves_no_fetch() {
    let scene = Scene::new().await;
    let key = config(1);
    scene.shows(&[&key], &[&key]);
    let (cps, times) = noted(&scene, true).await;
    let (relay, asked) = refusing().await;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(timer(&scene, &cps).run(shutdown.clone()));
    let (relays, keys) = ([relay.parse().unwrap()], scene.fetcher.keys.clone());
    let (http, clock) = (HttpOptions::default(), Clock::by_hand(NOW).0);
    let cpss = [cps.clone()];
    let route = ObliviousRoute::new(&cpss, &relays, keys, &http, Fallback::None, clock);
    let route = http.routed(route.unwrap() as Arc<dyn Route>);
    let calls = 240;
    for _ in 0..calls {
        sleep(Duration::from_secs(7 * 60)).await;
        let call = Request::post(cps.url("/v1/passports"), "sealed", 4_096);
        let client = route.client().unwrap();
        let sent = client.send(&call, RetryPolicy::NONE).await.unwrap_err();
        assert!(
            matches!(&sent, HttpError::Route(error)
                if matches!(error.fault, RouteFault::NotTaken { .. })),
            "{sent}"
        );
    }
    shutdown.trigger();
    running.await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), calls);
    let gaps = gaps(&times);
    assert!((48..=64).contains(&gaps.len()), "{gaps:?}");
    assert_between(&gaps, EVERY);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_fails_is_tried_again_after_five_minutes() {
    let scene = Scene::new().await;
    let (cps, times) = noted(&scene, false).await;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(timer(&scene, &cps).run(shutdown.clone()));
    sleep(Duration::from_secs(5 * 60 * 50)).await;
    shutdown.trigger();
    running.await.unwrap();
    let gaps = gaps(&times);
    assert!((45..=56).contains(&gaps.len()), "{gaps:?}");
    assert_between(&gaps, Duration::from_secs(5 * 60));
}

/// A tenth earlier or later, and not always the same.
fn assert_between(gaps: &[Duration], every: Duration) {
    let bounds = every.mul_f64(0.9)..every.mul_f64(1.1) + TAKES;
    assert!(gaps.iter().all(|gap| bounds.contains(gap)), "{gaps:?}");
    let spread = gaps
        .iter()
        .max()
        .unwrap()
        .abs_diff(*gaps.iter().min().unwrap());
    assert!(spread > every / 20, "{gaps:?}");
}
