//! Scripts on the module: what they can do and how calls end.

mod host;

use host::{Answer, Host, pack_list};

const NUMBERS: [u8; 24] = [0; 24];

/// Calls a virtual key as the cache does.
fn call(host: &mut Host, key: &str) -> Answer {
    call_with(host, key, None)
}

fn call_with(host: &mut Host, key: &str, data: Option<&[u8]>) -> Answer {
    let mut parts = key.split(':');
    let (kind, function) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let object = parts.next().unwrap_or("");
    host.data().world.set_self(kind, object.as_bytes());
    let keys = pack_list([key.as_bytes()]);
    let mut args: Vec<&[u8]> = vec![
        object.as_bytes(),
        kind.as_bytes(),
        function.as_bytes(),
        key.as_bytes(),
        b"get",
        &NUMBERS,
        &keys,
    ];
    args.extend(data);
    host.invoke("call", &args, 200).expect("the host works")
}

fn value(text: &str) -> Answer {
    Answer::Reply(format!("V{text}").into_bytes())
}

#[test]
fn a_script_answers() {
    let script = "t = {} function t.f(c, k, o, a) writeStringAsValue(c, k, o .. '/' .. tostring(a)) end";
    let mut host = Host::new(&[("t.lua", script)]).expect("loads");
    assert_eq!(call(&mut host, "t:f:x:y"), value("x/y"));
    assert_eq!(call(&mut host, "t:f:x"), value("x/nil"));
}
