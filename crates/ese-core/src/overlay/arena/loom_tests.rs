//! Two threads that change chunks at the same time, in every order within the model checker's bound.

use super::*;
use loom::{cell::UnsafeCell, model::Builder, sync::Arc, thread};

/// Tries every order with as many switches of threads against their will as the environment says, or a few.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(5));
    builder.check(model);
}

const PIECE_BYTES: usize = 256;
const _: () = assert!(size_of::<UnsafeCell<usize>>() <= PIECE_BYTES);

/// Places a cell that the model checker watches: were two pieces the same, it would see two writes that race.
fn place(arena: &Arena, number: usize) -> usize {
    let piece = arena.alloc(PIECE_BYTES, 16).cast::<UnsafeCell<usize>>();
    // SAFETY: fresh memory of that size, aligned beyond the cell's need.
    unsafe { piece.write(UnsafeCell::new(number)) };
    // SAFETY: just written, and nobody else has the piece.
    unsafe { piece.as_ref().with_mut(|cell| *cell += 1) };
    piece.addr().get()
}

#[test]
fn loom_two_threads_change_the_chunk() {
    check(|| {
        // The first chunk has room for five of the pieces: each thread meets it full, alone or with the other.
        let arena = Arc::new(Arena::new(1536, 8192));
        let mut places: Vec<usize> = (0..4).map(|number| place(&arena, number)).collect();
        let other = {
            let arena = Arc::clone(&arena);
            thread::spawn(move || [place(&arena, 4), place(&arena, 5)])
        };
        places.extend([place(&arena, 6), place(&arena, 7)]);
        places.extend(other.join().unwrap());
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 8, "no piece is handed out twice");
        assert_eq!(arena.bytes(), 1536 + 3072, "one chunk is made, or the loser gave its own back");
    });
}

#[test]
fn loom_two_threads_make_the_first_chunk() {
    check(|| {
        let arena = Arc::new(Arena::new(4096, 4096));
        let other = {
            let arena = Arc::clone(&arena);
            thread::spawn(move || place(&arena, 1))
        };
        assert_ne!(place(&arena, 2), other.join().unwrap());
        assert_eq!(arena.bytes(), 4096, "the loser gave its chunk back");
    });
}
