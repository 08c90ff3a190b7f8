//! Signing on threads of its own, so that it delays nothing else: a blind
//! signature takes hundreds of microseconds of a core. What is signed and with
//! which key was decided before.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use pennyblack_service::worker_pool::{PoolError, QueuePermit, WorkerPool};

use crate::signer::SignError;
use crate::token_keys::TokenKey;

/// Blinded messages and the key to sign them with.
#[derive(Debug, Clone)]
pub struct SigningTask {
    /// The key.
    pub key: Arc<TokenKey>,
    /// The blinded messages: one, or those of an amortized batch.
    pub blinded: Vec<Box<[u8]>>,
}

/// What [`SigningKey::sign`](crate::signer::SigningKey::sign) returns.
pub type BlindSignatures = Vec<u8>;

/// The signing threads.
#[derive(Debug)]
pub struct SigningPool(WorkerPool);

impl SigningPool {
    /// Starts `workers` threads behind a queue of `queue` requests.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(workers: NonZeroUsize, queue: NonZeroUsize) -> Result<Self, std::io::Error> {
        WorkerPool::start("sign", workers, queue).map(Self)
    }

    /// Takes a place in the queue, before the subject is charged for what is to be
    /// signed in it.
    ///
    /// # Errors
    /// [`PoolError::Busy`].
    pub fn reserve(&self) -> Result<SigningPlace<'_>, PoolError> {
        self.0.reserve().map(SigningPlace)
    }
}

/// A place in the queue of the signing threads.
#[derive(Debug)]
pub struct SigningPlace<'a>(QueuePermit<'a>);

impl SigningPlace<'_> {
    /// Signs all of one request, in order, on one thread: a large batch takes one
    /// place in the queue and cannot keep the other threads from small ones.
    ///
    /// # Errors
    /// [`PoolError::Panicked`].
    pub async fn sign(
        self,
        tasks: Vec<SigningTask>,
    ) -> Result<Vec<Result<BlindSignatures, SignError>>, PoolError> {
        let sign_all = move || {
            let sign_one = |task: &SigningTask| {
                let signed = task.key.signing().sign(&task.blinded);
                // Waiting tasks with microseconds of work go first.
                thread::yield_now();
                signed
            };
            tasks.iter().map(sign_one).collect()
        };
        self.0.run(sign_all).await
    }
}
