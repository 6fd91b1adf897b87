//! Pieces do not overlap, lie as asked, and the sum of what is reserved is right.

use super::*;
use ese_base::sync::thread;
use std::{collections::BTreeSet, sync::Arc};

fn chunk_count(arena: &Arena) -> usize {
    let mut count = 0;
    let mut chunk = arena.chunks.load(Ordering::Acquire);
    while !chunk.is_null() {
        count += 1;
        // SAFETY: the list is complete and the arena is alive.
        chunk = unsafe { (*chunk).next };
    }
    count
}

/// Takes a piece and fills it, so that an overlap shows and a memory checker sees every byte.
fn filled(arena: &Arena, bytes: usize, align: usize, fill: u8) -> (NonNull<u8>, usize, u8) {
    let piece = arena.alloc(bytes, align);
    assert_eq!(piece.addr().get() % align, 0);
    // SAFETY: the piece is of that size and ours alone.
    unsafe { piece.write_bytes(fill, bytes) };
    (piece, bytes, fill)
}

fn check(pieces: &[(NonNull<u8>, usize, u8)]) {
    for (piece, bytes, fill) in pieces {
        // SAFETY: written in full by `filled`, and the arena is alive.
        let content = unsafe { std::slice::from_raw_parts(piece.as_ptr(), *bytes) };
        assert!(content.iter().all(|byte| byte == fill));
    }
}

#[test]
fn an_arena_without_pieces_takes_nothing() {
    let arena = Arena::new(1 << 20, 1 << 20);
    assert_eq!((arena.bytes(), chunk_count(&arena)), (0, 0));
}

#[test]
fn pieces_of_all_sizes_and_alignments_keep_what_was_written() {
    let arena = Arena::new(1024, 8192);
    let mut pieces = Vec::new();
    for round in 0..40_u8 {
        for (bytes, align) in [(1, 1), (0, 1), (24, 8), (7, 2), (256, 64), (129, 128), (1000, 16), (5000, 4)]
        {
            pieces.push(filled(&arena, bytes, align, round));
        }
    }
    check(&pieces);
}

#[test]
fn chunks_double_up_to_the_bound() {
    let arena = Arena::new(1024, 4096);
    let mut steps = Vec::new();
    let mut seen = 0;
    while steps.len() < 5 {
        arena.alloc(64, 8);
        if arena.bytes() != seen {
            steps.push(arena.bytes() - seen);
            seen = arena.bytes();
        }
    }
    assert_eq!(steps, [1024, 2048, 4096, 4096, 4096]);
    assert_eq!(chunk_count(&arena), 5);
}

#[test]
fn a_chunk_is_used_up_before_the_next_is_made() {
    let arena = Arena::new(4096, 4096);
    for _ in 0..(4096 - HEADER_BYTES) / 32 {
        arena.alloc(32, 8);
    }
    assert_eq!(arena.bytes(), 4096);
    arena.alloc(1, 1);
    assert_eq!(arena.bytes(), 2 * 4096);
}

#[test]
fn a_great_piece_has_a_chunk_of_its_own_and_the_current_one_goes_on() {
    let arena = Arena::new(4096, 4096);
    let small = arena.alloc(16, 16);
    let great = filled(&arena, 100_000, 128, 7);
    let own = 100_000 + HEADER_BYTES as u64;
    assert_eq!((arena.bytes(), chunk_count(&arena)), (4096 + own, 2));
    let next = arena.alloc(16, 16);
    assert_eq!(next.addr().get(), small.addr().get() + 16);
    check(&[great]);
    // Before any chunk is current, too.
    let arena = Arena::new(4096, 4096);
    check(&[filled(&arena, 100_000, 128, 7)]);
    assert_eq!((arena.bytes(), chunk_count(&arena)), (own, 1));
}

#[test]
fn a_piece_too_great_for_the_next_chunk_makes_it_greater() {
    let arena = Arena::new(1024, 1 << 20);
    let piece = filled(&arena, 10_000, 8, 3);
    assert_eq!(arena.bytes(), ((10_000 + HEADER_BYTES) * OWN_CHUNK_PART) as u64);
    filled(&arena, 10_000, 8, 4);
    assert_eq!(chunk_count(&arena), 1);
    check(&[piece]);
}

#[test]
fn bounds_too_small_for_a_chunk_are_raised() {
    let arena = Arena::new(0, 0);
    let pieces: Vec<_> = (0..100).map(|round| filled(&arena, round.into(), 8, round)).collect();
    check(&pieces);
}

#[test]
fn threads_of_different_stripes_have_different_chunks() {
    let arena = Arc::new(Arena::new(4096, 4096));
    let stripes: BTreeSet<usize> = (0..2 * STRIPES)
        .map(|_| {
            let arena = Arc::clone(&arena);
            let work = move || {
                arena.alloc(16, 16);
                thread_number() % STRIPES
            };
            thread::Builder::new().spawn(work).unwrap().join().unwrap()
        })
        .collect();
    assert_eq!(arena.bytes(), 4096 * stripes.len() as u64);
    assert!(stripes.len() > 1, "one thread after the other has the next number");
}

#[test]
fn threads_never_get_the_same_byte() {
    let arena = Arc::new(Arena::new(512, 8192));
    let writers: Vec<_> = (0..4_u8)
        .map(|writer| {
            let arena = Arc::clone(&arena);
            let work = move || {
                let sizes = (1..2000_usize).map(|round| round * 37 % 300 + round % 500 / 499 * 9000);
                let pieces: Vec<_> =
                    sizes.map(|bytes| filled(&arena, bytes, 1 << (bytes % 8), writer)).collect();
                check(&pieces);
                pieces.iter().map(|piece| (piece.0.addr().get(), piece.1)).collect::<Vec<_>>()
            };
            thread::Builder::new().spawn(work).unwrap()
        })
        .collect();
    let mut places: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?} overlap");
    }
    let handed_out: usize = places.iter().map(|place| place.1).sum();
    assert!(arena.bytes() >= handed_out as u64);
}
