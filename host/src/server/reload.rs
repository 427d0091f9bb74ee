//! Reading files again, on a thread of its own: a script that runs for ever holds up nobody who serves or stops.

use std::io;
use std::sync::mpsc::sync_channel;

use super::Surroundings;

/// Has [`Control::reload`](super::Control::reload) read all files again. One reload runs at a time, and all reloads
/// asked for meanwhile are one more after it.
pub(super) fn start(surroundings: &Surroundings) -> io::Result<()> {
    let (ask, asked) = sync_channel(1);
    let reader = surroundings.clone();
    std::thread::Builder::new()
        .name("reload".into())
        .spawn(move || {
            while asked.recv().is_ok() {
                reader.reload();
            }
        })?;
    surroundings.control.on_reload(move || {
        // Full: the reload that waits will see what is new.
        let _ = ask.try_send(());
    });
    Ok(())
}
