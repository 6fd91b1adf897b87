//! The builder's settings and their bounds.

use crate::Checked;
use ese::{Background, Builder, ErrorKind, Instance, clock::ManualClock};
use std::{sync::Arc, time::Duration};

fn refused(builder: Builder, setting: &str) {
    let error = builder.in_memory().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSettings);
    assert!(error.to_string().contains(setting), "{error}");
}

#[test]
fn settings_beyond_their_bounds_are_refused_by_name() {
    let builder = Instance::builder;
    for bytes in [0, 1, 2048, 5000, 65_536] {
        refused(builder().page_size(bytes), "page_size");
    }
    refused(builder().version_store_bytes((1 << 20) - 1), "version_store_bytes");
    refused(builder().generation_bytes(1000), "generation_bytes");
    refused(builder().version_store_bytes(1 << 20).generation_bytes(2 << 20), "generation_bytes");
    refused(builder().sessions_max(0), "sessions_max");
    refused(builder().sessions_max(30_001), "sessions_max");
    refused(builder().levels_max(0), "levels_max");
    refused(builder().merge_rows(0), "merge_rows");
}

#[test]
fn settings_within_their_bounds_work() {
    for bytes in [4096, 8192, 16_384, 32_768] {
        Checked(Instance::builder().page_size(bytes).in_memory().unwrap()).close().unwrap();
    }
    let builder = Instance::builder()
        .version_store_bytes(1 << 20)
        .sessions_max(30_000)
        .levels_max(1)
        .merge_rows(1)
        .merge_age(Duration::from_secs(1))
        .merge_idle(Duration::ZERO)
        .detach_wait(Duration::ZERO)
        .background(Background::Manual)
        .clock(Arc::new(ManualClock::default()));
    let db = Checked(builder.in_memory().unwrap());
    assert_eq!(db.stats().version_store_limit_bytes, 1 << 20);
    let tree = db.tree("t").unwrap();
    db.write(|tx| tree.put(tx, "a", "1")).unwrap();
}

#[test]
fn keys_grow_with_the_page() {
    let longest = vec![1; 2000];
    let db = Checked(Instance::builder().page_size(8192).in_memory().unwrap());
    let tree = db.tree("t").unwrap();
    db.write(|tx| tree.put(tx, &longest, "v")).unwrap();
    let beyond = db.write(|tx| tree.put(tx, [1; 2001], "v")).unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::KeyTooLarge);
}
