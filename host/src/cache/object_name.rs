//! The name under which the store keeps an object: `type$key`.

use cacheismo_abi::OBJECT_SEPARATOR;

use crate::protocol::find_byte;

/// What no object's name is: of no type, without a key.
pub(super) const NONE: &[u8] = &[OBJECT_SEPARATOR];

/// The parts of an object's name, in their order.
#[inline]
pub(super) fn parts<'a>(type_name: &'a [u8], key: &'a [u8]) -> [&'a [u8]; 3] {
    [type_name, NONE, key]
}

/// Length of an object's name, in bytes.
#[inline]
pub(super) fn len(type_name: &[u8], key: &[u8]) -> usize {
    type_name.len() + NONE.len() + key.len()
}

/// The type of the object that a key may name.
#[inline]
pub(super) fn type_name(key: &[u8]) -> Option<&[u8]> {
    let end = find_byte(key, OBJECT_SEPARATOR);
    (end < key.len()).then(|| &key[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_type_and_a_key() {
        let name = parts(b"map", b"a$b").concat();
        assert_eq!(name, b"map$a$b");
        assert_eq!(name.len(), len(b"map", b"a$b"));
        assert_eq!(type_name(&name), Some(&b"map"[..]));
        assert_eq!(type_name(b"map"), None);
        assert_eq!(type_name(NONE), Some(&b""[..]));
    }
}
