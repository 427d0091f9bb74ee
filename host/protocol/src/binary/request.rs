//! One binary request from the front of a buffer.

use super::{
    Arith, Command, Echo, HEADER_BYTES, Parsed, REQUEST_MAGIC, Refusal, Request, Status, Store,
    StoreVerb, TooLarge,
};
use crate::{KEY_BYTES_MAX, Limits};

/// Longest name of a SASL mechanism in bytes.
const MECHANISM_BYTES_MAX: usize = 32;
/// Longest SASL message in bytes.
const SASL_BYTES_MAX: usize = 4096;
/// Exptime of `incr` and `decr` that means: do not create.
const NO_CREATE: u32 = u32::MAX;

/// Reads one request from the front of `input`, which may end anywhere.
///
/// More input never changes an answer other than [`Parsed::Incomplete`].
pub fn parse<'a>(input: &'a [u8], limits: &Limits) -> Parsed<'a> {
    // A byte that starts no request is refused at once: there may never be 24 of them.
    if input.first().is_some_and(|&magic| magic != REQUEST_MAGIC) {
        return Parsed::Error(Refusal {
            answer: None,
            consumed: input.len(),
            swallow: 0,
            close: true,
        });
    }
    let Some((bytes, rest)) = input.split_first_chunk() else {
        return Parsed::Incomplete {
            needed: HEADER_BYTES,
        };
    };
    let header = Header::read(bytes);
    match header.check(limits) {
        Verdict::Read => header.read_body(rest, limits),
        Verdict::TooLarge => header.too_large(rest),
        Verdict::Refuse { status, close } => Parsed::Error(Refusal {
            answer: Some((header.echo, status)),
            consumed: HEADER_BYTES,
            swallow: header.body as u64,
            close,
        }),
    }
}

/// Reads one request of a client that has to log in first.
///
/// A request that needs a login is refused by its header: its body is neither waited for nor kept.
pub fn parse_before_login<'a>(input: &'a [u8], limits: &Limits) -> Parsed<'a> {
    let header = input.first_chunk().map(Header::read);
    match header.filter(|_| input[0] == REQUEST_MAGIC) {
        Some(header) if !header.needs_no_login() => Parsed::Error(Refusal {
            answer: Some((header.echo, Status::AuthError)),
            consumed: HEADER_BYTES,
            swallow: header.body as u64,
            close: false,
        }),
        _ => parse(input, limits),
    }
}

/// The fixed part of a request.
struct Header {
    echo: Echo,
    extras: usize,
    key: usize,
    body: usize,
    cas: u64,
}

/// What the header alone decides; the body can't change it.
enum Verdict {
    Read,
    TooLarge,
    Refuse { status: Status, close: bool },
}

/// The shape a body must have: length of the extras, a key or none, a value or none.
struct Shape {
    extras: usize,
    key: bool,
    value: bool,
}

const fn shape(extras: usize, key: bool, value: bool) -> Option<Shape> {
    Some(Shape { extras, key, value })
}

impl Header {
    fn read(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [
            _,
            opcode,
            k1,
            k0,
            extras,
            _,
            _,
            _,
            b3,
            b2,
            b1,
            b0,
            o3,
            o2,
            o1,
            o0,
            cas @ ..,
        ] = *bytes;
        Header {
            echo: Echo {
                opcode,
                opaque: [o3, o2, o1, o0],
            },
            extras: extras.into(),
            key: u16::from_be_bytes([k1, k0]).into(),
            body: u32::from_be_bytes([b3, b2, b1, b0]) as usize,
            cas: u64::from_be_bytes(cas),
        }
    }

    /// Length of the value; only meaningful once extras and key are known to fit the body.
    fn value_bytes(&self) -> usize {
        self.body - self.extras - self.key
    }

    fn check(&self, limits: &Limits) -> Verdict {
        let refuse = |status, close| Verdict::Refuse { status, close };
        if self.extras + self.key > self.body {
            return refuse(Status::UnknownCommand, true);
        }
        if self.key > KEY_BYTES_MAX {
            return refuse(Status::Invalid, true);
        }
        let Some(shape) = self.shape() else {
            return refuse(Status::UnknownCommand, false);
        };
        // A stat may or may not name something.
        let key_fits = shape.key == (self.key > 0) || self.opcode() == STAT;
        if self.extras != shape.extras || !key_fits || !shape.value && self.value_bytes() > 0 {
            // memcached knows no Verbosity: a request with wrong lengths gets the answer memcached gives to any
            // Verbosity.
            return match self.opcode() {
                VERBOSITY => refuse(Status::UnknownCommand, false),
                _ => refuse(Status::Invalid, true),
            };
        }
        match self.opcode() {
            SASL_AUTH | SASL_STEP if self.key > MECHANISM_BYTES_MAX => {
                refuse(Status::Invalid, false)
            }
            SASL_AUTH | SASL_STEP if self.value_bytes() > SASL_BYTES_MAX => {
                refuse(Status::OutOfMemory, false)
            }
            _ if self.value_bytes() > limits.value_bytes_max => Verdict::TooLarge,
            _ => Verdict::Read,
        }
    }

    /// The opcode without its quietness.
    fn opcode(&self) -> u8 {
        match self.echo.opcode {
            quiet @ 0x11..=0x1a => QUIET_TO_LOUD[usize::from(quiet) - 0x11],
            GETQ => GET,
            GETKQ => GETK,
            GATQ => GAT,
            GATKQ => GATK,
            loud => loud,
        }
    }

    fn needs_no_login(&self) -> bool {
        matches!(
            self.opcode(),
            SASL_LIST | SASL_AUTH | SASL_STEP | VERSION | QUIT
        )
    }

    fn quiet(&self) -> bool {
        self.opcode() != self.echo.opcode
    }

    fn shape(&self) -> Option<Shape> {
        match self.opcode() {
            GET | GETK | DELETE | STAT => shape(0, true, false),
            SET | ADD | REPLACE => shape(8, true, true),
            INCREMENT | DECREMENT => shape(20, true, false),
            QUIT | NOOP | VERSION | SASL_LIST => shape(0, false, false),
            // The time of a flush may be left out.
            FLUSH if self.extras == 0 => shape(0, false, false),
            FLUSH | VERBOSITY => shape(4, false, false),
            APPEND | PREPEND | SASL_AUTH | SASL_STEP => shape(0, true, true),
            TOUCH | GAT | GATK => shape(4, true, false),
            _ => None,
        }
    }

    fn too_large<'a>(&self, rest: &'a [u8]) -> Parsed<'a> {
        let front = self.extras + self.key;
        let Some(key) = rest.get(self.extras..front) else {
            return Parsed::Incomplete {
                needed: HEADER_BYTES + front,
            };
        };
        Parsed::TooLarge(TooLarge {
            echo: self.echo,
            key,
            drop_old: self.opcode() == SET,
            consumed: HEADER_BYTES + front,
            swallow: self.value_bytes() as u64,
        })
    }

    fn read_body<'a>(&self, rest: &'a [u8], limits: &Limits) -> Parsed<'a> {
        let consumed = HEADER_BYTES + self.body;
        let Some(body) = rest.get(..self.body) else {
            return self.read_front(rest, limits);
        };
        Parsed::Request {
            request: self.request(body),
            consumed,
        }
    }

    /// Reads a body that is not all there.
    fn read_front<'a>(&self, rest: &'a [u8], limits: &Limits) -> Parsed<'a> {
        let (front, len) = (self.extras + self.key, self.value_bytes());
        match rest.get(..front) {
            Some(front_bytes) if self.opcode() == SET && len >= limits.announced_bytes_min => {
                Parsed::Announced {
                    request: self.request(front_bytes),
                    consumed: HEADER_BYTES + front,
                    len,
                }
            }
            _ => Parsed::Incomplete {
                needed: HEADER_BYTES + self.body,
            },
        }
    }

    fn request<'a>(&self, body: &'a [u8]) -> Request<'a> {
        let (extras, body) = body.split_at(self.extras);
        let (key, value) = body.split_at(self.key);
        Request {
            echo: self.echo,
            cas: self.cas,
            quiet: self.quiet(),
            command: self.command(extras, key, value),
        }
    }

    fn command<'a>(&self, extras: &[u8], key: &'a [u8], value: &'a [u8]) -> Command<'a> {
        let opcode = self.opcode();
        // Exptimes are unsigned here: none is in the past by its sign.
        let first = extras.first_chunk().map(|&bytes| u32::from_be_bytes(bytes));
        let touch = first.map(i64::from);
        match opcode {
            GET | GETK | GAT | GATK => Command::Get {
                key,
                with_key: matches!(opcode, GETK | GATK),
                touch,
            },
            TOUCH => Command::Touch {
                key,
                exptime: touch.unwrap_or_default(),
            },
            SET => store(StoreVerb::Set, extras, key, value),
            ADD => store(StoreVerb::Add, extras, key, value),
            REPLACE => store(StoreVerb::Replace, extras, key, value),
            APPEND => store(StoreVerb::Append, extras, key, value),
            PREPEND => store(StoreVerb::Prepend, extras, key, value),
            DELETE => Command::Delete { key },
            INCREMENT | DECREMENT => arith(opcode == DECREMENT, extras, key),
            FLUSH => Command::Flush { delay: touch },
            NOOP => Command::Noop,
            VERSION => Command::Version,
            STAT => Command::Stat { key },
            VERBOSITY => Command::Verbosity {
                level: first.unwrap_or_default(),
            },
            QUIT => Command::Quit,
            SASL_LIST => Command::SaslList,
            SASL_AUTH | SASL_STEP => Command::Sasl {
                mechanism: key,
                message: value,
                step: opcode == SASL_STEP,
            },
            other => unreachable!("opcode {other:#x} has no shape, so it was refused"),
        }
    }
}

/// Flags and exptime are missing in append and prepend.
fn store<'a>(verb: StoreVerb, extras: &[u8], key: &'a [u8], value: &'a [u8]) -> Command<'a> {
    let [flags, exptime] = match extras.as_chunks().0 {
        [flags, exptime] => [u32::from_be_bytes(*flags), u32::from_be_bytes(*exptime)],
        _ => [0, 0],
    };
    Command::Store(Store {
        verb,
        key,
        flags,
        exptime: exptime.into(),
        value,
    })
}

/// Extras: delta 8 bytes, initial value 8 bytes, exptime 4 bytes.
fn arith<'a>(decrement: bool, extras: &[u8], key: &'a [u8]) -> Command<'a> {
    let mut numbers = extras
        .chunks(8)
        .map(|chunk| chunk.iter().fold(0, |sum, &b| sum << 8 | u64::from(b)));
    let mut next = || numbers.next().unwrap_or_default();
    let (delta, initial, exptime) = (next(), next(), next());
    Command::Arith(Arith {
        key,
        delta,
        decrement,
        create: (exptime != u64::from(NO_CREATE)).then_some((initial, exptime as i64)),
    })
}

const GET: u8 = 0x00;
const SET: u8 = 0x01;
const ADD: u8 = 0x02;
const REPLACE: u8 = 0x03;
const DELETE: u8 = 0x04;
const INCREMENT: u8 = 0x05;
const DECREMENT: u8 = 0x06;
const QUIT: u8 = 0x07;
const FLUSH: u8 = 0x08;
const GETQ: u8 = 0x09;
const NOOP: u8 = 0x0a;
const VERSION: u8 = 0x0b;
const GETK: u8 = 0x0c;
const GETKQ: u8 = 0x0d;
const APPEND: u8 = 0x0e;
const PREPEND: u8 = 0x0f;
const STAT: u8 = 0x10;
/// The loud opcode of each quiet opcode from 0x11 on.
const QUIET_TO_LOUD: [u8; 10] = [
    SET, ADD, REPLACE, DELETE, INCREMENT, DECREMENT, QUIT, FLUSH, APPEND, PREPEND,
];
const VERBOSITY: u8 = 0x1b;
const TOUCH: u8 = 0x1c;
const GAT: u8 = 0x1d;
const GATQ: u8 = 0x1e;
const SASL_LIST: u8 = 0x20;
const SASL_AUTH: u8 = 0x21;
const SASL_STEP: u8 = 0x22;
const GATK: u8 = 0x23;
const GATKQ: u8 = 0x24;
