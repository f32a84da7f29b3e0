//! How a key, the mouse or a choice changes the state, and which task the driver gets from it.

mod prompt;
mod rows;

use super::{
    action::{Action, View},
    app::App,
    comparison::Moment,
    effect::Effect,
    key::Key,
    prompt::Purpose,
    selection::{Screen, Target},
    session::Source,
};

/// Steps, back or forward, in the length of a recording.
const SEEK_STEPS: u64 = 20;
/// Lines that a turn of the wheel scrolls.
const WHEEL: isize = 3;

impl App {
    /// Takes a key.
    pub(crate) fn key(&mut self, key: Key, screen: &Screen) -> Option<Effect> {
        if self.prompt.is_some() {
            return self.prompt_key(key);
        }
        let action = self.keymap.action(key)?;
        self.act(action, screen)
    }

    /// Takes a turn of the mouse wheel.
    pub(crate) fn wheel(&mut self, is_up: bool, screen: &Screen) {
        self.walk(if is_up { -WHEEL } else { WHEEL }, screen);
    }

    /// Takes a click.
    pub(crate) fn click(&mut self, target: Target, screen: &Screen) -> Option<Effect> {
        match target {
            Target::View(view) => self.visit(view, screen),
            Target::Do(action) => self.act(action, screen),
            Target::Sort(column) => {
                self.sort_by(column, screen);
                None
            }
            Target::Row(position) => self.click_row(position, screen),
        }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
    }

    /// Does an action.
    pub(crate) fn act(&mut self, action: Action, screen: &Screen) -> Option<Effect> {
        if let Some(view) = action.view() {
            return self.visit(view, screen);
        }
        let page = isize::try_from(screen.height).unwrap_or(10).max(2) - 1;
        match action {
            Action::Quit => return Some(Effect::Quit),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Redraw => return Some(Effect::Redraw),
            Action::NextView | Action::PreviousView => return self.turn(action == Action::NextView, screen),
            Action::Up => self.walk(-1, screen),
            Action::Down => self.walk(1, screen),
            Action::PageUp => self.walk(-page, screen),
            Action::PageDown => self.walk(page, screen),
            Action::Top => self.walk(isize::MIN, screen),
            Action::Bottom => self.walk(isize::MAX, screen),
            Action::Open => return self.open(screen),
            Action::OpenPage => self.open_prompt(Purpose::Page, String::new()),
            Action::Back => return self.back(),
            Action::SortNext => self.sort_beside(1, screen),
            Action::SortPrevious => self.sort_beside(-1, screen),
            Action::SortReverse => self.sort_reverse(screen),
            Action::Pause => return self.pause(),
            Action::Mark => self.mark(),
            Action::Filter => self.open_prompt(Purpose::Filter, self.filter_text.clone()),
            Action::Search => self.open_prompt(Purpose::Search, self.search.clone()),
            Action::Record => return self.record(),
            Action::SaveScreen => return Some(Effect::SaveScreen),
            Action::ExportCsv if screen.listing.is_some() => return Some(Effect::ExportCsv),
            Action::ExportCsv => self.notify("this view has no rows for CSV; w saves it as text"),
            Action::Tree => self.tree = !self.tree,
            Action::Threads => self.threads = !self.threads,
            Action::Matrix => self.matrix_of_faults = !self.matrix_of_faults,
            Action::Faster => return self.play(Effect::ChangeSpeed(2.0)),
            Action::Slower => return self.play(Effect::ChangeSpeed(0.5)),
            Action::SeekBack | Action::SeekForward | Action::SeekStart | Action::SeekEnd => return self.seek(action),
            _ => {}
        }
        None
    }

    /// Goes to a view that the user named.
    fn visit(&mut self, to: View, screen: &Screen) -> Option<Effect> {
        // Regions are those of a process: if none was opened yet, of the selected one, at the start the first.
        if to == View::Regions && self.process.is_none() {
            self.process = screen.process;
            self.process.into_iter().for_each(|id| self.state.processes.keep_heat(id));
        }
        self.go(to)
    }

    pub(super) fn go(&mut self, to: View) -> Option<Effect> {
        if to != self.view {
            self.before.retain(|before| *before != to);
            self.before.push(self.view);
            self.view = to;
            // A search in the rows of one view would hide those of another.
            self.search.clear();
        }
        self.wants()
    }

    fn turn(&mut self, forward: bool, screen: &Screen) -> Option<Effect> {
        let at = View::ALL.iter().position(|view| *view == self.view).unwrap_or(0);
        let step = if forward { 1 } else { View::ALL.len() - 1 };
        self.visit(View::ALL[(at + step) % View::ALL.len()], screen)
    }

    /// What the shown view needs from the driver. The driver calls this regularly.
    #[must_use]
    pub fn wants(&self) -> Option<Effect> {
        let live = self.source == Source::Live && self.view == View::Regions && !self.is_paused();
        self.process.filter(|_| live).map(|id| Effect::ReadNumaMaps(id.pid))
    }

    fn back(&mut self) -> Option<Effect> {
        if !self.search.is_empty() {
            self.search.clear();
            return None;
        }
        if self.view == View::Page && self.page.take().is_some() && self.before.is_empty() {
            return None;
        }
        if let Some(view) = self.before.pop() {
            self.view = view;
        }
        self.wants()
    }

    fn pause(&mut self) -> Option<Effect> {
        match self.source {
            Source::Live => {
                self.toggle_paused();
                None
            }
            Source::Recording(_) => Some(Effect::TogglePlay),
        }
    }

    fn play(&mut self, effect: Effect) -> Option<Effect> {
        if self.source == Source::Live {
            self.notify("live: the speed cannot be changed");
            return None;
        }
        Some(effect)
    }

    fn seek(&mut self, action: Action) -> Option<Effect> {
        let Source::Recording(playing) = &self.source else {
            self.notify("live: cannot go back or forward; r starts a recording");
            return None;
        };
        let (start, end) = (playing.start_ns, playing.end_ns.unwrap_or(playing.position_ns));
        let step = (end.saturating_sub(start) / SEEK_STEPS).max(1);
        let to = match action {
            Action::SeekBack => playing.position_ns.saturating_sub(step),
            Action::SeekForward => playing.position_ns.saturating_add(step),
            Action::SeekStart => start,
            _ => u64::MAX,
        };
        Some(Effect::Seek(if action == Action::SeekEnd { to } else { to.clamp(start, end.max(start)) }))
    }

    fn mark(&mut self) {
        if self.moments.len() >= 2 {
            self.moments.clear();
            self.notify("marks cleared");
            return;
        }
        self.moments.push(Moment::of(self.shown()));
        if self.moments.len() == 1 {
            self.notify("marked: the difference from here on is shown; m marks its end");
        }
    }

    fn record(&mut self) -> Option<Effect> {
        match (&self.source, &self.recording) {
            (Source::Recording(_), _) => {
                self.notify("cannot record: this is a recording");
                None
            }
            (Source::Live, None) => Some(Effect::StartRecording),
            (Source::Live, Some(_)) => Some(Effect::StopRecording),
        }
    }
}
