//! Converts time to pixels, and cuts long idle times out.

use std::ops::Range;

/// Width of a cut, pixels.
const CUT_PX: f64 = 36.0;
/// Pixels before and after each piece, which show the state before and afterwards.
const MARGIN_PX: f64 = 14.0;
/// An idle time is cut if it is longer than this share of the busy time.
const LONG: f64 = 0.3;
/// With more cuts than this, none is made: the plot would show little else.
const MOST_CUTS: usize = 4;

/// The shown pieces of time, ns, ascending.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pieces(Vec<Range<f64>>);

impl Pieces {
    /// Pieces that cover the busy times.
    pub(super) fn new(busy: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut busy: Vec<Range<f64>> = busy.into_iter().map(|r| r.start as f64..r.end as f64).collect();
        busy.sort_by(|a, b| a.start.total_cmp(&b.start));
        let mut joined: Vec<Range<f64>> = Vec::new();
        for span in busy {
            match joined.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => joined.push(span),
            }
        }
        let total: f64 = joined.iter().map(|s| s.end - s.start).sum();
        let mut pieces: Vec<Range<f64>> = Vec::new();
        for span in &joined {
            match pieces.last_mut() {
                Some(last) if span.start - last.end <= total * LONG => last.end = span.end,
                _ => pieces.push(span.clone()),
            }
        }
        if pieces.len() > MOST_CUTS + 1 {
            pieces = vec![pieces[0].start..pieces[pieces.len() - 1].end];
        }
        Self(pieces)
    }

    fn shown_ns(&self) -> f64 {
        self.0.iter().map(|p| p.end - p.start).sum::<f64>().max(1.0)
    }

    /// Pixels per ns if these pieces fill `width` pixels.
    pub(super) fn px_per_ns(&self, width: f64) -> f64 {
        let pieces = self.0.len() as f64;
        (width - CUT_PX * (pieces - 1.0).max(0.0) - 2.0 * MARGIN_PX * pieces) / self.shown_ns()
    }

    /// The axis, starting at pixel `left`.
    pub(super) fn axis(&self, left: f64, px_per_ns: f64) -> Axis {
        let mut x = left;
        let mut pieces = Vec::new();
        let margin = MARGIN_PX / px_per_ns;
        for busy in &self.0 {
            let piece = busy.start - margin..busy.end + margin;
            let width = (piece.end - piece.start) * px_per_ns;
            pieces.push((piece, x));
            x += width + CUT_PX;
        }
        Axis { pieces, px_per_ns }
    }
}

/// Converts time to pixels for one panel.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Each piece, and the pixel of its start.
    pieces: Vec<(Range<f64>, f64)>,
    px_per_ns: f64,
}

impl Axis {
    /// The pixels of a time span, piece by piece; none for cut-out time.
    pub(super) fn spans(&self, ns: &Range<u64>) -> impl Iterator<Item = (f64, f64)> + use<'_> {
        let (from, to) = (ns.start as f64, ns.end as f64);
        self.pieces.iter().filter_map(move |(piece, x)| {
            // A span from time 0 also fills the margin before it.
            let from = if from == 0.0 { piece.start } else { from.max(piece.start) };
            let to = to.min(piece.end);
            let px = |t: f64| x + (t - piece.start) * self.px_per_ns;
            (from <= to).then(|| (px(from), px(to)))
        })
    }

    /// The pixel of a moment; `None` if it is cut out.
    pub(super) fn at(&self, ns: f64) -> Option<f64> {
        let (piece, x) = self.pieces.iter().find(|(piece, _)| (piece.start..=piece.end).contains(&ns))?;
        Some(x + (ns - piece.start) * self.px_per_ns)
    }

    /// The pieces' pixels.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.pieces.iter().map(|(piece, x)| (*x, x + (piece.end - piece.start) * self.px_per_ns))
    }

    /// The cuts: their first and last pixel, and the cut-out time, ns.
    pub(super) fn cuts(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        self.pieces.windows(2).map(|w| {
            let ((a, x), (b, next)) = (&w[0], &w[1]);
            (x + (a.end - a.start) * self.px_per_ns, *next, b.start - a.end)
        })
    }

    /// Times of ticks, ns: round numbers about `spacing` pixels apart.
    pub(super) fn ticks(&self, spacing: f64) -> Vec<f64> {
        let least = spacing / self.px_per_ns;
        let power = 10_f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= least).unwrap_or(10.0 * power);
        let of = |piece: &Range<f64>| {
            let (first, last) = ((piece.start.max(0.0) / step).ceil() as u64, (piece.end / step).floor() as u64);
            (first..=last).map(|n| n as f64 * step).collect::<Vec<_>>()
        };
        self.pieces.iter().flat_map(|(piece, _)| of(piece)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_idle_time_is_cut_and_a_short_one_is_not() {
        let short = Pieces::new([0..100, 120..200]);
        assert_eq!(short.0.len(), 1);
        let long = Pieces::new([0..100, 5000..5100]);
        assert_eq!(long.0.len(), 2);
        let axis = long.axis(10.0, long.px_per_ns(436.0));
        let (from, to, ns) = axis.cuts().next().expect("a cut");
        assert!((to - from - CUT_PX).abs() < 1e-6 && ns > 4700.0, "{from} {to} {ns}");
        assert_eq!(axis.at(2500.0), None);
        let end = axis.pieces().last().expect("pieces").1;
        assert!((end - 446.0).abs() < 1e-6, "{end}");
    }

    #[test]
    fn ticks_are_round_and_shown() {
        let pieces = Pieces::new(std::iter::once(0..313_000));
        let axis = pieces.axis(0.0, pieces.px_per_ns(1000.0));
        let ticks = axis.ticks(100.0);
        assert_eq!(&ticks[..3], [0.0, 50_000.0, 100_000.0]);
        assert!(ticks.iter().all(|t| axis.at(*t).is_some()));
    }

    #[test]
    fn nothing_busy_is_no_panic() {
        let pieces = Pieces::new([]);
        let axis = pieces.axis(0.0, pieces.px_per_ns(100.0));
        assert_eq!((axis.pieces().count(), axis.ticks(10.0).len()), (0, 0));
        let point = Pieces::new(std::iter::once(5..5));
        assert!(point.axis(0.0, point.px_per_ns(100.0)).ticks(10.0).len() < 20);
    }
}
