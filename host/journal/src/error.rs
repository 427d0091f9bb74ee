//! What goes wrong with the files of a directory, in sentences for the operator.

use std::io;
use std::path::PathBuf;

use crate::files::Files;

/// Why files cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refuses.
    #[error("{path}: cannot {doing}: {source}", path = path.display())]
    System {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Bytes are not what was written. Only what a crash cut off at the end of the log is mended without being asked.
    #[error("{path}: damaged at byte {offset}: {what}; `cacheismo log verify {directory}` lists all damage, `cacheismo log repair {directory}` saves what can be saved", path = path.display(), directory = directory.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        what: String,
        /// The file's directory.
        directory: PathBuf,
    },
    /// A file says a version of the format that this program does not know.
    #[error("{path}: written in format {version}, and this program knows formats up to {known}; use the version of cacheismo that wrote it, or a newer one", path = path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in it.
        version: u32,
        /// The newest known one.
        known: u32,
    },
    /// An operation failed before, so what is on disk is not known.
    #[error("{path}: given up after an error", path = path.display())]
    GivenUp {
        /// The file.
        path: PathBuf,
    },
    /// A record that no log can hold.
    #[error("a change of more than {limit} bytes cannot be logged", limit = crate::record::LENGTH_MAX)]
    TooLong,
}

impl Error {
    pub(crate) fn damaged<F: Files>(
        files: &F,
        name: &str,
        offset: u64,
        what: impl ToString,
    ) -> Error {
        Error::Damaged {
            path: files.path(name),
            offset,
            what: what.to_string(),
            directory: files.path(""),
        }
    }

    /// Makes errors of the system say what was tried, and with which file.
    pub(crate) fn system<'a, F: Files>(
        files: &'a F,
        name: &'a str,
        doing: &'static str,
    ) -> impl FnOnce(io::Error) -> Error + use<'a, F> {
        move |source| Error::System {
            path: files.path(name),
            doing,
            source,
        }
    }
}
