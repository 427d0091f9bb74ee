//! One callable function of a type: its arguments, and how many a call must bring.

use std::fmt::Write as _;

use serde::Deserialize;

use super::{check_name, unique};

/// Most arguments one function declares; `rest` may stand for any number.
const ARGUMENTS_MAX: usize = 64;

/// One function of a type.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Function {
    /// The second word of a virtual key.
    pub name: String,
    /// What the function does, for the help.
    #[serde(default)]
    pub doc: String,
    /// Whether the function may write. One that may not is stopped when it tries.
    pub writes: bool,
    /// The function's arguments; the object's key comes before them.
    #[serde(default)]
    pub args: Vec<Argument>,
}

/// One argument of a function.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Argument {
    /// Name, for the help.
    pub name: String,
    /// What the guest will parse it as.
    pub kind: Kind,
    /// Whether the argument may be left out.
    #[serde(default)]
    pub optional: bool,
    /// Whether the argument stands for all that follow, also none.
    #[serde(default)]
    pub rest: bool,
}

/// What the guest parses an argument as. For the reader of the help; the host passes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "named as in guest-sdk/ABI.md")]
pub enum Kind {
    Bytes,
    Str,
    Int,
    Uint,
    Float,
    Bool,
}

impl Kind {
    /// The word for the kind.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bytes => "bytes",
            Kind::Str => "str",
            Kind::Int => "int",
            Kind::Uint => "uint",
            Kind::Float => "float",
            Kind::Bool => "bool",
        }
    }
}

impl Function {
    /// Arguments a call must bring, the object's key not counted.
    pub fn required(&self) -> usize {
        self.args.iter().filter(|a| !a.optional && !a.rest).count()
    }

    /// Arguments a call can bring at most, the object's key not counted; more are ignored.
    pub fn most(&self) -> usize {
        match self.args.last() {
            Some(last) if last.rest => usize::MAX,
            _ => self.args.len(),
        }
    }

    /// How the function is called: `set:put:<set>:<member>`, `set:union:<set>[:<other>...]`.
    pub fn usage(&self, type_name: &str) -> String {
        let mut usage = format!("{type_name}:{}:<{type_name}>", self.name);
        let mut open = 0;
        for argument in &self.args {
            let more = if argument.rest { "..." } else { "" };
            let name = &argument.name;
            if argument.optional || argument.rest {
                open += 1;
                let _ = write!(usage, "[:<{name}>{more}");
            } else {
                let _ = write!(usage, ":<{name}>");
            }
        }
        usage.extend(std::iter::repeat_n(']', open));
        usage
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_name("function", &self.name)?;
        self.check_arguments()
            .map_err(|rule| format!("function {:?}: {rule}", self.name))
    }

    fn check_arguments(&self) -> Result<(), String> {
        if self.args.len() > ARGUMENTS_MAX {
            return Err(format!("more than {ARGUMENTS_MAX} arguments"));
        }
        unique("argument", self.args.iter().map(|a| a.name.as_str()))?;
        let mut optional_seen = false;
        for (index, argument) in self.args.iter().enumerate() {
            let name = &argument.name;
            check_name("argument", name)?;
            if argument.rest && index + 1 != self.args.len() {
                return Err(format!("rest argument {name:?} is not the last"));
            }
            if optional_seen && !argument.optional && !argument.rest {
                return Err(format!(
                    "required argument {name:?} follows an optional one"
                ));
            }
            optional_seen |= argument.optional;
        }
        Ok(())
    }
}
