//! What the host calls and reads.
#![expect(unsafe_code, reason = "exported names; the buffers carry their proof")]

use crate::context;
use crate::interpreter::{self, End};
use cacheismo_abi::FAILED;
use cacheismo_sdk::sys::Args;
use core::cell::UnsafeCell;
use std::cell::RefCell;

/// Size of the scratch buffer; the metadata says the same.
const BUFFER_BYTES: usize = 16_384;
/// A reserved buffer that grew past this is given back before the next is made.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Metadata for the host: `ABI.md` describes it.
#[used]
#[unsafe(link_section = "cacheismo.meta")]
static META: [u8; META_TEXT.len()] = *META_TEXT;
const META_TEXT: &[u8; 545] = include_bytes!("meta.json");

/// Memory the host writes while no code of ours runs.
#[repr(C, align(8))]
pub(crate) struct Buffer(UnsafeCell<[u8; BUFFER_BYTES]>);

// SAFETY: a guest has one thread.
unsafe impl Sync for Buffer {}

/// The scratch buffer for arguments.
#[unsafe(export_name = "cacheismo_buffer")]
static BUFFER: Buffer = Buffer(UnsafeCell::new([0; BUFFER_BYTES]));

thread_local! {
    /// Arguments too long for the scratch buffer, and the JSON of `load`.
    static RESERVED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static REPLY: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Room for `len` bytes until the end of the call.
#[unsafe(export_name = "cacheismo_reserve")]
extern "C" fn reserve(len: i32) -> *mut u8 {
    let len = usize::try_from(len).unwrap_or(0);
    RESERVED.with_borrow_mut(|reserved| {
        if reserved.capacity() > KEPT_BYTES_MAX {
            *reserved = Vec::new();
        }
        reserved.resize(len, 0);
        reserved.as_mut_ptr()
    })
}

/// The arguments of a call: `len` bytes, of the reserved buffer when `len` is negative.
fn args(len: i32) -> Args<'static> {
    let size = len.unsigned_abs() as usize;
    let start = if len < 0 {
        RESERVED.with_borrow(|reserved| {
            assert!(size <= reserved.len(), "the host wrote what was reserved");
            reserved.as_ptr()
        })
    } else {
        assert!(size <= BUFFER_BYTES, "the host wrote the scratch buffer");
        BUFFER.0.get().cast::<u8>().cast_const()
    };
    // SAFETY: the bytes are there, and stay as they are until the call returns: the host
    // writes only between calls and `reserve` is called only by it.
    let bytes = unsafe { core::slice::from_raw_parts(start, size) };
    Args::new(bytes)
}

/// Address and length as the ABI returns them.
fn reply(bytes: &[u8]) -> i64 {
    ((bytes.as_ptr() as i64) << 32) | bytes.len() as i64
}

#[unsafe(export_name = "fn:load")]
extern "C" fn load(len: i32) -> i64 {
    let json = interpreter::load(args(len));
    REPLY.with_borrow_mut(|slot| {
        *slot = json;
        reply(slot.as_bytes())
    })
}

#[unsafe(export_name = "fn:call")]
extern "C" fn call(len: i32) -> i64 {
    match interpreter::call(args(len)) {
        End::Failed => FAILED,
        End::Answer => context::with(|c| {
            let mut output = c.output.borrow_mut();
            reply(output.finish(c.virtual_key.get()))
        }),
    }
}

#[unsafe(export_name = "fn:main")]
extern "C" fn main(len: i32) -> i64 {
    match interpreter::main(args(len)) {
        End::Failed => FAILED,
        End::Answer => context::with(|c| reply(c.output.borrow().bytes())),
    }
}
