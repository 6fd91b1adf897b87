//! What may be copied, kept and sent where; and that a handle works with its own instance only.

use crate::{instance, kind};
use ese::{
    Cursor, Database, Error, ErrorKind, Instance, Key, LockMode, Range, Savepoint, Schema, Session, Snapshot,
    Transaction, Tree, TypedTree, typed::Rkyv,
};
use std::rc::Rc;

fn is_copy<T: Copy>() {}
fn is_clone<T: Clone>() {}
fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_static<T: 'static>() {}

/// `NOT_SYNC::<T>` exists for every type; for a `Sync` one the answer is ambiguous and does not compile.
macro_rules! assert_not_sync {
    ($($type:ty),*) => {$(
        const _: fn() = || {
            trait Ambiguous<Marker> { fn ask() {} }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct IsSync;
            impl<T: ?Sized + Sync> Ambiguous<IsSync> for T {}
            let _ = <$type as Ambiguous<_>>::ask;
        };
    )*};
}

assert_not_sync!(
    Session,
    Transaction<'static>,
    Savepoint<'static>,
    Snapshot,
    Range<'static>,
    Schema<'static>
);

#[test]
fn types_promise_what_the_manual_says() {
    is_clone::<Instance>();
    is_send::<Instance>();
    is_sync::<Instance>();
    is_static::<Instance>();
    is_copy::<Tree>();
    is_send::<Tree>();
    is_sync::<Tree>();
    is_static::<Tree>();
    // Whatever the types are: only their names stand in the handle.
    is_copy::<TypedTree<Rc<()>, Rkyv<Rc<()>>>>();
    is_send::<TypedTree<Rc<()>, Rkyv<Rc<()>>>>();
    is_sync::<TypedTree<Rc<()>, Rkyv<Rc<()>>>>();
    is_static::<TypedTree<Rc<()>, Rkyv<Rc<()>>>>();
    is_copy::<Database>();
    is_send::<Database>();
    is_sync::<Database>();
    is_static::<Database>();
    is_send::<Session>();
    is_static::<Session>();
    is_send::<Transaction<'static>>();
    is_clone::<Cursor>();
    is_send::<Cursor>();
    is_sync::<Cursor>();
    is_static::<Cursor>();
    is_static::<Key>();
    is_send::<Error>();
    is_sync::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}

#[test]
fn a_foreign_handle_is_refused_by_every_operation() {
    let (db, _) = instance();
    let (_other, foreign) = instance();
    db.write(|tx| {
        assert_eq!(kind(foreign.get(tx, "k")), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.get_many(tx, ["k"])), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.contains_key(tx, "k")), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.first(tx)), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.last(tx)), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.range(tx, ..)), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.range(tx, "b".."a")), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.prefix(tx, "k")), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.cursor().first(tx)), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.put(tx, "k", "v")), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.insert(tx, "k", "v")), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.update(tx, "k", "v")), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.delete(tx, "k")), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.remove_range(tx, ..)), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.add(tx, "k", 0, 1_i64)), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.fetch_add(tx, "k", 0, 1_i32)), ErrorKind::InvalidHandle);
        assert_eq!(kind(foreign.lock(tx, "k", LockMode::Read)), ErrorKind::InvalidHandle);
        assert_eq!(kind(tx.schema().drop_tree(foreign)), ErrorKind::InvalidHandle);
        assert_eq!(kind(tx.schema().rename_tree(foreign, "x")), ErrorKind::InvalidHandle);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_foreign_database_is_refused() {
    let (db, _) = instance();
    let (other, _) = instance();
    let foreign = other.main_database();
    assert_eq!(kind(foreign.tree(&db, "t")), ErrorKind::InvalidHandle);
    assert_eq!(kind(foreign.tree_names(&db)), ErrorKind::InvalidHandle);
    db.write(|tx| {
        assert_eq!(kind(tx.tree_in(foreign, "t")), ErrorKind::InvalidHandle);
        assert_eq!(kind(tx.tree_names_in(foreign)), ErrorKind::InvalidHandle);
        assert_eq!(kind(tx.schema_in(foreign)), ErrorKind::InvalidHandle);
        Ok(())
    })
    .unwrap();
}

#[test]
fn handles_work_on_any_thread() {
    let (db, tree) = instance();
    std::thread::scope(|threads| {
        for number in 0..8_u8 {
            let db = db.clone();
            threads.spawn(move || {
                for round in 0..50_u8 {
                    db.write(|tx| tree.put(tx, [number, round], [round])).unwrap();
                }
            });
        }
    });
    assert_eq!(db.read(|s| Ok(tree.range(s, ..)?.count())).unwrap(), 400);
}

#[test]
fn a_session_moves_between_threads_with_its_transaction_open() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "a", "1").unwrap();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut tx = tx;
            tree.put(&mut tx, "b", "2").unwrap();
            tx.commit().unwrap();
        });
    });
    assert_eq!(crate::keys(&db, tree), "a,b");
}
