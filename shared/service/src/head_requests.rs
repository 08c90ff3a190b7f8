//! `HEAD`: refused. A router answers it with all the work of a `GET` whose answer nobody
//! has to take, so that a client pays for nothing that it makes a service do.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};

/// Middleware: a `HEAD` is refused as any method is that a path does not have. The router
/// knows which it has, and does not take `TRACE` for a `GET`.
pub(crate) async fn refuse(mut request: Request, next: Next) -> Response {
    if *request.method() == Method::HEAD {
        *request.method_mut() = Method::TRACE;
    }
    let mut response = next.run(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = response.headers().get(ALLOW).map(without_head);
        if let Some(Ok(allow)) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    response
}

fn without_head(allow: &HeaderValue) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let methods = allow.to_str().unwrap_or_default().split(',').map(str::trim);
    let methods: Vec<_> = methods.filter(|method| *method != "HEAD").collect();
    HeaderValue::from_str(&methods.join(","))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use crate::request_limits::around;

    use super::*;

    #[tokio::test]
    async fn a_head_is_refused_and_makes_no_handler_work() {
        let worked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&worked);
        let work = async move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let router = around(Router::new().route("/page", get(work).put(async || ())));
        let ask = async |method: Method, path: &str| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method;
            *request.uri_mut() = path.parse().unwrap();
            router.clone().oneshot(request).await.unwrap()
        };
        let refused = ask(Method::HEAD, "/page").await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[ALLOW], "GET,PUT");
        let unknown = ask(Method::HEAD, "/other").await;
        assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
        assert_eq!(worked.load(Ordering::Relaxed), 0);
        assert_eq!(ask(Method::GET, "/page").await.status(), StatusCode::OK);
        assert_eq!(worked.load(Ordering::Relaxed), 1);
    }
}
