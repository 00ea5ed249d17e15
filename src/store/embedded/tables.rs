//! The tables of rows, and which columns they have.

/// A table whose rows are records.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) name: &'static str,
    /// Type of the column `geom`, when it is a feature table with an R-tree.
    pub(super) geometry: Option<&'static str>,
    /// What it is, for those who open the file.
    pub(super) description: &'static str,
    /// What a record says: name and type of each column. Two rows are the same when these are.
    pub(super) content: &'static [(&'static str, &'static str)],
    /// What the store adds.
    pub(super) tail: &'static [(&'static str, &'static str)],
    /// Columns with a default that are not written row by row, and constraints.
    pub(super) more: &'static str,
}

/// `grid_set` of tables whose rows belong to the hierarchy's own partition.
const IN_SET: &str = "\"grid_set\" TEXT NOT NULL DEFAULT 'governance'";

pub(super) const FACILITIES: Layer = Layer {
    name: "facilities",
    geometry: Some("POINT"),
    description: "Facilities where they stand",
    content: &[
        ("geom", "POINT NOT NULL"),
        ("code", "TEXT"),
        ("category", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("state", "TEXT NOT NULL"),
        ("state_date", "DATE"),
        ("grid", "TEXT"),
        ("accuracy", "TEXT"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("properties", "TEXT"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const CASES: Layer = Layer {
    name: "cases",
    geometry: Some("POINT"),
    description: "Cases where they were found; some have no place",
    content: &[
        ("geom", "POINT"),
        ("category", "TEXT NOT NULL"),
        ("state", "TEXT NOT NULL"),
        ("text", "TEXT NOT NULL"),
        ("channel", "TEXT NOT NULL"),
        ("urgent", "BOOLEAN NOT NULL"),
        ("reported_at", "DATETIME NOT NULL"),
        ("due_at", "DATETIME"),
        ("overdue", "BOOLEAN NOT NULL"),
        ("located", "TEXT NOT NULL"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("within", "TEXT"),
        ("address_text", "TEXT"),
        ("grid", "TEXT"),
        ("epoch", "INTEGER NOT NULL"),
        ("owner", "TEXT NOT NULL"),
        ("source_system", "TEXT"),
        ("external_id", "TEXT"),
        ("external_url", "TEXT"),
        ("external_state", "TEXT"),
        ("source_updated_at", "DATETIME"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const ADDRESSES: Layer = Layer {
    name: "addresses",
    geometry: Some("POINT"),
    description: "Standard addresses where they are; of some only the region is known",
    content: &[
        ("geom", "POINT"),
        ("address_text", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("within", "TEXT"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const ORGANIZATIONS: Layer = Layer {
    name: "organizations",
    geometry: Some("POINT"),
    description: "Organizations where they are; of some only the grid or region is known",
    content: &[
        ("geom", "POINT"),
        ("category", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("within", "TEXT"),
        ("hours", "TEXT"),
        ("address_text", "TEXT"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const BUILDINGS: Layer = Layer {
    name: "buildings",
    geometry: Some("GEOMETRY"),
    description: "Buildings: footprints, or points of them; of some only the grid or region is known",
    content: &[
        ("geom", "GEOMETRY"),
        ("name", "TEXT NOT NULL"),
        ("storeys", "INTEGER"),
        ("households", "INTEGER"),
        ("within", "TEXT"),
        ("address_text", "TEXT"),
        ("original_crs", "TEXT"),
        ("original_lon", "DOUBLE"),
        ("original_lat", "DOUBLE"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER"), ("version", "INTEGER NOT NULL")],
    more: IN_SET,
};

pub(super) const STAFF: Layer = Layer {
    name: "staff",
    geometry: None,
    description: "Who works for which grid or region",
    content: &[
        ("id", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("role", "TEXT NOT NULL"),
        ("assigned", "TEXT NOT NULL"),
        ("phone", "TEXT"),
        ("organization", "TEXT"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[("import_id", "INTEGER")],
    more: "\"grid_set\" TEXT NOT NULL DEFAULT 'governance', UNIQUE (\"id\")",
};

pub(super) const EPOCH_TAIL: &[(&str, &str)] =
    &[("import_id", "INTEGER"), ("epoch_from", "INTEGER NOT NULL"), ("row_hash", "INTEGER NOT NULL")];

pub(super) const GRIDS: Layer = Layer {
    name: "grids",
    geometry: Some("MULTIPOLYGON"),
    description: "Grids of the current epoch",
    content: &[
        ("geom", "MULTIPOLYGON NOT NULL"),
        ("grid_set", "TEXT NOT NULL"),
        ("code", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("kind", "TEXT NOT NULL"),
        ("parent", "TEXT"),
        ("households", "INTEGER"),
        ("population", "INTEGER"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: EPOCH_TAIL,
    more: "UNIQUE (\"grid_set\", \"code\")",
};

pub(super) const REGIONS: Layer = Layer {
    name: "regions",
    geometry: Some("MULTIPOLYGON"),
    description: "Regions of the current epoch, from the top level down to the last above the grids",
    content: &[
        ("claim", "BLOB"),
        ("grid_set", "TEXT NOT NULL"),
        ("code", "TEXT NOT NULL"),
        ("level", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("parent", "TEXT"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: &[
        ("import_id", "INTEGER"),
        ("epoch_from", "INTEGER NOT NULL"),
        ("row_hash", "INTEGER NOT NULL"),
        ("geom", "MULTIPOLYGON"),
    ],
    more: "UNIQUE (\"grid_set\", \"code\")",
};

pub(super) const VOIDS: Layer = Layer {
    name: "voids",
    geometry: None,
    description: "Land of the current epoch that has no grid on purpose",
    content: &[
        ("area", "BLOB NOT NULL"),
        ("grid_set", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("kind", "TEXT NOT NULL"),
        ("reason", "TEXT NOT NULL"),
        ("external_ids", "TEXT"),
        ("source", "TEXT"),
        ("source_date", "DATE"),
        ("source_hash", "INTEGER"),
    ],
    tail: EPOCH_TAIL,
    more: "UNIQUE (\"grid_set\", \"name\")",
};

impl Layer {
    /// Names of the columns that are written row by row, without `fid`.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.content.iter().chain(self.tail).map(|(name, _)| *name)
    }

    /// How many values a row has, `fid` included.
    pub(super) fn width(&self) -> usize {
        1 + self.content.len() + self.tail.len()
    }

    /// `"fid", "a", "b" …`
    pub(super) fn list(&self) -> String {
        std::iter::once("fid").chain(self.columns()).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    }

    /// Name of its R-tree (OGC 12-128r18, F.3).
    pub(super) fn rtree(&self) -> String {
        format!("rtree_{}_geom", self.name)
    }

    /// The statement that makes the table under another name.
    pub(super) fn create(&self, name: &str) -> String {
        let columns: String = self.content.iter().chain(self.tail).map(|(name, kind)| format!("\"{name}\" {kind}, ")).collect();
        format!("CREATE TABLE \"{name}\" (\"fid\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, {columns}{})", self.more)
    }

    /// `INSERT` of whole rows into a table of this form.
    pub(super) fn insert(&self, table: &str) -> String {
        format!("INSERT INTO \"{table}\" ({})", self.list())
    }

    /// What follows `VALUES` when rows with a known `key` replace the stored ones if they say something else. A `version` counts up.
    pub(super) fn replace(&self, table: &str, key: &str) -> String {
        let content: Vec<&str> = self.content.iter().map(|(name, _)| *name).filter(|name| *name != key).collect();
        let set: String =
            content.iter().chain(&["import_id"]).map(|name| format!("\"{name}\" = excluded.\"{name}\", ")).collect();
        let version = if self.tail.iter().any(|(name, _)| *name == "version") {
            format!("\"version\" = \"{table}\".\"version\" + 1")
        } else {
            format!("\"{key}\" = excluded.\"{key}\"")
        };
        let differs: Vec<String> =
            content.iter().map(|name| format!("\"{table}\".\"{name}\" IS NOT excluded.\"{name}\"")).collect();
        format!("ON CONFLICT (\"{key}\") DO UPDATE SET {set}{version} WHERE {}", differs.join(" OR "))
    }
}
