//! Chains that a timer fetches again before their time ends.

use std::time::Duration;

use pennyblack_http::Deadline;
use pennyblack_stir::jws::X5u;

use super::repository::{GOOD_HOST, GOOD_PATH, Repository, WILD};
use super::scene::{NOW, Scene};
use crate::certificates::{CertificateStores, Repositories};

const SOON: Duration = Duration::from_secs(20);

/// The call that comes an hour after the first one does not lack the certificate. Nobody
/// else's URL is fetched again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_verified_a_passport_is_at_hand_for_longer_than_its_hour() {
    let repository = Repository::start(Scene::set().chain()).await;
    let host = GOOD_HOST.parse().unwrap();
    let repositories = Repositories::new([host], repository.http());
    let stores = CertificateStores {
        directory: None,
        repositories: Some(repositories.clone()),
    };
    let [proven, other]: [X5u; 2] = [GOOD_PATH, &format!("{WILD}/other.pem")]
        .map(|path| format!("https://{GOOD_HOST}{path}").parse().unwrap());
    let deadline = || Deadline::after(SOON);
    let both = [&proven, &other].into_iter();
    stores.gather(both.clone(), Some(deadline()), NOW).await;
    stores.keep_proven(std::iter::once(&proven));
    assert_eq!(repositories.fetched(), 2);

    let later = |minutes: u64| NOW.plus(Duration::from_secs(60 * minutes));
    stores.renew(deadline(), later(30)).await;
    assert_eq!(repositories.fetched(), 2, "there is time");
    stores.renew(deadline(), later(50)).await;
    stores.renew(deadline(), later(51)).await;
    assert_eq!(repositories.fetched(), 3, "once");
    let (_, missing) = stores.at_hand(both, later(100));
    assert_eq!(missing, [other].into());
}
