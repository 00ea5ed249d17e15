//! Columns of a file → fields of a record: by the field's own name, by names that standards and common exports use, or as told.

use super::text::narrowed;
use super::{RawRecord, own};
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind, Repair};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What a file is imported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Levels above the grids.
    Regions,
    /// Grids.
    Grids,
    /// Facilities.
    Facilities,
    /// Members of staff.
    Staff,
    /// Counts of households and residents by grid.
    Households,
    /// Open cases.
    Cases,
    /// Standard addresses.
    Addresses,
    /// Organizations.
    Organizations,
    /// Buildings.
    Buildings,
}

impl Kind {
    /// Every kind with its word on the command line and in reports.
    pub const TABLE: [(Self, &'static str); 9] = [
        (Self::Regions, "regions"),
        (Self::Grids, "grids"),
        (Self::Facilities, "facilities"),
        (Self::Staff, "staff"),
        (Self::Households, "households"),
        (Self::Cases, "cases"),
        (Self::Addresses, "addresses"),
        (Self::Organizations, "organizations"),
        (Self::Buildings, "buildings"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The fields that its records have.
    pub fn fields(self) -> &'static [Field] {
        use Field::*;
        match self {
            Self::Regions => &[Code, Name, Level, Parent, Id, SourceDate],
            Self::Grids => &[Code, Name, GridKind, Parent, Households, Population, Reason, Id, SourceDate],
            Self::Facilities => &[Code, Id, Category, Name, State, StateDate, Lon, Lat, Accuracy, SourceDate],
            Self::Staff => &[Id, Name, Role, Assigned, Phone, Organization, SourceDate],
            Self::Households => &[Grid, Households, Population],
            Self::Organizations => &[Id, Category, Name, Lon, Lat, Within, Hours, Address, SourceDate],
            Self::Buildings => &[Id, Name, Storeys, Households, Lon, Lat, StandsIn, Address, SourceDate],
            Self::Cases => &[
                Id,
                Category,
                State,
                Text,
                Channel,
                Urgent,
                ReportedAt,
                DueAt,
                Overdue,
                Lon,
                Lat,
                Located,
                Within,
                Address,
                Url,
                ExternalState,
                UpdatedAt,
                SourceDate,
            ],
            Self::Addresses => &[
                Id, Address, PlaceName, District, Township, Community, Road, Lane, Group, Number, Building, Unit, Room, Lon, Lat,
                Within, SourceDate,
            ],
        }
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $word:literal [$($alias:literal),*]),* $(,)?) => {
        /// A field of a record, as the program calls it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $($(#[$doc])* $variant),* }

        impl Field {
            /// Every field, its own name, and other names that are recognised (lower-case), best first.
            pub const TABLE: &'static [(Self, &'static str, &'static [&'static str])] =
                &[$((Self::$variant, $word, &[$($alias),*])),*];
        }
    };
}

fields! {
    /// Identity of a region, grid or facility.
    Code = "code" ["标识码", "编码", "代码", "网格编码", "网格代码", "glbjbsm", "wgbm", "bm", "adcode"],
    /// Display name.
    Name = "name" [
        "名称", "网格名称", "姓名", "楼栋名称", "楼名", "建筑名称", "建筑物名称", "楼宇名称", "glbjmc", "mc", "nom", "name_zh"
    ],
    /// Name of a region's level.
    Level = "level" ["层级", "级别"],
    /// The region above.
    Parent = "parent" ["community", "上级编码", "社区代码", "szsqdm", "parent_code"],
    /// What a grid is for; `water` and `excluded` make a void of it.
    GridKind = "kind" ["网格类型", "类型"],
    /// Households, a count.
    Households = "households" ["户数", "household_count", "总户数", "住户数", "building:flats"],
    /// Residents, a count.
    Population = "population" ["人口", "人口数", "常住人口"],
    /// Why there is no grid.
    Reason = "reason" ["原因"],
    /// Category in the code profile: its code or its name.
    Category = "category" ["类别", "类别编码", "小类", "类型代码", "sxdm", "事项代码"],
    /// Condition of a facility, step of a case.
    State = "state" ["状态", "glbjzt", "status"],
    /// Since when a facility is in that condition.
    StateDate = "state_date" ["状态日期", "状态变更日期"],
    /// The record's name in the system it comes from.
    Id = "id" ["编号", "工号", "案件编号", "楼栋编号", "楼栋编码", "external_id"],
    /// What a member of staff is in the team.
    Role = "role" ["角色", "岗位", "职务"],
    /// The grid or region somebody works for.
    Assigned = "assigned" ["grid", "所属网格", "责任网格", "所在单元网格标识码", "szdywgbsm", "负责区域"],
    /// Work phone.
    Phone = "phone" ["电话", "手机", "联系电话"],
    /// The body that employs somebody.
    Organization = "organization" ["单位", "所属单位"],
    /// When a case was reported.
    ReportedAt = "reported_at" ["上报时间", "created_at", "created_date"],
    /// When the present step is due.
    DueAt = "due_at" ["截止时间", "处置时限"],
    /// The step is late.
    Overdue = "overdue" ["超期", "是否超期"],
    /// Longitude in degrees.
    Lon = "lon" ["lng", "longitude", "经度", "x"],
    /// Latitude in degrees.
    Lat = "lat" ["latitude", "纬度", "y"],
    /// Accuracy class A, B or C.
    Accuracy = "accuracy" ["精度", "定位精度"],
    /// The day the source describes.
    SourceDate = "source_date" ["变更日期", "bgrq", "初始日期", "csrq"],
    /// What is wrong, in words.
    Text = "text" ["问题描述", "描述", "description", "descriptor"],
    /// Who found it.
    Channel = "channel" ["来源", "问题来源", "source"],
    /// A person is needed now.
    Urgent = "urgent" ["紧急", "是否紧急"],
    /// How a case's place is known.
    Located = "located" ["定位方式"],
    /// The region a case is known to be in, the region or grid an organization works for.
    Within = "within" ["所在区域", "region"],
    /// The place in words.
    Address = "address"
        ["事发位置", "sfwz", "地址", "address_text", "详情地址", "标准地址", "地址全称", "详细地址", "full_address"],
    /// When an organization is open, in words.
    Hours = "hours" ["开放时间", "办公时间", "服务时间", "opening_hours"],
    /// A page about the case in its own system.
    Url = "url" ["链接", "external_url"],
    /// The state in the words of that system.
    ExternalState = "external_state" ["外部状态"],
    /// When the case changed in that system.
    UpdatedAt = "updated_at" ["更新时间", "source_updated_at"],
    /// The grid that a count belongs to.
    Grid = "grid" ["code", "网格编码", "网格代码", "标识码", "所在单元网格标识码"],
    /// What stands at an address: never the name of a person. A column called just `name` is not taken for it ([`Field::is_told_only_by`]).
    PlaceName = "name"
        ["poi", "place_name", "名称", "地名", "小区名", "小区名称", "标志物", "建筑物名称", "单位名称", "name_zh"],
    /// District or county of an address.
    District = "district" ["区县", "县区", "行政区", "county"],
    /// Township of an address.
    Township = "township" ["街道", "乡镇", "镇街"],
    /// Community or village of an address.
    Community = "community" ["社区", "村", "行政村", "村社区"],
    /// Street, or what stands for one.
    Road = "road" ["street", "道路", "路名", "街路巷", "街路巷名", "addr:street"],
    /// 弄, 巷.
    Lane = "lane" ["弄", "弄号", "巷弄"],
    /// 组.
    Group = "group" ["组", "村民小组"],
    /// 号.
    Number = "number" ["门牌号", "门牌", "housenumber", "house_number", "addr:housenumber"],
    /// 幢.
    Building = "building" ["幢", "幢号", "楼栋", "楼栋号", "栋号"],
    /// 单元.
    Unit = "unit" ["单元", "单元号"],
    /// 室.
    Room = "room" ["室", "室号", "房间号", "户室号"],
    /// Storeys of a building, a count.
    Storeys = "storeys" ["层数", "楼层数", "总层数", "地上层数", "floors", "levels", "building:levels"],
    /// The grid or region that a building without a place stands in.
    StandsIn = "within"
        ["grid", "网格编码", "网格代码", "所属网格", "所在网格", "所在单元网格标识码", "grid_code", "所在区域", "region"],
}

impl Field {
    /// Its own name.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// Whether it holds a code of the city's.
    pub fn is_code(self) -> bool {
        matches!(self, Self::Code | Self::Parent | Self::Assigned | Self::Within | Self::Grid | Self::StandsIn)
    }

    /// Whether a column of this name (lower-case) feeds the field only when it is told so, since it may hold a person: an address has no
    /// column for who lives there, and of all records only staff are persons.
    pub fn is_told_only_by(self, kind: Kind, column: &str) -> bool {
        match self {
            Self::PlaceName => column == "name",
            Self::Name => column == "姓名" && kind != Kind::Staff,
            _ => false,
        }
    }

    /// Other names that are recognised.
    pub fn aliases(self) -> &'static [&'static str] {
        Self::TABLE[self as usize].2
    }
}

/// Fields whose values are names and no quantities: a spreadsheet that took one for a number has spoiled it.
const CODES: [Field; 7] = [Field::Code, Field::Parent, Field::Id, Field::Assigned, Field::Within, Field::Grid, Field::StandsIn];

/// Reals from here on, 16 digits, have lost some: a spreadsheet keeps 15.
pub const SPOILED_FROM: f64 = 1e15;

/// What a spreadsheet has made of a code, or of any text that looked like a number: too large a real, or `3.30902E+16`.
fn is_spoiled(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(|real| real.abs() >= SPOILED_FROM),
        Value::String(text) => {
            let Some((mantissa, exponent)) = text.trim().split_once(['E', 'e']) else { return false };
            let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits(whole) && whole.len() == 1 && digits(fraction) && exponent.strip_prefix('+').is_some_and(digits)
        }
        _ => false,
    }
}

/// Where a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Nothing,
    Column(String),
    Constant(String),
}

/// Which column feeds which field, for one import.
#[derive(Debug, Clone)]
pub struct Columns {
    kind: Kind,
    told: BTreeMap<Field, Told>,
    /// Columns of a copy of our own data: no other names are looked for.
    own: bool,
    /// Extra names, of tag rules; before the aliases.
    extra: Vec<(Field, String)>,
    /// Columns that were met, in that order.
    met: Vec<Column>,
    /// Column → place in `met`.
    places: HashMap<Arc<str>, usize>,
    /// Columns that fed a field.
    used: BTreeMap<Field, BTreeSet<Arc<str>>>,
    /// Values that were mended, until they are taken.
    repairs: Vec<Repair>,
}

/// A column that was met.
#[derive(Debug, Clone)]
struct Column {
    name: Arc<str>,
    feeds: Vec<Feed>,
}

/// A field that a column feeds.
#[derive(Debug, Clone)]
struct Feed {
    field: Field,
    /// The least rank wins when two columns feed one field.
    rank: usize,
    /// It stands in [`Columns::used`] already.
    used: bool,
}

/// A record with its columns sorted out.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields {
    /// Number of the record.
    pub number: u64,
    known: Vec<(Field, usize, Value)>,
    /// Columns that feed no field.
    pub rest: Vec<(Arc<str>, Value)>,
    /// Geometry.
    pub shape: super::RawShape,
}

impl Columns {
    /// `told`: `field=column`, `field==constant`, or `field=` for "no column of this file".
    pub fn new(kind: Kind, told: &[String]) -> Result<Self, Fault> {
        let mut columns = Self {
            kind,
            told: BTreeMap::new(),
            own: false,
            extra: Vec::new(),
            met: Vec::new(),
            places: HashMap::new(),
            used: BTreeMap::new(),
            repairs: Vec::new(),
        };
        for text in told {
            let bad = |detail: String| Fault { field: Some("--map".to_owned()), ..Fault::new(FaultKind::BadField, detail) };
            let Some((word, column)) = text.split_once('=') else {
                return Err(bad(format!("{text:?} is not field=column")));
            };
            let Some(field) = kind.fields().iter().copied().find(|field| field.as_str() == word.trim()) else {
                let known: Vec<&str> = kind.fields().iter().map(|field| field.as_str()).collect();
                return Err(bad(format!("{} have no field {word:?}: {}", kind.as_str(), known.join(", "))));
            };
            let value = match column.strip_prefix('=') {
                Some(constant) => Told::Constant(constant.to_owned()),
                None if column.trim().is_empty() => Told::Nothing,
                None => Told::Column(column.trim().to_owned()),
            };
            if columns.told.insert(field, value).is_some() {
                return Err(bad(format!("{word} is mapped twice")));
            }
        }
        Ok(columns)
    }

    /// Whether the next file is a copy of our own data, whose columns are known.
    pub fn set_own(&mut self, own: bool) {
        if self.own != own {
            self.own = own;
            self.met.clear();
            self.places.clear();
        }
    }

    /// Further names for a field, tried before its usual ones.
    pub fn also(&mut self, field: Field, names: &[String]) {
        self.extra.extend(names.iter().map(|name| (field, name.clone())));
    }

    /// Which fields a column feeds.
    fn resolve(&self, column: &str) -> Vec<Feed> {
        let lower = column.to_lowercase();
        let mut found = Vec::new();
        for &field in self.kind.fields() {
            match self.told.get(&field) {
                Some(Told::Column(told)) => {
                    if told == column {
                        found.push(Feed { field, rank: 0, used: false });
                    }
                    continue;
                }
                Some(Told::Constant(_) | Told::Nothing) => continue,
                None if self.own => {
                    if own::column(field) == column {
                        found.push(Feed { field, rank: 0, used: false });
                    }
                    continue;
                }
                None => {}
            }
            let extra = self.extra.iter().filter(|(of, _)| *of == field).position(|(_, name)| name == column);
            let extras = self.extra.iter().filter(|(of, _)| *of == field).count();
            let usual = std::iter::once(field.as_str())
                .chain(field.aliases().iter().copied())
                .position(|name| name == lower)
                .filter(|_| !field.is_told_only_by(self.kind, &lower))
                .map(|at| at + extras);
            if let Some(rank) = extra.or(usual) {
                found.push(Feed { field, rank: rank + 1, used: false });
            }
        }
        found
    }

    /// Place of a column in `met`.
    fn place(&mut self, column: &Arc<str>) -> usize {
        if let Some(place) = self.places.get(column) {
            return *place;
        }
        self.met.push(Column { name: Arc::clone(column), feeds: self.resolve(column) });
        self.places.insert(Arc::clone(column), self.met.len() - 1);
        self.met.len() - 1
    }

    /// Whether a column feeds any field.
    pub fn feeds(&self, column: &str) -> bool {
        !self.resolve(column).is_empty()
    }

    /// Codes of a record that a spreadsheet has turned into numbers and cut. They are never guessed.
    pub fn spoiled(&self, record: &RawRecord) -> Vec<Fault> {
        let spoiled = record.fields.iter().filter(|(_, value)| is_spoiled(value));
        let codes = spoiled.filter_map(|(column, value)| {
            let Feed { field, .. } = self.resolve(column).into_iter().find(|feed| CODES.contains(&feed.field))?;
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let detail = format!(
                "{shown} in column {column:?} is a code that a spreadsheet took for a number: of 16 digits and more it keeps 15, and \
                 with an exponent it shows 6. Format the column as text and enter the codes again"
            );
            Some(Fault {
                record: Some(record.number),
                field: Some(field.as_str().to_owned()),
                ..Fault::new(FaultKind::BadField, detail)
            })
        });
        codes.collect()
    }

    /// Sorts out the columns of a record. Those that feed no field go to `rest`.
    pub fn sort_out(&mut self, record: RawRecord) -> Fields {
        let mut known: Vec<(Field, usize, Value)> = Vec::with_capacity(8);
        let mut rest = Vec::with_capacity(record.fields.len());
        let mut next = 0;
        for (column, value) in record.fields {
            if value.is_null() {
                continue;
            }
            // Records of one file have their columns in one order, and share their names.
            let place = match self.met.get(next) {
                Some(met) if Arc::ptr_eq(&met.name, &column) => next,
                _ => self.place(&column),
            };
            next = place + 1;
            let feeds = &mut self.met[place].feeds;
            let Some((last, others)) = feeds.split_last_mut() else {
                rest.push((column, value));
                continue;
            };
            let mut feed = |feed: &mut Feed, value: Value| {
                match known.iter_mut().find(|(known, ..)| *known == feed.field) {
                    Some(held) if held.1 <= feed.rank => return,
                    Some(held) => *held = (feed.field, feed.rank, value),
                    None => known.push((feed.field, feed.rank, value)),
                }
                if !feed.used {
                    feed.used = true;
                    self.used.entry(feed.field).or_default().insert(Arc::clone(&column));
                }
            };
            for other in others {
                feed(other, value.clone());
            }
            feed(last, value);
        }
        for (field, told) in &self.told {
            if let Told::Constant(constant) = told {
                known.push((*field, 0, Value::String(constant.clone())));
            }
        }
        for (field, _, value) in known.iter_mut().filter(|(field, ..)| field.is_code()) {
            if let Value::String(text) = value
                && let Some(narrow) = narrowed(text)
            {
                self.repairs.push(Repair {
                    kind: "full_width".to_owned(),
                    detail: format!("record {}: {}: {text} is {narrow} in full-width characters", record.number, field.as_str()),
                    codes: Code::new(&narrow).into_iter().collect(),
                    place: None,
                    area_m2: 0.0,
                });
                *text = narrow;
            }
        }
        Fields { number: record.number, known, rest, shape: record.shape }
    }

    /// Takes the values that were mended since it was asked last.
    pub fn take_repairs(&mut self) -> Vec<Repair> {
        std::mem::take(&mut self.repairs)
    }

    /// Told columns that no record had. Only after all records.
    pub fn unseen(&self) -> Vec<Fault> {
        self.told
            .iter()
            .filter_map(|(field, told)| match told {
                Told::Column(column) if !self.places.contains_key(column.as_str()) => {
                    let mut seen: Vec<&str> = self.places.keys().map(|name| &**name).collect();
                    seen.sort_unstable();
                    seen.truncate(40);
                    let detail = format!("no record has a column {column:?}; there are: {}", seen.join(", "));
                    Some(Fault { field: Some(field.as_str().to_owned()), ..Fault::new(FaultKind::BadField, detail) })
                }
                _ => None,
            })
            .collect()
    }

    /// Field → columns it was read from, for the report.
    pub fn used(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut used: BTreeMap<&'static str, Vec<String>> = self
            .used
            .iter()
            .map(|(field, columns)| (field.as_str(), columns.iter().map(|column| column.to_string()).collect()))
            .collect();
        for (field, told) in &self.told {
            if let Told::Constant(constant) = told {
                used.insert(field.as_str(), vec![format!("={constant}")]);
            }
        }
        used
    }

    /// Columns that were met and could feed a field, but may hold persons: only `--map` takes them.
    pub fn withheld(&self) -> Vec<(&'static str, String)> {
        let field = |column: &Column| {
            let fed_by = |field: &Field| field.is_told_only_by(self.kind, &column.name.to_lowercase());
            self.kind.fields().iter().copied().find(|field| fed_by(field) && !self.told.contains_key(field))
        };
        let withheld = self.met.iter().filter(|column| !self.own && column.feeds.is_empty());
        withheld.filter_map(|column| Some((field(column)?.as_str(), column.name.to_string()))).collect()
    }

    /// Columns that fed nothing, for the report.
    pub fn ignored(&self) -> Vec<String> {
        let fed_nothing = self.met.iter().filter(|column| column.feeds.is_empty()).map(|column| &column.name);
        let mut ignored: Vec<String> =
            fed_nothing.filter(|column| !(self.own && own::is_beside(column))).map(|column| column.to_string()).collect();
        ignored.sort_unstable();
        ignored
    }
}

impl Fields {
    /// Whether a field has a value.
    pub fn has(&self, field: Field) -> bool {
        self.known.iter().any(|(known, ..)| *known == field)
    }

    fn value(&self, field: Field) -> Option<&Value> {
        self.known.iter().find(|(known, ..)| *known == field).map(|(.., value)| value)
    }

    /// A field as text. Numbers are written as they stand; blank is absent.
    pub fn told(&self, field: Field) -> Option<Cow<'_, str>> {
        let text: Cow<'_, str> = match self.value(field)? {
            Value::String(text) => text.trim().into(),
            Value::Number(number) => whole(number).unwrap_or_else(|| number.to_string()).into(),
            other => other.to_string().into(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// The same, to keep.
    pub fn text(&self, field: Field) -> Option<String> {
        self.told(field).map(Cow::into_owned)
    }

    /// A field that identifies something: text, or a whole number with all its digits.
    pub fn identifier(&self, field: Field) -> Result<Option<Cow<'_, str>>, Fault> {
        match self.value(field) {
            Some(Value::Number(number)) if number.is_f64() && whole(number).is_none() => {
                Err(self.fault(field, format!("{number} is a decimal number: a code is text or a whole number")))
            }
            Some(other @ (Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
                Err(self.fault(field, format!("{other} is no code: a code is text or a whole number")))
            }
            _ => Ok(self.told(field)),
        }
    }

    /// A field that must be there.
    pub fn required(&self, field: Field) -> Result<String, Fault> {
        self.text(field).ok_or_else(|| {
            let names: Vec<&str> = std::iter::once(field.as_str()).chain(field.aliases().iter().copied()).take(4).collect();
            self.fault(
                field,
                format!("is missing: no column called {} … has a value; say --map {}=COLUMN", names.join(", "), field.as_str()),
            )
        })
    }

    /// A field as whatever parses from text.
    pub fn parsed<T: std::str::FromStr>(&self, field: Field) -> Result<Option<T>, Fault>
    where
        T::Err: std::fmt::Display,
    {
        self.told(field).map(|text| text.parse().map_err(|error: T::Err| self.fault(field, error.to_string()))).transpose()
    }

    /// A field as a count.
    pub fn count(&self, field: Field) -> Result<Option<u32>, Fault> {
        let Some(text) = self.told(field) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.fault(field, format!("{text:?} is no count: a whole number from 0 is needed")))
    }

    /// A field as yes or no.
    pub fn flag(&self, field: Field) -> Result<Option<bool>, Fault> {
        let Some(text) = self.told(field) else { return Ok(None) };
        match text.to_lowercase().as_str() {
            "true" | "1" | "yes" | "y" | "是" => Ok(Some(true)),
            "false" | "0" | "no" | "n" | "否" => Ok(Some(false)),
            _ => Err(self.fault(field, format!("{text:?} is neither yes nor no (true, false, 1, 0, 是, 否)"))),
        }
    }

    /// A field as degrees.
    pub fn degrees(&self, field: Field) -> Result<Option<f64>, Fault> {
        let Some(text) = self.told(field) else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) if text.contains(',') => {
                Err(self.fault(field, format!("{text:?} is no number; the decimal sign must be a point")))
            }
            Err(_) => Err(self.fault(field, format!("{text:?} is no number"))),
        }
    }

    /// A field as an instant: RFC 3339, or a time or date of the city's zone.
    pub fn instant(&self, field: Field, zone: &jiff::tz::TimeZone) -> Result<Option<jiff::Timestamp>, Fault> {
        let Some(text) = self.told(field) else { return Ok(None) };
        instant_of(&text, zone).map(Some).ok_or_else(|| {
            self.fault(field, format!("{text:?} is no time: 2026-03-01T08:00:00+08:00, or without offset in the city's zone"))
        })
    }

    /// A field as a day: `2026-03-01` or `20260301`.
    pub fn day(&self, field: Field) -> Result<Option<jiff::civil::Date>, Fault> {
        let Some(text) = self.told(field) else { return Ok(None) };
        let compact = || jiff::civil::Date::strptime("%Y%m%d", &*text).ok();
        text.parse()
            .ok()
            .or_else(compact)
            // There was no year 0, and no store keeps days before it.
            .filter(|day| day.year() > 0)
            .map(Some)
            .ok_or_else(|| self.fault(field, format!("{text:?} is no day: 2026-03-01 or 20260301")))
    }

    /// A fault of this record's field.
    pub fn fault(&self, field: Field, detail: impl Into<String>) -> Fault {
        let mut fault = Fault::new(FaultKind::BadField, detail);
        fault.record = Some(self.number);
        fault.field = Some(field.as_str().to_owned());
        fault
    }
}

/// An instant from RFC 3339, `2026-03-01 08:00:00`, `2026-03-01T08:00` or a date (its first instant), the last three in `zone`.
pub fn instant_of(text: &str, zone: &jiff::tz::TimeZone) -> Option<jiff::Timestamp> {
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    zone.to_ambiguous_timestamp(civil).compatible().ok()
}

/// A whole number written without a point: spreadsheets and GeoPackages keep codes as reals.
fn whole(number: &serde_json::Number) -> Option<String> {
    let real = number.as_f64().filter(|_| number.is_f64())?;
    (real.fract() == 0.0 && real.abs() < 9e15).then(|| format!("{real:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interchange::RawShape;

    fn record(fields: &[(&str, Value)]) -> RawRecord {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        RawRecord { number: 3, fields, shape: RawShape::Absent }
    }

    #[test]
    fn every_table_is_in_the_order_of_its_enum() {
        assert!(Field::TABLE.iter().enumerate().all(|(at, (field, ..))| *field as usize == at));
        assert!(Kind::TABLE.iter().enumerate().all(|(at, (kind, _))| *kind as usize == at));
    }

    #[test]
    fn chinese_and_told_columns_are_found_and_the_rest_is_kept() {
        let mut columns =
            Columns::new(Kind::Facilities, &["id=osm_id".to_owned(), "category==01037".to_owned()]).expect("told right");
        let fields = columns.sort_out(record(&[
            ("标识码", 330_902.into()),
            ("GLBJMC", "灯".into()),
            ("名称", "路灯".into()),
            ("osm_id", 7.into()),
            ("高度", 8.into()),
            ("empty", Value::Null),
        ]));
        assert_eq!(fields.text(Field::Code).as_deref(), Some("330902"));
        assert_eq!(fields.text(Field::Name).as_deref(), Some("路灯"), "名称 stands before GLBJMC in the table");
        assert_eq!(fields.text(Field::Id).as_deref(), Some("7"));
        assert_eq!(fields.text(Field::Category).as_deref(), Some("01037"));
        assert_eq!(fields.rest.len(), 1);
        assert_eq!(columns.ignored(), ["高度"]);
        assert_eq!(columns.used()["category"], ["=01037"]);
    }

    #[test]
    fn a_code_that_a_spreadsheet_spoiled_is_told_and_a_quantity_is_not() {
        let columns = Columns::new(Kind::Staff, &[]).expect("nothing told");
        let spoiled = |name: &str, value: Value| columns.spoiled(&record(&[(name, value)])).into_iter().next();
        for value in [Value::from("3.30902E+16"), 33_090_200_200_100_100.0.into(), "3E+16".into(), 1e15.into()] {
            let fault = spoiled("所属网格", value.clone()).expect("spoiled");
            assert_eq!((fault.record, fault.field.as_deref()), (Some(3), Some("assigned")));
            assert!(fault.detail.contains("所属网格") && fault.detail.contains("3") || value == 1e15, "{fault}");
        }
        for value in [Value::from("330902002001001"), 330_902_002_001_001_i64.into(), "5E12".into(), "E+1".into(), 12.5.into()] {
            assert_eq!(spoiled("所属网格", value), None);
        }
        assert_eq!(spoiled("备注", "3.30902E+16".into()), None);
    }

    #[test]
    fn a_column_that_may_hold_persons_feeds_only_what_it_is_told_to() {
        let values = [("name", "某人".into()), ("姓名", "某人".into()), ("小区名", "东海花园".into())];
        let taken = |kind: Kind, told: &[String]| {
            let mut columns = Columns::new(kind, told).expect("told right");
            let field = if kind == Kind::Addresses { Field::PlaceName } else { Field::Name };
            let fields = columns.sort_out(record(&values));
            (fields.text(field), columns.withheld().into_iter().map(|(_, column)| column).collect::<Vec<_>>())
        };
        let taken_name = |kind: Kind| taken(kind, &[]).0;
        assert_eq!(taken(Kind::Addresses, &[]), (Some("东海花园".to_owned()), vec!["name".to_owned()]));
        assert_eq!(taken(Kind::Addresses, &["name=name".to_owned()]), (Some("某人".to_owned()), Vec::new()));
        assert_eq!(taken(Kind::Organizations, &[]).1, ["姓名"]);
        let only = |kind: Kind| {
            let mut columns = Columns::new(kind, &[]).expect("nothing told");
            columns.sort_out(record(&[("姓名", "某人".into())])).text(Field::Name)
        };
        assert_eq!((only(Kind::Organizations), only(Kind::Facilities), only(Kind::Regions)), (None, None, None));
        assert_eq!(only(Kind::Staff).as_deref(), Some("某人"));
        assert_eq!(taken_name(Kind::Staff).as_deref(), Some("某人"));
    }

    #[test]
    fn one_column_may_feed_two_fields() {
        let mut columns = Columns::new(Kind::Grids, &["code=name".to_owned()]).expect("told right");
        let fields = columns.sort_out(record(&[("name", "宝华镇".into()), ("adcode", "321183".into())]));
        assert_eq!(fields.text(Field::Code), fields.text(Field::Name));
        assert_eq!(fields.rest.len(), 1, "adcode is no longer the code");
    }

    #[test]
    fn what_is_told_wrong_is_said_before_and_what_is_never_seen_after() {
        assert!(Columns::new(Kind::Staff, &["lon=x".to_owned()]).is_err(), "staff stand nowhere");
        assert!(Columns::new(Kind::Staff, &["lon".to_owned()]).is_err());
        let mut columns = Columns::new(Kind::Grids, &["code=nummer".to_owned()]).expect("told right");
        let fields = columns.sort_out(record(&[("code", "1".into())]));
        assert!(fields.required(Field::Code).is_err());
        assert_eq!(columns.unseen().len(), 1);
    }

    #[test]
    fn values_that_do_not_fit_are_faults_with_record_and_field() {
        let mut columns = Columns::new(Kind::Cases, &[]).expect("nothing told");
        let fields = columns.sort_out(record(&[
            ("lon", "12,5".into()),
            ("overdue", "maybe".into()),
            ("due_at", "soon".into()),
            ("reported_at", "2026-03-01 08:00:00".into()),
            ("source_date", "20260301".into()),
        ]));
        let zone = jiff::tz::TimeZone::get("Asia/Shanghai").expect("a zone");
        for fault in [
            fields.degrees(Field::Lon).expect_err("a comma"),
            fields.flag(Field::Overdue).expect_err("neither"),
            fields.instant(Field::DueAt, &zone).expect_err("no time"),
        ] {
            assert_eq!(fault.record, Some(3));
            assert!(fault.field.is_some());
        }
        let at = fields.instant(Field::ReportedAt, &zone).expect("a time").expect("there");
        assert_eq!(at.to_string(), "2026-03-01T00:00:00Z");
        assert_eq!(fields.day(Field::SourceDate).expect("a day"), Some(jiff::civil::date(2026, 3, 1)));
    }
}
