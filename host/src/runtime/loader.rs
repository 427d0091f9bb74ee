//! From bytes to a checked module: everything that can be refused is refused here, before a client calls.

use std::path::Path;
use std::sync::Arc;

use cacheismo_abi as abi;
use wasmtime::{ExternType, FuncType, Linker, Module, Mutability, Store, ValType};

use super::bounds;
use super::engine::Engine;
use super::error::{LoadError, Refusal};
use super::limits::Limits;
use super::lua::{LUA_IMPORTS, LUA_MODULE};
use super::metadata::Metadata;
use super::sections::outline;
use super::state::MemoryGuard;
use crate::account::Purpose;

/// Longest module, in bytes, unless [`Source::bytes_max`] says otherwise.
pub const MODULE_BYTES_MAX: usize = 4 << 20;

/// A module on its way in.
#[derive(Clone, Debug)]
pub struct Source {
    /// File, or name of the embedded module, for messages.
    pub name: String,
    /// The wasm binary.
    pub wasm: std::borrow::Cow<'static, [u8]>,
    /// Longest binary accepted, in bytes.
    pub bytes_max: usize,
    /// Why there is no binary: for this reason the source is refused.
    pub unread: Option<Arc<Refusal>>,
    /// `Some` for an interpreter: no virtual key names it, and every new instance first calls its function
    /// [`SETUP`] with these arguments.
    pub setup: Option<Arc<[Vec<u8>]>>,
    /// What the scripts of an interpreter define.
    pub scripted: Arc<[Scripted]>,
}

/// A function a script defines. Its calls are calls of a function of the interpreter, but pace and stops are noted for
/// each scripted function: a slow one takes no other along to the lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripted {
    /// The name by which the registry finds the function: `type:function`, which no function of a module is called.
    pub name: String,
    /// The interpreter's function that runs it.
    pub by: &'static str,
    /// Whether the function may write.
    pub writes: bool,
}

/// The function of an interpreter that takes its scripts.
pub const SETUP: &str = cacheismo_lua_contract::LOAD;

impl Source {
    /// A module compiled into the server.
    pub fn embedded(name: &str, wasm: &'static [u8]) -> Source {
        Source {
            name: name.to_owned(),
            wasm: wasm.into(),
            bytes_max: MODULE_BYTES_MAX,
            unread: None,
            setup: None,
            scripted: Arc::default(),
        }
    }

    /// The same module as an interpreter of these scripts, which define these functions.
    pub fn with_setup(self, arguments: Vec<Vec<u8>>, scripted: Vec<Scripted>) -> Source {
        Source {
            setup: Some(arguments.into()),
            scripted: scripted.into(),
            ..self
        }
    }

    /// Every entry of a directory that is called `*.wasm`, by name. A file that cannot be read is refused when it is
    /// loaded, and keeps no other out.
    ///
    /// # Errors
    /// When the directory cannot be read, or there is no such entry.
    pub fn directory(path: &Path) -> Result<Vec<Source>, LoadError> {
        let refused = |refusal: Refusal| LoadError {
            source_name: path.display().to_string(),
            refusal,
        };
        let entries = std::fs::read_dir(path).map_err(|error| refused(error.into()))?;
        let mut files = Vec::new();
        for entry in entries {
            let file = entry.map_err(|error| refused(error.into()))?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "wasm")
            {
                files.push(file);
            }
        }
        if files.is_empty() {
            return Err(refused(Refusal::NoModules));
        }
        files.sort();
        let read = |file: &std::path::PathBuf| {
            Source::file(file).unwrap_or_else(|refusal| Source {
                name: file.display().to_string(),
                unread: Some(Arc::new(refusal)),
                ..Source::embedded("", b"")
            })
        };
        Ok(files.iter().map(read).collect())
    }

    /// One file. A file that is too long isn't read.
    ///
    /// # Errors
    /// When the file cannot be read, or is none.
    pub fn file(path: &Path) -> Result<Source, Refusal> {
        Ok(Source {
            wasm: read_file(path, MODULE_BYTES_MAX)?.into(),
            ..Source::embedded(&path.display().to_string(), b"")
        })
    }
}

/// Reads a file of at most `bytes_max`, and nothing that is no file: a pipe would be waited for, and a device may have
/// no end.
fn read_file(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if !std::fs::metadata(path)?.is_file() {
        return Err(Refusal::NoFile);
    }
    // The path may name another file by now: opening it doesn't wait in any case, and it is looked at again.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Refusal::NoFile);
    }
    let too_long = |len: u64| Refusal::TooLong {
        len: usize::try_from(len).unwrap_or(usize::MAX),
        max: bytes_max,
    };
    if metadata.len() > bytes_max as u64 {
        return Err(too_long(metadata.len()));
    }
    let mut bytes = Vec::new();
    // The file may grow meanwhile.
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > bytes_max {
        true => Err(too_long(bytes.len() as u64)),
        false => Ok(bytes),
    }
}

/// A module that passed every check.
pub(super) struct Loaded {
    pub(super) metadata: Metadata,
    pub(super) module: Module,
    pub(super) places: Places,
}

/// Where the host writes to a module's memory: the same in every instance, the globals being constant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Address of the scratch buffer.
    pub(super) buffer: usize,
    /// Address of the value cell, if the module has one.
    pub(super) value: Option<usize>,
}

/// Reads the metadata of a source without compiling it.
pub(super) fn metadata(source: &Source) -> Result<Metadata, Refusal> {
    if let Some(refusal) = &source.unread {
        return Err(Refusal::Unread(Arc::clone(refusal)));
    }
    if source.wasm.len() > source.bytes_max {
        return Err(Refusal::TooLong {
            len: source.wasm.len(),
            max: source.bytes_max,
        });
    }
    let outline = outline(&source.wasm, abi::META_SECTION)?;
    let metadata = Metadata::parse(outline.custom.ok_or(Refusal::NoMetadata)?)?;
    if outline.has_start {
        return Err(Refusal::Start);
    }
    Ok(metadata)
}

/// Compiles a module and checks what it imports, exports and needs.
pub(super) fn load(
    engine: &Engine,
    source: &Source,
    metadata: Metadata,
    limits: &Limits,
) -> Result<Loaded, Refusal> {
    bounds::check(&source.wasm)?;
    let module = Module::from_binary(&engine.wasm, &source.wasm)
        .map_err(|error| Refusal::Compile(format!("{error:#}")))?;
    check_imports(&module, &metadata)?;
    check_exports(&module, &metadata)?;
    let places = try_out(engine, &module, &metadata, limits)?;
    Ok(Loaded {
        metadata,
        module,
        places,
    })
}

fn check_imports(module: &Module, metadata: &Metadata) -> Result<(), Refusal> {
    for import in module.imports() {
        let refuse = |reason: String| Refusal::Import {
            module: import.module().to_owned(),
            name: import.name().to_owned(),
            reason,
        };
        let table = match import.module() {
            abi::IMPORT_MODULE => abi::imports::CORE,
            abi::ITEMS_MODULE => abi::imports::ITEMS,
            LUA_MODULE => LUA_IMPORTS,
            _ => return Err(refuse("there is no such import module".to_owned())),
        };
        if import.module() == abi::ITEMS_MODULE {
            check_capability(import.name(), metadata).map_err(&refuse)?;
        }
        let (_, signature) = table
            .iter()
            .find(|(name, _)| *name == import.name())
            .ok_or_else(|| refuse("there is no such host function".to_owned()))?;
        match import.ty() {
            ExternType::Func(ty) if is(&ty, signature) => {}
            _ => return Err(refuse(format!("is not a function {signature:?}"))),
        }
    }
    Ok(())
}

/// Refuses an import from the items module without the capability that tells readers of the metadata about it.
fn check_capability(import: &str, metadata: &Metadata) -> Result<(), String> {
    let granting: &[&str] = match import {
        "peer_get" => &[abi::capability::PEERS],
        "result_read" => &[abi::capability::ITEMS, abi::capability::PEERS],
        _ => &[abi::capability::ITEMS],
    };
    if granting.iter().any(|name| metadata.has_capability(name)) {
        Ok(())
    } else {
        Err(format!("needs the capability {:?}", granting[0]))
    }
}

fn check_exports(module: &Module, metadata: &Metadata) -> Result<(), Refusal> {
    let export = |name: &str, right: &dyn Fn(&ExternType) -> bool, what: &str| {
        let refuse = |reason: String| Refusal::Export {
            name: name.to_owned(),
            reason,
        };
        match module.get_export(name) {
            None => Err(refuse("is missing".to_owned())),
            Some(ty) if right(&ty) => Ok(()),
            Some(_) => Err(refuse(format!("is not {what}"))),
        }
    };
    let function = |name: &str, signature: &str| {
        let right = |ty: &ExternType| matches!(ty, ExternType::Func(ty) if is(ty, signature));
        export(name, &right, &format!("a function {signature:?}"))
    };
    let constant_i32 = |ty: &ExternType| {
        matches!(ty, ExternType::Global(ty)
            if ty.content().is_i32() && ty.mutability() == Mutability::Const)
    };
    export(
        "memory",
        &|ty| matches!(ty, ExternType::Memory(_)),
        "a memory",
    )?;
    export(abi::BUFFER_EXPORT, &constant_i32, "a constant i32 global")?;
    if module.get_export(abi::VALUE_EXPORT).is_some() {
        export(abi::VALUE_EXPORT, &constant_i32, "a constant i32 global")?;
    }
    function(abi::RESERVE_EXPORT, "i:i")?;
    metadata
        .functions
        .iter()
        .try_for_each(|f| function(&format!("{}{}", abi::FUNCTION_PREFIX, f.name), "i:I"))
}

/// Whether a wasm function type reads as the ABI's notation: `i` and `I`, parameters, colon, result.
fn is(ty: &FuncType, signature: &str) -> bool {
    let letter = |ty: ValType| match ty {
        ValType::I32 => 'i',
        ValType::I64 => 'I',
        _ => '?',
    };
    let params = ty.params().map(letter);
    let results = ty.results().map(letter);
    params.chain([':']).chain(results).eq(signature.chars())
}

/// Instantiates once under the type's limits, which runs no guest code as there is no start function,
/// and finds the places the host writes to.
fn try_out(
    engine: &Engine,
    module: &Module,
    metadata: &Metadata,
    limits: &Limits,
) -> Result<Places, Refusal> {
    let failed = |error: wasmtime::Error| Refusal::Instantiate(format!("{error:#}"));
    let mut linker = Linker::new(&engine.wasm);
    linker
        .define_unknown_imports_as_traps(module)
        .map_err(failed)?;
    let share = engine.account().share(Purpose::Instances);
    let mut store = Store::new(&engine.wasm, MemoryGuard::new(limits, share));
    store.limiter(|guard| guard);
    let instance = linker.instantiate(&mut store, module).map_err(failed)?;

    let memory = instance
        .get_memory(&mut store, "memory")
        .expect("the export was checked");
    let memory_bytes = memory.data_size(&store);
    let mut place = |name: &str, bytes: usize| {
        let Some(global) = instance.get_global(&mut store, name) else {
            return Ok(None);
        };
        let address = global.get(&mut store).i32().expect("its type was checked") as u32 as usize;
        if address.is_multiple_of(8) && memory_bytes >= address + bytes {
            return Ok(Some(address));
        }
        Err(Refusal::Export {
            name: name.to_owned(),
            reason: format!("{bytes} bytes at {address} are not 8-byte aligned inside the memory"),
        })
    };
    Ok(Places {
        buffer: place(abi::BUFFER_EXPORT, metadata.buffer as usize)?
            .expect("the export was checked"),
        value: place(abi::VALUE_EXPORT, abi::VALUE_CELL_BYTES)?,
    })
}
