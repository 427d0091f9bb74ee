//! Keys that may name a function of an object: `type:function:object[:argument...]`.

/// A key with at least a type and a function. Whether they exist is the registry's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualKey<'a> {
    /// Object type.
    pub type_name: &'a [u8],
    /// Function of it.
    pub function: &'a [u8],
    /// Which object; empty when the key has no third part.
    pub object: &'a [u8],
    /// Everything after the object and its `:`; `None` when nothing follows the object.
    rest: Option<&'a [u8]>,
}
