//! Looking up whole blocks through a relay: what the CPS is asked, how long its answers are,
//! and what is asked beside the block that a call needs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{FoundKeys, OobAuthenticationService};
use pennyblack_client::block_look_ups::{BlockLookUps, CalledBlock};
use pennyblack_http::{HttpError, HttpOptions, Route, RouteError, RoutedAnswer, RoutedRequest};
use pennyblack_protocol::key_record::PAGE_SIZES;

use super::scene::{CALLEE, Scene, number};

const HOUR: Duration = Duration::from_secs(3_600);

/// A way that writes down what the CPS reads behind the relay: paths and lengths of answers.
#[derive(Debug)]
struct Recorded {
    way: Arc<dyn Route>,
    paths: Mutex<Vec<String>>,
    sizes: Mutex<Vec<usize>>,
}

impl Route for Recorded {
    fn carry<'a>(
        &'a self,
        request: RoutedRequest<'a>,
    ) -> BoxFuture<'a, Result<RoutedAnswer, HttpError>> {
        let path = request
            .url
            .split_once("/v1/")
            .map(|(_, path)| path.to_owned());
        self.paths.lock().unwrap().push(path.unwrap());
        Box::pin(async move {
            let answer = self.way.carry(request).await?;
            self.sizes.lock().unwrap().push(answer.body.len());
            Ok(answer)
        })
    }

    fn check(&self, url: &str) -> Result<(), RouteError> {
        self.way.check(url)
    }

    fn allows_direct(&self) -> bool {
        false
    }
}

impl Recorded {
    fn of(scene: &Scene) -> Arc<Self> {
        let http = scene.http_by(scene.relay.addresses().public);
        Arc::new(Self {
            way: http.route.unwrap(),
            paths: Mutex::default(),
            sizes: Mutex::default(),
        })
    }

    /// The blocks that were asked for since, in any order.
    fn blocks(&self) -> Vec<String> {
        let paths = std::mem::take(&mut *self.paths.lock().unwrap());
        let blocks = paths.iter().map(|path| {
            let query = path.strip_prefix("keys?prefix=").unwrap();
            query.split_once('&').unwrap().0.to_owned()
        });
        let mut blocks: Vec<_> = blocks.collect();
        blocks.sort();
        blocks
    }
}

async fn keys(
    caller: &OobAuthenticationService,
    look_ups: &BlockLookUps,
    called: &str,
    now: UnixTime,
) -> FoundKeys {
    let called = number(called);
    let block = CalledBlock::of(&called, None).unwrap();
    let found = caller.keys_of_block(&called, &block, look_ups, now);
    found.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_told_by_its_block_alone_and_hides_among_those_of_earlier_calls() {
    let scene = Scene::set(1).await;
    scene.fetch_soon().await;
    let way = Recorded::of(&scene);
    let http = HttpOptions::default().routed(Arc::<Recorded>::clone(&way));
    let caller = scene.caller(&http);
    let file = scene.federation.home().join("blocks.db");
    let look_ups = BlockLookUps::open(&file).unwrap();
    let now = scene.now();

    // A new caller has nothing to hide behind.
    let found = keys(&caller, &look_ups, CALLEE, now).await;
    assert_eq!((found.keys.len(), found.refused.count), (1, 0));
    assert_eq!(way.blocks(), ["12125550"]);
    scene.store(&caller, &found.keys[0]).await.unwrap();
    way.paths.lock().unwrap().clear();

    // What is kept asks nobody, also after a restart.
    drop(look_ups);
    let look_ups = BlockLookUps::open(&file).unwrap();
    let again = keys(&caller, &look_ups, CALLEE, now).await;
    assert_eq!(again.keys.len(), 1);
    assert!(again.kept_until > Some(now));
    let nobody = keys(&caller, &look_ups, "12125550999", now).await;
    assert!(nobody.keys.is_empty());
    assert!(way.blocks().is_empty());

    // Other blocks: what is kept is no decoy, since no call would ask for it.
    for called in ["19995550100", "18885550100", "17775550100"] {
        assert!(keys(&caller, &look_ups, called, now).await.keys.is_empty());
    }
    assert_eq!(way.blocks(), ["17775550", "18885550", "19995550"]);

    // When they have ended, each call asks for all four at once, whichever it needs.
    for (hours, called) in [(2, CALLEE), (4, "19995550100"), (6, "17775550100")] {
        keys(&caller, &look_ups, called, now.plus(hours * HOUR)).await;
        let four = ["12125550", "17775550", "18885550", "19995550"];
        assert_eq!(way.blocks(), four, "for {called}");
    }
    let sizes = way.sizes.lock().unwrap().clone();
    let blocks = sizes.iter().filter(|size| **size >= PAGE_SIZES[0]).count();
    // All but the store.
    assert_eq!((blocks, sizes.len()), (16, 17), "{sizes:?}");
    assert!(
        sizes
            .iter()
            .all(|size| *size == PAGE_SIZES[0] || *size == 0),
        "{sizes:?}"
    );
    scene.end().await;
}
