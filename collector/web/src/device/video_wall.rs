//! The video wall that a display controller drives, drawn on the controller's page.

use ioc_common::reading::Displays;

use crate::page::context::PageContext;
use crate::tone::Tone;
use ioc_store::DocumentRecord;

/// Size of a screen in the drawing's own units, and what is left between two.
const WIDTH: usize = 160;
const HEIGHT: usize = 92;
const GAP: usize = 8;
/// Most screens that are drawn.
const SCREENS_MAX: usize = 144;
/// Longest text on a screen, characters.
const TEXT_MAX: usize = 20;

/// A video wall, ready to be drawn.
pub(crate) struct VideoWall {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) screens: Vec<Screen>,
}

/// A screen on the wall.
pub(crate) struct Screen {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) tone: Tone,
    pub(crate) connector: String,
    pub(crate) panel: String,
    /// Its mode, or what is wrong with it.
    pub(crate) text: String,
    /// All of it, for whoever points at it or has it read out.
    pub(crate) title: String,
}

impl Screen {
    pub(crate) const fn middle(&self) -> usize {
        self.x + WIDTH / 2
    }

    pub(crate) const fn below(&self, lines: usize) -> usize {
        self.y + 30 + 22 * lines
    }
}

fn truncated(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

/// How many stand beside each other where nobody has said so.
fn usual_columns(count: usize) -> usize {
    (1..=count).find(|columns| columns * columns >= count && count > 4).unwrap_or(count).max(1)
}

/// The wall that a document of displays tells of; none where there is no screen.
pub(crate) fn video_wall_of(page_context: &PageContext, records: &[DocumentRecord]) -> Option<VideoWall> {
    let record = records.iter().find(|record| record.name == "displays")?;
    let displays: Displays = serde_json::from_str(&record.body).ok()?;
    let there = |name: &str| displays.connectors.iter().find(|one| one.is_called(name));
    // What should be there, in its order; then what is there beside it.
    let mut names: Vec<String> = displays.wall.clone();
    let connected = displays.connectors.iter().filter(|one| one.connected != Some(false));
    names.extend(
        connected
            .filter(|one| !names.iter().any(|name| there(name) == Some(one)))
            .map(|one| one.name.clone())
            .collect::<Vec<_>>(),
    );
    names.truncate(SCREENS_MAX);
    if names.is_empty() {
        return None;
    }
    let columns = match displays.columns as usize {
        0 => usual_columns(names.len()),
        columns => columns.min(names.len()),
    };
    let screen = |(place, name): (usize, String)| {
        let found = there(&name);
        let differences = displays.differences.iter().filter(|one| one.connector == name);
        let wrong: Vec<&str> = differences.map(|one| one.kind.as_str()).collect();
        let on = found.is_some_and(|one| one.connected != Some(false));
        let tone = match () {
            () if wrong.iter().any(|kind| matches!(*kind, "missing" | "off")) => Tone::Bad,
            () if !wrong.is_empty() => Tone::Warning,
            () if !on => Tone::Away,
            () => Tone::Good,
        };
        let panel = found.and_then(|one| one.panel.as_ref());
        let serial = panel.map(|panel| panel.serial.clone()).unwrap_or_default();
        let panel = panel.map(|panel| format!("{} {}", panel.maker, panel.model).trim().to_owned()).unwrap_or_default();
        let mode = found.map(|one| one.mode.clone()).unwrap_or_default();
        let words: Vec<String> = wrong.iter().map(|kind| page_context.word("screen", kind)).collect();
        let text = match () {
            () if !words.is_empty() => words.join(", "),
            () if !on => page_context.t("screen-empty"),
            () => mode.clone(),
        };
        let parts = [name.as_str(), &panel, &serial, &mode, &words.join(", ")];
        let title = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
        Screen {
            x: place % columns * (WIDTH + GAP),
            y: place / columns * (HEIGHT + GAP),
            tone,
            connector: truncated(&name),
            panel: truncated(&panel),
            text: truncated(&text),
            title,
        }
    };
    let rows = names.len().div_ceil(columns);
    let screens = names.into_iter().enumerate().map(screen).collect();
    Some(VideoWall { width: columns * (WIDTH + GAP) - GAP, height: rows * (HEIGHT + GAP) - GAP, screens })
}

#[cfg(test)]
mod tests {
    use super::usual_columns;

    #[test]
    fn few_screens_stand_in_a_row_and_many_in_a_square() {
        let columns: Vec<usize> = [1, 2, 4, 5, 8, 9, 12].into_iter().map(usual_columns).collect();
        assert_eq!(columns, [1, 2, 4, 3, 3, 3, 4]);
    }
}
