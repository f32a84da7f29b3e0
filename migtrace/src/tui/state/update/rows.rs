//! What keys and clicks do to rows: select, sort, open.

use crate::{
    event::ProcessId,
    tui::state::{
        action::View,
        app::App,
        effect::Effect,
        selection::{RowKey, Screen},
    },
};

impl App {
    /// Moves the selection, or scrolls text, by some lines.
    pub(super) fn walk(&mut self, by: isize, screen: &Screen) {
        let Some(listing) = &screen.listing else {
            let most = screen.lines.saturating_sub(screen.height);
            let at = self.scroll.entry(self.view).or_default();
            *at = (isize::try_from(*at).unwrap_or(0).saturating_add(by)).clamp(0, most as isize) as u16;
            return;
        };
        let Some(last) = listing.keys.len().checked_sub(1) else { return };
        let at = self.selected(screen).unwrap_or(0);
        let to = isize::try_from(at).unwrap_or(0).saturating_add(by).clamp(0, last as isize) as usize;
        self.choices.entry(self.view).or_default().selected = Some(listing.keys[to].clone());
        if self.view == View::Log {
            self.follow = to == last && by > 0;
        }
    }

    /// The place of the selected row: in a log that is followed, the last.
    fn selected(&self, screen: &Screen) -> Option<usize> {
        let listing = screen.listing.as_ref()?;
        let last = listing.keys.len().checked_sub(1)?;
        let follows = self.view == View::Log && self.follow;
        Some(if follows { last } else { listing.position(&self.choice(self.view)) })
    }

    pub(super) fn click_row(&mut self, position: usize, screen: &Screen) -> Option<Effect> {
        let key = screen.listing.as_ref()?.keys.get(position)?;
        let choice = self.choices.entry(self.view).or_default();
        if choice.selected.as_ref() == Some(key) {
            return self.open(screen);
        }
        choice.selected = Some(key.clone());
        self.follow = false;
        None
    }

    pub(super) fn sort_by(&mut self, column: usize, screen: &Screen) {
        let Some((by, descending)) = self.sorted_by(screen) else { return };
        let descending = if by == column { !descending } else { falls(column, screen) };
        self.choices.entry(self.view).or_default().sort = Some((column, descending));
        self.tree = false;
    }

    pub(super) fn sort_beside(&mut self, step: isize, screen: &Screen) {
        let Some(columns) = screen.listing.as_ref().map(|listing| listing.numbers.len()) else { return };
        let Some((by, _)) = self.sorted_by(screen) else { return };
        let column = (by as isize + step).rem_euclid(columns as isize) as usize;
        self.choices.entry(self.view).or_default().sort = Some((column, falls(column, screen)));
        self.tree = false;
    }

    pub(super) fn sort_reverse(&mut self, screen: &Screen) {
        let Some((by, descending)) = self.sorted_by(screen) else { return };
        self.choices.entry(self.view).or_default().sort = Some((by, !descending));
    }

    fn sorted_by(&self, screen: &Screen) -> Option<(usize, bool)> {
        let listing = screen.listing.as_ref()?;
        Some(self.choice(self.view).sort.unwrap_or(listing.default_sort))
    }

    pub(super) fn open(&mut self, screen: &Screen) -> Option<Effect> {
        let key = screen.listing.as_ref()?.keys.get(self.selected(screen)?)?.clone();
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
                        self.notify("this line has no page with a known address");
                        None
                    }
                }
            }
            (View::Page, RowKey::Page(id, addr)) => self.open_page(id, addr),
            _ => None,
        }
    }

    fn open_process(&mut self, id: ProcessId) -> Option<Effect> {
        self.process = Some(id);
        self.state.processes.keep_heat(id);
        self.choices.remove(&View::Regions);
        self.go(View::Regions)
    }

    pub(super) fn open_page(&mut self, id: ProcessId, addr: u64) -> Option<Effect> {
        self.process = Some(id);
        self.page = Some((id, addr & !0xfff));
        self.scroll.remove(&View::Page);
        self.go(View::Page)
    }
}

/// Whether a column is sorted with the greatest first: numbers are, names begin at A.
fn falls(column: usize, screen: &Screen) -> bool {
    screen.listing.as_ref().is_some_and(|listing| listing.numbers.get(column).copied().unwrap_or(false))
}
