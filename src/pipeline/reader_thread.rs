//! The *reader thread*: reads capture files and reassembles their streams while the thread that
//! started it searches and renders.
//!
//! It runs at most [`WAITING`] blocks ahead. However the run ends, all events of the frames read so
//! far are delivered, in order.

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

/// Batches in the queue; each holds a block of the file.
const WAITING: usize = 3;
/// Polls of the queue before blocking. One takes some tens of nanoseconds: less than 0.1 ms in all.
const LOOKS: u32 = 2000;
/// If more bytes of streams are queued, one frame may release too much for one batch.
const MUCH: usize = 1 << 20;

/// The thread. It is started once, before the sandbox is entered, and runs all reading jobs.
pub struct ReaderThread {
    tasks: Sender<Job>,
}

/// Files to read.
struct Job {
    files: Box<Savefiles>,
    ingest: Ingest,
    /// Which events the consumer needs.
    interest: Interest,
    /// What is recorded. If anything is, all packets are sent.
    recorded: Option<Scope>,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
    end: Sender<Finished>,
    stop: Arc<AtomicBool>,
}

/// The end of a job: its files, for their counters, and its result.
struct Finished {
    files: Box<Savefiles>,
    ingest: Ingest,
    result: Result<(), CaptureError>,
}

/// The consumer's handle to the job in progress.
pub(super) struct ReaderHandle {
    full: Receiver<Batch>,
    pub(super) empty: Sender<Batch>,
    end: Receiver<Finished>,
    stop: Arc<AtomicBool>,
    /// Chunks of the file that this thread may read as well.
    stretches: Arc<Stretches>,
    /// Polls of the queue before blocking; adapted by [`Self::receive`].
    looks: u32,
}

/// An event from the reader thread.
pub enum ReaderEvent {
    /// A batch was consumed: the progress of reading, and warnings for the user.
    Read(Option<Progress>, Vec<Warning>),
    /// No batch came in time.
    Silence,
    /// All events are consumed: the files, for their counters, and the result of reading.
    Finished(Box<Savefiles>, Result<(), CaptureError>),
}

impl ReaderThread {
    /// Starts the thread and waits until it runs, so that its start-up system calls happen before
    /// the sandbox is entered.
    ///
    /// # Errors
    /// Fails if the thread cannot be spawned.
    pub fn start() -> io::Result<Self> {
        let (tasks, given) = channel::<Job>();
        let (ready, runs) = channel();
        Builder::new().name("ahead".into()).spawn(move || {
            // The receiver outlives this send.
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
        let mut writer = BatchWriter::new(interest, recorded, |batch| {
            gone |= full.send(batch).is_err();
            let mut batch = empty.try_recv().unwrap_or_default();
            batch.clear();
            batch
        });
        let result = loop {
            match files.next_kept() {
                Ok((Next::Frame(frame), block)) => {
                    if ingest.waiting() <= MUCH {
                        writer.at(&frame);
                        ingest.frame(block, &frame, &mut writer);
                    } else if writer.is_without_block() {
                        ingest.frame(&[], &frame, &mut writer);
                    } else {
                        // Sends the events of the block first. After that, batches can be sent
                        // while this frame is being processed.
                        let bytes = frame.bytes.to_vec();
                        let frame = Frame {
                            bytes: &bytes,
                            ..frame
                        };
                        send(&mut files, &mut ingest, &mut writer);
                        writer.without_block();
                        ingest.frame(&[], &frame, &mut writer);
                    }
                    if !writer.batch.is_full() {
                        continue;
                    }
                }
                Ok((Next::Idle, _)) => {}
                Ok((Next::End, _)) => break Ok(()),
                Err(error) => break Err(error),
            }
            send(&mut files, &mut ingest, &mut writer);
            // Not per frame: the other thread writes to the same cache line.
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
        };
        send(&mut files, &mut ingest, &mut writer);
        writer.without_block();
        ingest.finish(&mut writer);
        send(&mut files, &mut ingest, &mut writer);
        drop(writer);
        drop(full);
        // The receiver is gone if the run has failed.
        let _ = end.send(Finished {
            files,
            ingest,
            result,
        });
    }
}

/// Sends the events since the last call.
fn send<F: FnMut(Batch) -> Batch>(
    files: &mut Savefiles,
    ingest: &mut Ingest,
    writer: &mut BatchWriter<F>,
) {
    writer.batch.stats = Stats {
        capture: files.stats(),
        ..ingest.stats()
    };
    writer.batch.progress = files.progress();
    writer.batch.warnings.extend(files.take_warnings());
    ingest.release_block(files.kept());
    let lacks = files.lacks();
    let block = files.exchange(writer.spare());
    writer.send(block, lacks);
}

impl Pipeline {
    /// Moves the files to the reader thread, for this pipeline, which must not have taken a frame
    /// yet. [`Self::read_on`] returns the results.
    #[must_use]
    pub fn read_ahead(mut self, thread: &ReaderThread, files: &mut Savefiles) -> Self {
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
            // If the thread is gone, `read_on` reports it.
            let _ = thread.tasks.send(task);
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

    /// Takes the next batch from the reader thread; waits at most `patience`.
    ///
    /// # Panics
    /// If the reader thread panicked.
    pub fn read_on(&mut self, patience: Duration) -> ReaderEvent {
        let Mode::Batches(replay) = &mut self.mode else {
            return ReaderEvent::Silence;
        };
        match replay.reading.receive(patience) {
            Ok(batch) => {
                let (progress, warnings) = replay.take(batch);
                ReaderEvent::Read(progress, warnings)
            }
            Err(RecvTimeoutError::Timeout) => ReaderEvent::Silence,
            Err(RecvTimeoutError::Disconnected) => match replay.reading.end.recv() {
                Ok(Finished {
                    mut files,
                    ingest,
                    result,
                }) => {
                    replay.stats = Stats {
                        capture: files.stats(),
                        ..ingest.stats()
                    };
                    ReaderEvent::Finished(files, result)
                }
                // The thread has already printed its panic message.
                Err(_) => panic::resume_unwind(Box::new("the thread that reads ahead is gone")),
            },
        }
    }

    /// Stops the reader thread. The events of what it has read are still delivered.
    pub fn stop_reading(&mut self) {
        if let Mode::Batches(replay) = &mut self.mode {
            replay.reading.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl ReaderHandle {
    /// The next batch; waits at most `patience`.
    fn receive(&mut self, patience: Duration) -> Result<Batch, RecvTimeoutError> {
        // Waking a sleeping thread costs the reader a system call. So this spins adaptively: after
        // a batch that came while spinning, it spins up to `LOOKS` times before it blocks. After a
        // vain spin it blocks at once, until a batch is ready again without waiting.
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
    /// Stops the reader thread without waiting for it.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
