//! Queries with the answers a person would give, written by hand from a small register: no rule of the matcher is used to work them out.
//! Each line says what must come back, all of it and in that order, and why. Where a score is a matter of degree a range is told; a range
//! that ends below 0.7 means that a table of cases gets no grid from it.

use super::Addresses;
use super::find::Answer;
use crate::domain::address::AddressRow;
use crate::domain::code::Code;
use crate::domain::id::{AddressId, Epoch, Unit};
use crate::domain::records::BoundarySet;
use crate::geom::LatticePoint;
use crate::territory::Territory;
use crate::territory::samples::{area, grid, region, square};

/// Two counties; four communities of one grid each, 0.1° wide, from west to east.
fn territory() -> Territory {
    let regions = [
        ("3309", "city", "舟山市"),
        ("330902", "county", "定海区"),
        ("330902001", "township", "昌国街道"),
        ("330902001001", "community", "螺门村民委员会"),
        ("330902001002", "community", "海滨社区居民委员会"),
        ("330903", "county", "普陀区"),
        ("330903001", "township", "东港街道"),
        ("330903001001", "community", "和平社区"),
        ("330903001002", "community", "西门居委会"),
        ("330903001003", "community", "新河"),
    ];
    let named = |(code, level, name): (&str, &str, &str)| {
        let mut record = region(code, level, None);
        record.name = name.to_owned();
        record
    };
    let codes = ["330902001001001", "330902001002001", "330903001001001", "330903001002001"];
    let grids = codes.iter().zip(0..).map(|(code, at)| grid(code, area(&[square(at * 1_000_000, 0, 1_000_000)])));
    let set = BoundarySet { grids: grids.collect(), regions: regions.map(named).into(), ..BoundarySet::default() };
    Territory::build(Epoch(1), &set).expect("a coverage")
}

/// The register: number, text, how far east and north (in 0.00001°), what stands there. The grids begin at 0, 10,000, 20,000 and 30,000.
const REGISTER: [(i64, &str, i32, i32, &str); 88] = [
    // A street of odd and even numbers, 20 m apart, and one house of a street of that name 20 km away.
    (1, "舟山市定海区昌国街道解放路1号", 1000, 5000, ""),
    (2, "舟山市定海区昌国街道解放路3号", 1020, 5000, ""),
    (3, "舟山市定海区昌国街道解放路5号", 1040, 5000, ""),
    (4, "舟山市定海区昌国街道解放路7号", 1060, 5000, ""),
    (5, "舟山市定海区昌国街道解放路9号", 1080, 5000, ""),
    (6, "定海区解放路2号", 1000, 5010, ""),
    (7, "定海区解放路6号", 1040, 5010, ""),
    (8, "普陀区解放路5号", 21000, 5000, ""),
    // Houses with flats.
    (10, "定海区文化路8号3幢2单元301室", 3000, 3000, ""),
    (11, "定海区文化路8号3幢2单元302室", 3000, 3000, ""),
    (12, "定海区文化路8号4幢", 3004, 3000, ""),
    (13, "定海区文化路12号", 3040, 3000, ""),
    (14, "定海区文化路甲12号", 3042, 3000, ""),
    (15, "定海区文化路16号之一", 3080, 3000, ""),
    (16, "定海区文化路18A号", 3100, 3000, ""),
    (17, "定海区文化路20号3层", 3120, 3000, ""),
    (18, "定海区文化路20号3A层", 3120, 3000, ""),
    // An estate behind the number of a street, with parts; one of the same name elsewhere; one without a street.
    (20, "定海区环城南路128号东海花园A区3幢201室", 5000, 7000, ""),
    (21, "定海区环城南路128号东海花园B区3幢201室", 5020, 7000, ""),
    (22, "普陀区滨港路66号东海花园5幢201室", 25000, 7000, ""),
    (23, "定海区玫瑰园3幢201室", 5500, 7000, ""),
    (24, "定海区玫瑰园A区7幢201室", 5500, 7010, ""),
    (25, "定海区中梁壹号院5幢", 5600, 7000, ""),
    (26, "定海区环城南路130号西山花园3幢201室", 5040, 7000, ""),
    // Numbers in the names of streets.
    (30, "定海区工业园区三号路5号", 6000, 2000, ""),
    (31, "定海区二十一号路8号", 6200, 2000, ""),
    (32, "定海区五一路5号", 6400, 2000, ""),
    (33, "定海区五十一路5号", 6600, 2000, ""),
    (34, "定海区陆家路9号", 6700, 2000, ""),
    (35, "定海区文二西路5号", 6800, 2000, ""),
    (36, "定海区工业园区3号", 5980, 2000, ""),
    // Lanes.
    (40, "定海区解放西路105弄3号", 7000, 4000, ""),
    (41, "定海区解放西路105巷3号", 7100, 4000, ""),
    (42, "定海区解放西路105弄2支弄3号", 7020, 4000, ""),
    (43, "定海区解放西路77弄5号", 7300, 4000, ""),
    // Villages.
    (50, "定海区螺门村三组45号", 8000, 1000, ""),
    (51, "定海区螺门村五组45号", 8040, 1000, ""),
    (52, "定海区螺门村60号", 8080, 1000, ""),
    // Streets that begin with the name of a region.
    (60, "定海区舟山东大街7号", 2000, 6000, ""),
    (61, "定海区东大街7号", 2500, 6000, ""),
    (62, "普陀西路11号", 21500, 6000, ""),
    (63, "定海和平南路15号", 2700, 6000, ""),
    (64, "海滨社区新桥路3号", 12000, 3000, ""),
    (65, "西门居委会新桥路3号", 32000, 3000, ""),
    (66, "镇江市新港路１２号", 2800, 6000, ""),
    (67, "定海区滨海大道88号舟山大厦", 2900, 6000, "舟山大厦"),
    (68, "舟山市场路6号", 2950, 6000, ""),
    (69, "普陀区文三路9号", 22950, 6000, ""),
    // Eleven centres of one name, ten of them in the west.
    (80, "定海区定城路10号", 1100, 8000, "便民服务中心"),
    (81, "定海区定城路20号", 1120, 8000, "便民服务中心"),
    (82, "定海区定城路30号", 1140, 8000, "便民服务中心"),
    (83, "定海区定城路40号", 1160, 8000, "便民服务中心"),
    (84, "定海区定城路50号", 1180, 8000, "便民服务中心"),
    (85, "定海区定城路60号", 1200, 8000, "便民服务中心"),
    (86, "定海区定城路70号", 1220, 8000, "便民服务中心"),
    (87, "定海区定城路80号", 1240, 8000, "便民服务中心"),
    (88, "定海区定城路90号", 1260, 8000, "便民服务中心"),
    (89, "定海区定城路100号", 1280, 8000, "便民服务中心"),
    (90, "普陀区兴海路1号", 31000, 8000, "便民服务中心"),
    (91, "定海区定城路739号", 1500, 8000, "舟山医院"),
    // A street of which only the odd side is known.
    (100, "定海区春和路101号", 4000, 9000, ""),
    (101, "定海区春和路105号", 4020, 9000, ""),
    (102, "定海区春和路901号", 5500, 9000, ""),
    (103, "定海区翠湖路7号-2", 4500, 9000, ""),
    (104, "定海区翠湖路9号", 4520, 9000, ""),
    (105, "定海区银杏苑12号201室", 4600, 9000, ""),
    (106, "定海区银杏苑14号201室", 4620, 9000, ""),
    // 楼 as a building and as a floor.
    (130, "定海区望京西园四区410楼3门201", 6000, 9000, ""),
    (131, "定海区望京西园四区411楼3门201", 6020, 9000, ""),
    (132, "定海区望京西园四区12楼2单元301室", 6040, 9000, ""),
    (133, "定海区望京西园四区14楼", 6060, 9000, ""),
    (134, "定海区同安路5号3楼5室", 6100, 9000, ""),
    (135, "定海区同安路5号4楼5室", 6100, 9000, ""),
    (136, "定海区同安路12号1层", 6140, 9000, ""),
    (137, "定海区同安路12号-1层", 6140, 9000, ""),
    (138, "定海区万盛路3号", 6200, 9000, "万达广场"),
    // An estate whose houses have no order.
    (140, "定海区丁香苑1号", 6300, 9000, ""),
    (141, "定海区丁香苑9号", 6320, 9000, ""),
    // Names with words in them that say nothing elsewhere.
    (150, "定海区在水一方3幢201室", 6400, 9000, ""),
    (151, "定海区昌国街道办事处", 6500, 9000, ""),
    (152, "定海区三岔路口5号", 6600, 9000, ""),
    // What is in the register before a street.
    (160, "定海区临城工业园区创业路5号", 6700, 9000, ""),
    (161, "新河中路9号", 6800, 9000, ""),
    // Two streets that meet at 7 km, 9.5 km, and a third that is far from both.
    (170, "定海区人民路11号", 7000, 9500, ""),
    (171, "定海区人民路13号", 7020, 9500, ""),
    (172, "定海区和兴路2号", 7020, 9520, ""),
    (173, "定海区和兴路4号", 7020, 9560, ""),
    (174, "定海区工农路1号", 8500, 9500, ""),
];

fn addresses(territory: &Territory) -> Addresses {
    let row = |(id, text, x, y, name): (i64, &str, i32, i32, &str)| AddressRow {
        id: AddressId(id),
        at: Some(LatticePoint::new(x * 100, y * 100)),
        within: None,
        text: text.into(),
        name: name.into(),
    };
    let mut rows = REGISTER.map(row).to_vec();
    let nowhere = |id, text: &str, code: &str| AddressRow {
        at: None,
        within: Some(Code::new(code).expect("a code")),
        ..row((id, text, 0, 0, ""))
    };
    rows.push(nowhere(120, "深巷3号", "330903001"));
    rows.push(nowhere(121, "深巷3号", "330902001002"));
    Addresses::new(rows, territory)
}

/// A candidate: its kind, its number in the register or else its text, its score from and to.
type Expected = (&'static str, &'static str, f64, f64);

/// What is asked, everything that must come back, and why.
const QUERIES: &[(&str, &[Expected], &str)] = &[
    // Writings of one address.
    ("浙江省舟山市定海区昌国街道解放路7号", &[("exact", "4", 1.0, 1.0)], "all regions, all right"),
    ("定海区解放路７号", &[("exact", "4", 1.0, 1.0)], "full width"),
    ("定海解放路七号", &[("exact", "4", 1.0, 1.0)], "a short region, a Chinese number"),
    ("舟山解放路7#", &[("exact", "4", 1.0, 1.0)], "another mark; the district is missing, which is no fault"),
    ("解放路 7", &[("exact", "4", 1.0, 1.0)], "no mark at all"),
    ("解放路No.7", &[("exact", "4", 1.0, 1.0)], "as a foreigner writes it"),
    ("浙江定海解放路7號", &[("exact", "4", 1.0, 1.0)], "a province in brief, an old character"),
    ("文化路八号三栋二单元三〇一", &[("exact", "10", 1.0, 1.0)], "Chinese numbers, 栋 for 幢, no 室"),
    ("文化路8号3-2-301", &[("exact", "10", 1.0, 1.0)], "by dashes"),
    ("文2西路5号", &[("exact", "35", 1.0, 1.0)], "二 and 2 are one digit"),
    ("新港路12号", &[("exact", "66", 1.0, 1.0)], "the register has full width, and a city above that is no region here"),
    ("镇江市新港路12号", &[("exact", "66", 1.0, 1.0)], "what the register says itself is not elsewhere"),
    // Two of one name.
    ("解放路5号", &[("exact", "3", 1.0, 1.0), ("exact", "8", 1.0, 1.0)], "two streets of one name: nobody has won"),
    ("普陀区解放路5号", &[("exact", "8", 1.0, 1.0)], "the district decides, the wrong one is far behind"),
    ("昌国街道解放路5号", &[("exact", "3", 1.0, 1.0), ("exact", "8", 0.4, 0.69)], "a wrong township: people name the next one"),
    ("新桥路3号", &[("exact", "64", 1.0, 1.0), ("exact", "65", 1.0, 1.0)], "two communities"),
    ("深巷3号", &[("exact", "121", 1.0, 1.0), ("exact", "120", 1.0, 1.0)], "without positions, in two regions"),
    (
        "东港街道深巷3号",
        &[("exact", "120", 1.0, 1.0), ("exact", "121", 0.4, 0.69)],
        "the region that is known instead of a position",
    ),
    (
        "普陀区解放路7号",
        &[("road", "解放路", 0.3, 0.3), ("exact", "4", 0.2, 0.29)],
        "7号 is in the other district: the street in this one is nearer",
    ),
    // Regions by all their names.
    ("海滨社区居委会新桥路3号", &[("exact", "64", 1.0, 1.0), ("exact", "65", 0.4, 0.69)], "居委会 is the committee of a 社区"),
    ("海滨社区居民委员会新桥路3号", &[("exact", "64", 1.0, 1.0), ("exact", "65", 0.4, 0.69)], "the whole official name"),
    ("海滨社区新桥路3号", &[("exact", "64", 1.0, 1.0), ("exact", "65", 0.4, 0.69)], "the name in daily use"),
    (
        "西门社区居委会新桥路3号",
        &[("exact", "65", 1.0, 1.0), ("exact", "64", 0.4, 0.69)],
        "a 社区 that the register calls 居委会",
    ),
    ("螺门村委会三组45号", &[("exact", "50", 1.0, 1.0)], "村委会 of 螺门村"),
    ("螺门村村民委员会三组45号", &[("exact", "50", 1.0, 1.0)], "村民委员会 of 螺门村"),
    ("定海县解放路7号", &[("exact", "4", 1.0, 1.0)], "what was a 县 is a 区 today"),
    // Elsewhere.
    ("杭州市西湖区文三路9号", &[], "another city and district"),
    ("浙江省杭州市西湖区文三路9号", &[], "the right province does not save it"),
    ("江苏省解放路7号", &[], "another province"),
    ("上海市解放路7号", &[], "a municipality"),
    ("西湖区解放路7号", &[], "another district alone"),
    ("浦东新区解放路7号", &[], "a county whose name ends in 新区"),
    ("房山区解放路7号", &[], "a county whose name ends in 山区"),
    ("东城区解放路7号", &[], "a county whose name ends in 城区"),
    ("长阳县解放路7号", &[], "an autonomous county by its daily name"),
    ("恩施州解放路7号", &[], "an autonomous prefecture by its daily name"),
    ("舟山市嵊泗县解放路7号", &[("region", "舟山市", 0.1, 0.1)], "a county of the city that is not among the regions"),
    ("镇江市解放路7号", &[], "one address of the register has 镇江市 before it, and it is no other's"),
    ("产业集聚区解放路7号", &[("exact", "4", 0.7, 0.89)], "an area of the own city, and no county"),
    ("定海区经济开发区解放路7号", &[("exact", "4", 0.7, 0.89)], "another one"),
    ("新城区解放路7号", &[("exact", "4", 0.7, 0.89)], "a county elsewhere, a quarter in any city"),
    ("下城区解放路7号", &[("exact", "4", 0.3, 0.89)], "a county that was: nothing that is known today"),
    ("杭州文三路9号", &[("exact", "69", 0.3, 0.69)], "杭州 alone may be part of a name; no grid is taken from it"),
    ("白泉镇解放路7号", &[("exact", "4", 0.3, 0.69)], "a township that is not known here"),
    ("文三路9号", &[("exact", "69", 1.0, 1.0)], "no region is no wrong region"),
    // Words before the street.
    ("我家在解放路9号", &[("exact", "5", 0.85, 0.99)], "words that say nothing"),
    ("新解放路9号", &[("exact", "5", 0.3, 0.69)], "新解放路 is another street"),
    ("某某大厦解放路9号", &[("exact", "5", 0.7, 0.89)], "a building before the street that nothing is known of"),
    ("在水一方3幢201室", &[("exact", "150", 1.0, 1.0)], "在 is part of the name"),
    ("我住在在水一方3幢201室", &[("exact", "150", 0.85, 0.95)], "the first 在 is not"),
    ("位于解放路9号", &[("exact", "5", 0.85, 0.99)], "words that say nothing"),
    ("北京路7号", &[], "an unknown street, not the province"),
    ("北京路舟山医院", &[], "no street and no place of this name"),
    ("新河中路9号", &[("exact", "161", 1.0, 1.0)], "a region without a kind is part of a street's name"),
    ("新河解放路9号", &[("exact", "5", 0.2, 0.69)], "and may be meant: it is not there"),
    ("创业路5号", &[("exact", "160", 0.7, 0.89)], "the register has an area before the street"),
    ("工业园区创业路5号", &[("exact", "160", 0.3, 0.89)], "of which the end was told"),
    ("临城工业园区创业路5号", &[("exact", "160", 1.0, 1.0)], "as the register has it"),
    // Where streets meet.
    ("人民路与和兴路交叉口", &[("road", "人民路与和兴路交叉口", 0.6, 0.6)], "the nearest houses of both"),
    ("人民路/和兴路口", &[("road", "人民路与和兴路交叉口", 0.6, 0.6)], "with a stroke"),
    ("人民路和兴路路口", &[("road", "人民路与和兴路交叉口", 0.6, 0.6)], "和 is part of the name"),
    ("定海区和兴路、人民路", &[("road", "和兴路与人民路交叉口", 0.6, 0.6)], "the other way round"),
    ("我在人民路和和兴路十字路口附近", &[("road", "人民路与和兴路交叉口", 0.4, 0.5)], "with words around it"),
    ("普陀区人民路与和兴路交叉口", &[("road", "人民路与和兴路交叉口", 0.1, 0.2)], "in another district"),
    ("人民路与工农路交叉口", &[], "streets that do not meet"),
    ("人民路口", &[("road", "人民路", 0.3, 0.39)], "a street's end"),
    // Beside it.
    ("昌国街道办事处", &[("exact", "151", 1.0, 1.0)], "处 is part of the name"),
    ("三岔路口5号", &[("exact", "152", 1.0, 1.0)], "so is 路口"),
    ("三岔路口", &[("road", "三岔路口", 0.4, 0.4)], "and at the end"),
    ("解放路9号路口", &[("exact", "5", 0.7, 0.89)], "here it says where"),
    ("解放路9号对面", &[("exact", "5", 0.4, 0.69)], "across the street another grid may begin"),
    ("解放路9号旁边", &[("exact", "5", 0.7, 0.89)], "beside it"),
    ("解放路9号附近", &[("exact", "5", 0.7, 0.89)], "around it"),
    ("解放路9号门口", &[("exact", "5", 0.85, 0.99)], "at its door"),
    ("舟山医院旁边", &[("poi", "91", 0.7, 0.89)], "beside what has a name"),
    ("舟山医院", &[("poi", "91", 1.0, 1.0)], "by its name"),
    // The house, not the flat.
    (
        "文化路8号3幢2单元999室",
        &[("building", "定海区文化路8号3幢2单元", 0.9, 0.9)],
        "the room is not known; the text is the register's",
    ),
    ("文化路8号9幢", &[("building", "定海区文化路8号", 0.75, 0.85)], "the building is not known"),
    ("文化路8号", &[("building", "定海区文化路8号", 0.9, 0.99)], "only flats in it are known"),
    ("文化路8号301室", &[("exact", "10", 0.85, 0.95)], "of which building was not said"),
    ("文化路8号5号楼", &[("building", "定海区文化路8号", 0.75, 0.85)], "号楼 is a building"),
    ("望京西园四区410楼3门201", &[("exact", "130", 1.0, 1.0)], "410楼 is a building"),
    ("望京西园四区411楼3门201", &[("exact", "131", 1.0, 1.0)], "and 411楼 another"),
    (
        "望京西园四区412楼3门201",
        &[("road", "定海区望京西园四区", 0.2, 0.5)],
        "an unknown building is not any building with that flat",
    ),
    ("望京西园四区12楼2单元301室", &[("exact", "132", 1.0, 1.0)], "before a unit 12楼 is a building"),
    ("望京西园四区12幢2单元301", &[("exact", "132", 1.0, 1.0)], "which may be called 幢"),
    ("望京西园四区14楼", &[("exact", "133", 1.0, 1.0)], "and alone, where no house was told"),
    ("同安路5号3楼5室", &[("exact", "134", 1.0, 1.0)], "room 5 on the third floor"),
    ("同安路5号4楼5号", &[("exact", "135", 1.0, 1.0)], "is not room 5 on the fourth"),
    ("同安路5号305室", &[("exact", "134", 1.0, 1.0)], "and is room 305"),
    ("同安路5号5楼5室", &[("building", "定海区同安路5号", 0.85, 0.95)], "there is none on the fifth"),
    ("同安路5号3楼405", &[("building", "定海区同安路5号", 0.7, 0.89)], "405 is not on the third floor: the house"),
    ("同安路12号-1层", &[("exact", "137", 1.0, 1.0)], "a basement"),
    ("同安路12号地下一层", &[("exact", "137", 1.0, 1.0)], "told in words"),
    ("同安路12号负1楼", &[("exact", "137", 1.0, 1.0)], "and so"),
    ("同安路12号B1层", &[("exact", "137", 1.0, 1.0)], "and with a letter"),
    ("同安路12号1层", &[("exact", "136", 1.0, 1.0)], "which is not the ground floor"),
    ("同安路12号-2层", &[("building", "定海区同安路12号", 0.85, 0.95)], "no such floor"),
    ("万达广场3楼", &[("poi", "138", 0.85, 0.95)], "what has this name, not its floor"),
    ("定海万达广场地下1层", &[("poi", "138", 0.85, 0.95)], "in a district told in brief"),
    ("万达广场3楼肯德基", &[("poi", "138", 0.7, 0.89)], "with a shop that is not known"),
    ("万达广场", &[("poi", "138", 1.0, 1.0)], "the place itself"),
    // Letters, stems and sub-numbers.
    ("文化路甲12号", &[("exact", "14", 1.0, 1.0)], "a stem is part of the number"),
    ("文化路12号", &[("exact", "13", 1.0, 1.0)], "12号 is not 甲12号"),
    ("文化路12甲号", &[("building", "13", 0.7, 0.89)], "12甲 is not 甲12"),
    ("文化路12号乙", &[("building", "13", 0.7, 0.89)], "no such stem: the house"),
    ("文化路16号-1", &[("exact", "15", 1.0, 1.0)], "之一 and -1 are one"),
    ("文化路16附1号", &[("exact", "15", 1.0, 1.0)], "附1 too"),
    ("文化路16号", &[("building", "15", 0.7, 0.89)], "only 16号之一 is known"),
    ("解放路7号之二", &[("building", "4", 0.7, 0.89)], "the house, not its second door"),
    ("文化路18号", &[("building", "16", 0.7, 0.89)], "18A is not 18"),
    ("文化路20号3A层", &[("exact", "18", 1.0, 1.0)], "a floor with a letter"),
    ("文化路20号3楼", &[("exact", "17", 1.0, 1.0)], "楼 and 层 are one, 3 and 3A are not"),
    ("文化路20号3B层", &[("building", "定海区文化路20号", 0.7, 0.9)], "no such floor"),
    // Estates.
    ("东海花园A区3幢201室", &[("exact", "20", 0.9, 0.99)], "by the estate without its street"),
    ("东海花园B区3幢201室", &[("exact", "21", 0.9, 0.99)], "the part decides"),
    (
        "东海花园C区3幢201室",
        &[("road", "东海花园", 0.2, 0.4), ("road", "东海花园", 0.2, 0.4)],
        "no estate of that name has such a part",
    ),
    ("东海花园3幢201室", &[("exact", "20", 0.8, 0.9), ("exact", "21", 0.8, 0.9)], "the part was not said: two candidates"),
    ("东海花园5幢201室", &[("exact", "22", 0.9, 0.99)], "the estate of that name that has such a house"),
    ("东海花园3号201室", &[("exact", "20", 0.8, 0.9), ("exact", "21", 0.8, 0.9)], "3号 of an estate is its house 3"),
    ("东海花园", &[("road", "东海花园", 0.4, 0.4), ("road", "东海花园", 0.4, 0.4)], "two estates of one name: nobody has won"),
    ("普陀区东海花园", &[("road", "东海花园", 0.4, 0.4)], "the district decides"),
    ("环城南路128号东海花园A区3幢201室", &[("exact", "20", 1.0, 1.0)], "street, number and estate"),
    (
        "环城南路128号西山花园3幢201室",
        &[("exact", "26", 0.6, 0.69), ("exact", "20", 0.4, 0.59), ("exact", "21", 0.4, 0.59)],
        "西山花园 is at 130号: the name or the number is wrong",
    ),
    ("玫瑰园3幢201室", &[("exact", "23", 1.0, 1.0)], "an estate that has no street"),
    ("玫瑰园B区3幢201室", &[("exact", "23", 0.7, 0.89)], "the house has no part in the register"),
    ("玫瑰园A区3幢201室", &[("road", "定海区玫瑰园A区", 0.5, 0.5)], "A区 is known, and 3幢 is not in it"),
    ("玫瑰园7幢201室", &[("exact", "24", 0.8, 0.95)], "the part was not said"),
    ("玫瑰园3号201室", &[("exact", "23", 0.8, 0.95)], "3号 for 3幢"),
    ("玫瑰园9号201室", &[("road", "玫瑰园", 0.2, 0.4)], "a number that differs"),
    ("银杏苑12幢201室", &[("exact", "105", 0.8, 0.95)], "12幢 for 12号"),
    ("银杏苑12号201室", &[("exact", "105", 1.0, 1.0)], "as the register has it"),
    // Numbers in names.
    ("工业园区三号路5号", &[("exact", "30", 1.0, 1.0)], "三号路 is a street, no house number"),
    ("定海区工业园区3号路5号", &[("exact", "30", 1.0, 1.0)], "the same in digits"),
    ("二十一号路8号", &[("exact", "31", 1.0, 1.0)], "a street whose name begins with a number"),
    ("定海区21号路8号", &[("exact", "31", 1.0, 1.0)], "in digits, behind a region"),
    ("工业园区3号", &[("exact", "36", 1.0, 1.0)], "here it is the house number"),
    ("五一路5号", &[("exact", "32", 1.0, 1.0), ("exact", "33", 0.4, 0.69)], "五一 is a day, 五十一 a number"),
    ("五十一路5号", &[("exact", "33", 1.0, 1.0), ("exact", "32", 0.4, 0.69)], "the other way round"),
    ("51路5号", &[("exact", "33", 1.0, 1.0), ("exact", "32", 0.7, 0.95)], "digits may mean both, the number first"),
    ("六家路9号", &[("exact", "34", 0.7, 0.95)], "陆家 is a family, 六家 six houses; near"),
    ("陆家路9号", &[("exact", "34", 1.0, 1.0)], "as the register has it"),
    ("中梁壹号院5幢", &[("exact", "25", 1.0, 1.0)], "a formal digit in a name"),
    // Lanes.
    ("解放西路105弄3号", &[("exact", "40", 1.0, 1.0)], "弄 is not 巷, and not 支弄"),
    ("解放西路一百零五巷3号", &[("exact", "41", 1.0, 1.0)], "巷"),
    ("解放西路105弄2支弄3号", &[("exact", "42", 1.0, 1.0)], "a lane off a lane"),
    ("解放西路77巷5号", &[("exact", "43", 0.4, 0.69)], "77弄 for 77巷 is near"),
    ("解放西路105弄9号", &[("road", "定海区解放西路105弄", 0.5, 0.5)], "the lane, not the number"),
    ("解放西路3号", &[("road", "解放西路", 0.3, 0.3)], "a number in a lane is not one of the street"),
    // Villages.
    ("螺门村三组45号", &[("exact", "50", 1.0, 1.0)], "a group in a village"),
    ("螺门村45号", &[("exact", "50", 0.85, 0.95), ("exact", "51", 0.85, 0.95)], "which group was not said"),
    ("螺门村四组60号", &[("exact", "52", 0.7, 0.89)], "the house has no group in the register"),
    ("螺门村三区45号", &[("road", "螺门村", 0.2, 0.4)], "三区 is not 三组"),
    // Streets that begin like regions.
    ("舟山东大街7号", &[("exact", "60", 1.0, 1.0)], "the whole name first: 东大街 is another street"),
    ("东大街7号", &[("exact", "61", 1.0, 1.0), ("exact", "60", 0.9, 0.99)], "舟山东大街 may be meant, but is not the same"),
    ("普陀西路11号", &[("exact", "62", 1.0, 1.0)], "普陀 is part of the name"),
    ("和平南路15号", &[("exact", "63", 0.9, 0.99)], "the register has 定海 before it, in brief"),
    ("舟山市场路6号", &[("exact", "68", 1.0, 1.0)], "市场, not 舟山市"),
    // What stands at a number.
    ("滨海大道88号舟山大厦", &[("exact", "67", 1.0, 1.0)], "number and name agree"),
    ("滨海大道88号", &[("building", "定海区滨海大道88号", 0.9, 0.99)], "the house, without its name"),
    ("滨海大道88号别的大厦", &[("building", "定海区滨海大道88号", 0.4, 0.69)], "another name is known there"),
    ("定城路739号舟山医院", &[("exact", "91", 1.0, 1.0)], "the name of what stands there"),
    // Between numbers, and streets.
    ("定海区解放路4号", &[("interpolated", "解放路4号", 0.7, 0.7)], "between 2 and 6 of its side"),
    ("春和路102号", &[("interpolated", "春和路102号", 0.5, 0.5)], "only the other side is known"),
    ("丁香苑5号", &[("road", "丁香苑", 0.2, 0.4)], "between 1号 and 9号 of an estate is nothing"),
    ("春和路500号", &[("road", "春和路", 0.3, 0.3)], "neighbours kilometres apart say nothing"),
    ("春和路", &[("road", "春和路", 0.4, 0.4)], "the street alone"),
    ("翠湖路7号", &[("building", "103", 0.7, 0.89)], "only 7号-2 is known"),
    ("没有的路7号", &[], "no such street"),
    ("定海区没有的路7号", &[("region", "定海区", 0.1, 0.1)], "the region at least"),
    ("定海区", &[("region", "定海区", 0.2, 0.2)], "a region alone"),
];

/// Which of two a candidate is called by: its number, else its text.
fn shown(answer: &Answer) -> Vec<(&'static str, String, f64)> {
    let name = |found: &super::find::Candidate| found.id.map_or_else(|| found.text.clone(), |id| id.to_string());
    answer.candidates.iter().map(|found| (found.kind.as_str(), name(found), found.score)).collect()
}

#[test]
fn a_person_would_give_the_same_answers() {
    let territory = territory();
    let addresses = addresses(&territory);
    let mut wrong = Vec::new();
    for (text, expected, why) in QUERIES {
        let answer = addresses.find(&territory, text, 20, |_| true);
        let found = shown(&answer);
        let fits = found.len() == expected.len()
            && found.iter().zip(*expected).all(|((kind, name, score), (expected, of, least, most))| {
                kind == expected && name == of && (*least..=*most).contains(score)
            });
        let tied = expected.iter().take_while(|one| (one.2, one.3) == (expected[0].2, expected[0].3)).count();
        let tie = expected.is_empty() || expected[0].2 != expected[0].3 || answer.best == tied;
        if !fits || !tie {
            wrong.push(format!("{text} ({why})\n    found    {found:?}, {} best\n    expected {expected:?}", answer.best));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), QUERIES.len(), wrong.join("\n"));
    assert!(QUERIES.len() >= 100);
}

#[test]
fn only_what_may_be_seen_counts() {
    let territory = territory();
    let addresses = addresses(&territory);
    let within = |text: &str, grid: &str| {
        let ix = territory.grid_ix(grid).expect("a grid");
        shown(&addresses.find(&territory, text, 20, |unit| unit == Some(Unit::Grid(ix))))
    };
    let all = addresses.find(&territory, "便民服务中心", 20, |_| true);
    assert_eq!((all.total, all.best, all.candidates.len()), (11, 11, 11), "equal names are equal candidates, all of them");
    assert_eq!(addresses.find(&territory, "便民服务中心", 3, |_| true).total, 11);
    let told = |list: &[(&'static str, &str, f64)]| {
        list.iter().map(|(kind, name, score)| (*kind, (*name).to_owned(), *score)).collect::<Vec<_>>()
    };
    // The eleventh of its name, the other estate, the other street.
    assert_eq!(within("便民服务中心", "330903001002001"), told(&[("poi", "90", 1.0)]));
    assert_eq!(within("东海花园3幢201室", "330903001001001"), told(&[("road", "东海花园", 0.285)]));
    assert_eq!(within("东海花园", "330903001001001"), told(&[("road", "东海花园", 0.4)]));
    assert_eq!(within("解放路5号", "330903001001001"), told(&[("exact", "8", 1.0)]));
    assert_eq!(within("解放路7号", "330903001001001"), told(&[("road", "解放路", 0.3)]));
    assert_eq!(within("解放路4号", "330903001001001"), told(&[("road", "解放路", 0.3)]));
    // Where streets meet that are not to be seen.
    assert_eq!(within("人民路与和兴路交叉口", "330903001001001"), told(&[]));
    assert_eq!(within("人民路与和兴路交叉口", "330902001001001"), told(&[("road", "人民路与和兴路交叉口", 0.6)]));
}

#[test]
fn what_was_read_is_told_and_texts_are_the_registers_own() {
    let territory = territory();
    let addresses = addresses(&territory);
    let find = |text: &str| addresses.find(&territory, text, 20, |_| true);
    assert_eq!(find("杭州市西湖区文三路9号").understood.elsewhere, ["杭州市", "西湖区"]);
    let own = find("镇江市新港路12号").understood;
    assert_eq!((own.elsewhere, own.regions), (Vec::new(), vec!["镇江市".to_owned()]), "an address says so itself");
    assert_eq!(find("长阳县解放路7号").understood.elsewhere, ["长阳县"]);
    assert_eq!(find("北京路7号").understood.elsewhere, Vec::<String>::new());
    assert_eq!(find("下城区解放路7号").understood.rest, "下城区");
    assert_eq!(find("江苏省解放路7号").understood.elsewhere, ["江苏省"]);
    assert_eq!(find("浙江省舟山市解放路7号").understood.elsewhere, Vec::<String>::new());
    let first = |text: &str| find(text).candidates.remove(0).text;
    assert_eq!(first("新港路12号"), "镇江市新港路１２号", "letter by letter");
    assert_eq!(first("解放西路105弄2支弄3号"), "定海区解放西路105弄2支弄3号");
    assert_eq!(first("解放西路105巷3号"), "定海区解放西路105巷3号");
    assert_eq!(first("文化路20号3A层"), "定海区文化路20号3A层");
    let between = find("定海区解放路4号").candidates.remove(0);
    assert_eq!(between.between, Some(["定海区解放路2号".to_owned(), "定海区解放路6号".to_owned()]));
    assert_eq!(between.at, Some(LatticePoint::new(102_000, 501_000)));
}
