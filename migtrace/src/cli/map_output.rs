//! How a map is written: text with a picture, JSON or CSV, to standard output or a file; and a plot.

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use crossterm::terminal;
use migtrace::{
    map::{Map, change::Changes, data, picture, text},
    output_file, plot,
    text::{Line, ansi},
};

use super::{color::When, streams};

/// The size of a picture that is not for a terminal.
const COLUMNS: u16 = 120;
const ROWS: u16 = 50;

#[derive(clap::Args)]
pub(crate) struct MapOutput {
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV: a row for each region
    #[arg(long)]
    csv: bool,
    /// With --json or --csv: list runs of consecutive pages in the same place, and so the place of each page
    #[arg(long)]
    runs: bool,
    /// Number of regions to list in text, largest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    regions: usize,
    /// File for the output, readable only by its owner if new [default: standard output]
    #[arg(short, long, value_name = "OUT", conflicts_with = "watch")]
    output: Option<PathBuf>,
    /// Also draw the map to this file, .svg or .png
    #[arg(long, value_name = "OUT")]
    plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Csv,
}

impl MapOutput {
    pub(crate) fn format(&self) -> Format {
        match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => Format::Text,
        }
    }

    /// Checks that options fit together, before anything is read.
    ///
    /// # Errors
    /// --runs with text, or a plot with another ending.
    pub(crate) fn check(&self) -> Result<()> {
        if self.runs && self.format() == Format::Text {
            bail!("--runs requires --json or --csv");
        }
        self.plot.as_deref().map_or(Ok(()), |path| Ok(plot::check_name(path)?))
    }

    /// Whether changes follow the map.
    pub(crate) fn shows_changes(&self) -> bool {
        self.output.is_none() && self.format() != Format::Csv
    }

    /// Whether the place of each page is written.
    pub(crate) fn lists_runs(&self) -> bool {
        self.runs && self.format() != Format::Text
    }

    /// Writes a map. `more` follows: JSON is on one line then.
    pub(crate) fn write(&self, map: &Map, color: When, more: bool) -> Result<()> {
        match self.output.as_deref().filter(|path| *path != Path::new("-")) {
            Some(path) => {
                let file = output_file::create(path).with_context(|| format!("cannot write {}", path.display()))?;
                // A file has no colours.
                let mut out = BufWriter::new(anstream::StripStream::new(file));
                self.write_to(map, more, &mut out).with_context(|| format!("cannot write {}", path.display()))?;
            }
            None => self.write_to(map, more, &mut streams::stdout(color.into())?)?,
        }
        if let Some(path) = &self.plot {
            plot::map(map, path).with_context(|| format!("cannot draw {}", path.display()))?;
        }
        Ok(())
    }

    fn write_to(&self, map: &Map, more: bool, out: &mut impl Write) -> io::Result<()> {
        match self.format() {
            Format::Json => {
                let mut json = data::to_json(map);
                if !self.runs {
                    without_runs(&mut json);
                }
                if more {
                    serde_json::to_writer(&mut *out, &json)?;
                } else {
                    serde_json::to_writer_pretty(&mut *out, &json)?;
                }
                writeln!(out)?;
            }
            Format::Csv if self.runs => data::runs_csv(map, out)?,
            Format::Csv => data::regions_csv(map, out)?,
            Format::Text => ansi::write_all(&self.lines(map), out)?,
        }
        out.flush()
    }

    fn lines(&self, map: &Map) -> Vec<Line> {
        let on_terminal = self.output.is_none() && io::stdout().is_terminal();
        let size = on_terminal.then(|| terminal::size().ok()).flatten();
        let (columns, rows) = size.unwrap_or((COLUMNS, ROWS));
        let mut lines = text::totals(map);
        lines.extend(text::regions(map, self.regions));
        lines.extend(picture::lines(map, columns.into(), picture::height(rows.into())));
        lines
    }

    /// Writes what changed since the map before.
    pub(crate) fn write_changes(&self, changes: &Changes, color: When) -> Result<()> {
        let mut out = streams::stdout(color.into())?;
        if self.json {
            serde_json::to_writer(&mut out, &changes.to_json()).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            ansi::write_all(&changes.lines(), &mut out)?;
        }
        out.flush()?;
        Ok(())
    }
}

/// The runs that only --watch needs.
fn without_runs(map: &mut serde_json::Value) {
    let regions = map["regions"].as_array_mut().into_iter().flatten();
    for region in regions.filter_map(|region| region.as_object_mut()) {
        region.remove("runs");
    }
}
