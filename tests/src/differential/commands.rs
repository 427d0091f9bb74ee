//! The commands: mostly sensible ones on few keys, so that they meet, and some broken in every way a
//! client can break them.

/// Stands in a request for the CAS the server last told for the step's key.
pub const CAS: &[u8] = b"{cas}";

/// A small generator of reproducible randomness (xorshift).
#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    /// One of `choices`.
    pub fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[usize::try_from(self.below(choices.len() as u64)).expect("an index fits")]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// One command.
#[derive(Debug)]
pub struct Step {
    /// The bytes to send, its data block included.
    pub request: Vec<u8>,
    /// The key that the command is about; the key's CAS may stand in the request.
    pub key: Vec<u8>,
}

impl Step {
    /// Draws a step.
    pub fn random(rng: &mut Rng) -> Self {
        let key = format!("key{}", rng.below(8));
        let request = match rng.below(20) {
            0..=5 => storage(rng, &key),
            6..=8 => retrieval(rng, &key),
            9..=10 => arithmetic(rng, &key),
            11 => upkeep(rng, &key),
            12..=13 => meta_get(rng, &key),
            14..=15 => meta_set(rng, &key),
            16 => meta_delete(rng, &key),
            17 => meta_arithmetic(rng, &key),
            18 => ordinary_text(rng),
            _ => broken(rng, &key),
        };
        Self {
            request,
            key: key.into_bytes(),
        }
    }
}

/// Lengths of values that are read to where they stay, and sent from there. Not so long that memcached keeps them in
/// chunks: see `explained.rs`.
const BIG: std::ops::Range<u64> = 32 << 10..200 << 10;

/// A value: numbers often, for arithmetic; sometimes empty, long, or full of line ends; now and then big.
fn value(rng: &mut Rng) -> String {
    if rng.once_in(60) {
        return big_value(rng);
    }
    match rng.below(12) {
        0..=4 => rng.below(1000).to_string(),
        5 => String::new(),
        6 => "18446744073709551615".to_owned(),
        7 => "END\r\nVALUE key1 0 1\r\n".to_owned(),
        8 => "v".repeat(usize::try_from(rng.below(5000)).expect("small")),
        9 => rng
            .pick(&["12 ", "12 apples", " \t12", "+12", "0012", "12a"])
            .to_owned(),
        10 => "12 ".to_owned(),
        _ => "\0text\0".to_owned(),
    }
}

/// Bytes that show where they belong.
fn big_value(rng: &mut Rng) -> String {
    let len = BIG.start + rng.below(BIG.end - BIG.start);
    let first = rng.below(26);
    let letter = |i: u64| char::from(b'a' + ((first + i + i / 1000) % 26) as u8);
    (0..len).map(letter).collect()
}

const EXPTIMES: &[&str] = &["0", "0", "0", "0", "1000", "100000", "-1", "2000000000"];
const FLAGS: &[&str] = &["0", "0", "1", "4294967295", "17"];

fn storage(rng: &mut Rng, key: &str) -> Vec<u8> {
    let verb = rng.pick(&[
        "set", "set", "set", "add", "replace", "append", "prepend", "cas",
    ]);
    let (flags, exptime, data) = (rng.pick(FLAGS), rng.pick(EXPTIMES), value(rng));
    let cas = match (verb, rng.below(3)) {
        ("cas", 0) => " 1",
        ("cas", _) => " {cas}",
        _ => "",
    };
    let noreply = if rng.once_in(8) { " noreply" } else { "" };
    format!(
        "{verb} {key} {flags} {exptime} {}{cas}{noreply}\r\n{data}\r\n",
        data.len()
    )
    .into_bytes()
}

fn retrieval(rng: &mut Rng, key: &str) -> Vec<u8> {
    let verb = rng.pick(&["get", "gets", "gets", "get", "gat 0", "gats 1000", "gat -1"]);
    let more: String = (0..rng.below(4))
        .map(|_| format!(" key{}", rng.below(8)))
        .collect();
    format!("{verb} {key}{more}\r\n").into_bytes()
}

fn arithmetic(rng: &mut Rng, key: &str) -> Vec<u8> {
    let verb = rng.pick(&["incr", "decr"]);
    let delta = rng.pick(&[
        "1",
        "1",
        "10",
        "999",
        "18446744073709551615",
        "0",
        "-1",
        "x",
        "18446744073709551616",
    ]);
    let noreply = if rng.once_in(8) { " noreply" } else { "" };
    format!("{verb} {key} {delta}{noreply}\r\n").into_bytes()
}

fn upkeep(rng: &mut Rng, key: &str) -> Vec<u8> {
    match rng.below(8) {
        0..=2 => format!("delete {key}\r\n"),
        3 => format!("delete {key} 0\r\n"),
        4 => format!("delete {key} noreply\r\n"),
        5 => format!("touch {key} {}\r\n", rng.pick(EXPTIMES)),
        6 => format!("touch {key} 1000 noreply\r\n"),
        _ => rng
            .pick(&[
                "verbosity 0\r\n",
                "verbosity 0 noreply\r\n",
                "flush_all\r\n",
                "flush_all 0\r\n",
            ])
            .to_owned(),
    }
    .into_bytes()
}

/// A few distinct flags of `from`, in random order.
fn flags(rng: &mut Rng, from: &[&str]) -> String {
    let mut chosen: Vec<&str> = Vec::new();
    for _ in 0..rng.below(5) {
        let flag = rng.pick(from);
        if chosen.iter().all(|other| other[..1] != flag[..1]) || rng.once_in(40) {
            chosen.push(flag);
        }
    }
    chosen.iter().map(|flag| format!(" {flag}")).collect()
}

fn meta_get(rng: &mut Rng, key: &str) -> Vec<u8> {
    let flags = flags(
        rng,
        &[
            "v", "v", "k", "f", "s", "c", "t", "h", "l", "u", "q", "Oabc", "T1000", "N1000", "R100",
        ],
    );
    format!("mg {key}{flags}\r\n").into_bytes()
}

fn meta_set(rng: &mut Rng, key: &str) -> Vec<u8> {
    let modes = &[
        "c", "k", "q", "Oabc", "F7", "T0", "T1000", "MS", "ME", "MA", "MP", "MR", "C1", "C{cas}",
        "I", "N100", "M?",
    ];
    let (data, flags) = (value(rng), flags(rng, modes));
    format!("ms {key} {}{flags}\r\n{data}\r\n", data.len()).into_bytes()
}

fn meta_delete(rng: &mut Rng, key: &str) -> Vec<u8> {
    let flags = flags(rng, &["k", "q", "Oabc", "C1", "C{cas}", "I", "T100"]);
    format!("md {key}{flags}\r\n").into_bytes()
}

fn meta_arithmetic(rng: &mut Rng, key: &str) -> Vec<u8> {
    let all = &[
        "v", "t", "c", "k", "q", "Oabc", "D5", "J10", "N1000", "N0", "MI", "MD", "M+", "M-",
        "T100", "C{cas}", "Dx", "M?",
    ];
    let flags = flags(rng, all);
    format!("ma {key}{flags}\r\n").into_bytes()
}

fn ordinary_text(rng: &mut Rng) -> Vec<u8> {
    rng.pick(&[
        "verbosity 0\r\n",
        "get nosuch1 nosuch2\r\n",
        "delete nosuch\r\n",
        "touch nosuch 0\r\n",
    ])
    .into()
}

/// Requests no server can serve. Those that make memcached close are left out but for one.
fn broken(rng: &mut Rng, key: &str) -> Vec<u8> {
    let long = "k".repeat(251);
    match rng.below(22) {
        0 => "nonsense\r\n".to_owned(),
        1 => "\r\n".to_owned(),
        2 => "get\r\n".to_owned(),
        3 => format!("get {long}\r\n"),
        4 => format!("get nosuch {long}\r\n"),
        5 => format!("set {long} 0 0 1\r\nx\r\n"),
        6 => format!("set {key} 0 0\r\n"),
        7 => format!("set {key} x 0 1\r\nx\r\n"),
        8 => format!("set {key} 0 x 1\r\nx\r\n"),
        9 => format!("set {key} -1 0 1\r\nx\r\n"),
        10 => format!("set {key} 0 0 -1\r\n"),
        11 => format!("incr {key}\r\n"),
        12 => format!("incr {long} 1\r\n"),
        13 => format!("delete {key} junk\r\n"),
        14 => format!("delete {long}\r\n"),
        15 => format!("touch {key}\r\n"),
        16 => format!("touch {key} x\r\n"),
        17 => format!("mg {long}\r\n"),
        18 => "mg\r\n".to_owned(),
        19 => format!("cas {key} 0 0 1 x\r\nx\r\n"),
        20 => format!("set {key} 0 0 2000000\r\n{}\r\n", "b".repeat(2_000_000)),
        _ => format!("GETS {key}\r\n"),
    }
    .into_bytes()
}
