//! Requests as bytes.

pub(super) fn text_set(n: u64, size: usize, out: &mut Vec<u8>) {
    write_to(out, format_args!("set key{n} 0 0 {size}\r\n"));
    out.resize(out.len() + size, b'v');
    out.extend_from_slice(b"\r\n");
}

pub(super) fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    write_to(out, text);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn resp(words: &[&str], out: &mut Vec<u8>) {
    write_to(out, format_args!("*{}\r\n", words.len()));
    for word in words {
        write_to(out, format_args!("${}\r\n{word}\r\n", word.len()));
    }
}

pub(super) fn write_to(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    std::io::Write::write_fmt(out, text).expect("a vector takes every byte");
}
