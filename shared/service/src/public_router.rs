//! The resources that a service serves to the world: a router that knows its paths, and hands
//! out the description of them (OpenAPI). A service serves nothing that did not come through
//! here, so a test finds every path that there is. Not here: what the resources do.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, Route, get};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use pennyblack_base::encoding;
use tower::{Layer, Service};

use crate::headers::has_tag;

/// Where each service has its description.
pub const OPENAPI_PATH: &str = "/openapi.yaml";

/// Media type of the description (RFC 9512).
const YAML: &str = "application/yaml";

/// How long a description is good: a program has the same one until it is replaced.
const AN_HOUR: &str = "public, max-age=3600";

/// A router that knows its paths. What it has of [`Router`]'s is the same there.
#[derive(Debug, Clone)]
pub struct PublicRouter<S = ()> {
    router: Router<S>,
    paths: Vec<String>,
}

impl<S: Clone + Send + Sync + 'static> Default for PublicRouter<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> PublicRouter<S> {
    /// Without a resource.
    #[must_use]
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            paths: Vec::new(),
        }
    }

    /// With a resource.
    #[must_use]
    pub fn route(mut self, path: &str, methods: MethodRouter<S>) -> Self {
        self.paths.push(path.to_owned());
        self.router = self.router.route(path, methods);
        self
    }

    /// With the description at [`OPENAPI_PATH`]. It costs what any short answer costs: nothing
    /// is made or copied for it.
    #[must_use]
    pub fn described_by(self, description: &'static str) -> Self {
        let etag = encoding::base64url(&encoding::sha256(description.as_bytes()));
        let etag = format!("\"{etag}\"");
        let show = async move |asked: HeaderMap| show(description, &etag, &asked);
        self.route(OPENAPI_PATH, get(show))
    }

    /// With the resources of another.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        self.router = self.router.merge(other.router);
        self
    }

    /// With something around the resources that it has by now.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error: Into<Infallible>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.router = self.router.layer(layer);
        self
    }

    /// With an answer of its own for paths that it does not have.
    #[must_use]
    pub fn fallback<T: 'static>(mut self, handler: impl Handler<T, S>) -> Self {
        self.router = self.router.fallback(handler);
        self
    }

    /// With an answer of its own for methods that its paths do not have.
    #[must_use]
    pub fn method_not_allowed_fallback<T: 'static>(mut self, handler: impl Handler<T, S>) -> Self {
        self.router = self.router.method_not_allowed_fallback(handler);
        self
    }

    /// With what its handlers share.
    #[must_use]
    pub fn with_state<S2>(self, state: S) -> PublicRouter<S2> {
        PublicRouter {
            router: self.router.with_state(state),
            paths: self.paths,
        }
    }
}

impl PublicRouter {
    /// Its paths, as routers write them.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// The router, for what serves it.
    pub fn into_router(self) -> Router {
        self.router
    }
}

fn show(description: &'static str, etag: &str, asked: &HeaderMap) -> Response {
    let mut response = match has_tag(asked, etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(CONTENT_TYPE, YAML)], description).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(AN_HOUR));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;

    fn described() -> PublicRouter {
        let other = PublicRouter::new().route("/other/{name}", post(async || ()));
        let router = PublicRouter::new().described_by("openapi: 3.1.0\n");
        router.route("/own", get(async || ())).merge(other)
    }

    async fn description(tag: Option<&HeaderValue>) -> Response {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = OPENAPI_PATH.parse().unwrap();
        if let Some(tag) = tag {
            request.headers_mut().insert("if-none-match", tag.clone());
        }
        let router = described().into_router();
        router.oneshot(request).await.unwrap()
    }

    #[test]
    fn it_knows_the_paths_of_all_its_parts() {
        let router = described();
        assert_eq!(router.paths(), [OPENAPI_PATH, "/own", "/other/{name}"]);
    }

    #[tokio::test]
    async fn the_description_is_handed_out_once_to_a_client_that_keeps_it() {
        let first = description(None).await;
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[CONTENT_TYPE], YAML);
        let tag = first.headers()[ETAG].clone();
        let text = to_bytes(first.into_body(), 1024).await.unwrap();
        assert_eq!(text, "openapi: 3.1.0\n");

        let again = description(Some(&tag)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[ETAG], tag);
        let text = to_bytes(again.into_body(), 1024).await.unwrap();
        assert_eq!(text, "");
    }
}
