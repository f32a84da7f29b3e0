//! What a key, a mouse button or a choice changes: action and state give the next state, and what is to be done outside.

use crossterm::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};

use super::{
    action::{Action, View},
    app::{App, Effect, Source},
    moment::Moment,
    prompt::Purpose,
};
use crate::event::ProcessId;
use crate::tui::view::{
    self,
    frame::{self, Hit},
    table::{self, RowKey},
};

/// Of a recording's length, a step back or forward.
const SEEK_STEPS: u64 = 20;
/// Lines that the wheel goes.
const WHEEL: isize = 3;

impl App {
    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if self.prompt.is_some() {
            return self.prompt_key(key);
        }
        let action = self.config.keymap.action(key.into())?;
        self.act(action)
    }

    /// Takes what a mouse does.
    pub fn mouse(&mut self, mouse: MouseEvent) -> Option<Effect> {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.walk(-WHEEL),
            MouseEventKind::ScrollDown => self.walk(WHEEL),
            MouseEventKind::Down(MouseButton::Left) => {
                return match frame::hit(self, mouse.column, mouse.row)? {
                    Hit::View(view) => self.go(view),
                    Hit::Do(action) => self.act(action),
                    Hit::Sort(column) => {
                        self.sort_by(column);
                        None
                    }
                    Hit::Row(position) => self.click(position),
                };
            }
            _ => {}
        }
        None
    }

    /// The terminal has another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
    }

    /// Does what a key asks for.
    pub fn act(&mut self, action: Action) -> Option<Effect> {
        if let Some(view) = action.view() {
            return self.go(view);
        }
        let page = isize::try_from(frame::body(self).height).unwrap_or(10).max(2) - 1;
        match action {
            Action::Quit => return Some(Effect::Quit),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Redraw => return Some(Effect::Redraw),
            Action::NextView | Action::PreviousView => return self.turn(action == Action::NextView),
            Action::Up => self.walk(-1),
            Action::Down => self.walk(1),
            Action::PageUp => self.walk(-page),
            Action::PageDown => self.walk(page),
            Action::Top => self.walk(isize::MIN),
            Action::Bottom => self.walk(isize::MAX),
            Action::Open => return self.open(),
            Action::OpenPage => self.ask(Purpose::Page, String::new()),
            Action::Back => return self.back(),
            Action::SortNext => self.sort_beside(1),
            Action::SortPrevious => self.sort_beside(-1),
            Action::SortReverse => self.sort_reverse(),
            Action::Pause => return self.pause(),
            Action::Mark => self.mark(),
            Action::Filter => self.ask(Purpose::Filter, self.filter_text.clone()),
            Action::Search => self.ask(Purpose::Search, self.search.clone()),
            Action::Record => return self.record(),
            Action::SaveScreen => return Some(Effect::SaveScreen),
            Action::ExportCsv if self.table().is_some() => return Some(Effect::ExportCsv),
            Action::ExportCsv => self.say("this view has no rows; w saves it as text"),
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

    fn go(&mut self, to: View) -> Option<Effect> {
        // Regions are a process's: where none was opened yet, of the one that is chosen, which is the first at the start.
        if to == View::Regions && self.process.is_none() {
            self.process = self.chosen_process();
            self.process.into_iter().for_each(|id| self.state.processes.keep_heat(id));
        }
        if to != self.view {
            self.before.retain(|before| *before != to);
            self.before.push(self.view);
            self.view = to;
            // What was looked for in the rows of one view would hide those of another.
            self.search.clear();
        }
        self.wants()
    }

    fn turn(&mut self, forward: bool) -> Option<Effect> {
        let at = View::ALL.iter().position(|view| *view == self.view).unwrap_or(0);
        let step = if forward { 1 } else { View::ALL.len() - 1 };
        self.go(View::ALL[(at + step) % View::ALL.len()])
    }

    /// What the view needs from outside; also asked for now and then while it is shown.
    #[must_use]
    pub fn wants(&self) -> Option<Effect> {
        let live = self.source == Source::Live && self.view == View::Regions && !self.is_frozen();
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

    /// Goes up or down in what is shown.
    fn walk(&mut self, by: isize) {
        if self.table().is_none() {
            let most = view::lines(self).saturating_sub(frame::body(self).height);
            let at = self.scroll.entry(self.view).or_default();
            *at = (isize::try_from(*at).unwrap_or(0).saturating_add(by)).clamp(0, most as isize) as u16;
            return;
        }
        let (next, is_last) = {
            let Some(table) = self.table() else { return };
            let choice = self.choice(self.view);
            let order = table::order(&*table, &choice, &self.search);
            let Some(last) = order.len().checked_sub(1) else { return };
            let follows = self.view == View::Log && self.follow;
            let at = if follows { last } else { table::position(&*table, &order, &choice) };
            let to = isize::try_from(at).unwrap_or(0).saturating_add(by).clamp(0, last as isize) as usize;
            (table.key(order[to]), to == last)
        };
        self.choices.entry(self.view).or_default().selected = Some(next);
        if self.view == View::Log {
            self.follow = is_last && by > 0;
        }
    }

    fn click(&mut self, position: usize) -> Option<Effect> {
        let key = {
            let table = self.table()?;
            let order = table::order(&*table, &self.choice(self.view), &self.search);
            table.key(*order.get(position)?)
        };
        let choice = self.choices.entry(self.view).or_default();
        if choice.selected.as_ref() == Some(&key) {
            return self.open();
        }
        choice.selected = Some(key);
        self.follow = false;
        None
    }

    fn sort_by(&mut self, column: usize) {
        let Some((by, descending)) = self.sorted_by() else { return };
        let descending = if by == column { !descending } else { self.falls(column) };
        self.choices.entry(self.view).or_default().sort = Some((column, descending));
        self.tree = false;
    }

    fn sort_beside(&mut self, step: isize) {
        let Some(columns) = self.table().map(|t| t.columns().len()) else { return };
        let Some((by, _)) = self.sorted_by() else { return };
        let column = (by as isize + step).rem_euclid(columns as isize) as usize;
        self.choices.entry(self.view).or_default().sort = Some((column, self.falls(column)));
        self.tree = false;
    }

    fn sort_reverse(&mut self) {
        let Some((by, descending)) = self.sorted_by() else { return };
        self.choices.entry(self.view).or_default().sort = Some((by, !descending));
    }

    /// Numbers are wanted with the greatest first, names from A on.
    fn falls(&self, column: usize) -> bool {
        self.table().is_some_and(|t| t.columns().get(column).is_some_and(|c| c.right))
    }

    fn sorted_by(&self) -> Option<(usize, bool)> {
        let table = self.table()?;
        Some(self.choice(self.view).sort.unwrap_or_else(|| table.default_sort()))
    }

    fn open(&mut self) -> Option<Effect> {
        let key = {
            let table = self.table()?;
            let choice = self.choice(self.view);
            let order = table::order(&*table, &choice, &self.search);
            let at = if self.view == View::Log && self.follow {
                order.len().checked_sub(1)?
            } else {
                table::position(&*table, &order, &choice)
            };
            table.key(*order.get(at)?)
        };
        match (self.view, key) {
            (View::Overview | View::Processes, RowKey::Process(id)) => self.open_process(id),
            (View::Regions, RowKey::Addr(addr)) => {
                let id = self.process?;
                self.open_page(id, addr)
            }
            (View::Log, RowKey::Number(line)) => {
                let line = self.log.lines.get(line as usize)?;
                let (process, addr) = (line.process, line.addr);
                match addr {
                    Some(addr) => self.open_page(process, addr),
                    None => {
                        self.say("this line is about no page at a known address");
                        None
                    }
                }
            }
            (View::Page, RowKey::Page(id, addr)) => self.open_page(id, addr),
            _ => None,
        }
    }

    /// The process that enter would open, in this view or in that of processes.
    fn chosen_process(&self) -> Option<ProcessId> {
        let view = if self.view == View::Overview { View::Overview } else { View::Processes };
        let search = if self.view == view { &*self.search } else { "" };
        let (table, choice) = (view::table(self, view)?, self.choice(view));
        let order = table::order(&*table, &choice, search);
        match table.key(*order.get(table::position(&*table, &order, &choice))?) {
            RowKey::Process(id) => Some(id),
            _ => None,
        }
    }

    fn open_process(&mut self, id: ProcessId) -> Option<Effect> {
        self.process = Some(id);
        self.state.processes.keep_heat(id);
        self.choices.remove(&View::Regions);
        self.go(View::Regions)
    }

    pub(crate) fn open_page(&mut self, id: ProcessId, addr: u64) -> Option<Effect> {
        self.process = Some(id);
        self.page = Some((id, addr & !0xfff));
        self.scroll.remove(&View::Page);
        self.go(View::Page)
    }

    fn pause(&mut self) -> Option<Effect> {
        match self.source {
            Source::Live => {
                self.toggle_frozen();
                None
            }
            Source::Recording(_) => Some(Effect::TogglePlay),
        }
    }

    fn play(&mut self, effect: Effect) -> Option<Effect> {
        if self.source == Source::Live {
            self.say("this is live: there is no other speed");
            return None;
        }
        Some(effect)
    }

    fn seek(&mut self, action: Action) -> Option<Effect> {
        let Source::Recording(playing) = &self.source else {
            self.say("this is live: there is nothing to go back to; r records");
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
            self.say("marks cleared");
            return;
        }
        self.moments.push(Moment::of(self.shown()));
        if self.moments.len() == 1 {
            self.say("marked; what comes from here on is counted beside, m ends it");
        }
    }

    fn record(&mut self) -> Option<Effect> {
        match (&self.source, &self.recording) {
            (Source::Recording(_), _) => {
                self.say("this is a recording already");
                None
            }
            (Source::Live, None) => Some(Effect::StartRecording),
            (Source::Live, Some(_)) => Some(Effect::StopRecording),
        }
    }
}
