//! Which grids a position of limited accuracy may be in.

use super::view::View;
use crate::domain::id::GridIx;
use crate::geom::LatticePoint;
use crate::geom::disc::Disc;
use crate::geom::gauss::Gauss;

/// Probabilities are told in ten-thousandths.
const PARTS: f64 = 10_000.0;

/// Where a position may be. All probabilities together are 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidates {
    /// Grids and the probability that it is in them, the likeliest first; of equal ones the lower code.
    pub grids: Vec<(GridIx, f64)>,
    /// The probability that it is in none of the grids that the caller may see.
    pub outside: f64,
}

impl View {
    /// The grids that a position may be in, which lies within `accuracy_m` of `at` with a probability of 68 %. Exact to
    /// ten-thousandths. Cost: the borders of the grids within 3.4 times the accuracy.
    pub fn candidates(&self, at: LatticePoint, accuracy_m: f64) -> Candidates {
        let gauss = Gauss::of_accuracy(at, accuracy_m);
        let near = Disc::new(at.lonlat(), gauss.reach_m()).boxes();
        let mut grids: Vec<GridIx> = near.iter().flat_map(|bbox| self.territory.grids_in_box(*bbox)).collect();
        grids.retain(|ix| self.sees_grid(*ix));
        grids.sort_unstable();
        grids.dedup();
        let shares: Vec<f64> = grids.iter().map(|ix| gauss.share_on(&self.territory.outline_grid(*ix))).collect();
        let outside = (1.0 - shares.iter().sum::<f64>()).max(0.0);
        let parts = whole_parts(&[&shares[..], &[outside]].concat());
        let mut grids: Vec<(GridIx, u32)> =
            grids.into_iter().zip(parts.iter().copied()).filter(|(_, parts)| *parts > 0).collect();
        let code = |ix: GridIx| &self.territory.grid(ix).code;
        grids.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| code(a.0).cmp(code(b.0))));
        let probability = |parts: u32| f64::from(parts) / PARTS;
        let outside = probability(parts.last().copied().unwrap_or(0));
        Candidates { grids: grids.into_iter().map(|(ix, parts)| (ix, probability(parts))).collect(), outside }
    }
}

/// Shares as whole parts that together are all of them: rounded down, and what is left given to the largest remainders.
fn whole_parts(shares: &[f64]) -> Vec<u32> {
    let total: f64 = shares.iter().sum();
    let exact: Vec<f64> = shares.iter().map(|share| share / total * PARTS).collect();
    let mut parts: Vec<u32> = exact.iter().map(|exact| exact.floor() as u32).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|a, b| (exact[*b] - exact[*b].floor()).total_cmp(&(exact[*a] - exact[*a].floor())));
    let left = PARTS as u32 - parts.iter().sum::<u32>();
    order.iter().take(left as usize).for_each(|at| parts[*at] += 1);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_near_the_shares_and_together_the_whole() {
        for shares in
            [vec![1.0], vec![0.5, 0.5, 0.0], vec![1.0 / 3.0; 3], vec![0.999_99, 0.000_01], vec![0.123_456, 0.2, 0.676_544]]
        {
            let parts = whole_parts(&shares);
            assert_eq!(parts.iter().sum::<u32>(), 10_000, "{shares:?}");
            assert!(parts.iter().zip(&shares).all(|(parts, share)| (f64::from(*parts) - share * PARTS).abs() < 1.0), "{parts:?}");
        }
    }
}
