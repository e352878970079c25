//! Draws the screen. What it says comes from `facts` and `group`.
//!
//! ```text
//! title, or why there is no connection
//! ┌ durable writes ┐   requirement, waits, rates, durations
//! ┌ acknowledged ──┐   a curve, on screens of 30 lines and more
//! ┌ failover group ┐   where there is one
//! ┌ replicas ──────┐   the rest of the screen
//! keys
//! ```

use std::time::Instant;

use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Padding, Paragraph, Row, Sparkline, Table, Wrap};
use ratatui::Frame;

use crate::facts::{self, Fact, Mood};
use crate::group::Group;
use crate::sample::Sample;
use crate::shown::Shown;

/// Lines of a screen that has room for the curve.
const TALL: u16 = 30;
const CURVE: u16 = 7;
/// The failover group leaves at least so many lines to the replicas: borders, head, two rows.
const LINKS: u16 = 5;
const KEYS: &str = " q quit   p pause   ? help";

/// crossterm leaves out colours where NO_COLOR is set. Bold and reverse are no colours.
fn style(mood: Mood) -> Style {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match mood {
        Mood::Plain => Style::new(),
        Mood::Good => Style::new().fg(Color::Green),
        Mood::Warning => bold.fg(Color::Yellow),
        Mood::Bad => bold.fg(Color::Red),
    }
}

const DIM: Style = Style::new().fg(Color::DarkGray);

pub fn draw(frame: &mut Frame, shown: &Shown, now: Instant) {
    let area = frame.area();
    let group = shown
        .sample
        .as_ref()
        .and_then(|sample| sample.failover.as_ref());
    let group = group.and_then(Group::from_status);
    let lines = shown
        .sample
        .as_ref()
        .map(|sample| facts_of(sample, shown))
        .unwrap_or_default();
    let tall = area.height >= TALL && !shown.history.is_empty();
    let above = 2 + lines.len() as u16 + 2 + if tall { CURVE } else { 0 };
    let free = area.height.saturating_sub(above + LINKS);
    let [title, writes, curve, failover, replicas, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(if lines.is_empty() {
            0
        } else {
            lines.len() as u16 + 2
        }),
        Constraint::Length(if tall { CURVE } else { 0 }),
        Constraint::Length(
            group
                .as_ref()
                .map_or(0, |group| height(group, area.width).min(free)),
        ),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_title(frame, title, shown, now);
    if !lines.is_empty() {
        let block = panel(" durable writes ".into());
        let lines: Vec<Line> = lines.iter().map(|fact| line(fact)).collect();
        frame.render_widget(Paragraph::new(lines).block(block), writes);
    }
    if tall {
        draw_curve(frame, curve, shown);
    }
    if let Some(group) = &group {
        draw_group(frame, failover, group);
    }
    if let Some(sample) = shown
        .sample
        .as_ref()
        .filter(|sample| sample.serves_writes())
    {
        draw_links(frame, replicas, sample);
    }
    frame.render_widget(Paragraph::new(KEYS).style(DIM), keys);
    if shown.help {
        draw_help(frame, area);
    }
}

fn panel<'a>(title: String) -> Block<'a> {
    Block::bordered()
        .title(title)
        .padding(Padding::horizontal(1))
}

/// At the right end of a panel's lower border.
fn more<'a>(count: usize) -> Line<'a> {
    Line::from(format!(" {count} more do not fit ")).alignment(Alignment::Right)
}

fn facts_of(sample: &Sample, shown: &Shown) -> Vec<Fact> {
    let mut facts = facts::headlines(sample);
    if sample.serves_writes() {
        facts.extend(facts::waits(sample, shown.rates.as_ref()));
    }
    facts
}

fn line<'a>(fact: &'a Fact) -> Line<'a> {
    Line::from(vec![
        Span::styled(format!("{:<12} ", fact.label), DIM),
        Span::styled(fact.words.as_str(), style(fact.mood)),
    ])
}

fn draw_title(frame: &mut Frame, area: Rect, shown: &Shown, now: Instant) {
    let mut spans = vec![Span::styled(
        format!(" durable-top {} ", shown.address),
        Style::new().add_modifier(Modifier::REVERSED),
    )];
    match (shown.status(now), &shown.sample) {
        (Some(status), _) => {
            spans.push(Span::styled(format!(" {status}"), style(Mood::Warning)));
        }
        (None, Some(sample)) => {
            let build = sample.words.get("durable_version");
            let module = build
                .map(|version| format!(", module {version}"))
                .unwrap_or_default();
            spans.push(Span::raw(format!(" {}{module}", facts::server(sample))));
        }
        (None, None) => {}
    }
    frame.render_widget(Line::from(spans), area);
}

/// The newest value is at the right edge.
fn draw_curve(frame: &mut Frame, area: Rect, shown: &Shown) {
    let highest = shown.history.iter().max().copied().unwrap_or(0);
    let block = Block::bordered().title(format!(" acknowledged per second, highest {highest} "));
    let width = usize::from(block.inner(area).width);
    let values: Vec<u64> = shown
        .history
        .iter()
        .rev()
        .take(width)
        .rev()
        .copied()
        .collect();
    frame.render_widget(Sparkline::default().block(block).data(values), area);
}

fn height(group: &Group, width: u16) -> u16 {
    let members = group.members.len() + usize::from(!group.members.is_empty());
    let facts = group.lines(inside(width)).len();
    (facts + members + 2).min(usize::from(u16::MAX)) as u16
}

/// The columns between two borders.
fn inside(width: u16) -> usize {
    width.saturating_sub(2).into()
}

fn draw_group(frame: &mut Frame, area: Rect, group: &Group) {
    let mut block = panel(" failover group ".into());
    let missing = height(group, area.width).saturating_sub(area.height);
    if missing > 0 {
        block = block.title_bottom(more(missing.into()));
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let lines = group.lines(inside(area.width));
    let [facts, members] =
        Layout::vertical([Constraint::Length(lines.len() as u16), Constraint::Fill(1)])
            .areas(inner);
    let lines: Vec<Line> = lines.into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines), facts);
    let cells: Vec<Vec<String>> = group
        .members
        .iter()
        .map(|row| row.iter().map(|cell| short(cell)).collect())
        .collect();
    let widths = widths(&group.columns, &cells);
    let rows: Vec<Row> = cells.into_iter().map(Row::new).collect();
    let head =
        Row::new(group.columns.clone()).style(Style::new().add_modifier(Modifier::UNDERLINED));
    frame.render_widget(Table::new(rows, widths).header(head), members);
}

fn draw_links(frame: &mut Frame, area: Rect, sample: &Sample) {
    let rows = facts::links(sample);
    let mut block = panel(format!(" replicas: {} ", facts::links_title(sample)));
    // Both borders and the head of the table.
    let room = usize::from(area.height.saturating_sub(3));
    if rows.len() > room {
        block = block.title_bottom(more(rows.len() - room));
    }
    if let Some(error) = &sample.links_error {
        let words = Paragraph::new(error.as_str()).wrap(Wrap { trim: false });
        frame.render_widget(words.block(block), area);
        return;
    }
    let cells: Vec<Vec<String>> = rows.iter().map(|(_, cells)| cells.to_vec()).collect();
    let columns = facts::LINK_COLUMNS.map(String::from);
    let widths = widths(&columns, &cells);
    let table_rows = rows
        .into_iter()
        .map(|(mood, cells)| Row::new(cells.map(Cell::from)).style(style(mood)));
    let head = Row::new(columns).style(Style::new().add_modifier(Modifier::UNDERLINED));
    frame.render_widget(
        Table::new(table_rows, widths)
            .header(head)
            .column_spacing(2)
            .block(block),
        area,
    );
}

/// The id of a node by its first digits, as `git` shows commits: two never begin alike in a shard.
fn short(cell: &str) -> String {
    let is_id = cell.len() == 40 && cell.bytes().all(|byte| byte.is_ascii_hexdigit());
    match cell.get(..8).filter(|_| is_id) {
        Some(beginning) => format!("{beginning}…"),
        None => cell.to_owned(),
    }
}

/// Each column as wide as its widest cell, and the last one as wide as there is room.
fn widths(columns: &[String], rows: &[Vec<String>]) -> Vec<Constraint> {
    let width = |(number, name): (usize, &String)| {
        let cells = rows.iter().filter_map(|row| row.get(number)).chain([name]);
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        match number + 1 == columns.len() {
            true => Constraint::Fill(1),
            false => Constraint::Length(widest.min(60) as u16),
        }
    };
    columns.iter().enumerate().map(width).collect()
}

fn draw_help(frame: &mut Frame, area: Rect) {
    let lines = [
        "q, Ctrl-C   quit",
        "p           pause: the screen stays as it is",
        "?           this help; any key closes it",
        "",
        "counts      whether the replica's acknowledgements count;",
        "            if not, the last column says why",
        "lag         bytes that it has not acknowledged yet",
        "ack age     how long ago its acknowledged offset moved",
        "given up    UNACKED: executed, not acknowledged in time",
        "interrupted the client went away, or the primary was demoted",
        "refused     NOREPLICAS or OVERLOADED: nothing was executed",
    ];
    let block = Block::bordered().title(" help ");
    let text = lines.map(|line| Line::from(format!(" {line}"))).to_vec();
    let (width, height) = (66.min(area.width), (text.len() as u16 + 2).min(area.height));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(text).block(block), place);
}

#[cfg(test)]
mod tests;
