//! Roots and revocation lists that change while the issuer runs, and what it
//! does without them: it refuses.

use std::fs;
use std::time::Duration;

use crate::scene::pki::{Carrier, Pki};
use crate::scene::{DAY, Scene, pending};
use http::StatusCode;
use pennyblack_base::problem::ProblemType;

const MINUTE: Duration = Duration::from_secs(60);

async fn with_lists() -> Scene {
    let mut scene = Scene::prepare();
    scene.pki.install_root(&scene.config.trust.roots);
    scene.config.trust.revocation_lists = Some(scene.path("lists"));
    scene
}

async fn outcome(scene: &Scene, carrier: &Carrier) -> Result<(), ProblemType> {
    let request = pending(&scene.signing_key().await).request();
    let answer = scene.draw(carrier, "683G", &request).await;
    if answer.status == StatusCode::OK {
        Ok(())
    } else {
        Err(answer.problem())
    }
}

/// Draws until the outcome is as wanted: the lists are read in the background.
async fn until(scene: &Scene, carrier: &Carrier, wanted: Result<(), ProblemType>) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while outcome(scene, carrier).await != wanted {}
    })
    .await
    .expect("the list was never read");
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_once_the_list_is_read_again() {
    let mut scene = with_lists().await;
    let (good, bad) = (scene.pki.carrier("683G"), scene.pki.carrier("683G"));
    scene
        .pki
        .publish_list(&scene.path("lists"), scene.clock.now(), &[]);
    scene.start().await;
    assert_eq!(outcome(&scene, &bad).await, Ok(()));
    scene
        .pki
        .publish_list(&scene.path("lists"), scene.clock.now(), &[&bad]);
    scene.hand.advance(MINUTE);
    until(&scene, &bad, Err(ProblemType::CertificateRevoked)).await;
    assert_eq!(outcome(&scene, &good).await, Ok(()));
}

#[tokio::test]
async fn without_a_list_nothing_is_granted_until_there_is_one() {
    let mut scene = with_lists().await;
    let carrier = scene.pki.carrier("683G");
    scene.start().await;
    assert_eq!(
        outcome(&scene, &carrier).await,
        Err(ProblemType::RevocationUnavailable)
    );
    let not_ready = scene.until_ready_is(StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(String::from_utf8_lossy(&not_ready.body).contains(".crl"));
    scene
        .pki
        .publish_list(&scene.path("lists"), scene.clock.now(), &[]);
    scene.hand.advance(MINUTE);
    until(&scene, &carrier, Ok(())).await;
    scene.until_ready_is(StatusCode::OK).await;
}

#[tokio::test]
async fn a_list_that_is_out_of_date_lets_nobody_through() {
    let mut scene = with_lists().await;
    let carrier = scene.pki.carrier("683G");
    scene
        .pki
        .publish_list(&scene.path("lists"), scene.clock.now(), &[]);
    scene.start().await;
    assert_eq!(outcome(&scene, &carrier).await, Ok(()));
    scene.hand.advance(DAY + MINUTE);
    assert_eq!(
        outcome(&scene, &carrier).await,
        Err(ProblemType::RevocationUnavailable)
    );
    scene.until_ready_is(StatusCode::SERVICE_UNAVAILABLE).await;
}

#[tokio::test]
async fn a_certificate_whose_authority_has_no_list_is_refused_beside_one_that_has() {
    let mut scene = with_lists().await;
    let listed = scene.pki.carrier("683G");
    scene
        .pki
        .publish_list(&scene.path("lists"), scene.clock.now(), &[]);
    // Of the same name, and with another key.
    let unlisted = Pki::new();
    unlisted.install_root_as(&scene.config.trust.roots, "other");
    let carrier = unlisted.carrier("683G");
    scene.start().await;
    assert_eq!(outcome(&scene, &listed).await, Ok(()));
    assert_eq!(
        outcome(&scene, &carrier).await,
        Err(ProblemType::RevocationUnavailable)
    );
    unlisted.publish_list_as(&scene.path("lists"), "other", scene.clock.now(), &[]);
    scene.hand.advance(MINUTE);
    until(&scene, &carrier, Ok(())).await;
}

#[tokio::test]
async fn a_damaged_list_leaves_the_one_before_in_force() {
    let mut scene = with_lists().await;
    let (good, bad) = (scene.pki.carrier("683G"), scene.pki.carrier("683G"));
    scene
        .pki
        .publish_list(&scene.path("lists"), scene.clock.now(), &[&bad]);
    scene.start().await;
    fs::write(scene.path("lists/list.crl"), b"truncated").unwrap();
    scene.hand.advance(MINUTE);
    let not_ready = scene.until_ready_is(StatusCode::SERVICE_UNAVAILABLE).await;
    let text = String::from_utf8_lossy(&not_ready.body);
    assert!(text.contains("is in no file of lists"), "{text}");
    assert_eq!(
        outcome(&scene, &bad).await,
        Err(ProblemType::CertificateRevoked)
    );
    assert_eq!(outcome(&scene, &good).await, Ok(()));
}

#[tokio::test]
async fn an_issuer_without_roots_starts_says_so_and_takes_them_up() {
    let mut scene = Scene::prepare();
    let carrier = scene.pki.carrier("683G");
    scene.start().await;
    assert_eq!(
        outcome(&scene, &carrier).await,
        Err(ProblemType::CertificateUntrusted)
    );
    scene.until_ready_is(StatusCode::SERVICE_UNAVAILABLE).await;
    scene.pki.install_root(&scene.config.trust.roots);
    scene.hand.advance(MINUTE);
    until(&scene, &carrier, Ok(())).await;
    scene.until_ready_is(StatusCode::OK).await;
}
