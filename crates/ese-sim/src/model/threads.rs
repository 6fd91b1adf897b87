//! Who runs: writers short and long, readers, the applier, the checkpointer.

use super::{
    COUNTER, DATABASES, ROWS, Run,
    engine::{Committed, Engine},
    oracle::compare,
    pause,
    state::{Key, Kind, Slot, Txn},
};
use std::rc::Rc;

/// How long a writer's transactions are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Length {
    Short,
    Long,
}

/// What one statement of a writer is.
const ROW_KINDS: [Kind; 7] =
    [Kind::Put, Kind::Put, Kind::Put, Kind::Delete, Kind::ReadLock, Kind::WriteLock, Kind::Delta];
const COUNTER_KINDS: [Kind; 5] = [Kind::Delta, Kind::Delta, Kind::Delta, Kind::Delta, Kind::Put];
const LOCK_KINDS: [Kind; 2] = [Kind::ReadLock, Kind::WriteLock];

/// Runs `count` transactions.
pub(super) async fn writer(engine: Rc<Engine>, slot: Rc<Slot>, length: Length, count: u32) -> Run<()> {
    for _ in 0..count {
        let txn = engine.begin(&slot, true).await?;
        statements(&engine, &txn, length).await?;
        if !txn.log.borrow().is_empty() && engine.dice.percent(80) {
            let sync = engine.dice.percent(50);
            if engine.commit(&txn, sync).await == Committed::OwnerDied {
                return Ok(());
            }
        } else {
            txn.state.aborted.set(true);
            pause().await;
            engine.end(&slot);
        }
    }
    Ok(())
}

async fn statements(engine: &Engine, txn: &Txn, length: Length) -> Run<()> {
    let dice = &engine.dice;
    let (mut savepoints, locks_only) = (Vec::new(), dice.percent(15));
    let count = if length == Length::Long { dice.pick(&[8, 14, 30]) } else { dice.pick(&[1, 2, 3, 5]) };
    for _ in 0..count {
        let (thrown, key) = (dice.below(100), Key::new(dice.index(DATABASES), dice.index(ROWS)));
        match savepoints.last() {
            _ if thrown < 15 => savepoints.push(txn.log.borrow().len()),
            Some(&length) if thrown < 30 => {
                savepoints.pop();
                engine.rollback_to(txn, length).await?;
            }
            _ => {
                let is_counter = key == Key::new(key.database(), COUNTER);
                let kinds: &[Kind] = if locks_only {
                    &LOCK_KINDS
                } else if is_counter {
                    &COUNTER_KINDS
                } else {
                    &ROW_KINDS
                };
                engine.write(txn, key, dice.pick(kinds)).await?;
            }
        }
        pause().await;
    }
    Ok(())
}

/// Reads `count` times.
pub(super) async fn reader(engine: Rc<Engine>, slot: Rc<Slot>, count: u32) -> Run<()> {
    for _ in 0..count {
        let txn = engine.begin(&slot, false).await?;
        for _ in 0..engine.dice.pick(&[1, 3, 8]) {
            let key = Key::new(engine.dice.index(DATABASES), engine.dice.index(ROWS));
            let want = engine.oracle.at(txn.snapshot).get(key);
            compare("reader", engine.read(&txn.view, txn.snapshot, key, None)?, want)?;
            pause().await;
        }
        engine.end(&slot);
        pause().await;
    }
    Ok(())
}

/// Merges for ever.
pub(super) async fn applier(engine: Rc<Engine>) -> Run<()> {
    loop {
        rest(&engine, 12).await;
        engine.merge().await?;
    }
}

/// Takes checkpoints for ever.
pub(super) async fn checkpointer(engine: Rc<Engine>) -> Run<()> {
    loop {
        rest(&engine, 60).await;
        engine.checkpoint().await?;
    }
}

async fn rest(engine: &Engine, most: u64) {
    for _ in 0..engine.dice.below(most) {
        pause().await;
    }
}
