//! The floor of every request: a service that takes the same connections and
//! reads the same requests, and answers bytes it has ready.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::any;
use http::StatusCode;
use pennyblack_runtime::config::PublicConfig;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::listener::Listener;

use crate::floor_process::{self, FloorProcess};
use crate::http_load::Target;
use crate::machine;

/// The argument that makes this program the no-op service.
pub const ARGUMENT: &str = "no-op";

/// A no-op service in a process of its own. Ends when it is dropped.
#[derive(Debug)]
pub struct NoOp {
    process: FloorProcess,
    status: StatusCode,
}

impl NoOp {
    /// Starts one on `core` that answers every request with `status` and a body of
    /// `size` bytes.
    #[must_use]
    pub fn start(core: usize, status: StatusCode, size: usize) -> Self {
        let process = FloorProcess::start(ARGUMENT, core, [status.as_str(), &size.to_string()]);
        Self { process, status }
    }

    /// Where to send requests.
    #[must_use]
    pub const fn target(&self) -> Target {
        Target {
            address: self.process.address(),
            expected: self.status,
        }
    }

    /// The processor time that it has used.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        self.process.cpu_time()
    }
}

/// Is the no-op service until it is killed. `arguments` are those after [`ARGUMENT`].
pub fn serve(arguments: &[String]) {
    let [core, status, size] = arguments else {
        panic!("{ARGUMENT} CORE STATUS SIZE");
    };
    machine::pin(core.parse().unwrap());
    let status = StatusCode::from_bytes(status.as_bytes()).unwrap();
    let body = Bytes::from(vec![0x5a; size.parse().unwrap()]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = PublicConfig::plain(([127, 0, 0, 1], 0).into());
        let listener = Listener::bind_public(&config).await.unwrap();
        floor_process::announce(listener.address());
        let answer = async |State((status, body)), _read: Bytes| (status, body);
        let router = Router::new()
            .fallback(any(answer))
            .with_state((status, body));
        listener.serve(router, Shutdown::new()).await;
    });
}
