//! Flatbuffers (flatbuffers.dev/internals) written from front to back: tables, vectors, strings behind the table that points to them. The
//! length in front counts for the alignment, as in the library's size-prefixed buffers.

/// A value in a table.
#[derive(Debug, Clone, Copy)]
pub enum Field {
    /// One byte; also enums and flags.
    U8(u8),
    /// Two bytes.
    U16(u16),
    /// Four bytes.
    I32(i32),
    /// Eight bytes.
    U64(u64),
    /// What lies elsewhere; [`Flat::point`] says where when it has been written.
    Offset,
}

impl Field {
    fn size(self) -> usize {
        match self {
            Self::U8(_) => 1,
            Self::U16(_) => 2,
            Self::I32(_) | Self::Offset => 4,
            Self::U64(_) => 8,
        }
    }
}

/// Where an offset stands that does not point anywhere yet.
#[derive(Debug, Clone, Copy)]
pub struct Place(usize);

/// A buffer with its length in front.
#[derive(Debug, Clone)]
pub struct Flat {
    bytes: Vec<u8>,
}

impl Flat {
    /// A buffer whose root is the first table.
    pub fn new() -> Self {
        // Length, and the offset of the root.
        Self { bytes: vec![0; 8] }
    }

    /// Zeros until `ahead` bytes from here lie on a multiple of `size`.
    fn align(&mut self, ahead: usize, size: usize) {
        while !(self.bytes.len() + ahead).is_multiple_of(size) {
            self.bytes.push(0);
        }
    }

    /// The first table: what the buffer is about.
    pub fn root(&mut self, slots: usize, fields: &[(usize, Field)]) -> Vec<Place> {
        let (at, places) = self.table(slots, fields);
        let offset = u32::try_from(at - 4).expect("the root comes first");
        self.bytes[4..8].copy_from_slice(&offset.to_le_bytes());
        places
    }

    /// A table that `place` points to.
    pub fn table_at(&mut self, place: Place, slots: usize, fields: &[(usize, Field)]) -> Vec<Place> {
        let (at, places) = self.table(slots, fields);
        self.point(place, at);
        places
    }

    /// A table, `slots` of its fields being known to the schema; where it is, and the places of its offsets in the order given.
    fn table(&mut self, slots: usize, fields: &[(usize, Field)]) -> (usize, Vec<Place>) {
        // Large values first leave no holes.
        let mut order: Vec<usize> = (0..fields.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(fields[*at].1.size()));
        let mut starts = vec![0_u16; slots];
        // The table begins with the way to its list of fields; behind it, four bytes to the next eight.
        let wide = fields.iter().any(|(_, field)| field.size() == 8);
        let mut length = if wide { 8 } else { 4 };
        for at in &order {
            let (slot, field) = fields[*at];
            starts[slot] = length;
            length += field.size() as u16;
        }
        let list = 4 + 2 * slots;
        self.align(list, 8);
        let list_at = self.bytes.len();
        for half in [list as u16, length].into_iter().chain(starts.iter().copied()) {
            self.bytes.extend_from_slice(&half.to_le_bytes());
        }
        let at = self.bytes.len();
        self.bytes.resize(at + usize::from(length), 0);
        self.bytes[at..at + 4].copy_from_slice(&((at - list_at) as i32).to_le_bytes());
        let mut places = Vec::new();
        for (slot, field) in fields {
            let start = at + usize::from(starts[*slot]);
            let put = |bytes: &mut [u8], value: &[u8]| bytes[start..start + value.len()].copy_from_slice(value);
            match field {
                Field::U8(value) => put(&mut self.bytes, &[*value]),
                Field::U16(value) => put(&mut self.bytes, &value.to_le_bytes()),
                Field::I32(value) => put(&mut self.bytes, &value.to_le_bytes()),
                Field::U64(value) => put(&mut self.bytes, &value.to_le_bytes()),
                Field::Offset => places.push(Place(start)),
            }
        }
        (at, places)
    }

    fn point(&mut self, Place(from): Place, to: usize) {
        let offset = u32::try_from(to - from).expect("a buffer has less than 4 GB");
        self.bytes[from..from + 4].copy_from_slice(&offset.to_le_bytes());
    }

    fn begin_vector(&mut self, place: Place, count: usize, size: usize) {
        self.align(0, 4);
        self.align(4, size);
        self.point(place, self.bytes.len());
        self.bytes.extend_from_slice(&u32::try_from(count).expect("a buffer has less than 4 GB").to_le_bytes());
    }

    /// A text.
    pub fn text(&mut self, place: Place, text: &str) {
        self.bytes_at(place, text.as_bytes());
        self.bytes.push(0);
    }

    /// Bytes.
    pub fn bytes_at(&mut self, place: Place, bytes: &[u8]) {
        self.begin_vector(place, bytes.len(), 1);
        self.bytes.extend_from_slice(bytes);
    }

    /// Reals.
    pub fn reals(&mut self, place: Place, numbers: &[f64]) {
        self.begin_vector(place, numbers.len(), 8);
        numbers.iter().for_each(|number| self.bytes.extend_from_slice(&number.to_le_bytes()));
    }

    /// Counts.
    pub fn counts(&mut self, place: Place, numbers: &[u32]) {
        self.begin_vector(place, numbers.len(), 4);
        numbers.iter().for_each(|number| self.bytes.extend_from_slice(&number.to_le_bytes()));
    }

    /// A vector of tables, which follow.
    pub fn tables(&mut self, place: Place, count: usize) -> Vec<Place> {
        self.begin_vector(place, count, 4);
        let places = (0..count).map(|at| Place(self.bytes.len() + 4 * at)).collect();
        self.bytes.resize(self.bytes.len() + 4 * count, 0);
        places
    }

    /// The buffer with its length in front.
    pub fn finish(mut self) -> Vec<u8> {
        self.align(0, 8);
        let length = u32::try_from(self.bytes.len() - 4).expect("a buffer has less than 4 GB");
        self.bytes[..4].copy_from_slice(&length.to_le_bytes());
        self.bytes
    }
}

impl Default for Flat {
    fn default() -> Self {
        Self::new()
    }
}
