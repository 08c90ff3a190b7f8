//! Which node decides about which token. Nothing but arithmetic: the same list gives the
//! same answer at every node.

use pennyblack_base::encoding::sha256;
use pennyblack_privacypass::token::{Nonce, TokenKeyId};

/// Names a list of nodes: the SHA-256 of their addresses in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeListId(pub [u8; 32]);

/// A list of nodes that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("node {own} is not among {count} nodes; the first is 0")]
pub struct OwnersError {
    own: usize,
    count: usize,
}

/// All nodes of a CPS in their order, and which of them this one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners {
    nodes: Vec<String>,
    own: usize,
}

impl Owners {
    /// The list, and this node's place in it.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn new(nodes: Vec<String>, own: usize) -> Result<Self, OwnersError> {
        let count = nodes.len();
        if own < count {
            Ok(Self { nodes, own })
        } else {
            Err(OwnersError { own, count })
        }
    }

    /// Where every node is asked, in order.
    #[must_use]
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// This node's place.
    #[must_use]
    pub const fn own(&self) -> usize {
        self.own
    }

    /// The place of the one node that decides about a token.
    #[must_use]
    pub fn owner_of(&self, epoch: &TokenKeyId, nonce: &Nonce) -> usize {
        let hash = sha256(&[epoch.0, nonce.0].concat());
        let number = hash
            .first_chunk()
            .map_or(0, |first| u64::from_be_bytes(*first));
        // A list has at least one node, and not 2^64.
        let owner = u64::try_from(self.nodes.len()).map_or(0, |count| number % count.max(1));
        usize::try_from(owner).unwrap_or(0)
    }

    /// What names the list.
    #[must_use]
    pub fn list_id(&self) -> NodeListId {
        NodeListId(sha256(self.nodes.join("\n").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(count: usize, own: usize) -> Owners {
        let nodes = (0..count).map(|node| format!("http://127.0.0.1:{node}"));
        Owners::new(nodes.collect(), own).unwrap()
    }

    #[test]
    fn all_nodes_name_the_same_owner_and_each_owns_its_share() {
        let [one, other] = [owners(3, 0), owners(3, 2)];
        let mut shares = [0; 3];
        for number in 0..3_000u32 {
            let mut nonce = Nonce([7; 32]);
            nonce.0[..4].copy_from_slice(&number.to_be_bytes());
            let owner = one.owner_of(&TokenKeyId([1; 32]), &nonce);
            assert_eq!(other.owner_of(&TokenKeyId([1; 32]), &nonce), owner);
            shares[owner] += 1;
        }
        assert!(
            shares.iter().all(|share| (850..1_150).contains(share)),
            "{shares:?}"
        );
    }

    #[test]
    fn another_order_is_another_list() {
        let list = |nodes: [&str; 2]| {
            let nodes = nodes.map(str::to_owned).to_vec();
            Owners::new(nodes, 0).unwrap().list_id()
        };
        assert_ne!(list(["a", "b"]), list(["b", "a"]));
    }

    #[test]
    fn a_place_outside_the_list_is_refused() {
        assert!(Owners::new(vec!["a".to_owned()], 1).is_err());
        assert!(Owners::new(Vec::new(), 0).is_err());
    }
}
