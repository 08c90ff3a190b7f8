//! Requests by a route: the same retries, limits and answers as directly, and nothing that
//! goes directly by mistake.

use std::collections::VecDeque;

use futures_util::future::{BoxFuture, pending};
use http::{HeaderMap, HeaderValue};

use super::*;

/// What it brings, in turn; afterwards it never answers.
#[derive(Debug)]
struct Scripted {
    answers: Mutex<VecDeque<Result<RoutedAnswer, RouteFault>>>,
    carried: AtomicUsize,
    direct: AtomicUsize,
    allows_direct: bool,
}

impl Scripted {
    fn new(answers: Vec<Result<RoutedAnswer, RouteFault>>, allows_direct: bool) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into()),
            carried: AtomicUsize::new(0),
            direct: AtomicUsize::new(0),
            allows_direct,
        })
    }

    fn carried(&self) -> usize {
        self.carried.load(Ordering::SeqCst)
    }
}

fn failed(url: &str, fault: RouteFault) -> RouteError {
    RouteError {
        url: url.to_owned(),
        sentence: format!("{fault:?}"),
        fault,
    }
}

impl Route for Scripted {
    fn carry<'a>(
        &'a self,
        request: RoutedRequest<'a>,
    ) -> BoxFuture<'a, Result<RoutedAnswer, HttpError>> {
        self.carried.fetch_add(1, Ordering::SeqCst);
        let next = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            match next {
                Some(answer) => answer.map_err(|fault| failed(request.url, fault).into()),
                None => pending().await,
            }
        })
    }

    fn check(&self, _url: &str) -> Result<(), RouteError> {
        Ok(())
    }

    fn allows_direct(&self) -> bool {
        self.allows_direct
    }

    fn going_direct(&self, _why: &RouteError) {
        self.direct.fetch_add(1, Ordering::SeqCst);
    }
}

fn routed(status: StatusCode, body: &str) -> RoutedAnswer {
    RoutedAnswer {
        status,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn client(route: &Arc<Scripted>) -> HttpClient {
    let route: Arc<dyn Route> = Arc::<Scripted>::clone(route);
    HttpOptions::default().routed(route).client().unwrap()
}

const URL: &str = "http://127.0.0.1:1/v1/passports";

async fn ask(route: &Arc<Scripted>) -> Result<Answer, HttpError> {
    let request = Request::get(URL.to_owned(), 10);
    client(route).send(&request, QUICK).await
}

#[tokio::test]
async fn what_passes_is_carried_again_and_the_answer_is_the_services() {
    let answers = vec![
        Err(RouteFault::NoRelay),
        Err(RouteFault::NoAnswer),
        Err(RouteFault::NotTaken {
            is_passing: true,
            retry_after: None,
        }),
        Ok(routed(StatusCode::OK, "ok")),
    ];
    let route = Scripted::new(answers, false);
    let answered = ask(&route).await.unwrap();
    assert_eq!((answered.url.as_str(), &*answered.body), (URL, &b"ok"[..]));
    assert_eq!(route.carried(), 4);
}

#[tokio::test]
async fn what_does_not_pass_is_carried_once() {
    let refused = RouteFault::NotTaken {
        is_passing: false,
        retry_after: None,
    };
    for fault in [RouteFault::NoWay, RouteFault::Untrusted, refused] {
        let route = Scripted::new(vec![Err(fault)], false);
        let error = ask(&route).await.unwrap_err();
        assert!(
            matches!(&error, HttpError::Route(error) if error.fault == fault),
            "{error}"
        );
        assert!(!error.is_refusal());
        assert_eq!(route.carried(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_relays_retry_after_is_obeyed_up_to_the_longest_pause() {
    let later = RouteFault::NotTaken {
        is_passing: true,
        retry_after: Some(Duration::from_secs(3600)),
    };
    let route = Scripted::new(vec![Err(later)], false);
    let error = ask(&route).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(route.carried(), 1);
}

#[tokio::test]
async fn a_refusal_of_the_service_is_one_and_more_requests_do_not_find_out_why() {
    let document = ProblemType::NotFound.document();
    let refused = routed(StatusCode::NOT_FOUND, &document.to_json());
    let route = Scripted::new(vec![Ok(refused)], false);
    let error = ask(&route).await.unwrap_err();
    assert_eq!(
        error.refused().unwrap().kind(),
        Some(ProblemType::NotFound),
        "{error}"
    );
    assert_eq!(route.carried(), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_none_and_the_inner_date_tells_the_clock() {
    let route = Scripted::new(vec![Ok(routed(StatusCode::OK, "eleven byte"))], false);
    let error = ask(&route).await.unwrap_err();
    assert!(
        matches!(error, HttpError::TooLong { limit: 10, .. }),
        "{error}"
    );
    let mut old = routed(StatusCode::OK, "ok");
    let date = HeaderValue::from_static("Sun, 29 Nov 2020 06:00:00 GMT");
    old.headers.insert(http::header::DATE, date);
    let route = Scripted::new(vec![Ok(old)], false);
    let client = client(&route);
    let request = Request::get(URL.to_owned(), 10);
    client.send(&request, QUICK).await.unwrap();
    assert!(client.clock_gap().unwrap().ahead() > Duration::from_secs(86_400));
}

#[tokio::test]
async fn a_deadline_ends_what_a_route_does_not_answer() {
    let route = Scripted::new(Vec::new(), false);
    let client = client(&route).within(Deadline::after(Duration::from_millis(20)));
    let request = Request::get(URL.to_owned(), 10);
    let error = client.send(&request, QUICK).await.unwrap_err();
    assert!(matches!(error, HttpError::TimeUp { .. }), "{error}");
}

#[tokio::test]
async fn nothing_goes_directly_unless_the_route_allows_it_and_nobody_who_carries_was_reached() {
    for (fault, allowed, reached) in [
        (RouteFault::NoRelay, true, 1),
        (RouteFault::NoWay, true, 0),
        (RouteFault::NoWay, false, 0),
        (RouteFault::NoRelay, false, 0),
        (RouteFault::Untrusted, true, 0),
        (RouteFault::NoAnswer, true, 0),
    ] {
        let (url, served) = serve(vec![answer("200 OK", "", "ok")]).await;
        let route = Scripted::new(vec![Err(fault)], allowed);
        let request = Request::get(url, 10);
        let sent = client(&route).exchange(&request).await;
        assert_eq!(served.load(Ordering::SeqCst), reached, "{fault:?}");
        assert_eq!(route.direct.load(Ordering::SeqCst), reached, "{fault:?}");
        assert_eq!(sent.is_ok(), reached == 1, "{fault:?}");
        assert_eq!(fault.is_closed(), fault == RouteFault::NoRelay);
        assert_eq!(fault.has_not_left(), fault != RouteFault::NoAnswer);
    }
}

#[test]
fn a_client_that_never_goes_directly_needs_no_authorities() {
    let options = HttpOptions {
        trust_roots: TrustRoots::Only("/nowhere/roots.pem".into()),
        ..HttpOptions::default()
    };
    assert!(
        options
            .routed(Scripted::new(Vec::new(), false))
            .client()
            .is_ok()
    );
    assert!(
        options
            .routed(Scripted::new(Vec::new(), true))
            .client()
            .is_err()
    );
}
