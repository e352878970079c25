//! Runs the screen: keys, looks from their own thread, drawing.
//!
//! A look may wait for a server that does not answer, so it has a thread of its own. Keys work
//! meanwhile.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::screen;
use crate::shown::{Next, Shown};
use crate::watch::{Look, Watch};

/// How often it is checked whether a look arrived.
const TICK: Duration = Duration::from_millis(50);
/// How often the screen is drawn without news. The age of figures changes.
const REDRAW: Duration = Duration::from_millis(500);

pub fn run(watch: Watch, interval: Duration) -> io::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    // Not SIGHUP: without a terminal there is nothing to restore, and the event reader never returns
    // from a terminal that was hung up. By default the signal ends the program.
    for signal in [SIGINT, SIGTERM] {
        // In this order. Otherwise the first signal would set the flag and then find it set. The
        // second one ends the program in any case.
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&ended))?;
        flag::register(signal, Arc::clone(&ended))?;
    }
    let shown = Shown::new(watch.address(), interval);
    let (sender, looks) = mpsc::channel();
    thread::spawn(move || look_again_and_again(watch, interval, &sender));
    let mut terminal = ratatui::try_init()?;
    let result = show(&mut terminal, shown, &looks, &ended);
    ratatui::try_restore()?;
    result
}

/// Ends with the program: nobody hears it then.
fn look_again_and_again(
    mut watch: Watch,
    interval: Duration,
    looks: &Sender<Result<Look, String>>,
) {
    while looks.send(watch.look()).is_ok() {
        thread::sleep(interval);
    }
}

fn show(
    terminal: &mut DefaultTerminal,
    mut shown: Shown,
    looks: &Receiver<Result<Look, String>>,
    ended: &AtomicBool,
) -> io::Result<()> {
    let mut drawn: Option<Instant> = None;
    while !ended.load(Ordering::Relaxed) {
        for look in looks.try_iter() {
            shown.take(look, Instant::now());
            drawn = None;
        }
        if drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            terminal.draw(|frame| screen::draw(frame, &shown, Instant::now()))?;
            drawn = Some(Instant::now());
        }
        if event::poll(TICK)? {
            // Also for a new size of the terminal.
            drawn = None;
            if let Event::Key(key) = event::read()? {
                if pressed(&mut shown, key) == Next::Quit {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

fn pressed(shown: &mut Shown, key: KeyEvent) -> Next {
    match (key.kind, key.code) {
        (KeyEventKind::Release, _) => Next::GoOn,
        (_, KeyCode::Char('c')) if key.modifiers.contains(KeyModifiers::CONTROL) => Next::Quit,
        (_, KeyCode::Char(character)) => shown.key(character),
        (_, KeyCode::Esc) => shown.key(' '),
        _ => Next::GoOn,
    }
}
