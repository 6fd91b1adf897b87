//! Values archived by rkyv, validated each time they are read.
//!
//! An archive must lie at a multiple of the largest alignment of anything in it, which may be larger than that of its
//! root: a vector's root has 4, its elements 8 or 16. And values in a page lie anywhere. Rkyv could be told to align
//! nothing, but that switch is one for the whole program and would change the archives a program makes elsewhere. So a
//! value that happens to lie at a multiple of 16 is read in place, and any other is copied: up to [`STACK_BYTES`] onto the stack,
//! beyond that onto the heap. (Measured on an archive of 88 bytes, release build, medians of five: 10 ns to validate
//! in place, 41 ns to copy and validate, 80 ns to make the owned value.)

use super::ValueType;
use ese_base::{Error, ErrorKind, Result};
use rkyv::{
    Archive, Deserialize, Portable, Serialize,
    api::high::{HighDeserializer, HighSerializer, HighValidator},
    bytecheck::CheckBytes,
    rancor,
    ser::allocator::ArenaHandle,
    util::{Align, AlignedVec},
};
use std::marker::PhantomData;

/// What archives are made for: nothing in one has a larger alignment.
const ALIGN: usize = 16;

/// The longest archive that is copied onto the stack when it lies wrong.
const STACK_BYTES: usize = 512;

/// Values of a type `T` with rkyv's derives; put as `&T`, got as `T` or lent as `T::Archived`.
///
/// Alignments up to 16 are supported; no type of rkyv's own has a larger one.
///
/// ```
/// use ese::typed::{Rkyv, rkyv};
///
/// #[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Debug, PartialEq)]
/// #[rkyv(crate = ese::typed::rkyv)]
/// struct Order {
///     customer: String,
///     apples: u32,
/// }
///
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let orders = db.typed_tree::<u64, Rkyv<Order>>("orders")?;
/// let order = Order { customer: "Ada".to_owned(), apples: 3 };
/// db.write(|tx| orders.put(tx, 1, &order))?;
/// db.read(|s| {
///     assert_eq!(orders.get(s, 1)?, Some(order));
///     // Without making an `Order` of it:
///     assert_eq!(orders.get_with(s, 1, |order| order.apples.to_native())?, Some(3));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Rkyv<T>(PhantomData<fn() -> T>);

/// What rkyv's three derives give a type; implemented for all that have them.
pub trait Archivable:
    Sized
    + Archive<Archived: Validated<Self>>
    + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
{
}

impl<T> Archivable for T where
    T: Archive<Archived: Validated<T>>
        + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
{
}

/// What rkyv's derives give the archived form of a `T`; implemented for all that have it.
pub trait Validated<T>:
    Portable
    + for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
    + Deserialize<T, HighDeserializer<rancor::Error>>
{
}

impl<T, A> Validated<T> for A where
    A: Portable
        + for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
        + Deserialize<T, HighDeserializer<rancor::Error>>
{
}

impl<T: Archivable> ValueType for Rkyv<T> {
    type Input = T;
    type View = T::Archived;
    type Owned = T;

    fn store<R>(value: &T, put: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let archive = rkyv::to_bytes::<rancor::Error>(value).map_err(|cause| {
            Error::new(ErrorKind::InvalidValue, "the value cannot be archived").caused_by(cause)
        })?;
        Ok(put(&archive))
    }

    fn view<R>(bytes: &[u8], see: impl FnOnce(&T::Archived) -> R) -> Result<R> {
        aligned(bytes, |bytes| rkyv::access::<T::Archived, rancor::Error>(bytes).map(see).map_err(damaged))
    }

    fn load(bytes: &[u8]) -> Result<T> {
        Self::view(bytes, |archived| rkyv::deserialize::<T, rancor::Error>(archived).map_err(damaged))?
    }
}

/// Lends the bytes at a multiple of [`ALIGN`].
fn aligned<R>(bytes: &[u8], read: impl FnOnce(&[u8]) -> R) -> R {
    if bytes.as_ptr().addr().is_multiple_of(ALIGN) {
        return read(bytes);
    }
    if bytes.len() <= STACK_BYTES {
        let mut copy = Align([0; STACK_BYTES]);
        copy[..bytes.len()].copy_from_slice(bytes);
        return read(&copy[..bytes.len()]);
    }
    let mut copy: AlignedVec<ALIGN> = AlignedVec::with_capacity(bytes.len());
    copy.extend_from_slice(bytes);
    read(&copy)
}

#[cold]
fn damaged(cause: rancor::Error) -> Error {
    Error::new(ErrorKind::InvalidValue, "the bytes are not an archive of the type").caused_by(cause)
}
