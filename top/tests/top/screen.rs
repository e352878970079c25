//! The screen on a terminal: what it shows, keys, a lost connection.

use testkit::{FakeReplica, Replicated, Server};

use crate::terminal::{wait_for_the_end_of_a_hung_up_program, Terminal};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

#[test]
fn replicas_are_shown_and_why_one_does_not_count() {
    let servers = Replicated::start(2);
    let _tool = FakeReplica::builder()
        .without_listening_port()
        .start(&servers.primary);
    for size in [SMALL, LARGE] {
        let terminal = Terminal::start(&servers.primary, size, true);
        terminal.wait_for("3 links, 2 count");
        terminal.wait_for("no listening port");
        terminal.wait_for(&servers.replicas[0].addr());
        terminal.wait_for("per second");
    }
}

#[test]
fn a_lost_connection_is_announced_and_the_screen_goes_on_afterwards() {
    let server = Server::builder().start();
    let terminal = Terminal::start(&server, SMALL, true);
    terminal.wait_for("requirement");
    server.kill();
    terminal.wait_for("reconnecting");
    terminal.wait_for("requirement");
    server.restart();
    terminal.wait_without("reconnecting");
    terminal.wait_for("requirement");
}

#[test]
fn keys_pause_help_and_quit() {
    let server = Server::builder().start();
    let mut terminal = Terminal::start(&server, SMALL, true);
    terminal.wait_for("requirement");
    terminal.press("p");
    terminal.wait_for("PAUSED");
    terminal.press("p");
    terminal.wait_without("PAUSED");
    terminal.press("?");
    terminal.wait_for("UNACKED: executed, not acknowledged in time");
    terminal.press("x");
    terminal.wait_without("UNACKED");
    terminal.press("q");
    assert!(terminal.wait_for_the_end().success());
}

#[test]
fn ctrl_c_restores_the_terminal_too() {
    let server = Server::builder().start();
    let mut terminal = Terminal::start(&server, SMALL, true);
    terminal.wait_for("requirement");
    terminal.press("\x03");
    assert!(terminal.wait_for_the_end().success());
}

#[test]
fn the_program_ends_with_its_terminal() {
    let server = Server::builder().start();
    wait_for_the_end_of_a_hung_up_program(&server);
}

#[test]
fn without_colours_the_words_are_the_same() {
    let server = Server::builder().start();
    for colours in [true, false] {
        let terminal = Terminal::start(&server, SMALL, colours);
        terminal.wait_for("NOT MET: 1 required");
        assert_eq!(terminal.has_colours(), colours);
    }
}
