//! The demo's own dice: splitmix64 (Steele, Lea, Flood 2014) and value noise. Only +, ×, ÷ and √ are used, which IEEE 754 fixes
//! to the last bit, so a seed gives the same city on every machine.

use super::plane::Spot;

/// A seeded stream of numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// The stream for one purpose: streams of different labels are independent, so a change in one part of the city leaves the
    /// others as they are.
    pub(super) fn new(seed: u64, label: &str) -> Self {
        Self(label.bytes().fold(mix(seed ^ 0x9E37_79B9_7F4A_7C15), |state, byte| mix(state ^ u64::from(byte))))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// In `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In `[from, to)`.
    pub(super) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// In `0..n`; `n` is not 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Bell-shaped, mean 0, deviation 1, within ±6 (the sum of twelve uniform numbers).
    pub(super) fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Position in `weights`, drawn in proportion.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut at = self.unit() * weights.iter().sum::<f64>();
        weights
            .iter()
            .position(|weight| {
                at -= weight;
                at < 0.0
            })
            .unwrap_or(weights.len() - 1)
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// A smooth random surface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64, label: &str) -> Self {
        Self(Random::new(seed, label).next())
    }

    fn knot(self, x: i64, y: i64) -> f64 {
        let bits = mix(self.0 ^ mix((x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ mix(y as u64)));
        (bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// In `[-1, 1]`; features are about `wavelength` metres wide.
    pub(super) fn at(self, p: Spot, wavelength: f64) -> f64 {
        let (x, y) = (p.x / wavelength, p.y / wavelength);
        let (x0, y0) = (x.floor(), y.floor());
        let ease = |t: f64| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
        let (u, v) = (ease(x - x0), ease(y - y0));
        let (column, row) = (x0 as i64, y0 as i64);
        let south = self.knot(column, row) * (1.0 - u) + self.knot(column + 1, row) * u;
        let north = self.knot(column, row + 1) * (1.0 - u) + self.knot(column + 1, row + 1) * u;
        south * (1.0 - v) + north * v
    }

    /// Three octaves, roughly in `[-1, 1]`.
    pub(super) fn rough(self, p: Spot, wavelength: f64) -> f64 {
        let shifted = Spot::new(p.x + 7919.0, p.y - 104_729.0);
        (self.at(p, wavelength) + 0.5 * self.at(shifted, wavelength * 0.5) + 0.25 * self.at(p, wavelength * 0.23)) / 1.4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_give_independent_streams_and_seeds_repeat() {
        let draw = |seed, label| Random::new(seed, label).next();
        assert_eq!(draw(1, "streets"), draw(1, "streets"));
        assert_ne!(draw(1, "streets"), draw(1, "people"));
        assert_ne!(draw(1, "streets"), draw(2, "streets"));
    }

    #[test]
    fn noise_is_smooth_and_bounded() {
        let noise = Noise::new(7, "hills");
        for step in 0..2000 {
            let here = noise.at(Spot::new(f64::from(step) * 3.0, -500.0), 300.0);
            let next = noise.at(Spot::new(f64::from(step) * 3.0 + 1.0, -500.0), 300.0);
            assert!(here.abs() <= 1.0 && (here - next).abs() < 0.02, "at step {step}");
        }
    }
}
