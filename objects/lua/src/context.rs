//! What the natives share during a call: the command, the answer, the registered types.
//!
//! A guest runs one call at a time on one thread. No cell is borrowed across a call into Lua
//! that can raise, except on the way to an out of memory error, after which the instance is
//! given up.

use crate::command::Command;
use crate::output::Output;
use crate::rules::Rules;
use crate::sys::host;
use crate::sys::lua::Raise;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

thread_local! {
    static CONTEXT: Context = const { Context::new() };
}

/// What the natives share during a call, see the module.
pub(crate) struct Context {
    /// The client's command.
    pub(crate) command: RefCell<Command>,
    /// The answer so far.
    pub(crate) output: RefCell<Output>,
    /// The virtual key of the call; empty under `main`.
    pub(crate) virtual_key: Cell<&'static [u8]>,
    /// What the host would refuse.
    pub(crate) rules: RefCell<Rules>,
    /// Type and name of each function that was declared read-only.
    pub(crate) read_only: RefCell<BTreeSet<(Vec<u8>, Vec<u8>)>>,
    /// Type and function of the call; empty under `main`.
    pub(crate) called: Cell<(&'static [u8], &'static [u8])>,
    /// Number of the call: handles are good for the call that opened them.
    pub(crate) serial: Cell<u32>,
    /// Key of the item that `executeReadOnly` and its kin work on.
    pub(crate) item_key: RefCell<Vec<u8>>,
    /// Scratch space for lists to and from the host.
    pub(crate) scratch: RefCell<Vec<u8>>,
    /// Lines this call may still print.
    pub(crate) lines_left: Cell<u32>,
    /// The level that `setLogLevel` set.
    pub(crate) log_level: Cell<f64>,
}

/// Lines a call may print; one more line says that some are missing.
const LINES_MAX: u32 = 20;
/// Bytes of a printed line; longer ones are cut.
const LINE_BYTES_MAX: usize = 512;

impl Context {
    const fn new() -> Self {
        Self {
            command: RefCell::new(Command::new()),
            output: RefCell::new(Output::new()),
            virtual_key: Cell::new(b""),
            rules: RefCell::new(Rules::new()),
            read_only: RefCell::new(BTreeSet::new()),
            called: Cell::new((b"", b"")),
            serial: Cell::new(0),
            item_key: RefCell::new(Vec::new()),
            scratch: RefCell::new(Vec::new()),
            lines_left: Cell::new(LINES_MAX),
            log_level: Cell::new(1.0),
        }
    }

    /// Begins a call.
    pub(crate) fn begin(&self, virtual_key: &'static [u8]) {
        self.output.borrow_mut().reset();
        self.lines_left.set(LINES_MAX);
        self.called.set((b"", b""));
        self.serial.set(self.serial.get().wrapping_add(1));
        self.virtual_key.set(virtual_key);
    }

    /// Refuses a write of a function that declared itself read-only.
    pub(crate) fn check_write(&self) -> Result<(), Raise> {
        let read_only = self.read_only.borrow();
        let (type_name, function) = self.called.get();
        if !read_only.is_empty() && read_only.contains(&(type_name.to_vec(), function.to_vec())) {
            return Err("a read-only function cannot write".into());
        }
        Ok(())
    }

    /// Refuses to write or delete an item as the host would.
    pub(crate) fn refuse_item(&self, key: &[u8], data: &[u8]) -> Result<(), Raise> {
        self.check_write()?;
        let refused = self.rules.borrow().refuse_write(key, data);
        refused.map_or(Ok(()), |why| Err(why.into()))
    }

    /// Appends raw protocol bytes to the answer.
    pub(crate) fn write(&self, raw: &[u8]) {
        self.output.borrow_mut().write(self.virtual_key.get(), raw);
    }

    /// Answers a key with a value.
    pub(crate) fn answer(&self, key: &[u8], value: &[u8]) {
        self.output
            .borrow_mut()
            .answer(self.virtual_key.get(), key, value);
    }

    /// Answers with an item.
    pub(crate) fn write_item(&self, key: &[u8], flags: u32, data: &[u8]) {
        self.output
            .borrow_mut()
            .write_item(self.virtual_key.get(), key, flags, data);
    }

    /// Prints a line to the server's log, unless this call has printed enough.
    pub(crate) fn print(&self, line: &[u8]) {
        let left = self.lines_left.get();
        if left > 0 {
            self.lines_left.set(left - 1);
            let line = &line[..line.len().min(LINE_BYTES_MAX)];
            host::log(cacheismo_abi::level::INFO, line);
            if left == 1 {
                host::log(
                    cacheismo_abi::level::INFO,
                    b"print: further lines of this call are left out",
                );
            }
        }
    }
}

/// Runs `f` with the context.
pub(crate) fn with<R>(f: impl FnOnce(&Context) -> R) -> R {
    CONTEXT.with(f)
}
