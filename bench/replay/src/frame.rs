//! Measures the time that `migtrace top` takes to draw many processes.

use std::time::Instant;

use anyhow::Result;
use migtrace::{
    event::{Access, Body, Comm, Event, Fault, FaultClass, Region, RegionClass},
    recording::Meta,
    tui::{
        self,
        driver::input,
        state::{app::App, keymap::Keymap, session::Source},
        view::theme::Theme,
    },
    units::PAGE_BYTES,
};
use ratatui::{buffer::Buffer, layout::Rect};
use serde_json::json;

const SIZE: (u16, u16) = (200, 60);
const PROCESSES: u32 = 5000;
const REGIONS: u64 = 2;
const FAULTS: u64 = 8;
const NODES: u64 = 4;
/// Keys that choose the views.
const VIEWS: &str = "123456789";
/// Keys that change what a view shows.
const KEYS: &str = "jsjt";
const FRAMES: usize = 20;

pub(super) fn run() -> Result<()> {
    let mut app = App::new(Meta { start_ns: 1, ..Meta::default() }, Source::Live, Keymap::default(), SIZE);
    let mut ts_ns = 1;
    for pid in 1..=PROCESSES {
        for event in process(pid) {
            ts_ns += 1000;
            app.feed(&Event { ts_ns, ..event });
        }
    }
    app.tick(ts_ns);
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    let mut longest_key_ns = 0;
    let mut views = Vec::new();
    for view in VIEWS.chars() {
        for key in std::iter::once(view).chain(KEYS.chars()) {
            let began = Instant::now();
            input::key(&mut app, crossterm::event::KeyCode::Char(key).into());
            app.tick(ts_ns);
            draw(&app, &mut buffer);
            longest_key_ns = longest_key_ns.max(began.elapsed().as_nanos());
        }
        let mut times: Vec<_> = (0..FRAMES)
            .map(|_| {
                let began = Instant::now();
                draw(&app, &mut buffer);
                began.elapsed().as_nanos()
            })
            .collect();
        times.sort_unstable();
        views.push((app.view_name(), times[FRAMES / 2]));
    }
    let slowest = views.iter().map(|(_, ns)| *ns).max().unwrap_or(0);
    let views: serde_json::Map<_, _> = views.into_iter().map(|(view, ns)| (view, json!(ns as u64))).collect();
    println!("{:#}", json!({ "frame_ns": slowest as u64, "key_ns": longest_key_ns as u64, "views": views }));
    Ok(())
}

fn draw(app: &App, buffer: &mut Buffer) {
    buffer.reset();
    tui::draw(app, Theme::default(), buffer);
}

/// Returns the events of one process: its regions, and faults in them.
fn process(pid: u32) -> impl Iterator<Item = Event> {
    let event = move |n: u64, body| Event {
        pid,
        tid: pid,
        comm: Comm::from(format!("worker{pid}").as_str()),
        cpu_node: Some((n % NODES) as i32),
        process_start_ns: Some(pid.into()),
        ..Event::at(0, body)
    };
    let start = move |region: u64| 0x7f00_0000_0000 + u64::from(pid) * (1 << 30) + region * (1 << 24);
    let region = move |n| {
        let (addr, len) = (start(n), 1 << 22);
        Body::Region(Region { addr, len, class: RegionClass::Anon, name: String::new(), policy: None })
    };
    let fault = move |n: u64| {
        let addr = start(n % REGIONS) + n * PAGE_BYTES;
        let nid = Some((u64::from(pid) % NODES) as i32);
        let class = Some(FaultClass::Anon);
        let latency_ns = Some(1000 + n * 700);
        Body::Fault(Fault {
            addr,
            ip: None,
            access: Access::Write,
            class,
            major: Some(false),
            nid,
            order: None,
            latency_ns,
            result: None,
            wait: None,
        })
    };
    let regions = (0..REGIONS).map(move |n| event(n, region(n)));
    regions.chain((0..FAULTS).map(move |n| event(n, fault(n))))
}
