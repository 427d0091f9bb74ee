//! The committed modules belong to the committed sources.

use std::path::Path;
use std::process::Command;

#[test]
fn the_prebuilt_modules_were_built_from_these_sources() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../objects/build.sh");
    let output = Command::new(script)
        .arg("--verify")
        .output()
        .expect("objects/build.sh runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
