//! A reader that stays open for longer than there are places for views.

use crate::{
    basics::{engine, session, start, tree},
    map_backend::MapBackend,
};
use ese_base::ErrorKind;
use ese_core::{Background, Durability, Mode, Options, Put};
use std::sync::Arc;

#[test]
fn a_reader_older_than_the_ring_of_views_stops_nobody() {
    let engine = engine();
    let t = tree(&engine);
    let (mut reader, mut writer) = (session(&engine), session(&engine));
    writer.put(t, b"k", &0_u32.to_le_bytes(), Put::Upsert).unwrap();
    reader.begin(Mode::ReadOnly).unwrap();
    for n in 1..=2500_u32 {
        writer.put(t, b"k", &n.to_le_bytes(), Put::Upsert).unwrap();
        engine.merge().unwrap();
    }
    assert_eq!(reader.get(t, b"k").unwrap().as_deref(), Some(&0_u32.to_le_bytes()[..]));
    let stats = engine.stats();
    assert!(stats.merges >= 2500, "{stats:?}");
    assert!(stats.views <= 4, "the views between are gone: {stats:?}");
    reader.commit(Durability::Sync).unwrap();
    assert_eq!(reader.get(t, b"k").unwrap().as_deref(), Some(&2500_u32.to_le_bytes()[..]));
}

/// It keeps the generation it wrote in, which may not grow for that.
#[test]
fn a_forgotten_writer_of_one_row_stops_nobody() {
    let options = Options {
        background: Background::Manual,
        version_store_bytes: 4 << 20,
        generation_bytes: 256 << 10,
        ..Options::default()
    };
    let engine = start(options, Arc::new(MapBackend::default()));
    let t = tree(&engine);
    let (mut forgotten, mut writer) = (session(&engine), session(&engine));
    forgotten.begin(Mode::ReadWrite).unwrap();
    forgotten.put(t, b"forgotten", b"", Put::Upsert).unwrap();
    for n in 0..20_000_u32 {
        // Nobody takes a step but a writer that finds no room.
        writer.put(t, &(n % 100).to_be_bytes(), &[7; 1000], Put::Upsert).unwrap();
    }
    assert!(engine.stats().merges > 2, "{:?}", engine.stats());
    forgotten.commit(Durability::Sync).unwrap();
}

#[test]
fn readers_of_all_views_there_can_be_hold_up_merges_and_nobody_waits_for_ever() {
    let engine = engine();
    let t = tree(&engine);
    let mut writer = session(&engine);
    let mut readers = Vec::new();
    for n in 0..1023_u32 {
        let mut reader = session(&engine);
        reader.begin(Mode::ReadOnly).unwrap();
        readers.push(reader);
        writer.put(t, b"k", &n.to_le_bytes(), Put::Upsert).unwrap();
        let _ = engine.merge();
    }
    writer.put(t, b"k", b"held up", Put::Upsert).unwrap();
    let error = engine.merge().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
    assert_eq!(engine.create_database("more").unwrap_err().kind(), ErrorKind::VersionStoreFull);
    writer.put(t, b"k", b"last", Put::Upsert).unwrap();
    drop(readers);
    engine.merge().unwrap();
    engine.merge().unwrap();
    assert_eq!(writer.get(t, b"k").unwrap().as_deref(), Some(&b"last"[..]));
    assert!(engine.stats().views <= 2, "{:?}", engine.stats());
    engine.create_database("more").unwrap();
}
