//! A relay put together and started. It keeps nothing: no data directory, no file.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use pennyblack_runtime::reload::Reread;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::findings::Findings;
use pennyblack_service::start::{Starting, StartingService};

use crate::clients::Clients;
use crate::config::Config;
use crate::gateway::{Gateway, REPORT_EVERY};
use crate::routes::{self, Resources};
use crate::{counts, outside};

/// How to start a relay.
#[derive(Debug)]
pub struct Relay;

impl Relay {
    /// Starts a relay in this process; it accepts connections when this returns. No gateway
    /// is asked before a client asks for it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`](pennyblack_service::start_error::StartError).
    pub fn start(config: Config) -> Starting {
        Box::pin(async move {
            let mut findings = Findings::new();
            let service = findings.keep(StartingService::bind(&config).await);
            let files = outside::load(&config, &mut findings).await;
            let (mut service, files) = findings.conclude(service.zip(files))?;
            counts::begin();
            let mut gateways = HashMap::new();
            for (number, section) in config.gateway.iter().enumerate() {
                let gateway = Gateway::new(section, number, &config, &files);
                gateways.insert(section.name.clone(), Arc::new(gateway));
            }
            service.reload().add(files as Arc<dyn Reread>);
            let gateways = Arc::new(gateways);
            service.spawn(report(Arc::clone(&gateways), service.shutdown()));
            let router = routes::router(Resources {
                gateways,
                clients: Clients::new(config.clients),
            });
            Ok(service.serve(&config, router, Router::new()))
        })
    }
}

/// Reports troubles now and then until `shutdown`, and once more then.
async fn report(gateways: Arc<HashMap<String, Arc<Gateway>>>, shutdown: Shutdown) {
    loop {
        let is_over = tokio::select! {
            () = tokio::time::sleep(REPORT_EVERY) => false,
            () = shutdown.requested() => true,
        };
        gateways.values().for_each(|gateway| gateway.report());
        if is_over {
            return;
        }
    }
}
