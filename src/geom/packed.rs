//! A static tree of boxes over items that are already in a good order (Morton order of their middles, or along a line): sixteen
//! neighbours share a box, sixteen of those the next. No pointers, 17 bytes an item.

/// Children of one node.
const FAN: usize = 16;

/// A closed box of integer coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Least coordinates.
    pub min: [i32; 2],
    /// Greatest coordinates.
    pub max: [i32; 2],
}

impl Bounds {
    /// Holds nothing.
    pub const EMPTY: Self = Self { min: [i32::MAX; 2], max: [i32::MIN; 2] };

    /// The box around some points; [`Bounds::EMPTY`] around none.
    pub fn around(points: impl IntoIterator<Item = [i32; 2]>) -> Self {
        points.into_iter().fold(Self::EMPTY, |bounds, [x, y]| Self {
            min: [bounds.min[0].min(x), bounds.min[1].min(y)],
            max: [bounds.max[0].max(x), bounds.max[1].max(y)],
        })
    }

    /// The smallest box that holds both.
    pub fn union(self, other: Self) -> Self {
        Self {
            min: [self.min[0].min(other.min[0]), self.min[1].min(other.min[1])],
            max: [self.max[0].max(other.max[0]), self.max[1].max(other.max[1])],
        }
    }

    /// The box with all that is as near as `margin`, in both directions.
    pub fn grown(self, margin: i32) -> Self {
        Self { min: self.min.map(|at| at.saturating_sub(margin)), max: self.max.map(|at| at.saturating_add(margin)) }
    }

    /// Whether the two share a point.
    pub fn meets(&self, other: &Self) -> bool {
        self.min[0] <= other.max[0] && other.min[0] <= self.max[0] && self.min[1] <= other.max[1] && other.min[1] <= self.max[1]
    }

    /// Whether `p` is inside or on the border.
    pub fn holds(&self, p: [i32; 2]) -> bool {
        self.min[0] <= p[0] && p[0] <= self.max[0] && self.min[1] <= p[1] && p[1] <= self.max[1]
    }
}

/// The tree. Items are named by their position in the slice it was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedBoxes {
    /// Boxes of the items, then of sixteen each, up to a level of at most sixteen.
    levels: Vec<Vec<Bounds>>,
}

impl PackedBoxes {
    /// A tree over items with these boxes.
    pub fn new(items: Vec<Bounds>) -> Self {
        let mut levels = vec![items];
        while let Some(below) = levels.last()
            && below.len() > FAN
        {
            let above = below.chunks(FAN).map(|boxes| boxes.iter().copied().fold(Bounds::EMPTY, Bounds::union)).collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The boxes of all items.
    pub fn items(&self) -> &[Bounds] {
        &self.levels[0]
    }

    /// The box of one item.
    pub fn bounds(&self, item: usize) -> Bounds {
        self.levels[0][item]
    }

    /// Calls `found` for every item whose box, and all boxes above it, `meets` accepts, in the order of the items, until it
    /// answers `false`. `meets` must accept a box whenever it accepts one inside it. Answers whether it came to the end.
    pub fn visit(&self, meets: impl Fn(&Bounds) -> bool, mut found: impl FnMut(usize) -> bool) -> bool {
        let Some(top) = self.levels.last() else { return true };
        self.visit_nodes(self.levels.len() - 1, 0..top.len(), &meets, &mut found)
    }

    fn visit_nodes(
        &self,
        level: usize,
        nodes: std::ops::Range<usize>,
        meets: &impl Fn(&Bounds) -> bool,
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        for node in nodes {
            if !meets(&self.levels[level][node]) {
                continue;
            }
            let go_on = match level.checked_sub(1) {
                None => found(node),
                Some(below) => {
                    let children = node * FAN..(node * FAN + FAN).min(self.levels[below].len());
                    self.visit_nodes(below, children, meets, found)
                }
            };
            if !go_on {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_finds_what_a_scan_finds_in_order() {
        for count in [0, 1, 16, 17, 300, 5000] {
            let boxes: Vec<Bounds> = (0..count)
                .map(|i: i32| {
                    let (x, y) = (i * 7919 % 1009, i * 104_729 % 997);
                    Bounds { min: [x, y], max: [x + i % 13, y + i % 7] }
                })
                .collect();
            let tree = PackedBoxes::new(boxes.clone());
            for at in 0..20 {
                let query = Bounds { min: [at * 50, at * 40], max: [at * 50 + 60, at * 40 + 90] };
                let mut found = vec![];
                assert!(tree.visit(
                    |b| b.meets(&query),
                    |item| {
                        found.push(item);
                        true
                    }
                ));
                let brute: Vec<usize> = (0..boxes.len()).filter(|&i| boxes[i].meets(&query)).collect();
                assert_eq!(found, brute);
            }
        }
    }
}
