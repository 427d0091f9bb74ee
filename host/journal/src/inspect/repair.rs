//! Making a directory start again that is damaged, with as much as can be had.
//!
//! What is taken away is kept aside. After it the files hold what the store held once, with two exceptions that are
//! said: items of a chunk that is damaged are missing, and where the log behind a snapshot is lost, each item is as it
//! was at some moment while the snapshot was taken.

use super::check::try_start;
use crate::Error;
use crate::files::Files;
use crate::recover::next_tick;
use crate::segment::header::HEADER_BYTES;
use crate::segment::{self, Position, name_aside, number_aside};
use crate::snapshot::{self, SnapshotReader, SnapshotStart, SnapshotWriter};

/// Why a directory cannot be repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Something that is no damage.
    #[error(transparent)]
    Other(#[from] Error),
    /// Damage comes back.
    #[error("the same damage is still there after it was repaired: {0}")]
    Again(Error),
}

/// Repairs one damage after the other until a start works. Returns what was done, in sentences.
///
/// # Errors
/// When the disk fails. What was done until then stays done, and another call goes on.
pub fn repair<F: Files>(files: &F) -> Result<Vec<String>, RepairError> {
    let mut done = Vec::new();
    let mut last = String::new();
    loop {
        let error = match try_start(files) {
            Ok(_) => return Ok(done),
            Err(error) => error,
        };
        let text = error.to_string();
        let Error::Damaged { path, offset, .. } = &error else {
            return Err(error.into());
        };
        if text == last {
            return Err(RepairError::Again(error));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(number) = segment::number(&name) {
            cut_log(files, number, *offset, &mut done)?;
        } else if let Some(number) = snapshot::number(&name) {
            mend_snapshot(files, number, &mut done)?;
        } else {
            return Err(error.into());
        }
        done.push(format!("because of this: {text}"));
        last = text;
    }
}

fn numbers<F: Files>(files: &F, number: fn(&str) -> Option<u64>) -> Result<Vec<u64>, Error> {
    let names = files.list();
    let names = names.map_err(Error::system(files, "", "list the directory"))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Ends the log where it is damaged: that is a moment that the store was in. The newest goes first, so that what an
/// interruption leaves is a shorter log.
fn cut_log<F: Files>(
    files: &F,
    number: u64,
    offset: u64,
    done: &mut Vec<String>,
) -> Result<(), Error> {
    let whole = offset <= HEADER_BYTES as u64;
    for later in numbers(files, segment::number)?.into_iter().rev() {
        if later > number || (later == number && whole) {
            let aside = name_aside(later, 0);
            put_aside(files, &segment::name(later), &aside, done)?;
        }
    }
    if !whole {
        cut_segment(files, number, offset, done)?;
    }
    Ok(())
}

fn put_aside<F: Files>(
    files: &F,
    name: &str,
    aside: &str,
    done: &mut Vec<String>,
) -> Result<(), Error> {
    let renamed = files.rename(name, aside);
    let renamed = renamed.and_then(|()| files.sync_directory());
    renamed.map_err(Error::system(files, name, "put aside"))?;
    done.push(format!("{name} is kept as {aside}"));
    Ok(())
}

fn cut_segment<F: Files>(
    files: &F,
    number: u64,
    offset: u64,
    done: &mut Vec<String>,
) -> Result<(), Error> {
    const PIECE_BYTES: usize = 1 << 20;
    let (name, aside) = (segment::name(number), name_aside(number, offset));
    let opened = files.open(&name);
    let file = opened.map_err(Error::system(files, &name, "open"))?;
    // An earlier attempt may have made it.
    let _ = files.remove(&aside);
    let created = files.create(&aside, 0);
    let copy = created.map_err(Error::system(files, &aside, "create"))?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = offset;
    loop {
        let read = files.read_at(&file, at, &mut piece);
        let read = read.map_err(Error::system(files, &name, "read"))?;
        if read == 0 {
            break;
        }
        let written = files.write_at(&copy, at - offset, &piece[..read]);
        written.map_err(Error::system(files, &aside, "write"))?;
        at += read as u64;
    }
    let synced = files.sync(&copy).and_then(|()| files.sync_directory());
    synced.map_err(Error::system(files, &aside, "sync"))?;
    let cut = files.cut(&file, offset).and_then(|()| files.sync(&file));
    cut.map_err(Error::system(files, &name, "shorten"))?;
    done.push(format!(
        "{name} ends at byte {offset} now; what followed is kept as {aside}"
    ));
    Ok(())
}

/// Writes a snapshot anew with what can be read of it, and puts the damaged one aside.
fn mend_snapshot<F: Files>(files: &F, number: u64, done: &mut Vec<String>) -> Result<(), Error> {
    let name = snapshot::name(number);
    let (reader, known_end) = match SnapshotReader::open(files, number) {
        Ok(reader) => (Some(reader), true),
        Err(Error::Damaged { .. }) => match SnapshotReader::open_without_end(files, number) {
            Ok(reader) => (Some(reader), false),
            Err(Error::Damaged { .. }) => (None, false),
            Err(error) => return Err(error),
        },
        Err(error) => return Err(error),
    };
    if let Some(reader) = reader {
        // If all of it is right, what is wrong is that the log behind is lost.
        let alone = known_end && reader.verify().is_ok();
        write_anew(files, &reader, alone, done)?;
    } else {
        done.push(format!("nothing can be read of {name}"));
    }
    put_aside(files, &name, &snapshot::name_aside(number), done)
}

fn write_anew<F: Files>(
    files: &F,
    reader: &SnapshotReader<'_, F>,
    alone: bool,
    done: &mut Vec<String>,
) -> Result<(), Error> {
    let about = *reader.about();
    let all = numbers(files, |name| {
        snapshot::number(name).or_else(|| snapshot::number_of_other(name))
    })?;
    let number = all.last().map_or(1, |last| last.saturating_add(1));
    let (mut position, mut end) = (about.position, about.end);
    if alone {
        cut_log(files, position.segment, 0, done)?;
        let segments = numbers(files, |name| {
            segment::number(name).or_else(|| number_aside(name))
        })?;
        position = Position {
            segment: segments.last().map_or(1, |last| last.saturating_add(1)),
            offset: 0,
        };
        end = position;
    }
    let start = SnapshotStart {
        node: about.node,
        number,
        position,
        hash_seed: about.hash_seed,
        unix_ms: about.begun_unix_ms,
    };
    let mut writer = SnapshotWriter::begin(files.clone(), &start)?;
    let (mut above, mut lost) = (about.next_tick, 0);
    let copied = reader.salvage(
        &mut |class, tick, effect| {
            above = above.max(next_tick(tick, std::slice::from_ref(effect)));
            writer.add(class, tick, effect)
        },
        &mut |_, items| {
            lost += u64::from(items);
            Ok(())
        },
    );
    if let Err(error) = copied {
        let _ = writer.abandon();
        return Err(error);
    }
    let written = writer.finish(end, above, about.ended_unix_ms)?;
    done.push(format!(
        "snapshot {number} holds the {} items that could be read of snapshot {}; {lost} are lost",
        written.items, about.number,
    ));
    Ok(())
}
