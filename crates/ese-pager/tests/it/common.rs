//! What the tests share: a database beside a model of it.

use ese_base::{AttachmentNo, Position, Result, TreeNo};
use ese_core::{Base, Change, DropProgress, LogPoint, Store};
use ese_io::{Disk, NativeDisk};
use ese_pager::{Pager, PagerOptions};
use rand::{Rng, rngs::SmallRng};
use std::{
    collections::BTreeMap,
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The log that the tests' databases belong to.
pub(crate) const LOG: u128 = 77;

/// Rows by tree and key.
pub(crate) type Rows = BTreeMap<(u64, Vec<u8>), Vec<u8>>;

/// A change: tree, key, and the value, if there is one afterwards.
pub(crate) type Row = (u64, Vec<u8>, Option<Vec<u8>>);

pub(crate) fn point(at: u64) -> LogPoint {
    LogPoint { log: LOG, epoch: 1, at: Position(at) }
}

/// Every fault that a check of the newest base finds.
pub(crate) fn faults(pager: &Pager) -> Vec<String> {
    let mut faults = Vec::new();
    pager.check(&pager.newest(), &mut |fault| faults.push(fault)).unwrap();
    faults
}

/// The rows of a base.
pub(crate) fn rows(base: &dyn Base) -> Result<Rows> {
    let mut rows = Rows::new();
    for tree in base.trees() {
        let mut scan = base.scan(tree, (Bound::Unbounded, Bound::Unbounded))?;
        while let Some((key, value)) = scan.next()? {
            rows.insert((tree.0, key.to_vec()), value.to_vec());
        }
    }
    Ok(rows)
}

/// A key and value as the tests draw them: keys of a small space, values from nothing to runs of pages.
pub(crate) fn draw(rng: &mut SmallRng) -> Row {
    let tree = rng.random_range(1..5);
    let key = format!("{:05}{}", rng.random_range(0..3_000), "k".repeat(rng.random_range(0..40)));
    let value = match rng.random_range(0..100) {
        0..25 => None,
        25..97 => Some(vec![rng.random(); rng.random_range(0..300)]),
        _ => Some(vec![rng.random(); rng.random_range(1_000..40_000)]),
    };
    (tree, key.into_bytes(), value)
}

/// A database, and what it must hold.
pub(crate) struct Pair {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    pub(crate) options: PagerOptions,
    pub(crate) pager: Arc<Pager>,
    pub(crate) rows: Rows,
    /// What the newest completed checkpoint holds, and its position.
    pub(crate) durable: (Rows, u64),
    /// The next position.
    pub(crate) next: u64,
}

impl Pair {
    pub(crate) fn create(path: &Path, options: PagerOptions) -> Pair {
        Pair::create_on(Arc::new(NativeDisk::new()), path, options).unwrap()
    }

    pub(crate) fn create_on(disk: Arc<dyn Disk>, path: &Path, options: PagerOptions) -> Result<Pair> {
        let pager = Pager::create(&*disk, path, &options)?;
        pager.adopt(Some((AttachmentNo(1), point(1))))?;
        let (path, durable) = (path.to_owned(), (Rows::new(), 1));
        Ok(Pair { disk, path, options, pager, rows: Rows::new(), durable, next: 1 })
    }

    /// Merges changes, the later of two to one row counting.
    pub(crate) fn merge(&mut self, changes: impl IntoIterator<Item = Row>) -> Result<()> {
        let mut sorted = BTreeMap::new();
        for (tree, key, value) in changes {
            sorted.insert((tree, key), value);
        }
        let mut merge = Arc::clone(&self.pager).begin_merge()?;
        for ((tree, key), value) in &sorted {
            merge.apply(TreeNo(*tree), key, value.as_deref().map_or(Change::Delete, Change::Put))?;
        }
        merge.finish(Position(self.next + 1))?;
        self.next += 1;
        for (row, value) in sorted {
            match value {
                Some(value) => self.rows.insert(row, value),
                None => self.rows.remove(&row),
            };
        }
        Ok(())
    }

    /// One step in dropping a tree; whether nothing is left.
    pub(crate) fn drop_tree(&mut self, tree: u64, pages: usize) -> Result<bool> {
        let mut merge = Arc::clone(&self.pager).begin_merge()?;
        let done = merge.drop_tree(TreeNo(tree), pages)?;
        merge.finish(Position(self.next + 1))?;
        self.next += 1;
        self.rows.retain(|(of, _), _| *of != tree);
        Ok(done == DropProgress::Done)
    }

    /// A whole checkpoint.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        let base = self.pager.newest();
        while !self.pager.checkpoint_step(&base, Some(point(self.next)))? {}
        self.durable = (self.rows.clone(), self.next);
        Ok(())
    }

    /// What the database holds is what it must hold.
    pub(crate) fn verify(&self) {
        assert_eq!(faults(&self.pager), [""; 0]);
        assert!(rows(&*self.pager.newest()).unwrap() == self.rows, "rows differ");
    }

    /// Opens the file anew, without a close before: what was not made durable is gone.
    pub(crate) fn crash(self) -> Result<Pair> {
        let Pair { disk, path, options, pager, durable, .. } = self;
        drop(pager);
        Pair::open(disk, path, options, durable)
    }

    /// Closes the database in order and opens it again.
    pub(crate) fn reopen(mut self) -> Result<Pair> {
        self.pager.close(true)?;
        self.durable = (self.rows, self.next);
        let Pair { disk, path, options, pager, durable, .. } = self;
        drop(pager);
        let pair = Pair::open(disk, path, options, durable)?;
        Ok(pair)
    }

    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        options: PagerOptions,
        durable: (Rows, u64),
    ) -> Result<Pair> {
        let pager = Pager::open(&*disk, &path, &options, &|_| true)?;
        let (attachment, at) = pager.point().unwrap();
        pager.adopt(Some((attachment, at)))?;
        let (rows, next) = (durable.0.clone(), at.at.0);
        Ok(Pair { disk, path, options, pager, rows, durable, next })
    }
}
