//! What several CPSs have accepted of one issuer's keys, all together. Not here: what each says
//! (`epochs`).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::epochs::Epochs;
use crate::misbehaviour::AuditError;

/// A token key that at least one CPS has closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpentTogether {
    /// Whose key it is.
    pub issuer: String,
    /// Its id, in hexadecimal digits.
    pub token_key_id: String,
    /// Tokens that the issuer has signed with it, once it says so.
    pub issued: Option<u64>,
    /// Tokens that were spent at the CPSs that have closed it.
    pub spent: u64,
    /// How many CPSs those are.
    pub cpss: u64,
}

impl SpentTogether {
    /// The sums of what the audits of several CPSs know.
    pub(crate) fn of<'a>(audits: impl Iterator<Item = &'a Epochs>) -> Vec<Self> {
        let mut sums = BTreeMap::<(String, String), Self>::new();
        for (issuer, id, epoch) in audits.flat_map(Epochs::iter) {
            let Some(closed) = epoch.closed else {
                continue;
            };
            let (issuer, token_key_id) = (issuer.to_owned(), id.to_owned());
            let key = (issuer.clone(), token_key_id.clone());
            let sum = sums.entry(key).or_insert(Self {
                issuer,
                token_key_id,
                issued: None,
                spent: 0,
                cpss: 0,
            });
            sum.spent = sum.spent.saturating_add(closed.spent);
            sum.cpss += 1;
            // Each audit has read the same log of the issuer.
            sum.issued = sum.issued.or(epoch.issued.map(|issued| issued.total));
        }
        sums.into_values().collect()
    }

    /// What is wrong **if each token is good at one CPS alone**. One that is good once at each
    /// CPS is counted several times, and nothing follows from the sum.
    ///
    /// # Errors
    /// [`AuditError::MoreSpentTogether`].
    pub fn reconcile(&self) -> Result<(), AuditError> {
        match self.issued {
            Some(issued) if self.spent > issued => Err(AuditError::MoreSpentTogether {
                issuer: self.issuer.clone(),
                key: self.token_key_id.clone(),
                spent: self.spent,
                issued,
            }),
            _ => Ok(()),
        }
    }
}
