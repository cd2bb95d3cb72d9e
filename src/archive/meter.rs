//! Counts bytes on both sides of a decoder and stops the reading when a limit or the time is reached.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::{ArchiveError, Limits, Objection};

/// Why a walk ends before the archive does.
#[derive(Debug)]
pub(super) enum Halt {
    /// The archive's fault: goes into the answer.
    Objection(Objection),
    /// Not the archive's fault.
    Failed(ArchiveError),
}

impl From<Objection> for Halt {
    fn from(objection: Objection) -> Self {
        Self::Objection(objection)
    }
}

/// The counts, shared by the readers below and above a decoder.
pub(super) struct Meter<'a> {
    pub(super) limits: &'a Limits,
    out_of_time: &'a dyn Fn() -> bool,
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    allowance: Cell<u64>,
    halt: RefCell<Option<Halt>>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(limits: &'a Limits, out_of_time: &'a dyn Fn() -> bool) -> Rc<Self> {
        Rc::new(Self {
            limits,
            out_of_time,
            packed: Cell::new(0),
            unpacked: Cell::new(0),
            allowance: Cell::new(u64::MAX),
            halt: RefCell::new(None),
        })
    }

    /// The next so many unpacked bytes may be read, then no more: set before a library reads headers into memory.
    pub(super) fn allow(&self, bytes: u64) {
        self.allowance.set(bytes);
    }

    pub(super) fn check_time(&self) -> Result<(), Halt> {
        if (self.out_of_time)() { Err(Halt::Failed(ArchiveError::OutOfTime)) } else { Ok(()) }
    }

    fn count_unpacked(&self, bytes: u64) -> Result<(), Halt> {
        self.check_time()?;
        let limits = self.limits;
        let unpacked = self.unpacked.get().saturating_add(bytes);
        self.unpacked.set(unpacked);
        if unpacked > limits.total_bytes {
            return Err(Objection::TooLarge { what: "the unpacked archive".into(), limit: limits.total_bytes }.into());
        }
        if unpacked > limits.ratio_free_bytes && unpacked / limits.ratio.max(1) > self.packed.get() {
            return Err(Objection::RatioTooHigh { limit: limits.ratio }.into());
        }
        let left = self.allowance.get().checked_sub(bytes);
        self.allowance.set(left.ok_or_else(|| Objection::TooLarge {
            what: "the header of an entry".into(),
            limit: limits.header_bytes,
        })?);
        Ok(())
    }

    /// Tells why a read failed: the disk, a limit, or the archive itself, for which `blame` finds the words.
    pub(super) fn explain(&self, error: io::Error, blame: impl FnOnce(io::Error) -> Objection) -> Halt {
        self.halt.take().unwrap_or_else(|| Halt::Objection(blame(error)))
    }
}

/// The archive's file: counts what a decoder takes from it.
pub(super) struct Source<'a, R> {
    inner: R,
    meter: Rc<Meter<'a>>,
}

impl<'a, R> Source<'a, R> {
    pub(super) fn new(inner: R, meter: Rc<Meter<'a>>) -> Self {
        Self { inner, meter }
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.meter.halt.replace(Some(Halt::Failed(ArchiveError::Read(error))));
            }
            kind.into()
        })
    }
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A decoder may take very much and give nothing.
        if let Err(halt) = self.meter.check_time() {
            self.meter.halt.replace(Some(halt));
            return Err(io::Error::other("the time is over"));
        }
        let result = self.inner.read(buffer);
        let read = self.note(result)?;
        self.meter.packed.set(self.meter.packed.get() + read as u64);
        Ok(read)
    }
}

impl<R: Seek> Seek for Source<'_, R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let result = self.inner.seek(position);
        self.note(result)
    }
}

/// What a decoder gives: counts it and fails when enough is enough.
pub(super) struct Gauge<'a, R> {
    inner: R,
    meter: Rc<Meter<'a>>,
}

impl<'a, R> Gauge<'a, R> {
    pub(super) fn new(inner: R, meter: Rc<Meter<'a>>) -> Self {
        Self { inner, meter }
    }

    pub(super) fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Gauge<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.meter.count_unpacked(read as u64) {
            Ok(()) => Ok(read),
            Err(halt) => {
                self.meter.halt.replace(Some(halt));
                Err(io::Error::other("a limit was reached"))
            }
        }
    }
}
