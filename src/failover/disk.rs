//! The file that keeps the group and the promise, and the thread that writes it.
//!
//! A promise has to be on disk before anybody hears of it. An fsync can take seconds on a busy
//! disk, and the event loop must not wait for it. So a thread of the module writes, and wakes the
//! event loop when it is done. It touches nothing of the server but that call.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use durable_failover::{other_format, Kept, Record, FILE};

use crate::ffi::wakeup::wake_event_loop;

/// Some writing is over, and was not looked at.
static NEWS: AtomicBool = AtomicBool::new(false);

/// The latest thread.
static THREAD: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

/// A writing that is over.
#[derive(Debug)]
pub struct Outcome {
    /// The promise and the configuration in the record.
    pub kept: Kept,
    /// The number of the record.
    pub sequence: u64,
    /// Why it is not on disk.
    pub result: Result<(), String>,
}

/// The writer of one file.
#[derive(Debug)]
pub struct Disk {
    jobs: Option<Sender<Record>>,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
}

/// What a file holds.
pub enum Found {
    /// There is none: this server belongs to no group.
    Nothing,
    /// A record.
    Record(Box<Record>),
    /// It cannot be read, and why.
    Unreadable(String),
}

/// Whether some writing is over.
pub fn has_news() -> bool {
    NEWS.load(Ordering::Relaxed)
}

/// There is no writer any more whose news could be looked at.
pub fn no_news() -> Vec<Outcome> {
    NEWS.store(false, Ordering::Relaxed);
    Vec::new()
}

/// Reads the file.
pub fn read(path: &Path) -> Found {
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE).unwrap_or(u64::MAX);
    match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
        Err(error) => Found::Unreadable(error.to_string()),
        Ok(_) => match Record::read(&bytes) {
            Some(record) => Found::Record(Box::new(record)),
            None => Found::Unreadable(unreadable(&bytes)),
        },
    }
}

fn unreadable(bytes: &[u8]) -> String {
    match other_format(bytes) {
        Some((other, own)) => format!(
            "another version of the module has written it, in format {other}, and this version reads \
             {own} only"
        ),
        None => "neither of its two records is whole".into(),
    }
}

impl Disk {
    /// The writer of a file. `None` if no thread can be started. The file is made with the first
    /// record.
    pub fn new(path: PathBuf) -> Option<Disk> {
        let (jobs, inbox) = channel();
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&outcomes);
        let mut latest = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = latest.take();
        let thread = thread::Builder::new()
            .name("durable-file".into())
            .spawn(move || {
                // After `durable.failover no` and `yes` its last write may still hang. It must not
                // come after a later one.
                if let Some(earlier) = earlier {
                    let _ = earlier.join();
                }
                work(&path, &inbox, &told);
            });
        *latest = Some(thread.ok()?);
        Some(Disk {
            jobs: Some(jobs),
            outcomes,
        })
    }

    /// Begins to write. False if the thread has ended.
    pub fn write(&self, record: Record) -> bool {
        self.jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(record).is_ok())
    }

    /// What was written since the last call.
    pub fn news(&self) -> Vec<Outcome> {
        NEWS.store(false, Ordering::Relaxed);
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut outcomes)
    }
}

impl Drop for Disk {
    /// The thread ends by itself after the write that it is in. Its code stays mapped: a module that
    /// has heard the cluster's bus is not unloaded.
    fn drop(&mut self) {
        self.jobs = None;
    }
}

fn work(path: &Path, inbox: &Receiver<Record>, told: &Mutex<Vec<Outcome>>) {
    let mut file = None;
    while let Ok(record) = inbox.recv() {
        let result = put(path, &mut file, &record).map_err(|error| error.to_string());
        if result.is_err() {
            // Another try may find the disk in order.
            file = None;
        }
        let outcome = Outcome {
            kept: record.kept,
            sequence: record.sequence,
            result,
        };
        told.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(outcome);
        NEWS.store(true, Ordering::Relaxed);
        wake_event_loop();
    }
}

fn put(path: &Path, file: &mut Option<File>, record: &Record) -> io::Result<()> {
    let (slot, place) = record.slot();
    let file = match file {
        Some(file) => file,
        None => file.insert(open(path, &slot, place)?),
    };
    file.write_all_at(&slot, place)?;
    file.sync_data()
}

/// Opens the file. If it is not there, makes it with both slots allocated, because what cannot be
/// allocated later must not be needed later, and with the first record in it. It gets its name only
/// when all of that is on disk: a file without a record would be a damaged one.
fn open(path: &Path, slot: &[u8], place: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let mut file = options.create(true).truncate(true).open(&unfinished)?;
    let made = file
        .write_all(&[0; FILE])
        .and_then(|()| file.write_all_at(slot, place))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&unfinished, path));
    if let Err(error) = made {
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}
