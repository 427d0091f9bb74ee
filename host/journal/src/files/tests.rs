//! The real directory, and what the simulated disk keeps.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::sim::{Disk, Kind};
use super::*;

/// A directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let unique = format!("cacheismo-journal-{}-{name}", std::process::id());
        Scratch(std::env::temp_dir().join(unique))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    let there = std::fs::metadata(path).expect("it is there");
    there.permissions().mode() & 0o777
}

#[test]
fn a_directory_is_private_and_has_one_user() {
    let scratch = Scratch::new("private");
    let held = Directory::open(&scratch.0).expect("nobody has it");
    held.create("a", 10).expect("no such file yet");
    assert_eq!(mode(&scratch.0), 0o700);
    assert_eq!(mode(&scratch.0.join("a")), 0o600);
    let refused = Directory::open(&scratch.0).expect_err("somebody has it");
    let holder = format!("in use by process {}", std::process::id());
    assert!(refused.to_string().contains(&holder), "{refused}");
    let clone = held.clone();
    drop(held);
    Directory::open(&scratch.0).expect_err("a clone has it");
    drop(clone);
    Directory::open(&scratch.0).expect("nobody has it any more");
}

#[test]
fn a_directory_where_others_may_write_is_refused() {
    let scratch = Scratch::new("exposed");
    std::fs::create_dir(&scratch.0).expect("not there yet");
    for mode in [0o770, 0o707, 0o777] {
        std::fs::set_permissions(&scratch.0, std::fs::Permissions::from_mode(mode)).expect("ours");
        let refused = Directory::open(&scratch.0).expect_err("others may write");
        assert!(refused.to_string().contains("chmod 700"), "{refused}");
    }
}

#[test]
fn who_only_reads_changes_nothing() {
    let scratch = Scratch::new("reader");
    let held = Directory::open(&scratch.0).expect("nobody has it");
    held.create("a", 0).expect("no such file yet");
    let reader = Directory::open_to_read(&scratch.0).expect("it is there");
    let file = reader.open("a").expect("it is there");
    reader.write_at(&file, 0, b"x").expect_err("opened to read");
    reader.create("b", 0).expect_err("reads only");
    reader.rename("a", "b").expect_err("reads only");
    reader.remove("a").expect_err("reads only");
}

#[test]
fn a_directory_that_vanished_is_an_error_and_another_in_its_place_is_taken() {
    let scratch = Scratch::new("vanished");
    let held = Directory::open(&scratch.0).expect("nobody has it");
    std::fs::remove_dir_all(&scratch.0).expect("it is there");
    held.create("a", 0).expect_err("no directory");
    held.sync_directory().expect_err("no directory");
    std::fs::create_dir(&scratch.0).expect("it is gone");
    std::fs::set_permissions(&scratch.0, std::fs::Permissions::from_mode(0o700)).expect("ours");
    held.create("a", 0).expect("there is one again");
    Directory::open(&scratch.0).expect_err("it is taken");
}

/// Both do what the trait says.
fn keeps_the_promises(files: &impl Files) {
    let file = files.create("a", 6).expect("new");
    files.create("a", 6).expect_err("there already");
    files.write_at(&file, 4, b"written").expect("there is room");
    assert_eq!(files.length(&file).expect("open"), 11);
    let mut bytes = [1; 20];
    assert_eq!(files.read_at(&file, 2, &mut bytes).expect("open"), 9);
    assert_eq!(&bytes[..10], b"\0\0written\x01");
    files.cut(&file, 8).expect("open");
    files.sync(&file).expect("open");
    files.rename("a", "b").expect("it is there");
    files.sync_directory().expect("there");
    files.open("a").expect_err("renamed");
    let file = files.open("b").expect("renamed");
    assert_eq!(files.length(&file).expect("open"), 8);
    assert!(files.list().expect("there").contains(&"b".to_owned()));
    files.remove("b").expect("it is there");
    files.remove("b").expect_err("it is gone");
    assert_eq!(files.read_at(&file, 20, &mut bytes).expect("open"), 0);
}

#[test]
fn real_and_simulated_files_are_alike() {
    let scratch = Scratch::new("alike");
    keeps_the_promises(&Directory::open(&scratch.0).expect("nobody has it"));
    keeps_the_promises(&Disk::new(1));
}

#[test]
fn a_crash_keeps_what_was_synced_and_may_take_the_rest() {
    let (mut kept, mut torn, mut unnamed, mut undead) = (0, 0, 0, 0);
    for seed in 0..200 {
        let disk = Disk::new(seed);
        for name in ["a", "old"] {
            let file = disk.create(name, 2000).expect("new");
            disk.write_at(&file, 0, b"first").expect("open");
            disk.sync(&file).expect("open");
        }
        disk.sync_directory().expect("there");
        let file = disk.open("a").expect("there");
        disk.write_at(&file, 100, &[b'x'; 1500]).expect("open");
        disk.create("b", 0).expect("new");
        disk.remove("old").expect("there");
        disk.crash();
        disk.write_at(&file, 0, b"more")
            .expect_err("its process is gone");
        let bytes = disk.content("a").expect("the directory was synced");
        assert!(bytes.len() == 2000 && bytes.starts_with(b"first"));
        match bytes.iter().filter(|byte| **byte == b'x').count() {
            1500 => kept += 1,
            0 => {}
            _ => torn += 1,
        }
        unnamed += usize::from(disk.content("b").is_none());
        undead += usize::from(disk.content("old").is_some());
    }
    for count in [kept, torn, unnamed, undead] {
        assert!(
            (10..190).contains(&count),
            "{kept} {torn} {unnamed} {undead}"
        );
    }
}

#[test]
fn what_a_failed_sync_lost_no_later_sync_saves() {
    let lost = (0..50).filter(|seed| {
        let disk = Disk::new(*seed);
        let file = disk.create("a", 0).expect("new");
        disk.sync_directory().expect("there");
        disk.write_at(&file, 0, b"x").expect("open");
        disk.fail_when(|operation| (operation.kind == Kind::Sync).then_some(rustix::io::Errno::IO));
        disk.sync(&file).expect_err("made to fail");
        disk.mend();
        disk.sync(&file).expect("mended");
        disk.crash();
        disk.content("a").expect("named") != b"x"
    });
    assert!((5..45).contains(&lost.count()));
}
