//! Directories of Lua scripts that tests write.

use std::fs;
use std::path::PathBuf;

use crate::server::unique;
use crate::tools;

/// A directory of scripts that goes away with the test.
#[derive(Debug)]
pub struct Scripts(PathBuf);

impl Scripts {
    /// An empty directory.
    fn empty() -> Self {
        let name = format!("cacheismo-lua-{}-{}", std::process::id(), unique());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a writable temporary directory");
        Self(directory)
    }

    /// A directory with one script.
    ///
    /// # Panics
    /// When the system has no temporary directory that can be written.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        let scripts = Self::empty();
        scripts.write(file, text);
        scripts
    }

    /// A directory with copies of some scripts of another, a directory of the repository.
    ///
    /// # Panics
    /// When one is missing, or cannot be written.
    #[must_use]
    pub fn copy(directory: &str, names: &[&str]) -> Self {
        let scripts = Self::empty();
        for name in names {
            let file = format!("{name}.lua");
            let path = tools::repository().join(directory).join(&file);
            let text = fs::read_to_string(&path);
            let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            scripts.write(&file, &text);
        }
        scripts
    }

    /// Writes a script, in place of an older one.
    ///
    /// # Panics
    /// When the script cannot be written.
    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).expect("a writable temporary directory");
    }

    /// The directory's path, for `--lua-scripts`.
    ///
    /// # Panics
    /// When the temporary directory's path is not text.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path of text")
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
