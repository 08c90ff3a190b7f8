//! The CPS as a gateway, asked as a relay would ask it.

mod answer_times;
mod bit_flips;
mod keys;
mod kinds;
mod lengths;
mod one_connection;
mod outside;
mod relays_only;
mod rotation;
mod same_request;
mod several_nodes;

use http::StatusCode;
use pennyblack_cps::ObliviousConfig;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::World;

/// A CPS that is a gateway, as it is by default or changed, and ready.
pub(crate) async fn gateway(change: impl FnOnce(&mut World)) -> Scene {
    let scene = Scene::open_with(|world| {
        world.cps.oblivious = Some(ObliviousConfig::default());
        change(world);
    })
    .await;
    scene.until_readiness_is(StatusCode::OK).await;
    scene
}

/// What a test changes of `[oblivious]`.
fn section(world: &mut World) -> &mut ObliviousConfig {
    world.cps.oblivious.as_mut().unwrap()
}
