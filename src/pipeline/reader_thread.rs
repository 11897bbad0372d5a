//! *Ahead*: a thread that reads capture files and puts their packets into order, while the one that
//! started it searches and shows.
//!
//! It runs some blocks ahead and no further. Whatever ends the run, what was read is told to its
//! end.

use std::hint;
use std::io;
use std::mem;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel,
};
use std::thread::Builder;
use std::time::Duration;

use crate::capture::savefile::{Savefiles, Stretches};
use crate::capture::{CaptureError, Next, Progress, Source as _, Warning};
use crate::frame::Frame;
use crate::stats::Stats;

use super::batch::{Batch, BatchWriter};
use super::ingest::Ingest;
use super::recorder::Scope;
use super::replay::BatchReplay;
use super::selector::Interest;
use super::{MessageMode, Mode, Pipeline};

/// Batches that wait at most, each with a block of the file.
const WAITING: usize = 3;
/// Looks for the next batch, some tens of nanoseconds each: less than a tenth of a millisecond.
const LOOKS: u32 = 2000;
/// When more bytes of streams wait, what a frame lets go may be too much for one batch.
const MUCH: usize = 1 << 20;

/// The thread: started once, before the sandbox is closed, it reads whatever is to be read.
pub struct ReaderThread {
    tasks: Sender<Job>,
}

/// Files to be read.
struct Job {
    files: Box<Savefiles>,
    ingest: Ingest,
    /// Packets without payload are to be told as well.
    interest: Interest,
    /// What is recorded: then all packets are told.
    recorded: Option<Scope>,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
    end: Sender<Finished>,
    stop: Arc<AtomicBool>,
}

/// What is left when they are.
struct Finished {
    files: Box<Savefiles>,
    ingest: Ingest,
    result: Result<(), CaptureError>,
}

/// Files that are being read.
pub(super) struct ReaderHandle {
    full: Receiver<Batch>,
    pub(super) empty: Sender<Batch>,
    end: Receiver<Finished>,
    stop: Arc<AtomicBool>,
    /// What this thread may read of the files.
    stretches: Arc<Stretches>,
    /// How often the next batch is looked for before it is waited for.
    looks: u32,
}

/// What the other thread has to say.
pub enum ReaderEvent {
    /// It read on: how far it is, and what a person should be told.
    Read(Option<Progress>, Vec<Warning>),
    /// Nothing new yet.
    Silence,
    /// All is told: the files, for what they counted, and why they could not be read to their end.
    Finished(Box<Savefiles>, Result<(), CaptureError>),
}

impl ReaderThread {
    /// Start the thread, and wait until it runs: what it asks of the system to begin with is not
    /// asked later.
    ///
    /// # Errors
    /// There can be none.
    pub fn start() -> io::Result<Self> {
        let (tasks, given) = channel::<Job>();
        let (ready, runs) = channel();
        Builder::new().name("ahead".into()).spawn(move || {
            // Who waits for it is there.
            let _ = ready.send(());
            given.into_iter().for_each(Job::perform);
        })?;
        let _ = runs.recv();
        Ok(Self { tasks })
    }
}

impl Job {
    fn perform(self) {
        let Self {
            mut files,
            mut ingest,
            interest,
            recorded,
            full,
            empty,
            end,
            stop,
        } = self;
        let mut gone = false;
        let mut courier = BatchWriter::new(interest, recorded, |batch| {
            gone |= full.send(batch).is_err();
            let mut batch = empty.try_recv().unwrap_or_default();
            batch.clear();
            batch
        });
        let result = loop {
            match files.next_kept() {
                Ok((Next::Frame(frame), block)) => {
                    if ingest.waiting() <= MUCH {
                        courier.at(&frame);
                        ingest.frame(block, &frame, &mut courier);
                    } else if courier.is_apart() {
                        ingest.frame(&[], &frame, &mut courier);
                    } else {
                        // What was told of the block goes first: then batches are sent while the
                        // frame is at hand.
                        let bytes = frame.bytes.to_vec();
                        let frame = Frame {
                            bytes: &bytes,
                            ..frame
                        };
                        send(&mut files, &mut ingest, &mut courier);
                        courier.apart();
                        ingest.frame(&[], &frame, &mut courier);
                    }
                    if !courier.batch.is_full() {
                        continue;
                    }
                }
                Ok((Next::Idle, _)) => {}
                Ok((Next::End, _)) => break Ok(()),
                Err(error) => break Err(error),
            }
            send(&mut files, &mut ingest, &mut courier);
            // Not for each frame: the other thread writes near it.
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
        };
        send(&mut files, &mut ingest, &mut courier);
        courier.apart();
        ingest.finish(&mut courier);
        send(&mut files, &mut ingest, &mut courier);
        drop(courier);
        drop(full);
        // Nobody waits for it when the run has failed.
        let _ = end.send(Finished {
            files,
            ingest,
            result,
        });
    }
}

/// Send what was told of the frames since the last time.
fn send<F: FnMut(Batch) -> Batch>(
    files: &mut Savefiles,
    ingest: &mut Ingest,
    courier: &mut BatchWriter<F>,
) {
    courier.batch.stats = Stats {
        capture: files.stats(),
        ..ingest.stats()
    };
    courier.batch.progress = files.progress();
    courier.batch.warnings.extend(files.take_warnings());
    ingest.settle(files.kept());
    let lacks = files.lacks();
    let block = files.exchange(courier.spare());
    courier.send(block, lacks);
}

impl Pipeline {
    /// Let the other thread read these files for this pipeline, which has taken no frame yet.
    /// [`Self::read_on`] tells of it.
    #[must_use]
    pub fn read_ahead(mut self, ahead: &ReaderThread, files: &mut Savefiles) -> Self {
        if let Mode::Messages(messages) = self.mode {
            let MessageMode { ingest, consumer } = *messages;
            let (full, batches) = sync_channel(WAITING);
            let (taken, empty) = channel();
            let (end, over) = channel();
            let stop = Arc::new(AtomicBool::new(false));
            let stretches = files.share(consumer.selector.sought().filter(|_| ingest.takes_all()));
            let task = Job {
                files: Box::new(mem::take(files)),
                ingest,
                interest: consumer.selector.interest(),
                recorded: consumer.selector.outputs.recorded(),
                full,
                empty,
                end,
                stop: Arc::clone(&stop),
            };
            // Where there is no thread to take it, reading on says so.
            let _ = ahead.tasks.send(task);
            let reading = ReaderHandle {
                full: batches,
                empty: taken,
                end: over,
                stop,
                stretches,
                looks: LOOKS,
            };
            self.mode = Mode::Batches(Box::new(BatchReplay::new(consumer, reading)));
        }
        self
    }

    /// Take what the other thread has told; waits for `patience` at most.
    ///
    /// # Panics
    /// When the other thread has.
    pub fn read_on(&mut self, patience: Duration) -> ReaderEvent {
        let Mode::Batches(behind) = &mut self.mode else {
            return ReaderEvent::Silence;
        };
        match behind.reading.receive(patience) {
            Ok(batch) => {
                let (progress, warnings) = behind.take(batch);
                ReaderEvent::Read(progress, warnings)
            }
            Err(RecvTimeoutError::Timeout) => ReaderEvent::Silence,
            Err(RecvTimeoutError::Disconnected) => match behind.reading.end.recv() {
                Ok(Finished {
                    mut files,
                    ingest,
                    result,
                }) => {
                    behind.stats = Stats {
                        capture: files.stats(),
                        ..ingest.stats()
                    };
                    ReaderEvent::Finished(files, result)
                }
                // It has said why.
                Err(_) => panic::resume_unwind(Box::new("the thread that reads ahead is gone")),
            },
        }
    }

    /// The other thread is to read no further. What it has read is still told.
    pub fn stop_reading(&mut self) {
        if let Mode::Batches(behind) = &mut self.mode {
            behind.reading.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl ReaderHandle {
    /// The next batch; waits for `patience` at most.
    fn receive(&mut self, patience: Duration) -> Result<Batch, RecvTimeoutError> {
        // A thread that sleeps has to be woken by the one that reads, each time. One that found a
        // batch while it was awake stays awake for a moment; where that was in vain, blocks take
        // longer than that, and it sleeps at once until it is late again.
        let mut looks = if patience.is_zero() { 1 } else { self.looks };
        loop {
            match self.full.try_recv() {
                Ok(batch) => {
                    self.looks = LOOKS;
                    return Ok(batch);
                }
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) if !patience.is_zero() && self.stretches.help() => {}
                Err(TryRecvError::Empty) if looks > 1 => {
                    looks -= 1;
                    hint::spin_loop();
                }
                Err(TryRecvError::Empty) => break,
            }
        }
        if patience.is_zero() {
            return Err(RecvTimeoutError::Timeout);
        }
        self.looks = 0;
        self.full.recv_timeout(patience)
    }
}

impl Drop for ReaderHandle {
    /// A run that failed does not wait for the other thread.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
