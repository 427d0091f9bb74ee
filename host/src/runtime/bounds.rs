//! How large a module, and each function of it, may be. Checked before a byte of it is compiled: a thread that
//! compiles cannot be stopped, and takes as long, and as much memory, as the module wants.
//!
//! The cost of compiling does not follow from the bytes: 120 KB of code that keep 10,000 values on the stack take 9 s,
//! 7 KB of loops in each other half a gigabyte. So each function's cost is estimated by `effort`, from measurements of
//! functions made to be dear (`tests/compile_cost.rs`, which also holds the estimate against them).

use wasmparser::{
    CompositeInnerType, ElementItems, FunctionBody, Parser, Payload, SubType, TypeRef,
};

mod effort;

use effort::Effort;

/// Types of functions and blocks.
pub const SIGNATURES_MAX: u64 = 2_000;
/// Parameters of a function or block, and results of one.
pub const SIGNATURE_VALUES_MAX: u64 = 64;
/// Functions of a module.
pub const FUNCTIONS_MAX: u64 = 10_000;
/// Imports: the host has some thirty functions, and each needs to be named but once.
pub const IMPORTS_MAX: u64 = 100;
/// Exports: the functions of the metadata, and some more.
pub const EXPORTS_MAX: u64 = 2_000;
/// Global variables.
pub const GLOBALS_MAX: u64 = 2_000;
/// Tables.
pub const TABLES_MAX: u64 = 1;
/// Linear memories.
pub const MEMORIES_MAX: u64 = 1;
/// Segments of tables, and of memory.
pub const SEGMENTS_MAX: u64 = 10_000;
/// Entries of all segments of tables.
pub const ELEMENTS_MAX: u64 = super::limits::TABLE_ELEMENTS_CAP;
/// Bytes of one function.
pub const FUNCTION_BYTES_MAX: u64 = 128 << 10;
/// Local variables of one function, its parameters not counted.
pub const LOCALS_MAX: u64 = 2_000;
/// Blocks, loops and branches of one function that are inside each other.
pub const NESTING_MAX: u64 = 500;
/// Estimated time in which one function is compiled, in microseconds of a processor of 2024.
pub const FUNCTION_EFFORT_US_MAX: u64 = 4_000_000;
/// Estimated time in which all functions are compiled, in microseconds. At this bound, compiling takes at most 400 MiB.
pub const MODULE_EFFORT_US_MAX: u64 = 10_000_000;

/// What is too much about a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Too much in the module as a whole.
    #[error("{count} {what} are more than {max}")]
    Module {
        /// The name of what there is too much of.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there may be.
        max: u64,
    },
    /// Too much in one function.
    #[error("function {function}: {count} {what} are more than {max}")]
    Function {
        /// The function's number, imported ones counted, as tools show it.
        function: u64,
        /// The name of what there is too much of.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there may be.
        max: u64,
    },
    /// The module cannot be read.
    #[error("does not compile: {0}")]
    Malformed(String),
}

impl From<wasmparser::BinaryReaderError> for Excess {
    fn from(error: wasmparser::BinaryReaderError) -> Excess {
        Excess::Malformed(error.to_string())
    }
}

/// Holds a module against all bounds; returns the microseconds that compiling it is estimated to take.
///
/// # Errors
/// The first bound that the module passes.
pub(super) fn check(wasm: &[u8]) -> Result<u64, Excess> {
    let mut seen = Seen::default();
    for payload in Parser::new(0).parse_all(wasm) {
        seen.section(&payload?)?;
    }
    Ok(seen.effort_us)
}

/// What has been read of a module.
#[derive(Default)]
struct Seen {
    types: Vec<SubType>,
    imported: u64,
    /// Type of each function, imported ones first.
    functions: Vec<u32>,
    bodies: u64,
    effort_us: u64,
}

fn at_most(what: &'static str, count: u64, max: u64) -> Result<(), Excess> {
    match count <= max {
        true => Ok(()),
        false => Err(Excess::Module { what, count, max }),
    }
}

impl Seen {
    fn section(&mut self, payload: &Payload<'_>) -> Result<(), Excess> {
        match payload {
            Payload::TypeSection(types) => {
                at_most("types", types.count().into(), SIGNATURES_MAX)?;
                self.types(types.clone())
            }
            Payload::ImportSection(imports) => {
                // A group counts as one, and may hold many.
                for (number, import) in (1..).zip(imports.clone().into_imports()) {
                    at_most("imports", number, IMPORTS_MAX)?;
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import?.ty {
                        self.functions.push(ty);
                    }
                }
                self.imported = self.functions.len() as u64;
                Ok(())
            }
            Payload::FunctionSection(functions) => {
                at_most("functions", functions.count().into(), FUNCTIONS_MAX)?;
                for ty in functions.clone() {
                    self.functions.push(ty?);
                }
                Ok(())
            }
            Payload::TableSection(tables) => at_most("tables", tables.count().into(), TABLES_MAX),
            Payload::MemorySection(memories) => {
                at_most("memories", memories.count().into(), MEMORIES_MAX)
            }
            Payload::GlobalSection(globals) => {
                at_most("globals", globals.count().into(), GLOBALS_MAX)
            }
            Payload::ExportSection(exports) => {
                at_most("exports", exports.count().into(), EXPORTS_MAX)
            }
            Payload::DataSection(segments) => {
                at_most("data segments", segments.count().into(), SEGMENTS_MAX)
            }
            Payload::ElementSection(segments) => {
                at_most("table segments", segments.count().into(), SEGMENTS_MAX)?;
                elements(segments.clone())
            }
            Payload::CodeSectionEntry(body) => self.body(body),
            _ => Ok(()),
        }
    }

    fn types(&mut self, types: wasmparser::TypeSectionReader<'_>) -> Result<(), Excess> {
        for group in types {
            for ty in group?.types() {
                if let CompositeInnerType::Func(ty) = &ty.composite_type.inner {
                    let (params, results) = (ty.params().len(), ty.results().len());
                    at_most("parameters", params as u64, SIGNATURE_VALUES_MAX)?;
                    at_most("results", results as u64, SIGNATURE_VALUES_MAX)?;
                }
                self.types.push(ty.clone());
                // A group counts as one, and may hold many.
                at_most("types", self.types.len() as u64, SIGNATURES_MAX)?;
            }
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Excess> {
        let function = self.imported + self.bodies;
        self.bodies += 1;
        let at_most = |what: &'static str, count: u64, max: u64| match count <= max {
            true => Ok(()),
            false => Err(Excess::Function {
                function,
                what,
                count,
                max,
            }),
        };
        let range = body.range();
        at_most(
            "bytes",
            (range.end - range.start) as u64,
            FUNCTION_BYTES_MAX,
        )?;
        let mut locals = 0;
        for local in body.get_locals_reader()? {
            locals += u64::from(local?.0);
            at_most("local variables", locals, LOCALS_MAX)?;
        }
        let mut effort = Effort::new(&self.types, &self.functions, function as usize, locals);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            effort.add(&operators.read()?);
            at_most("blocks inside each other", effort.depth(), NESTING_MAX)?;
            at_most(
                "microseconds to compile",
                effort.us(),
                FUNCTION_EFFORT_US_MAX,
            )?;
        }
        self.effort_us += effort.us();
        self::at_most(
            "microseconds to compile",
            self.effort_us,
            MODULE_EFFORT_US_MAX,
        )
    }
}

fn elements(segments: wasmparser::ElementSectionReader<'_>) -> Result<(), Excess> {
    let mut entries = 0;
    for segment in segments {
        entries += match segment?.items {
            ElementItems::Functions(items) => u64::from(items.count()),
            ElementItems::Expressions(_, items) => u64::from(items.count()),
        };
        at_most("table entries", entries, ELEMENTS_MAX)?;
    }
    Ok(())
}
