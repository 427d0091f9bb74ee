//! Whose objects a module may touch: those of its own type, and what its metadata asks for beside them.

use super::metadata::{EVERY_TYPE, Metadata};

/// What a module may do with objects of another type than its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// Not even open them.
    None,
    /// Open and read them.
    Read,
    /// Change and delete them, too.
    Write,
}

/// The types a module may open.
#[derive(Debug)]
pub(super) struct Reach {
    own: String,
    /// Types whose objects the module may read.
    opens: Vec<String>,
    /// Types whose objects the module may read and change.
    writes: Vec<String>,
}

impl Reach {
    /// The reach of a module, as its metadata says.
    pub(super) fn of_module(metadata: &Metadata) -> Reach {
        Reach {
            own: metadata.type_name.clone(),
            opens: metadata.opens.clone(),
            writes: metadata.writes.clone(),
        }
    }

    /// The reach of an interpreter: all types. It is part of the server, and its scripts' types are not known here.
    pub(super) fn of_interpreter(metadata: &Metadata) -> Reach {
        Reach {
            writes: vec![EVERY_TYPE.to_owned()],
            ..Reach::of_module(metadata)
        }
    }

    /// The module's own type.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    /// What the module may do with objects of a type.
    pub(super) fn access(&self, type_name: &[u8]) -> Access {
        let names = |listed: &[String]| {
            listed
                .iter()
                .any(|name| name == EVERY_TYPE || name.as_bytes() == type_name)
        };
        if self.own.as_bytes() == type_name || names(&self.writes) {
            Access::Write
        } else if names(&self.opens) {
            Access::Read
        } else {
            Access::None
        }
    }
}
