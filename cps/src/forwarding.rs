//! Store requests on their way to the node that decides about their token
//! (docs/decisions/0004-never-twice.md). Whole and unchanged they go, and the answer
//! comes back unchanged; who stores is in neither, and nothing is added that says more.

use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_http::{HttpError, Request};
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_protocol::store_request::{MEDIA_TYPE, StoreHeaders};
use pennyblack_service::peer::{self, Peer, PeerError};

use crate::config::NeverTwiceConfig;
use crate::store::StoreError;
use crate::store::never_twice::Owners;

/// Names the list of nodes by which a request was sent on.
pub(crate) const NODES_HEADER: &str = "Pennyblack-Nodes";

/// Requests under way to one node.
const AT_ONCE: usize = 256;
/// Most bytes of an answer: a problem document.
const MOST: usize = 64 * 1024;

/// Why the other nodes cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("[never_twice] the other nodes cannot be asked: {0}: check tls_roots")]
pub struct ForwardingError(#[from] HttpError);

/// The other nodes.
#[derive(Debug)]
pub(crate) struct Forwarding {
    owners: Owners,
    list: String,
    nodes: Vec<Peer>,
}

impl Forwarding {
    pub(crate) fn new(config: &NeverTwiceConfig, owners: Owners) -> Result<Self, ForwardingError> {
        let client = peer::client(config.tls_roots.clone())?;
        let nodes = owners.nodes().iter();
        let nodes = nodes.map(|node| Peer::new(node, client.clone(), AT_ONCE));
        Ok(Self {
            list: hex::encode(owners.list_id().0),
            nodes: nodes.collect(),
            owners,
        })
    }

    /// The other node that decides about a token; `None` when this one does. `by` is
    /// the list by which another node has sent the request here.
    ///
    /// # Errors
    /// When that is another list, by which another node would decide.
    pub(crate) fn owner(
        &self,
        (epoch, nonce): (TokenKeyId, Nonce),
        by: Option<&str>,
    ) -> Result<Option<usize>, StoreError> {
        let owner = self.owners.owner_of(&epoch, &nonce);
        let is_own = owner == self.owners.own();
        match by {
            Some(list) if list != self.list || !is_own => {
                Err(StoreError::Unavailable("the node lists differ".to_owned()))
            }
            _ => Ok((!is_own).then_some(owner)),
        }
    }

    /// Sends a request to the node that decides, and returns what it says.
    ///
    /// # Errors
    /// When it is away or too much is waiting for it.
    pub(crate) async fn ask(
        &self,
        owner: usize,
        headers: &StoreHeaders<'_>,
        body: &[u8],
    ) -> Result<Response, StoreError> {
        let none = || StoreError::Unavailable(format!("there is no node {owner}"));
        let node = self.nodes.get(owner).ok_or_else(none)?;
        metrics::counter!("pennyblack_cps_forwarded_total").increment(1);
        let post = Request::post(node.url_of(STORE_PATH), body.to_vec(), MOST)
            .header(CONTENT_TYPE.as_str(), MEDIA_TYPE)
            .header(NODES_HEADER, &self.list);
        let fields = [
            (AUTHORIZATION.as_str(), headers.authorization),
            ("content-digest", headers.content_digest),
            ("signature-input", headers.signature_input),
            ("signature", headers.signature),
        ];
        let fields = fields.into_iter();
        let post = post.headers(fields.filter_map(|(name, value)| Some((name, value?))));
        match node.ask(&post).await {
            Ok(answer) => Ok(answer.into()),
            Err(PeerError::Busy { .. }) => Err(StoreError::Busy),
            Err(error) => Err(StoreError::Unavailable(format!(
                "the node that decides: {error}"
            ))),
        }
    }
}
