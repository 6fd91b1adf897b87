//! Several rows by their keys, the descents interleaved: while one waits for memory the others go on.

use super::{Root, get::value};
use crate::pages::{ChildRef, Pages};
use ese_base::{Result, Value};
use smallvec::SmallVec;

/// How many descents go on at a time: enough to hide a miss, few enough for the processor's line buffers.
const GROUP: usize = 8;

/// The values at `keys`; `out` gets each index exactly once.
///
/// # Errors
/// What the pages report; `out` may have got some of the values then.
pub fn multi_get<'p, P: Pages>(
    pages: &'p P,
    root: Root,
    keys: &[&[u8]],
    out: &mut dyn FnMut(usize, Option<Value<'p>>),
) -> Result<()> {
    for (group, keys) in keys.chunks(GROUP).enumerate() {
        descend(pages, root, keys, &mut |index, value| out(GROUP * group + index, value))?;
    }
    Ok(())
}

fn descend<'p, P: Pages>(
    pages: &'p P,
    root: Root,
    keys: &[&[u8]],
    out: &mut dyn FnMut(usize, Option<Value<'p>>),
) -> Result<()> {
    let mut at: [ChildRef; GROUP] = [root.node; GROUP];
    for level in (1..root.height()).rev() {
        for (at, key) in at.iter_mut().zip(keys) {
            let node = pages.node(*at, level)?;
            *at = node.child(node.child_index(key));
            pages.prefetch(at.page);
        }
    }
    // The cell is another line than the heads, so it is asked for before the first one is compared.
    let mut leaves: SmallVec<[_; GROUP]> = SmallVec::new();
    for (at, key) in at.iter().zip(keys) {
        let leaf = pages.node(*at, 0)?;
        let index = leaf.guess(key);
        leaf.prefetch_cell(index);
        leaves.push((leaf, index));
    }
    for (index, ((leaf, guess), key)) in leaves.iter().zip(keys).enumerate() {
        let found = match leaf.search_at(key, *guess) {
            Ok(row) => Some(value(pages, leaf, row)?),
            Err(_) => None,
        };
        out(index, found);
    }
    Ok(())
}
