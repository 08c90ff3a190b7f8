use futures_util::FutureExt as _;

use super::*;

const FLOOD: Network = Network(1);
const MODEST: Network = Network(2);

#[tokio::test]
async fn one_network_has_half_and_another_its_turn_at_once() {
    let turns = Turns::new(64, 1024);
    let mut at_work = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..1_000 {
        let mut asking = Box::pin(turns.take(FLOOD));
        match (&mut asking).now_or_never() {
            Some(turn) => at_work.push(turn.unwrap()),
            None => waiting.push(asking),
        }
    }
    assert_eq!((at_work.len(), waiting.len()), (32, 968));
    for _ in 0..32 {
        let turn = turns.take(MODEST).now_or_never();
        at_work.push(turn.expect("its turn at once").unwrap());
    }
    assert!(turns.take(MODEST).now_or_never().is_none());
}

#[tokio::test]
async fn those_who_wait_are_taken_by_turns_over_networks() {
    const FLOODS: usize = 5;
    let turns = Turns::new(2, 1024);
    let held = [turns.take(FLOOD).await, turns.take(Network(0)).await];
    let order = Arc::new(Mutex::new(Vec::new()));
    let floods = (10..10 + FLOODS).flat_map(|network| [Network(network); 50]);
    let mut asking = Vec::new();
    for network in floods.chain([MODEST]) {
        let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
        asking.push(tokio::spawn(async move {
            let _turn = turns.take(network).await.unwrap();
            order.lock().unwrap().push(network);
        }));
        tokio::task::yield_now().await;
    }
    drop(held);
    for one in asking {
        one.await.unwrap();
    }
    let order = order.lock().unwrap();
    let before = order.iter().position(|network| *network == MODEST);
    assert!(before.unwrap() <= FLOODS, "{before:?}");
    assert_eq!(order.len(), FLOODS * 50 + 1);
}

#[tokio::test]
async fn so_many_wait_and_whoever_leaves_makes_room() {
    let turns = Turns::new(1, 2);
    let turn = turns.take(FLOOD).await.unwrap();
    let mut first = Box::pin(turns.take(FLOOD));
    let mut second = Box::pin(turns.take(MODEST));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    assert_eq!(turns.take(MODEST).await.unwrap_err(), NoPlace);
    drop(first);
    let mut third = Box::pin(turns.take(MODEST));
    assert!((&mut third).now_or_never().is_none());
    drop(turn);
    // It has been given the turn and never takes it.
    drop(second);
    drop(third.await.unwrap());
    let state = turns.state();
    assert_eq!((state.at_work, state.waiting), (0, 0));
    assert!(state.lines.is_empty() && state.order.is_empty());
}
