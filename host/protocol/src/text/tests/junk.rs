//! Words that do not belong behind a command.

use super::*;

#[test]
fn junk_after_a_command_is_refused_silently_with_noreply() {
    const USAGE: &str = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
    for (line, reply) in [
        ("delete k junk", USAGE),
        ("delete k 1 2", USAGE),
        ("delete k junk noreply", ""),
        ("delete k 0 junk", USAGE),
        ("delete k a b c", "ERROR"),
        ("delete k a b noreply", ""),
        ("delete k a b c noreply", ""),
        ("incr k 1 2 3", "ERROR"),
        ("incr k 1 2 noreply", ""),
        ("touch k 1 2 3", "ERROR"),
        ("touch k 1 2 3 noreply", ""),
        ("incr k x noreply", ""),
        ("touch k x noreply", ""),
        ("incr k x", "CLIENT_ERROR invalid numeric delta argument"),
        ("decr k -1", "CLIENT_ERROR invalid numeric delta argument"),
        ("touch k x", "CLIENT_ERROR invalid exptime argument"),
        ("gat x k", "CLIENT_ERROR invalid exptime argument"),
    ] {
        assert_eq!(refused(format!("{line}\r\n").as_bytes()).0, reply, "{line}");
    }
    assert!(matches!(
        command(b"delete k 0 noreply\r\n"),
        Command::Delete { noreply: true, .. }
    ));
    for line in ["delete k 0\r\n", "delete k 100\r\n", "delete k -1\r\n"] {
        assert!(
            matches!(
                command(line.as_bytes()),
                Command::Delete { noreply: false, .. }
            ),
            "{line}"
        );
    }
    assert!(matches!(
        command(b"incr k 1 junk\r\n"),
        Command::Arith(Arith { noreply: false, .. })
    ));
    assert!(matches!(
        command(b"set k 0 0 1 junk\r\na\r\n"),
        Command::Store(Store { noreply: false, .. })
    ));
}
