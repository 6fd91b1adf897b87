//! Instances in a folder: what is there after a close, after a crash, and when something is not as it should be.

#![expect(clippy::disallowed_methods, reason = "tests look at files and spoil them")]

use ese::{Durability, ErrorKind, Instance, Reading, Result};
use std::{fs, path::Path};

fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop");
    (folder, path)
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it was to fail"),
        Err(error) => error.kind(),
    }
}

/// Fills a tree and looks at it again.
fn fill(db: &Instance, name: &str, rows: u32) {
    let tree = db.tree(name).unwrap();
    db.write(|tx| (0..rows).try_for_each(|n| tree.put(tx, n.to_be_bytes(), [n.to_le_bytes()[0]; 100])))
        .unwrap();
}

fn count(db: &Instance, name: &str) -> usize {
    db.read(|s| {
        let Some(tree) = s.tree(name)? else { return Ok(0) };
        let mut rows = 0;
        tree.range(s, ..)?.for_each_row(|key, value| {
            let n = u32::from_be_bytes(key.try_into().unwrap());
            assert_eq!(*value, [n.to_le_bytes()[0]; 100]);
            rows += 1;
            Ok(())
        })?;
        Ok(rows)
    })
    .unwrap()
}

/// Ends an instance without a close: its threads stand still for ever, as a killed process' would.
fn copy_of(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_of(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn what_was_closed_is_there_again() {
    let (_guard, path) = folder();
    for round in 0..4_u32 {
        let db = Instance::open(&path).unwrap();
        assert_eq!(db.stats().backend, "durable");
        assert_eq!(db.stats().recovered.transactions, 0, "a close leaves nothing to do again");
        for before in 0..round {
            assert_eq!(count(&db, &format!("t{before}")), 1000);
        }
        fill(&db, &format!("t{round}"), 1000);
        db.close().unwrap();
    }
}

#[test]
fn what_was_committed_survives_a_crash() {
    let (_guard, path) = folder();
    let db = Instance::open(&path).unwrap();
    fill(&db, "a", 1000);
    let session = db.session().unwrap();
    drop(session);
    let crashed = path.with_extension("crashed");
    copy_of(&path, &crashed);
    fill(&db, "b", 10);
    let again = Instance::open(&crashed).unwrap();
    assert_eq!((count(&again, "a"), count(&again, "b")), (1000, 0));
    assert!(again.stats().recovered.rows >= 1000, "{:?}", again.stats().recovered);
    assert_eq!(again.check().unwrap(), Vec::<String>::new());
    again.close().unwrap();
    db.close().unwrap();
}

#[test]
fn lazy_commits_are_flushed_in_time() {
    let (_guard, path) = folder();
    let db = Instance::builder().durability(Durability::Lazy).open(&path).unwrap();
    fill(&db, "a", 10);
    let tree = db.tree("a").unwrap();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, 77_u32.to_be_bytes(), [77; 100]).unwrap();
    let commit = tx.commit().unwrap();
    db.wait_durable(commit).unwrap();
    let crashed = path.with_extension("crashed");
    copy_of(&path, &crashed);
    let again = Instance::open(&crashed).unwrap();
    assert_eq!(count(&again, "a"), 11);
}

#[test]
fn a_folder_is_open_once() {
    let (_guard, path) = folder();
    let db = Instance::open(&path).unwrap();
    assert_eq!(kind(Instance::open(&path)), ErrorKind::FileAccessDenied);
    // A session that lives on keeps nothing.
    let session = db.session().unwrap();
    db.close().unwrap();
    let again = Instance::open(&path).map(|db| db.close());
    assert_eq!(again.map(|closed| closed.is_ok()).map_err(|error| error.kind()), Ok(true));
    drop(session);
}

#[test]
fn settings_of_the_file_win_or_are_refused() {
    let (_guard, path) = folder();
    let db = Instance::builder().page_size(8192).open(&path).unwrap();
    assert_eq!(db.stats().page_size_bytes, 8192);
    db.close().unwrap();
    assert_eq!(kind(Instance::builder().page_size(4096).open(&path)), ErrorKind::PageSizeMismatch);
    let db = Instance::builder().reading(Reading::Copy).open(&path).unwrap();
    assert_eq!(db.stats().page_size_bytes, 8192);
    fill(&db, "a", 5000);
    db.merge().unwrap();
    assert_eq!(count(&db, "a"), 5000);
    db.close().unwrap();
}

#[test]
fn invalid_settings_leave_nothing_behind() {
    let (_guard, path) = folder();
    let bad = [
        Instance::builder().page_size(5000),
        Instance::builder().segment_bytes(1000),
        Instance::builder().log_max_bytes(1),
        Instance::builder().version_store_bytes(1),
        Instance::builder().checkpoint_depth_bytes(1),
    ];
    for builder in bad {
        assert_eq!(kind(builder.open(&path)), ErrorKind::InvalidSettings);
        assert!(!path.exists());
    }
}

#[test]
fn other_databases_lie_beside_the_main_one_or_anywhere() {
    let (guard, path) = folder();
    let elsewhere = guard.path().join("elsewhere.db");
    let elsewhere = elsewhere.to_str().unwrap();
    let db = Instance::open(&path).unwrap();
    for name in ["second", elsewhere] {
        let database = db.create_database(name).unwrap();
        let tree = database.tree(&db, "t").unwrap();
        let main = db.tree("main").unwrap();
        db.write(|tx| {
            tree.put(tx, "k", name)?;
            main.put(tx, name, "attached")
        })
        .unwrap();
    }
    for bad in ["", "a/b", "../a", "/", "data", "lock\n", "/shop.new"] {
        assert_eq!(kind(db.create_database(bad)), ErrorKind::InvalidName, "{bad:?}");
    }
    assert_eq!(kind(db.create_database("second")), ErrorKind::DatabaseDuplicate);
    assert_eq!(kind(db.attach_database("third")), ErrorKind::DatabaseNotFound);
    assert!(path.join("second.ese").exists() && Path::new(elsewhere).exists());
    let crashed = path.with_extension("crashed");
    copy_of(&path, &crashed);
    db.close().unwrap();

    let db = Instance::open(&path).unwrap();
    assert_eq!(db.database_names(), ["main", "second", elsewhere]);
    for name in ["second", elsewhere] {
        let database = db.database(name).unwrap();
        let tree = database.tree(&db, "t").unwrap();
        assert_eq!(db.read(|s| Ok(tree.get(s, "k")?.unwrap().to_vec())).unwrap(), name.as_bytes());
    }
    db.detach_database("second").unwrap();
    assert_eq!(db.database_names(), ["main", elsewhere]);
    db.attach_database("second").unwrap();
    assert_eq!(db.database_names(), ["main", elsewhere, "second"]);
    db.close().unwrap();
    let db = Instance::open(&path).unwrap();
    assert_eq!(db.database_names(), ["main", elsewhere, "second"]);
    // The database elsewhere is this one's: a copy of the folder from before does not get it.
    assert_eq!(kind(Instance::open(&crashed)), ErrorKind::AttachedDatabaseMismatch);
    db.close().unwrap();
}

/// Every file below a folder: its length, its bytes' sum, when it was changed.
fn listing(path: &Path) -> Vec<(std::path::PathBuf, u64, u64, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(listing(&entry.path()));
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        let sum = bytes.iter().fold(0, |sum: u64, byte| sum.rotate_left(5) ^ u64::from(*byte));
        found.push((entry.path(), bytes.len() as u64, sum, entry.metadata().unwrap().modified().unwrap()));
    }
    found.sort();
    found
}

#[test]
fn an_opening_for_reads_changes_nothing() {
    let (_guard, path) = folder();
    let read = || Instance::builder().read_only().open(&path);
    assert_eq!(kind(read()), ErrorKind::FileNotFound);
    assert!(!path.exists());
    let db = Instance::open(&path).unwrap();
    fill(&db, "a", 1000);
    db.checkpoint().unwrap();
    fill(&db, "b", 1000);
    assert_eq!(kind(read()), ErrorKind::FileAccessDenied);
    let crashed = path.with_extension("crashed");
    copy_of(&path, &crashed);
    db.close().unwrap();
    for folder in [&path, &crashed] {
        let before = listing(folder);
        let reader = Instance::builder().read_only().open(folder).unwrap();
        let other = Instance::builder().read_only().reading(Reading::Copy).open(folder).unwrap();
        assert_eq!(kind(Instance::open(folder)), ErrorKind::FileAccessDenied);
        for db in [reader, other] {
            assert_eq!((count(&db, "a"), count(&db, "b")), (1000, 1000));
            assert_eq!(kind(db.tree("c")), ErrorKind::DatabaseFileReadOnly);
            let tree = db.tree("a").unwrap();
            assert_eq!(kind(db.write(|tx| tree.put(tx, "k", "v"))), ErrorKind::DatabaseFileReadOnly);
            assert_eq!(kind(db.merge()), ErrorKind::DatabaseFileReadOnly);
            assert_eq!(kind(db.checkpoint()), ErrorKind::DatabaseFileReadOnly);
            assert_eq!(kind(db.create_database("second")), ErrorKind::DatabaseFileReadOnly);
            assert_eq!(db.check().unwrap(), Vec::<String>::new());
            db.close().unwrap();
        }
        assert_eq!(listing(folder), before);
        let db = Instance::open(folder).unwrap();
        assert_eq!((count(&db, "a"), count(&db, "b")), (1000, 1000));
        db.close().unwrap();
    }
}

#[test]
fn without_a_log_a_crash_falls_back_to_the_last_checkpoint() {
    let (_guard, path) = folder();
    let db = Instance::builder().without_log().open(&path).unwrap();
    fill(&db, "a", 100);
    db.checkpoint().unwrap();
    fill(&db, "b", 100);
    let crashed = path.with_extension("crashed");
    copy_of(&path, &crashed);
    assert!(!path.join("log").exists());
    db.close().unwrap();
    let again = Instance::builder().without_log().open(&crashed).unwrap();
    assert_eq!((count(&again, "a"), count(&again, "b")), (100, 0));
    again.close().unwrap();
    let db = Instance::builder().without_log().open(&path).unwrap();
    assert_eq!((count(&db, "a"), count(&db, "b")), (100, 100));
    db.close().unwrap();
    // Closed in order it can go under a log, and without the log's folder back.
    let db = Instance::open(&path).unwrap();
    fill(&db, "c", 10);
    copy_of(&path, &crashed.join("under"));
    db.close().unwrap();
    let without_log = |path: &Path| Instance::builder().without_log().open(path);
    assert_eq!(kind(without_log(&path)), ErrorKind::InvalidSettings, "its log would be left behind");
    assert_eq!(kind(Instance::builder().without_log().read_only().open(&path)), ErrorKind::InvalidSettings);
    fs::remove_dir_all(path.join("log")).unwrap();
    fs::remove_dir_all(crashed.join("under").join("log")).unwrap();
    assert_eq!(kind(without_log(&crashed.join("under"))), ErrorKind::DatabaseDirtyShutdown);
    let read = Instance::builder().read_only().open(crashed.join("under"));
    assert_eq!(kind(read), ErrorKind::DatabaseDirtyShutdown, "what is in the log is missing");
    for _ in 0..2 {
        let db = without_log(&path).unwrap();
        assert_eq!(count(&db, "c"), 10);
        fill(&db, "d", 10);
        db.close().unwrap();
    }
    let db = Instance::open(&path).unwrap();
    assert_eq!(count(&db, "d"), 10);
    db.close().unwrap();
}

/// A checkpoint that was left half way at a database whose state stays while its L moves on.
#[test]
fn a_detach_that_fails_harms_no_checkpoint() {
    use ese::{Background, Step};
    use std::time::Duration;
    let (_guard, path) = folder();
    let hour = Duration::from_secs(3600);
    let builder = Instance::builder().background(Background::Manual).checkpoint_age(Duration::ZERO);
    let db = builder.flush_interval(hour).open(&path).unwrap();
    let second = db.create_database("second").unwrap();
    let t = second.tree(&db, "t").unwrap();
    fill(&db, "a", 1000);
    db.checkpoint().unwrap();
    fill(&db, "b", 1000);
    db.merge().unwrap();
    let checkpoint = |steps: u32| {
        let mut seen = 0;
        for _ in 0..50 {
            seen += u32::from(db.step().unwrap() == Step::Checkpointed);
            if seen == steps {
                break;
            }
        }
    };
    checkpoint(3);
    db.write(|tx| t.put(tx, "k", "v")).unwrap();
    db.merge().unwrap();
    let mut reader = db.session().unwrap();
    let tx = reader.begin_read_only().unwrap();
    assert!(t.get(&tx, "k").unwrap().is_some());
    assert_eq!(kind(db.detach_database("second")), ErrorKind::DatabaseInUse);
    drop(tx);
    checkpoint(2);
    fill(&db, "c", 1000);
    db.merge().unwrap();
    checkpoint(50);
    fill(&db, "a", 10);
    drop(reader);
    db.close().unwrap();
}

#[test]
fn a_failed_instance_gives_its_folder_back() {
    use ese::{Background, Step};
    for steps in [0, 3] {
        let (_guard, path) = folder();
        let builder = Instance::builder().background(Background::Manual).segment_bytes(1 << 20);
        let db = builder.checkpoint_age(std::time::Duration::ZERO).open(&path).unwrap();
        fill(&db, "a", 1000);
        db.merge().unwrap();
        let mut seen = 0;
        while seen < steps {
            seen += u32::from(db.step().unwrap() == Step::Checkpointed);
        }
        fs::rename(path.join("log"), path.join("away")).unwrap();
        let a = db.tree("a").unwrap();
        let session = db.session().unwrap();
        while db.write(|tx| a.put(tx, 1_u32.to_be_bytes(), [1; 100])).is_ok() {
            db.write(|tx| {
                (2000..2040_u32).try_for_each(|n| a.put(tx, n.to_be_bytes(), [n.to_le_bytes()[0]; 100]))
            })
            .ok();
        }
        fs::rename(path.join("away"), path.join("log")).unwrap();
        assert!(db.close().is_err());
        let again = Instance::open(&path).unwrap();
        assert!(count(&again, "a") >= 1000);
        drop(session);
        again.close().unwrap();
    }
}

#[test]
fn what_is_not_as_it_should_be_is_named() {
    let (guard, path) = folder();
    let missing = guard.path().join("no").join("shop");
    assert_eq!(kind(Instance::open(&missing)), ErrorKind::FileNotFound);
    fs::write(guard.path().join("file"), b"x").unwrap();
    assert_eq!(kind(Instance::open(guard.path().join("file"))), ErrorKind::InvalidPath);
    let db = Instance::open(&path).unwrap();
    fill(&db, "a", 100);
    let crashed = path.with_extension("crashed");
    copy_of(&path, &crashed);
    db.close().unwrap();
    let fresh = |name: &str, change: &dyn Fn(&Path)| {
        let copy = path.with_extension(name);
        copy_of(&crashed, &copy);
        change(&copy);
        Instance::open(copy)
    };
    let without_log = fresh("a", &|path| fs::remove_dir_all(path.join("log")).unwrap());
    assert_eq!(kind(without_log), ErrorKind::DatabaseDirtyShutdown);
    let without_data = fresh("b", &|path| fs::remove_file(path.join("data.ese")).unwrap());
    assert_eq!(kind(without_data), ErrorKind::AttachedDatabaseMismatch);
    assert!(!path.with_extension("b").join("data.ese").exists(), "nothing was made");
    let no_database = fresh("c", &|path| fs::write(path.join("data.ese"), [7; 100_000]).unwrap());
    assert_eq!(kind(no_database), ErrorKind::NotADatabase);
    let short = fresh("d", &|path| {
        let file = fs::File::options().write(true).open(path.join("data.ese")).unwrap();
        file.set_len(100).unwrap();
    });
    assert!(matches!(kind(short), ErrorKind::NotADatabase | ErrorKind::FileTooShort));
}

#[test]
fn what_becomes_durable_is_told() {
    let (_guard, path) = folder();
    let db = Instance::open(&path).unwrap();
    let told = std::sync::Arc::new(ese_base::sync::Mutex::new(Vec::new()));
    let (tell, inside) = (std::sync::Arc::clone(&told), db.clone());
    db.on_durable(move |commit| {
        // Whatever the engine holds meanwhile, it may be asked.
        let stats = inside.stats();
        tell.lock().push((commit.position, stats.next_position));
    });
    let tree = db.tree("t").unwrap();
    let mut session = db.session().unwrap();
    for durability in [Durability::Sync, Durability::Lazy] {
        let mut tx = session.begin().unwrap();
        tree.put(&mut tx, "k", "v").unwrap();
        let commit = tx.commit_with(durability).unwrap().unwrap();
        if durability == Durability::Lazy {
            db.wait_durable(commit).unwrap();
        }
        let highest = told.lock().iter().map(|(durable, _)| *durable).max();
        assert!(highest.unwrap() > commit.position, "{highest:?} {commit:?}");
    }
    assert!(told.lock().iter().all(|(durable, next)| durable <= next));
    drop(session);
    db.on_durable(|_| {});
    db.close().unwrap();
}
