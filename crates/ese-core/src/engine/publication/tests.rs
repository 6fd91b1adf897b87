//! The queue in every short order of its steps, in orders forced from inside a publication, and on real threads.
//!
//! Real threads and not the model checker: the queue's locks are ordinary ones, which that does not see.

use super::*;
use crate::{
    overlay::{Overlay, fixtures},
    seam::log::LogPoint,
};
use ese_base::{CommitTs, Result, sync::thread};
use std::sync::Weak;

/// A log whose durable position is set by the test.
#[derive(Default)]
struct TestLog {
    durable: Mutex<u64>,
    /// The positions that were appended.
    appended: Mutex<Vec<Position>>,
    /// Runs once, when somebody asks what is durable.
    asked: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Log for TestLog {
    fn room(&self, _bytes: u64) -> Result<()> {
        Ok(())
    }

    fn append(&self, at: Position, _frame: Box<[u8]>) {
        self.appended.lock().push(at);
    }

    fn durable(&self) -> Position {
        let durable = *self.durable.lock();
        let asked = self.asked.lock().take();
        if let Some(asked) = asked {
            asked();
        }
        Position(durable)
    }

    fn flush(&self, up_to: Position) -> Result<Position> {
        let mut durable = self.durable.lock();
        *durable = (*durable).max(up_to.0 + 1);
        Ok(Position(*durable))
    }

    fn identity(&self) -> u128 {
        1
    }

    fn first(&self) -> Position {
        Position::FIRST
    }

    fn replay(
        &self,
        _from: Position,
        _frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
    ) -> Result<LogPoint> {
        unreachable!("nobody opens it")
    }

    fn settle(&self, _below: Position) -> Result<LogPoint> {
        unreachable!("nobody checkpoints it")
    }

    fn begin_epoch(&self) -> Result<LogPoint> {
        unreachable!("nobody opens it")
    }

    fn recycle(&self, _below: Position) -> Result<()> {
        Ok(())
    }
}

fn overlay() -> Arc<Overlay> {
    fixtures::overlay(1, 1 << 20, [])
}

fn new_state() -> Arc<TxnState> {
    Arc::new(TxnState::new(fixtures::owner(1), Duration::ZERO))
}

fn timestamp(state: &TxnState) -> Option<CommitTs> {
    match state.outcome() {
        Outcome::Committed(ts) => Some(ts),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Claim(Durability),
    /// One more position is durable.
    Sync,
    Publish,
}

const STEPS: [Step; 4] =
    [Step::Claim(Durability::Lazy), Step::Claim(Durability::Sync), Step::Sync, Step::Publish];
const LENGTH: u32 = 7;

/// All sequences of seven steps: who is visible after each, in which order, and what the queue says.
#[test]
fn every_short_order() {
    let overlay = overlay();
    for number in 0..STEPS.len().pow(LENGTH) {
        let steps: Vec<Step> =
            (0..LENGTH).map(|at| STEPS[number / STEPS.len().pow(at) % STEPS.len()]).collect();
        run_order(&overlay, &steps);
    }
}

fn run_order(overlay: &Overlay, steps: &[Step]) {
    let log = Arc::new(TestLog { durable: Mutex::new(1), ..TestLog::default() });
    let publication = Publication::new(Some(Arc::clone(&log) as _), Position(1), 4);
    let mut claimed: Vec<(Arc<TxnState>, Durability)> = Vec::new();
    let mut visible: Vec<usize> = Vec::new();
    for step in steps {
        match step {
            Step::Claim(durability) => {
                let state = new_state();
                let answer = publication.claim(&state, *durability, 3, Some(Box::default()));
                claimed.push((Arc::clone(&state), *durability));
                let count = claimed.len() as u64;
                let want = Claimed {
                    position: Position(count),
                    next: Position(count + 1),
                    claims: count,
                    rows: 3 * count,
                };
                assert_eq!((answer, publication.claimed(), state.position()), (want, want, want.position));
                assert!(state.is_committing(), "a claim alone is not visible");
            }
            Step::Sync => *log.durable.lock() += 1,
            Step::Publish => {
                let before = overlay.last_visible();
                publication.publish_ready(overlay);
                let durable = usize::try_from(*log.durable.lock()).unwrap();
                // Ready ones become visible in the order of their positions, whoever stands between them.
                let ready = (0..claimed.len())
                    .filter(|at| claimed[*at].1 == Durability::Lazy || at + 1 < durable)
                    .filter(|at| !visible.contains(at));
                let ready: Vec<usize> = ready.collect();
                for (at, ts) in ready.iter().zip(before.0 + 1..) {
                    assert_eq!(timestamp(&claimed[*at].0), Some(CommitTs(ts)), "{steps:?}");
                }
                assert_eq!(overlay.last_visible(), CommitTs(before.0 + ready.len() as u64));
                visible.extend(ready);
            }
        }
        let first = (0..claimed.len()).find(|at| !visible.contains(at));
        assert_eq!(publication.head(), first.map(|at| Position(at as u64 + 1)), "{steps:?}");
        let is_visible = |at: usize| timestamp(&claimed[at].0).is_some();
        assert!((0..claimed.len()).all(|at| is_visible(at) == visible.contains(&at)), "{steps:?}");
    }
    let appended: Vec<u64> = log.appended.lock().iter().map(|position| position.0).collect();
    assert!(appended.into_iter().eq(1..=claimed.len() as u64));
}

/// Somebody claims while another is publishing: nothing waits, and the pass takes what it finds.
#[test]
fn a_claim_inside_a_publication() {
    let overlay = overlay();
    let log = Arc::new(TestLog::default());
    let publication = Arc::new(Publication::new(Some(Arc::clone(&log) as _), Position(1), 4));
    let (lazy, sync) = (new_state(), new_state());
    let inside: Weak<Publication> = Arc::downgrade(&publication);
    let claims = [(Arc::clone(&sync), Durability::Sync), (Arc::clone(&lazy), Durability::Lazy)];
    *log.asked.lock() = Some(Box::new(move || {
        let publication = inside.upgrade().unwrap();
        for (state, durability) in claims {
            publication.claim(&state, durability, 1, None);
        }
        assert_eq!(publication.claimed().next, Position(3));
    }));
    publication.publish_ready(&*overlay);
    assert_eq!((timestamp(&lazy), timestamp(&sync)), (Some(CommitTs(1)), None), "the lazy one overtakes");
    assert_eq!(publication.head(), Some(Position(1)));
    assert!(log.appended.lock().is_empty(), "without anything to log there is no frame");
    log.flush(Position(1)).unwrap();
    publication.publish_ready(&*overlay);
    assert_eq!((timestamp(&sync), publication.head()), (Some(CommitTs(2)), None));
}

/// A transaction stays in the queue until it is visible: a merge that waits for the queue must not read past it.
#[test]
fn a_publication_leaves_the_queue_last() {
    let overlay = overlay();
    let publication = Publication::new(None, Position(1), 4);
    let states = [new_state(), new_state(), new_state()];
    publication.claim(&states[0], Durability::Lazy, 1, None);
    publication.claim(&states[1], Durability::Lazy, 1, None);
    publication.publish_each(|state| {
        assert_eq!(publication.head(), Some(state.position()));
        overlay.publish(state);
        assert_eq!(publication.head(), Some(state.position()), "it is visible and still there");
        if state.position() == Position(2) {
            publication.claim(&states[2], Durability::Lazy, 1, None);
        }
    });
    assert_eq!(states.each_ref().map(|state| timestamp(state).unwrap().0), [1, 2, 3]);
    assert_eq!(publication.head(), None);
}

/// Without a log everything is ready at once, and an owner that never publishes blocks nobody.
#[test]
fn a_dead_owner_is_published_by_the_next() {
    let overlay = overlay();
    let publication = Publication::new(None, Position(40), 1);
    let (dead, other) = (new_state(), new_state());
    publication.claim(&dead, Durability::Sync, 1, None);
    publication.claim(&other, Durability::Sync, 1, None);
    publication.publish_ready(&*overlay);
    assert_eq!([timestamp(&dead), timestamp(&other)], [Some(CommitTs(1)), Some(CommitTs(2))]);
    assert_eq!((dead.position(), other.position()), (Position(40), Position(41)));
    assert_eq!((publication.head(), publication.claimed().next), (None, Position(42)));
}

/// Committers of both kinds, of whom some die after the claim, and somebody who cuts all the time.
#[test]
fn committers_on_threads() {
    const COMMITS: usize = 400;
    const COMMITTERS: usize = 3;
    let overlay = overlay();
    let log = Arc::new(TestLog { durable: Mutex::new(1), ..TestLog::default() });
    let publication = Arc::new(Publication::new(Some(Arc::clone(&log) as _), Position(1), 4));
    let states: Arc<Vec<_>> = Arc::new((0..COMMITS * COMMITTERS).map(|_| new_state()).collect());
    let committers: Vec<_> = (0..COMMITTERS)
        .map(|number| {
            let (overlay, log, publication, states) =
                (Arc::clone(&overlay), Arc::clone(&log), Arc::clone(&publication), Arc::clone(&states));
            let commit = move || {
                for (count, state) in states[number * COMMITS..][..COMMITS].iter().enumerate() {
                    let durability = if count % 2 == 0 { Durability::Lazy } else { Durability::Sync };
                    let claimed = publication.claim(state, durability, 1, Some(Box::default()));
                    if count % 7 == 0 {
                        continue;
                    }
                    if durability == Durability::Sync {
                        log.flush(claimed.position).unwrap();
                    }
                    publication.publish_ready(&*overlay);
                    let ts = timestamp(state).expect("a commit returns when it is visible");
                    assert!(overlay.last_visible() >= ts);
                }
            };
            thread::Builder::new().spawn(commit).unwrap()
        })
        .collect();
    while !committers.iter().all(|committer| committer.is_finished()) {
        let cut = publication.claimed().next;
        let below = || states.iter().filter(|state| state.position() < cut);
        assert_eq!(below().count() as u64, cut.0 - 1, "everything below a cut has been claimed");
        // As a merge waits: when the head lies at or after the cut, all below is visible.
        if publication.head().is_none_or(|head| head >= cut) {
            let newest = overlay.last_visible();
            assert!(below().all(|state| timestamp(state).is_some_and(|ts| ts <= newest)));
        }
    }
    committers.into_iter().for_each(|committer| committer.join().unwrap());
    log.flush(publication.claimed().position).unwrap();
    publication.publish_ready(&*overlay);
    assert_eq!(publication.head(), None, "the dead ones too");
    let mut stamps: Vec<u64> = states.iter().map(|state| timestamp(state).unwrap().0).collect();
    stamps.sort_unstable();
    assert!(stamps.into_iter().eq(1..=states.len() as u64), "each timestamp once");
    let appended: Vec<u64> = log.appended.lock().iter().map(|position| position.0).collect();
    assert!(appended.is_sorted(), "frames come in the order of positions");
}

#[test]
fn who_waits_is_woken_or_gives_up() {
    let overlay = overlay();
    let publication = Arc::new(Publication::new(None, Position(1), 1));
    let state = new_state();
    publication.claim(&state, Durability::Lazy, 1, None);
    publication.await_outcome(&state, Duration::ZERO, || false);
    publication.await_outcome(&state, Duration::MAX, || true);
    assert!(state.is_committing(), "neither has published it");
    let waiter = {
        let (publication, state) = (Arc::clone(&publication), Arc::clone(&state));
        let wait = move || publication.await_outcome(&state, Duration::MAX, || false);
        thread::Builder::new().spawn(wait).unwrap()
    };
    publication.publish_ready(&*overlay);
    waiter.join().unwrap();
    assert_eq!(timestamp(&state), Some(CommitTs(1)));
    publication.await_outcome(&state, Duration::MAX, || false);
    assert_eq!(publication.waiters.load(Ordering::SeqCst), 0);
}
