//! Typed keys: order, round trip, freedom from prefixes, and bytes that are no keys.

use ese::{
    ErrorKind,
    key::{KeyBuffer, KeyOf, KeyType, PrefixOf, decode, encode},
};
use proptest::prelude::*;
use std::{
    cmp::{Ordering, Reverse},
    fmt::Debug,
};

/// The three properties for two values of one type.
fn holds<K: KeyType + Clone + Debug>(a: &K, b: &K, order: impl Fn(&K, &K) -> Ordering) {
    let (bytes_a, bytes_b) = (encode::<K, _>(a.clone()), encode::<K, _>(b.clone()));
    let expected = order(a, b);
    assert_eq!(bytes_a.cmp(&bytes_b), expected, "order of {a:?} and {b:?}");
    let back = decode::<K>(&bytes_a).unwrap();
    assert_eq!(order(&back, a), Ordering::Equal, "{a:?} came back as {back:?}");
    if expected != Ordering::Equal {
        assert!(!bytes_a.starts_with(&bytes_b) && !bytes_b.starts_with(&bytes_a), "{a:?}, {b:?}");
    }
}

macro_rules! ordered_keys {
    ($($test:ident: $type:ty = $strategy:expr;)*) => {
        proptest! {$(
            #[test]
            fn $test(a in $strategy, b in $strategy) {
                holds::<$type>(&a, &b, Ord::cmp);
                holds::<Option<$type>>(&Some(a.clone()), &Some(b.clone()), Ord::cmp);
                holds::<Option<$type>>(&None, &Some(b.clone()), Ord::cmp);
                holds::<Reverse<$type>>(&Reverse(a.clone()), &Reverse(b.clone()), Ord::cmp);
                holds::<($type, u8)>(&(a.clone(), 9), &(b.clone(), 3), Ord::cmp);
                holds::<(Reverse<$type>, $type)>(&(Reverse(a.clone()), b.clone()), &(Reverse(b), a), Ord::cmp);
            }
        )*}
    };
}

/// Bytes of few different values, so that common beginnings, zeros and ones are frequent.
fn close_bytes() -> impl Strategy<Value = Vec<u8>> + Clone {
    prop::collection::vec(prop::sample::select(vec![0_u8, 1, 2, 3, 0x7F, 0xFE, 0xFF]), 0..6)
}

fn close_text() -> impl Strategy<Value = String> + Clone {
    prop::collection::vec(
        prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'é', '\u{FFFF}', '🍏']),
        0..5,
    )
    .prop_map(String::from_iter)
}

ordered_keys! {
    keys_u8: u8 = any::<u8>();
    keys_u16: u16 = any::<u16>();
    keys_u32: u32 = any::<u32>();
    keys_u64: u64 = any::<u64>();
    keys_u128: u128 = any::<u128>();
    keys_i8: i8 = any::<i8>();
    keys_i16: i16 = any::<i16>();
    keys_i32: i32 = any::<i32>();
    keys_i64: i64 = any::<i64>();
    keys_i128: i128 = any::<i128>();
    keys_bool: bool = any::<bool>();
    keys_char: char = any::<char>();
    keys_bytes: Vec<u8> = close_bytes();
    keys_text: String = close_text();
    keys_array: [u8; 3] = any::<[u8; 3]>();
    keys_pair: (Vec<u8>, Vec<u8>) = (close_bytes(), close_bytes());
    keys_nested: (Option<String>, Reverse<(i8, Vec<u8>)>) = (
        prop::option::of(close_text()),
        (any::<i8>(), close_bytes()).prop_map(Reverse),
    );
    keys_eight: (u8, i8, bool, char, String, Option<u8>, [u8; 2], Vec<u8>) = (
        0..3_u8, -1..2_i8, any::<bool>(), any::<char>(), close_text(), prop::option::of(0..2_u8), any::<[u8; 2]>(), close_bytes(),
    );
}

proptest! {
    #[test]
    fn keys_f64(a in any::<u64>().prop_map(f64::from_bits), b in any::<u64>().prop_map(f64::from_bits)) {
        holds(&a, &b, f64::total_cmp);
        holds(&(a, 1_u8), &(b, 0_u8), |x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
    }

    #[test]
    fn keys_f32(a in any::<u32>().prop_map(f32::from_bits), b in any::<u32>().prop_map(f32::from_bits)) {
        holds(&a, &b, f32::total_cmp);
    }

    /// Decoding answers for any bytes, and what it takes for a key encodes to the same bytes.
    #[test]
    fn any_bytes_are_a_key_or_an_error(bytes in prop_oneof![close_bytes(), prop::collection::vec(any::<u8>(), 0..40)]) {
        canonical::<u64>(&bytes);
        canonical::<i128>(&bytes);
        canonical::<f64>(&bytes);
        canonical::<bool>(&bytes);
        canonical::<char>(&bytes);
        canonical::<String>(&bytes);
        canonical::<Vec<u8>>(&bytes);
        canonical::<[u8; 5]>(&bytes);
        canonical::<Option<Option<u8>>>(&bytes);
        canonical::<Reverse<(String, Option<bool>)>>(&bytes);
        canonical::<(Vec<u8>, Reverse<Vec<u8>>, u8)>(&bytes);
    }

    #[test]
    fn byte_prefixes_select_what_begins_so(bytes in close_bytes(), beginning in close_bytes()) {
        let mut prefix = KeyBuffer::new();
        beginning.encode_prefix(&mut prefix);
        let key = encode::<Vec<u8>, _>(&bytes);
        prop_assert_eq!(key.starts_with(&prefix), bytes.starts_with(&beginning));
    }

    #[test]
    fn text_prefixes_select_what_begins_so(text in close_text(), beginning in close_text()) {
        let mut prefix = KeyBuffer::new();
        beginning.as_str().encode_prefix(&mut prefix);
        let key = encode::<String, _>(text.as_str());
        prop_assert_eq!(key.starts_with(&prefix), text.starts_with(&beginning));
    }
}

fn canonical<K: KeyType>(bytes: &[u8]) {
    match decode::<K>(bytes) {
        Ok(key) => assert_eq!(&*encode::<K, _>(key), bytes),
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidValue),
    }
}

#[test]
fn floats_in_their_total_order() {
    let sorted = [
        -f64::NAN,
        f64::NEG_INFINITY,
        f64::MIN,
        -1.0,
        -f64::MIN_POSITIVE,
        -0.0,
        0.0,
        f64::MIN_POSITIVE,
        1.0,
        f64::MAX,
        f64::INFINITY,
        f64::NAN,
    ];
    for pair in sorted.windows(2) {
        assert!(*encode(pair[0]) < *encode(pair[1]), "{pair:?}");
    }
}

#[test]
fn the_bytes_are_these() {
    assert_eq!(&*encode(258_u16), [1, 2]);
    assert_eq!(&*encode(-1_i16), [0x7F, 0xFF]);
    assert_eq!(&*encode(1.0_f32), [0xBF, 0x80, 0, 0]);
    assert_eq!(&*encode('a'), [0, 0, b'a']);
    assert_eq!(&*encode::<String, _>("a\0\u{1}b"), [b'a', 1, 1, 1, 2, b'b', 0]);
    assert_eq!(&*encode::<Vec<u8>, _>(b"ab"), [b'a', b'b', 0]);
    assert_eq!(&*encode::<[u8; 2], _>(*b"ab"), *b"ab");
    assert_eq!(&*encode::<Option<bool>, _>(Some(true)), [1, 1]);
    assert_eq!(&*encode::<Reverse<String>, _>(Reverse("a")), [!b'a', 0xFF]);
}

#[test]
fn what_stands_for_a_key_encodes_as_the_key() {
    let owned = (7_u32, "apple".to_owned(), Some(vec![1_u8]));
    let bytes = encode::<(u32, String, Option<Vec<u8>>), _>(owned.clone());
    assert_eq!(bytes, encode::<(u32, String, Option<Vec<u8>>), _>((7, "apple", Some([1]))));
    assert_eq!(bytes, encode::<(u32, String, Option<Vec<u8>>), _>(&owned));
    assert_eq!(decode::<(u32, String, Option<Vec<u8>>)>(&bytes).unwrap(), owned);
}

#[test]
fn left_over_bytes_are_no_key() {
    let mut bytes = encode::<String, _>("a").to_vec();
    bytes.push(0);
    assert_eq!(decode::<String>(&bytes).unwrap_err().kind(), ErrorKind::InvalidValue);
}

#[test]
fn a_key_of_ones_own() {
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    struct Flight(String, u16);
    impl KeyOf<Flight> for Flight {
        fn encode(&self, out: &mut KeyBuffer) {
            KeyOf::<(String, u16)>::encode(&(&self.0, self.1), out);
        }
    }
    impl KeyType for Flight {
        fn decode(input: &mut ese::key::KeyInput<'_>) -> ese::Result<Self> {
            <(String, u16)>::decode(input).map(|(carrier, number)| Flight(carrier, number))
        }
    }
    holds(&Flight("UA".into(), 2), &Flight("UA".into(), 11), Ord::cmp);
    holds(&(Flight("U".into(), 2), 1_u8), &(Flight("UA".into(), 2), 0), Ord::cmp);
}
