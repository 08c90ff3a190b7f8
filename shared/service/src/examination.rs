//! What the part of a start that every service has would find of the world: certificate and
//! key, the data directory, both addresses. **Nothing is changed, and no port is kept**, so
//! that it can be asked beside the running service.

use std::io::ErrorKind;
use std::path::Path;

use pennyblack_runtime::config::Transport;
use pennyblack_storage::data_directory::{self, Occupancy};

use crate::findings::Findings;
use crate::listener::{self, ListenerError};
use crate::start::ServiceConfig;
use crate::start_error::StartContext as _;
use crate::tls::{TlsFiles, TlsSettings};

/// Finds it out.
pub fn examine<C: ServiceConfig>(config: &C, findings: &mut Findings) {
    let common = config.common();
    if let Ok(Transport::Tls(files)) = common.public.transport() {
        findings.keep(
            TlsFiles::open(files, TlsSettings::CONFIGURED, &config.known_clients())
                .context("the listeners do not start"),
        );
    }
    let may_be_running = match common.data_directory {
        Some(directory) => is_in_use::<C>(directory, findings),
        // Nothing tells whose the ports are.
        None => true,
    };
    for (key, address) in [
        ("public.listen", common.public.listen),
        ("admin.listen", common.admin.listen),
    ] {
        match listener::probe(key, address) {
            Err(ListenerError::Bind { source, .. })
                if may_be_running && source.kind() == ErrorKind::AddrInUse =>
            {
                findings.note(format!(
                    "{key}: {address} is in use: if not by this service as it runs, the start \
                     will fail"
                ));
            }
            probed => {
                findings.keep(probed.context("the listeners do not start"));
            }
        }
    }
}

/// Whether the service runs, by its data directory.
fn is_in_use<C: ServiceConfig>(directory: &Path, findings: &mut Findings) -> bool {
    let occupancy = data_directory::examine(directory);
    let occupancy = occupancy.context(format!("{}.data_directory", C::SERVICE));
    let is_in_use = findings.keep(occupancy) == Some(Occupancy::InUse);
    if is_in_use {
        findings.note(format!(
            "{} is in use: by this service as it runs, it seems. The new configuration is in \
             force when it has stopped and is started again",
            directory.display()
        ));
    }
    is_in_use
}
