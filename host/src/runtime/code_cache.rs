//! Whether a directory of compiled code may be trusted.
//!
//! What lies there is run as it is, with all rights of the server. So nobody but the server's user, and root, may be
//! able to put anything there, or to put another directory in its place.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Write permission of the group and of others.
const OTHERS_WRITE: u32 = 0o022;
/// Permission of the group and of others to reach what is in a directory.
const OTHERS_ENTER: u32 = 0o011;
const ROOT: u32 = 0;
/// Directories in each other below the cache: those the engine makes for its versions.
const DEPTH_MAX: usize = 4;

/// The directory, made if there is none, without links in its path.
///
/// # Errors
/// A sentence that says which file or directory others could change.
pub(super) fn trusted(directory: &Path) -> Result<PathBuf, String> {
    trusted_below(Path::new("/"), directory)
}

/// As [`trusted`], but what is above `top` is not looked at.
fn trusted_below(top: &Path, directory: &Path) -> Result<PathBuf, String> {
    let failed = |error: io::Error| format!("{}: {error}", directory.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed)?;
    let directory = directory.canonicalize().map_err(failed)?;
    let parents = directory.ancestors().skip(1);
    for parent in parents.filter(|parent| parent.starts_with(top)) {
        check(parent, &[ROOT, own_user()], OTHERS_WRITE)?;
    }
    let found = check(&directory, &[own_user()], OTHERS_WRITE)?;
    // Where nobody else can enter, the modes below mean nothing; a lax umask makes lax ones.
    let refused = match found.mode() & OTHERS_ENTER {
        0 => 0,
        _ => OTHERS_WRITE,
    };
    check_all(&directory, refused, DEPTH_MAX)?;
    Ok(directory)
}

/// Checks that the directory and what is in it are the server's own.
fn check_all(path: &Path, refused: u32, depth: usize) -> Result<(), String> {
    let found = check(path, &[own_user()], refused)?;
    if !found.is_dir() {
        return match found.is_file() {
            true => Ok(()),
            false => Err(format!("{} is neither file nor directory", path.display())),
        };
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("{} is nested too deep", path.display()));
    };
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    for entry in fs::read_dir(path).map_err(failed)? {
        check_all(&entry.map_err(failed)?.path(), refused, depth)?;
    }
    Ok(())
}

/// Checks that nobody but `owners` can change what is at `path`: it gives none of the permissions `refused`. Who may
/// write to a directory may exchange what is in it; in a sticky one, too, before it is made.
fn check(path: &Path, owners: &[u32], refused: u32) -> Result<Metadata, String> {
    let found =
        fs::symlink_metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if !owners.contains(&found.uid()) {
        return Err(format!(
            "{} belongs to user {}, who could put other code there",
            path.display(),
            found.uid()
        ));
    }
    if found.mode() & refused != 0 {
        return Err(format!(
            "{} can be written by others, who could put other code there",
            path.display()
        ));
    }
    Ok(found)
}

/// The user whose rights the server has.
fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    }

    fn own_directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    #[test]
    fn a_directory_of_ones_own_is_made_and_trusted() {
        let home = own_directory();
        let cache = home.path().join("a/b");
        let found = trusted_below(home.path(), &cache).expect("all of it is ours");
        assert_eq!(found, cache.canonicalize().expect("it was made"));
        let mode = fs::metadata(&cache).expect("made").mode();
        assert_eq!(mode & 0o777, 0o700);
        let module = cache.join("modules/version/module");
        fs::create_dir_all(module.parent().expect("a parent")).expect("made");
        fs::write(&module, "code").expect("written");
        trusted_below(home.path(), &cache).expect("and what is in it");
        let link = home.path().join("link");
        symlink(&cache, &link).expect("a link");
        assert_eq!(
            trusted_below(home.path(), &link),
            Ok(found),
            "where a link leads to counts"
        );
    }

    #[test]
    fn what_others_may_write_is_not_trusted_wherever_it_stands() {
        let home = own_directory();
        let cache = home.path().join("a/cache");
        let module = cache.join("version/module");
        fs::create_dir_all(module.parent().expect("a parent")).expect("made");
        fs::write(&module, "code").expect("written");
        allow(&cache, 0o755);
        for loose in [
            home.path(),
            &home.path().join("a"),
            &cache,
            &cache.join("version"),
            &module,
        ] {
            let mode = fs::metadata(loose).expect("there").mode() & 0o7777;
            for bit in [0o020, 0o002, 0o1002] {
                allow(loose, mode | bit);
                let error = trusted_below(home.path(), &cache).expect_err("others may write");
                assert!(error.contains("can be written by others"), "{error}");
            }
            allow(loose, mode);
            trusted_below(home.path(), &cache).expect("in order again");
        }
        allow(&cache, 0o700);
        allow(&module, 0o666);
        trusted_below(home.path(), &cache).expect("nobody gets there");
        symlink("/etc/passwd", cache.join("link")).expect("a link");
        assert!(trusted_below(home.path(), &cache).is_err());
    }

    #[test]
    fn a_directory_of_somebody_else_is_not_trusted() {
        let home = own_directory();
        let cache = home.path().join("cache");
        trusted_below(home.path(), &cache).expect("ours");
        // Only root can give a directory away; others find that /proc/1 or the like is not theirs.
        match std::os::unix::fs::chown(&cache, Some(65534), None) {
            Ok(()) => {
                let error = trusted_below(home.path(), &cache).expect_err("it is another's");
                assert!(error.contains("belongs to user 65534"), "{error}");
            }
            Err(_) => assert!(check(Path::new("/"), &[own_user()], OTHERS_WRITE).is_err()),
        }
    }
}
