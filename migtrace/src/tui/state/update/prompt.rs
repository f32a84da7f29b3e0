//! What a typed line does: a filter, a search or an address.

use crate::{
    filter::Filter,
    tui::state::{
        app::App,
        effect::Effect,
        key::{Key, KeyCode},
        prompt::{Prompt, Purpose, Typed},
        session::Source,
    },
    units,
};

impl App {
    pub(crate) fn open_prompt(&mut self, purpose: Purpose, text: String) {
        self.prompt = Some(Prompt::new(purpose, text));
    }

    /// Takes pasted text into the line that is being typed. Elsewhere its letters would act as keys.
    pub(crate) fn paste(&mut self, text: &str) {
        if self.prompt.is_none() {
            self.notify("pasted text ignored: / or f opens a line for it");
            return;
        }
        let line = text.lines().next().unwrap_or_default();
        for c in line.chars().filter(|c| !c.is_control()) {
            self.prompt_key(Key { code: KeyCode::Char(c), ctrl: false, alt: false });
        }
    }

    pub(crate) fn prompt_key(&mut self, key: Key) -> Option<Effect> {
        let prompt = self.prompt.as_mut()?;
        let typed = prompt.key(key);
        let (purpose, text) = (prompt.purpose, prompt.text.clone());
        match (typed, purpose) {
            (Typed::Cancelled, Purpose::Search) => {
                self.search.clear();
                self.prompt = None;
            }
            (Typed::Cancelled, _) => self.prompt = None,
            (_, Purpose::Search) => {
                self.search = text;
                if typed == Typed::Entered {
                    self.prompt = None;
                }
            }
            (Typed::Edited, _) => {}
            (Typed::Entered, Purpose::Filter) => return self.set_filter(&text),
            (Typed::Entered, Purpose::Page) => return self.enter_page(&text),
        }
        None
    }

    /// Counts only events that pass a filter: from now on, or a recording from its start.
    pub fn set_filter(&mut self, text: &str) -> Option<Effect> {
        let wanted = if text.trim().is_empty() { Ok(Filter::all()) } else { text.parse() };
        match wanted {
            Ok(filter) => {
                self.filter = filter;
                self.filter_text = text.trim().to_owned();
                self.prompt = None;
                self.reset();
                matches!(self.source, Source::Recording(_)).then_some(Effect::ReadAgain)
            }
            Err(error) => {
                let mut prompt = Prompt::new(Purpose::Filter, text.to_owned());
                prompt.error = Some(error.to_string());
                self.prompt = Some(prompt);
                None
            }
        }
    }

    fn enter_page(&mut self, text: &str) -> Option<Effect> {
        let hex = u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
        let addr =
            if text.trim().starts_with("0x") { hex } else { units::parse(text.trim()).ok().map(|q| q.value).or(hex) };
        let Some(addr) = addr else {
            if let Some(prompt) = &mut self.prompt {
                prompt.error = Some("not an address; write for example 0x7f12a4000000".to_owned());
            }
            return None;
        };
        let owners = self.details.owners(addr);
        let opened = self.process.filter(|id| owners.contains(id));
        let process = opened.or(owners.first().copied()).or(self.process).unwrap_or_default();
        if owners.len() > 1 && opened.is_none() {
            self.notify(format!("{} processes have a page there; this is the page of the first", owners.len()));
        }
        self.prompt = None;
        self.open_page(process, addr)
    }
}
