//! Over TLS, and as a user with few rights.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::testing::free_port;

struct Certificate {
    directory: TempDir,
}

impl Certificate {
    fn made() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = made.signing_key.serialize_pem();
        std::fs::write(directory.path().join("chain.pem"), made.cert.pem()).unwrap();
        std::fs::write(directory.path().join("key.pem"), key).unwrap();
        Self { directory }
    }

    fn chain(&self) -> PathBuf {
        self.directory.path().join("chain.pem")
    }

    /// A server that speaks TLS at a port of its own.
    async fn server(&self) -> (RedisServer, u16) {
        let port = free_port();
        let chain = self.chain().display().to_string();
        let key = self.directory.path().join("key.pem").display().to_string();
        let options = Options::in_memory()
            .with("tls-port", &port.to_string())
            .with("tls-cert-file", &chain)
            .with("tls-key-file", &key)
            .with("tls-ca-cert-file", &chain)
            .with("tls-auth-clients", "no");
        (RedisServer::start(options).await, port)
    }
}

fn secured(port: u16, ca_file: Option<PathBuf>) -> Redis {
    let mut options = RedisOptions::new(format!("rediss://127.0.0.1:{port}").parse().unwrap());
    options.ca_file = ca_file;
    Redis::new(&options).unwrap()
}

#[tokio::test]
async fn tls_is_spoken_with_a_server_that_the_ca_file_vouches_for_and_no_other() {
    let (certificate, other) = (Certificate::made(), Certificate::made());
    let (_server, port) = certificate.server().await;
    let trusting = secured(port, Some(certificate.chain()));
    assert_eq!(write(&trusting).await.unwrap(), b"value");
    for ca_file in [Some(other.chain()), None] {
        let refused = write(&secured(port, ca_file)).await;
        assert!(
            matches!(refused, Err(RedisError::Connection(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn a_ca_file_that_holds_no_certificate_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    for contents in ["!", "AQID"] {
        let block = format!("-----BEGIN CERTIFICATE-----\n{contents}\n-----END CERTIFICATE-----\n");
        std::fs::write(&file, block).unwrap();
        for scheme in ["rediss", "rediss+cluster"] {
            let mut options = RedisOptions::new(format!("{scheme}://127.0.0.1").parse().unwrap());
            options.ca_file = Some(file.clone());
            let refused = Redis::new(&options);
            assert!(
                matches!(
                    refused,
                    Err(SetUpError::Roots { .. } | SetUpError::Client(_))
                ),
                "{refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_user_does_what_he_may_and_is_told_what_he_may_not() {
    let server = RedisServer::start(Options::in_memory()).await;
    let user = "ACL SETUSER cps on >sesame ~key +@scripting +set +get +ping";
    server.command::<()>(user).await;
    let address = server.address();
    let user = redis(&format!("redis://cps:sesame@{address}"));
    assert_eq!(write(&user).await.unwrap(), b"value");
    let refused = user
        .write::<Vec<u8>>(&echo(), &[b"other"], &[b"value"])
        .await;
    assert!(
        matches!(refused, Err(RedisError::Refused(_))),
        "{refused:?}"
    );
    let stranger = redis(&format!("redis://cps:wrong@{address}"));
    assert!(write(&stranger).await.is_err());
}
