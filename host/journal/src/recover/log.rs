//! The segments of a directory as one log, and reading it from a position on.

use cacheismo_store::Effect;

use crate::Error;
use crate::files::Files;
use crate::record::{Damage, change};
use crate::segment::header::{HEADER_BYTES, Header};
use crate::segment::reader::{Found, SegmentReader, Tail};
use crate::segment::{self, Before, Link, Position, name_aside};
use crate::snapshot;

/// What there is of the log, seen from a position.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The segments that follow each other from the position on.
    pub(crate) log: Log,
    /// Segments to which the log does not lead.
    pub(crate) behind_a_gap: Vec<u64>,
    /// Names of files that never became a segment or a snapshot.
    pub(crate) unfinished: Vec<String>,
}

/// Segments that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Log {
    parts: Vec<Part>,
}

/// A segment of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    number: u64,
    length: u64,
    /// Where it ends, as the next one says. None for the last.
    until: Option<Link>,
}

/// What a log holds.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A segment begins.
    Segment(Header),
    /// A record of the store.
    Record {
        position: Position,
        tick: u64,
        changes: Vec<Effect<'a>>,
        bytes: u64,
    },
    /// What follows was written at this time or later.
    Time(u64),
}

/// The end of a log.
#[derive(Debug)]
pub(crate) struct End<'f, F: Files> {
    reader: SegmentReader<'f, F>,
    tail: Tail,
    pub(crate) link: Link,
}

impl Survey {
    /// Looks at the headers of all segments from `position` on; older ones are not needed. `base` says whether a
    /// snapshot leads to the position.
    pub(crate) fn new<F: Files>(
        files: &F,
        position: Position,
        base: bool,
    ) -> Result<Survey, Error> {
        let names = files.list();
        let names = names.map_err(Error::system(files, "", "list the directory"))?;
        let mut survey = Survey {
            unfinished: names
                .iter()
                .filter(|name| snapshot::number_unfinished(name).is_some())
                .cloned()
                .collect(),
            ..Survey::default()
        };
        let segments = names.iter().filter_map(|name| segment::number(name));
        let mut segments: Vec<u64> = segments
            .filter(|number| *number >= position.segment)
            .collect();
        segments.sort_unstable();
        for number in segments {
            let Some(reader) = SegmentReader::open(files, number)? else {
                survey.unfinished.push(segment::name(number));
                continue;
            };
            let first = match base {
                true => number == position.segment,
                false => reader.header.before == Before::Nothing,
            };
            survey.add(&reader, first)?;
        }
        Ok(survey)
    }

    /// Adds the next segment. `first` says that the log may begin with it.
    fn add<F: Files>(&mut self, reader: &SegmentReader<'_, F>, first: bool) -> Result<(), Error> {
        let part = Part {
            number: reader.header.number,
            length: reader.length,
            until: None,
        };
        let begins = self.log.parts.is_empty();
        match (reader.header.before, self.log.parts.last_mut()) {
            _ if !self.behind_a_gap.is_empty() => self.behind_a_gap.push(part.number),
            _ if begins && first => self.log.parts.push(part),
            (Before::Gap, _) => self.behind_a_gap.push(part.number),
            (Before::Segment(link), Some(last)) if last.number == link.segment => {
                last.until = Some(link);
                self.log.parts.push(part);
            }
            (Before::Segment(link), _) => {
                let missing = segment::name(link.segment);
                return Err(reader.damaged(format!("it goes on after {missing}, which is missing")));
            }
            (Before::Nothing, _) => {
                return Err(
                    reader.damaged("it says that the log begins here, and there is more before")
                );
            }
        }
        Ok(())
    }

    /// Bytes of the files.
    pub(crate) fn bytes(&self) -> u64 {
        self.log.parts.iter().map(|part| part.length).sum()
    }
}

impl Log {
    /// A segment by itself, whatever is before and behind.
    pub(crate) fn of_one(number: u64) -> Log {
        let part = Part {
            number,
            length: 0,
            until: None,
        };
        Log { parts: vec![part] }
    }

    /// Reads all that is there from `position` on, until `visit` returns `Ok(false)`. Returns where the log ends, or
    /// `None` where nothing is there or the end was not looked at.
    pub(crate) fn replay<'f, F: Files>(
        &self,
        files: &'f F,
        position: Position,
        visit: &mut dyn FnMut(Step<'_>) -> Result<bool, Error>,
    ) -> Result<Option<End<'f, F>>, Error> {
        for part in &self.parts {
            let Some(mut reader) = SegmentReader::open(files, part.number)? else {
                let name = segment::name(part.number);
                return Err(Error::damaged(files, &name, 0, "the header is gone"));
            };
            if !visit(Step::Segment(reader.header))? {
                return Ok(None);
            }
            let Some(stop) = part.read(files, &mut reader, position, visit)? else {
                return Ok(None);
            };
            match part.until {
                Some(link) => check_link(&reader, link, stop)?,
                None => return End::find(reader, stop).map(Some),
            }
        }
        Ok(None)
    }
}

impl Part {
    /// Reads one segment to its end. The answer says what is there, `None` that `visit` wants no more.
    fn read<F: Files>(
        &self,
        files: &F,
        reader: &mut SegmentReader<'_, F>,
        position: Position,
        visit: &mut dyn FnMut(Step<'_>) -> Result<bool, Error>,
    ) -> Result<Option<Option<Damage>>, Error> {
        let from = match position.segment == self.number {
            true => position.offset.max(HEADER_BYTES as u64),
            false => 0,
        };
        let mut met = from == 0;
        loop {
            let at = reader.position();
            met |= at.offset == from;
            if !met && at.offset > from {
                return Err(
                    reader.damaged(format!("no record begins at {position}, where one should"))
                );
            }
            if self.until.is_some_and(|link| at.offset >= link.end) {
                return Ok(Some(None));
            }
            let goes_on = match reader.next()? {
                Found::Record { tick, body, offset } if offset >= from => {
                    let bytes = body.len() as u64;
                    // Where the checksum fits, no crash has made the content.
                    let name = segment::name(self.number);
                    let changes = change::read_all(body)
                        .map_err(|damage| Error::damaged(files, &name, offset, damage))?;
                    visit(Step::Record {
                        position: at,
                        tick,
                        changes,
                        bytes,
                    })?
                }
                Found::Record { .. } => true,
                Found::Mark(mark) => visit(Step::Time(mark.unix_ms))?,
                Found::End => return Ok(Some(None)),
                Found::Damage(Damage::Content) => return Err(reader.damaged(Damage::Content)),
                Found::Damage(damage) => return Ok(Some(Some(damage))),
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }
}

/// Compares a segment's end with what the next segment says of it.
fn check_link<F: Files>(
    reader: &SegmentReader<'_, F>,
    link: Link,
    stop: Option<Damage>,
) -> Result<(), Error> {
    if let Some(damage) = stop {
        return Err(reader.damaged(damage));
    }
    if reader.position().offset != link.end {
        return Err(reader.damaged(format!("the segment should go on up to byte {}", link.end)));
    }
    if reader.chain() != link.chain {
        return Err(
            reader.damaged("these are not the records that were followed by the next segment")
        );
    }
    if reader.length != link.end {
        return Err(reader.damaged("bytes follow the end of the segment"));
    }
    Ok(())
}

impl<'f, F: Files> End<'f, F> {
    fn find(mut reader: SegmentReader<'f, F>, stop: Option<Damage>) -> Result<End<'f, F>, Error> {
        let tail = reader.tail()?;
        if tail == Tail::Damaged {
            return Err(reader.damaged(stop.unwrap_or(Damage::NotZero)));
        }
        let at = reader.position();
        let link = Link {
            segment: at.segment,
            end: at.offset,
            chain: reader.chain(),
        };
        Ok(End { reader, tail, link })
    }

    /// Where the last record ends.
    pub(crate) fn position(&self) -> Position {
        self.reader.position()
    }

    /// How many bytes a crash left behind the last record.
    pub(crate) fn torn_bytes(&self) -> u64 {
        match self.tail {
            Tail::Torn { end } => end - self.link.end,
            Tail::Clean | Tail::Damaged => 0,
        }
    }

    /// Makes the segment end where its last record ends. What is cut off is kept aside.
    pub(crate) fn mend(&mut self, files: &F) -> Result<Option<String>, Error> {
        let mut note = None;
        if let Tail::Torn { end } = self.tail {
            let aside = name_aside(self.link.segment, self.link.end);
            let names = files.list();
            let names = names.map_err(Error::system(files, "", "list the directory"))?;
            if names.contains(&aside) {
                // This was begun before, and did not come to its end.
                let removed = files.remove(&aside);
                removed.map_err(Error::system(files, &aside, "remove"))?;
            }
            self.reader.copy_tail(end, &aside)?;
            note = Some(format!(
                "{}: the last write was interrupted; {} bytes from byte {} on are cut off and kept as {aside}",
                files.path(&self.reader.name).display(),
                self.torn_bytes(),
                self.link.end,
            ));
        }
        self.reader.settle()?;
        Ok(note)
    }
}
