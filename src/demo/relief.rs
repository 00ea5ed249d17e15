//! The lie of the land of one island, on a raster: distance to the shore, hills and plains (both invented), and the way streets
//! run there.

use super::plane::Spot;
use super::random::Noise;

/// Side of a raster cell in metres.
pub(super) const CELL_M: f64 = 50.0;

/// One island on a raster. Fields hold one value a cell, row by row from the south.
pub(super) struct Relief {
    pub(super) shore: Vec<Spot>,
    corner: Spot,
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Whether the middle of the cell is land.
    pub(super) land: Vec<bool>,
    /// Metres to the shore; 0 in the sea.
    pub(super) inland_m: Vec<f32>,
    /// 0 plain … 1 steep hill.
    pub(super) hill: Vec<f32>,
}

impl Relief {
    pub(super) fn new(shore: Vec<Spot>, seed: u64) -> Self {
        let fold = |pick: fn(&Spot) -> f64, best: fn(f64, f64) -> f64| shore.iter().map(pick).reduce(best).unwrap_or_default();
        let corner = Spot::new(fold(|p| p.x, f64::min) - 2.0 * CELL_M, fold(|p| p.y, f64::min) - 2.0 * CELL_M);
        let size = |high: f64, low: f64| ((high - low) / CELL_M) as usize + 4;
        let (columns, rows) = (size(fold(|p| p.x, f64::max), corner.x), size(fold(|p| p.y, f64::max), corner.y));
        let mut relief = Self { shore, corner, columns, rows, land: Vec::new(), inland_m: Vec::new(), hill: Vec::new() };
        relief.land = relief.filled();
        relief.inland_m = relief.distances();
        let noise = Noise::new(seed, "hills");
        relief.hill = (0..columns * rows)
            .map(|cell| {
                let inland = (f64::from(relief.inland_m[cell]) / 1700.0).min(1.0);
                let rough = noise.rough(relief.middle(cell), 3600.0);
                (0.5 * inland + 0.8 * rough - 0.04).clamp(0.0, 1.0) as f32
            })
            .collect();
        relief
    }

    /// Makes the ground within `radius_m` of a town's middle easier, most in its middle.
    pub(super) fn level(&mut self, at: Spot, radius_m: f64) {
        for cell in self.within(at, radius_m) {
            let off = self.middle(cell).distance(at) / radius_m;
            if off < 1.0 {
                self.hill[cell] *= (off * off) as f32;
            }
        }
    }

    /// Cells of the square of `2 radius_m` around a spot, as far as it lies on the raster.
    pub(super) fn within(&self, at: Spot, radius_m: f64) -> Vec<usize> {
        let span = |middle: f64, low: f64, count: usize| {
            let cell = |metres: f64| ((metres - low) / CELL_M).clamp(0.0, count as f64) as usize;
            cell(middle - radius_m)..cell(middle + radius_m + CELL_M)
        };
        let (columns, rows) = (span(at.x, self.corner.x, self.columns), span(at.y, self.corner.y, self.rows));
        rows.flat_map(|row| columns.clone().map(move |column| row * self.columns + column)).collect()
    }

    /// Middle of a cell.
    pub(super) fn middle(&self, cell: usize) -> Spot {
        let (column, row) = ((cell % self.columns) as f64, (cell / self.columns) as f64);
        Spot::new(self.corner.x + (column + 0.5) * CELL_M, self.corner.y + (row + 0.5) * CELL_M)
    }

    /// The cell that holds a spot; `None` outside the raster.
    pub(super) fn cell(&self, p: Spot) -> Option<usize> {
        let (column, row) = ((p.x - self.corner.x) / CELL_M, (p.y - self.corner.y) / CELL_M);
        let inside = column >= 0.0 && row >= 0.0 && column < self.columns as f64 && row < self.rows as f64;
        inside.then(|| row as usize * self.columns + column as usize)
    }

    pub(super) fn on_land(&self, p: Spot) -> bool {
        self.cell(p).is_some_and(|cell| self.land[cell])
    }

    /// The eight cells around one that is not on the raster's edge, straight ones first.
    pub(super) fn around(&self, cell: usize) -> [usize; 8] {
        let c = self.columns;
        [cell - 1, cell + 1, cell - c, cell + c, cell - c - 1, cell - c + 1, cell + c - 1, cell + c + 1]
    }

    /// Value of a field at a spot, interpolated between the four nearest cells; the raster's edge counts on.
    pub(super) fn sample(&self, field: &[f32], p: Spot) -> f64 {
        let x = ((p.x - self.corner.x) / CELL_M - 0.5).clamp(0.0, (self.columns - 2) as f64);
        let y = ((p.y - self.corner.y) / CELL_M - 0.5).clamp(0.0, (self.rows - 2) as f64);
        let at = y as usize * self.columns + x as usize;
        let (u, v) = (x.fract(), y.fract());
        let value = |at: usize| f64::from(field[at]);
        (value(at) * (1.0 - u) + value(at + 1) * u) * (1.0 - v)
            + (value(at + self.columns) * (1.0 - u) + value(at + self.columns + 1) * u) * v
    }

    /// Land cells by scan lines through their middles.
    fn filled(&self) -> Vec<bool> {
        let mut land = vec![false; self.columns * self.rows];
        let mut crossings = Vec::new();
        for row in 0..self.rows {
            let y = self.corner.y + (row as f64 + 0.5) * CELL_M;
            crossings.clear();
            for (at, a) in self.shore.iter().enumerate() {
                let b = self.shore[(at + 1) % self.shore.len()];
                if (a.y <= y) != (b.y <= y) {
                    crossings.push(a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x));
                }
            }
            crossings.sort_by(f64::total_cmp);
            for span in crossings.chunks_exact(2) {
                let column = |x: f64| ((x - self.corner.x) / CELL_M - 0.5).ceil() as usize;
                land[row * self.columns + column(span[0])..row * self.columns + column(span[1])].fill(true);
            }
        }
        land
    }

    /// Distance to the nearest sea cell by carrying nearest cells over the raster in two sweeps (Danielsson 1980).
    fn distances(&self) -> Vec<f32> {
        let far = i32::MAX / 4;
        let mut nearest: Vec<(i32, i32)> = self.land.iter().map(|land| if *land { (far, far) } else { (0, 0) }).collect();
        let (columns, rows) = (self.columns as i32, self.rows as i32);
        let square = |(dx, dy): (i32, i32)| i64::from(dx) * i64::from(dx) + i64::from(dy) * i64::from(dy);
        let mut carry = |column: i32, row: i32, dx: i32, dy: i32| {
            let (from_column, from_row) = (column + dx, row + dy);
            if (0..columns).contains(&from_column) && (0..rows).contains(&from_row) {
                let (at, from) = ((row * columns + column) as usize, (from_row * columns + from_column) as usize);
                let offered = (nearest[from].0.saturating_add(dx), nearest[from].1.saturating_add(dy));
                if square(offered) < square(nearest[at]) {
                    nearest[at] = offered;
                }
            }
        };
        for row in 0..rows {
            for column in 0..columns {
                for (dx, dy) in [(-1, 0), (0, -1), (-1, -1), (1, -1)] {
                    carry(column, row, dx, dy);
                }
            }
            for column in (0..columns).rev() {
                carry(column, row, 1, 0);
            }
        }
        for row in (0..rows).rev() {
            for column in (0..columns).rev() {
                for (dx, dy) in [(1, 0), (0, 1), (1, 1), (-1, 1)] {
                    carry(column, row, dx, dy);
                }
            }
            for column in 0..columns {
                carry(column, row, -1, 0);
            }
        }
        nearest.into_iter().map(|near| ((square(near) as f64).sqrt() * CELL_M) as f32).collect()
    }

    /// A field averaged over squares of `2 radius + 1` cells, twice.
    pub(super) fn blurred(&self, field: &[f32], radius: usize) -> Vec<f32> {
        let mut blurred = field.to_vec();
        for _ in 0..2 {
            let mut across = blurred.clone();
            for row in 0..self.rows {
                let line = &blurred[row * self.columns..(row + 1) * self.columns];
                average(line, radius, |column, value| across[row * self.columns + column] = value);
            }
            for column in 0..self.columns {
                let line: Vec<f32> = (0..self.rows).map(|row| across[row * self.columns + column]).collect();
                average(&line, radius, |row, value| blurred[row * self.columns + column] = value);
            }
        }
        blurred
    }

    /// Steepest way up a field at a cell, per metre; none on the raster's edge.
    pub(super) fn slope(&self, field: &[f32], cell: usize) -> Spot {
        let (column, row) = (cell % self.columns, cell / self.columns);
        if column == 0 || row == 0 || column + 1 == self.columns || row + 1 == self.rows {
            return Spot::default();
        }
        let difference = |high: usize, low: usize| f64::from(field[high] - field[low]) / (2.0 * CELL_M);
        Spot::new(difference(cell + 1, cell - 1), difference(cell + self.columns, cell - self.columns))
    }
}

/// Running mean of `line`, shortened at its ends.
fn average(line: &[f32], radius: usize, mut put: impl FnMut(usize, f32)) {
    let (mut sum, mut count) = (0.0_f64, 0.0);
    for at in 0..line.len() + radius {
        if at < line.len() {
            sum += f64::from(line[at]);
            count += 1.0;
        }
        if at > 2 * radius {
            sum -= f64::from(line[at - 2 * radius - 1]);
            count -= 1.0;
        }
        if at >= radius {
            put(at - radius, (sum / count) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square() -> Relief {
        Relief::new([(0.0, 0.0), (3000.0, 0.0), (3000.0, 3000.0), (0.0, 3000.0)].map(|(x, y)| Spot::new(x, y)).to_vec(), 1)
    }

    #[test]
    fn inland_metres_grow_from_the_shore() {
        let relief = square();
        let at = |x, y| relief.inland_m[relief.cell(Spot::new(x, y)).expect("on the raster")];
        assert!((at(1500.0, 100.0) - 100.0).abs() <= 51.0);
        assert!((at(1500.0, 1500.0) - 1500.0).abs() <= 75.0);
        assert_eq!(at(-60.0, 1500.0), 0.0);
        assert_eq!(relief.land.iter().filter(|land| **land).count(), 3600);
    }

    #[test]
    fn blurring_keeps_a_flat_field_flat() {
        let relief = square();
        let flat = vec![3.0; relief.land.len()];
        assert!(relief.blurred(&flat, 4).iter().all(|value| (value - 3.0).abs() < 1e-5));
    }
}
