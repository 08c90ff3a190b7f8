//! What the part of a start that every service has would find of the world: certificate and
//! key, the data directory, both addresses. **Nothing is changed, and no port is kept**, so
//! that it can be asked beside the running service.

use std::io::ErrorKind;

use pennyblack_runtime::config::Transport;
use pennyblack_storage::data_directory::{self, Occupancy};

use crate::findings::Findings;
use crate::listener::{self, ListenerError};
use crate::start::ServiceConfig;
use crate::start_error::StartContext as _;
use crate::tls::TlsFiles;

/// Finds it out.
pub fn examine<C: ServiceConfig>(config: &C, findings: &mut Findings) {
    let common = config.common();
    if let Ok(Transport::Tls(files)) = common.public.transport() {
        findings.keep(TlsFiles::open(files).context("the listeners do not start"));
    }
    let directory = common.data_directory;
    let occupancy = data_directory::examine(directory);
    let occupancy = occupancy.context(format!("{}.data_directory", C::SERVICE));
    let is_running = findings.keep(occupancy) == Some(Occupancy::InUse);
    if is_running {
        findings.note(format!(
            "{} is in use: by this service as it runs, it seems. The new configuration is in \
             force when it has stopped and is started again",
            directory.display()
        ));
    }
    for (key, address) in [
        ("public.listen", common.public.listen),
        ("admin.listen", common.admin.listen),
    ] {
        match listener::probe(key, address) {
            Err(ListenerError::Bind { source, .. })
                if is_running && source.kind() == ErrorKind::AddrInUse =>
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
