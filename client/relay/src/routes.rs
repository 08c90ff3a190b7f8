//! The relay's one resource: `POST /name`. What a client says beside the body is looked at
//! here and goes no further: the name is looked up, the media type is compared, the address
//! is counted by a hash.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Version};
use pennyblack_base::service_paths::{OHTTP_REQUEST_MEDIA_TYPE, OHTTP_RESPONSE_MEDIA_TYPE};
use pennyblack_service::answer_room::AnswerRoom;
use pennyblack_service::client_address::ClientAddress;
use pennyblack_service::headers::content_type;
use pennyblack_service::public_router::PublicRouter;

use crate::clients::{Clients, Open};
use crate::counts;
use crate::gateway::Gateway;
use crate::refusal::Refusal;

/// What the handler has.
#[derive(Debug, Clone)]
pub(crate) struct Resources {
    pub(crate) gateways: Arc<HashMap<String, Arc<Gateway>>>,
    pub(crate) clients: Arc<Clients>,
}

/// What the resources are, for clients.
pub(crate) const OPENAPI: &str = include_str!("../../../docs/openapi/relay.yaml");

/// The public router. No gateway has the name of the description: names have no dot.
pub(crate) fn router(resources: Resources) -> PublicRouter {
    PublicRouter::new()
        .described_by(OPENAPI)
        .route("/{gateway}", post(forward))
        .with_state(resources)
        .layer(from_fn(refuse_proxying))
}

/// Middleware: `CONNECT`, and a request of HTTP/1.1 whose target is a whole URL, are for
/// proxies. In HTTP/2 every target is one, and its authority is passed over like every other
/// field.
async fn refuse_proxying(request: Request, next: Next) -> Response {
    let is_url = request.uri().authority().is_some() && request.version() != Version::HTTP_2;
    if is_url || *request.method() == Method::CONNECT {
        return turned_away(Refusal::Proxying);
    }
    next.run(request).await
}

async fn forward(
    State(resources): State<Resources>,
    path: Result<Path<String>, PathRejection>,
    Extension(client): Extension<ClientAddress>,
    room: AnswerRoom,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // A path that is not UTF-8 is no gateway's name.
    let name = path.map_or_else(|_| String::new(), |Path(name)| name);
    let (gateway, open) = match admit(&resources, &name, client, &headers) {
        Ok(admitted) => admitted,
        Err(refusal) => return turned_away(refusal),
    };
    // A task of its own: it ends when the gateway has answered, not when the client leaves.
    let exchange = tokio::spawn(async move {
        let answer = gateway.exchange(open.network(), body, &room).await;
        drop(open);
        answer
    });
    match exchange.await.unwrap_or(Err(Refusal::Internal)) {
        Ok(answer) => sealed(answer),
        Err(refusal) => refusal.into_response(),
    }
}

/// Where the request goes, and that it is one of so many of its client.
fn admit(
    resources: &Resources,
    name: &str,
    client: ClientAddress,
    headers: &HeaderMap,
) -> Result<(Arc<Gateway>, Open), Refusal> {
    let gateway = resources.gateways.get(name);
    let gateway = gateway.ok_or(Refusal::UnknownGateway)?;
    content_type(headers, &[(OHTTP_REQUEST_MEDIA_TYPE, ())]).map_err(Refusal::MediaType)?;
    let open = resources.clients.admit(client.0);
    let open = open.map_err(|_| Refusal::TooMany)?;
    Ok((Arc::clone(gateway), open))
}

fn turned_away(refusal: Refusal) -> Response {
    counts::turned_away(&refusal);
    refusal.into_response()
}

fn sealed(answer: Bytes) -> Response {
    let mut response = Response::new(Body::from(answer));
    let media_type = HeaderValue::from_static(OHTTP_RESPONSE_MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
