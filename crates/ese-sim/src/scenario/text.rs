//! Keys and values as words: `abc`, `a*1000`, `\x00`, `\s` (a space), `""` (nothing), `i64:-1` (a counter), joined by `+`.

use std::fmt::Write as _;

/// The bytes of a word.
///
/// # Panics
/// When the word is none: the scenario is wrong.
pub(super) fn bytes(word: &str) -> Vec<u8> {
    word.split('+').flat_map(part).collect()
}

fn part(word: &str) -> Vec<u8> {
    let number = |text: &str| text.parse::<i64>().unwrap_or_else(|error| panic!("{word:?}: {error}"));
    if word == "\"\"" {
        return Vec::new();
    }
    if let Some(text) = word.strip_prefix("i64:") {
        return number(text).to_le_bytes().to_vec();
    }
    if let Some(text) = word.strip_prefix("i32:") {
        let number = i32::try_from(number(text)).unwrap_or_else(|error| panic!("{word:?}: {error}"));
        return number.to_le_bytes().to_vec();
    }
    match word.split_once('*') {
        Some((text, count)) => {
            let count = usize::try_from(number(count)).unwrap_or_else(|error| panic!("{word:?}: {error}"));
            unescape(text).repeat(count)
        }
        None => unescape(word),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((before, escaped)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let hex = escaped.strip_prefix('x').and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok());
        let (byte, len) = match (hex, escaped.bytes().next()) {
            (Some(byte), _) => (byte, 3),
            (None, Some(b's')) => (b' ', 1),
            (None, Some(b'\\')) => (b'\\', 1),
            _ => panic!("{text:?}: no such escape"),
        };
        bytes.push(byte);
        rest = &escaped[len..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

/// Bytes as a word that [`bytes`] reads back; long runs and long values are shortened.
pub(crate) fn word(bytes: &[u8]) -> String {
    match bytes {
        [] => return "\"\"".to_owned(),
        [first, ..] if bytes.len() > 6 && bytes.iter().all(|byte| byte == first) => {
            return format!("{}*{}", word(&[*first]), bytes.len());
        }
        _ if bytes.len() > 64 => return format!("<{} bytes>", bytes.len()),
        _ => {}
    }
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' ' => text.push_str("\\s"),
            b'!'..=b'~' if byte != b'+' && byte != b'*' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

/// A counter's place and width: `i64`, `i32@4`.
pub(super) fn counter(word: &str) -> (usize, usize) {
    let (width, offset) = word.split_once('@').unwrap_or((word, "0"));
    let offset = offset.parse().unwrap_or_else(|error| panic!("{word:?}: {error}"));
    match width {
        "i32" => (offset, 4),
        "i64" => (offset, 8),
        _ => panic!("{word:?}: a counter is i32 or i64, and its offset stands behind @"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bytes_and_bytes_are_words() {
        for (text, want) in [
            ("abc", &b"abc"[..]),
            ("\"\"", b""),
            ("\\x00\\s\\\\b", b"\x00 \\b"),
            ("ab*2+c", b"ababc"),
            ("i32:-1", b"\xff\xff\xff\xff"),
            ("x+i64:1", b"x\x01\x00\x00\x00\x00\x00\x00\x00"),
        ] {
            assert_eq!(bytes(text), want, "{text}");
            assert_eq!(bytes(&word(want)), want, "{text}");
        }
        assert_eq!(word(&[b'a'; 1000]), "a*1000");
        assert_eq!(word(&(0..100).collect::<Vec<u8>>()), "<100 bytes>");
        assert_eq!(counter("i32@4"), (4, 4));
    }
}
