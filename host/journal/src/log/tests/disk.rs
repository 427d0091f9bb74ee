//! A disk that does what a test tells it.

use std::cell::RefCell;
use std::rc::Rc;

use crate::log::Sink;
use crate::record;
use crate::segment::Position;

/// What the disk has, and what it does next.
#[derive(Default)]
pub(super) struct Script {
    pub(super) fail_append: bool,
    pub(super) fail_sync: bool,
    pub(super) fail_begin: bool,
    /// What happens while the disk syncs.
    pub(super) meanwhile: Option<Box<dyn FnOnce()>>,
    pub(super) segments: Vec<Segment>,
    pub(super) syncs: usize,
    pub(super) finished: bool,
}

#[derive(Default)]
pub(super) struct Segment {
    pub(super) ticks: Vec<u64>,
    /// How many of them are on disk.
    pub(super) synced: usize,
    given_up: bool,
    bytes: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the disk cannot {0}")]
pub(super) struct Broken(&'static str);

pub(super) struct Disk(Rc<RefCell<Script>>);

impl Script {
    fn last(&mut self) -> &mut Segment {
        let last = self.segments.last_mut().expect("there is one");
        assert!(!last.given_up, "a segment that was given up is touched");
        last
    }

    /// Nothing fails any more.
    pub(super) fn mend(&mut self) {
        (self.fail_append, self.fail_sync, self.fail_begin) = (false, false, false);
    }

    fn fail(&mut self, what: &'static str) -> Result<(), Broken> {
        self.last().given_up = true;
        Err(Broken(what))
    }

    /// All ticks of the last segment that are on disk.
    pub(super) fn synced(&self) -> &[u64] {
        let last = self.segments.last().expect("there is one");
        &last.ticks[..last.synced]
    }
}

impl Disk {
    pub(super) fn new(script: Rc<RefCell<Script>>) -> Disk {
        script.borrow_mut().segments.push(Segment::default());
        Disk(script)
    }
}

impl Sink for Disk {
    type Error = Broken;

    fn append(&mut self, sealed: &[u8]) -> Result<Position, Broken> {
        {
            let mut script = self.0.borrow_mut();
            if script.fail_append {
                script.fail("append")?;
            }
            let last = script.last();
            for record in record::iter(sealed) {
                let tick = record.expect("records are sealed").tick;
                assert!(last.ticks.last().is_none_or(|before| *before <= tick));
                last.ticks.push(tick);
            }
            last.bytes += sealed.len() as u64;
        }
        Ok(self.position())
    }

    fn sync(&mut self) -> Result<(), Broken> {
        let meanwhile = self.0.borrow_mut().meanwhile.take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let mut script = self.0.borrow_mut();
        if script.fail_sync {
            return script.fail("sync");
        }
        script.syncs += 1;
        let last = script.last();
        last.synced = last.ticks.len();
        Ok(())
    }

    fn position(&self) -> Position {
        let script = self.0.borrow();
        Position {
            segment: script.segments.len() as u64,
            offset: script.segments.last().map_or(0, |last| last.bytes),
        }
    }

    fn begin_after_gap(&mut self) -> Result<Position, Broken> {
        {
            let mut script = self.0.borrow_mut();
            let last = script.segments.last_mut().expect("there is one");
            last.given_up = true;
            if script.fail_begin {
                return Err(Broken("begin"));
            }
            script.segments.push(Segment::default());
        }
        Ok(self.position())
    }

    fn finish(&mut self) -> Result<(), Broken> {
        self.sync()?;
        self.0.borrow_mut().finished = true;
        Ok(())
    }
}
