//! A reader that stays open for longer than there are places for views.

use crate::basics::{engine, session, tree};
use ese_core::{Durability, Mode, Put};

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
