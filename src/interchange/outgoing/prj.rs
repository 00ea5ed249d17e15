//! The text of a CRS as ESRI writes it into `.prj` files (WKT 1, names with underscores, no authority).

use crate::geom::NamedCrs;
use crate::geom::crs::Crs;
use crate::geom::file_crs::Frame;

const CGCS2000: &str = "GEOGCS[\"GCS_China_Geodetic_Coordinate_System_2000\",DATUM[\"D_China_2000\",SPHEROID[\"CGCS2000\",6378137.0,298.257222101]],\
                        PRIMEM[\"Greenwich\",0.0],UNIT[\"Degree\",0.0174532925199433]]";
const WGS84: &str = "GEOGCS[\"GCS_WGS_1984\",DATUM[\"D_WGS_1984\",SPHEROID[\"WGS_1984\",6378137.0,298.257223563]],\
                     PRIMEM[\"Greenwich\",0.0],UNIT[\"Degree\",0.0174532925199433]]";

/// ESRI's name of a Gauss-Krüger system of EPSG's.
fn title(crs: &NamedCrs, meridian: f64) -> String {
    // EPSG numbers zones in rows: see `geom::file_crs`.
    match crs.number() {
        Some(number @ 4491..=4501) => format!("CGCS2000_GK_Zone_{}", number - 4491 + 13),
        Some(4502..=4512) => format!("CGCS2000_GK_CM_{meridian}E"),
        Some(number @ 4513..=4533) => format!("CGCS2000_3_Degree_GK_Zone_{}", number - 4513 + 25),
        Some(4534..=4554) => format!("CGCS2000_3_Degree_GK_CM_{meridian}E"),
        _ => format!("Local_GK_CM_{meridian}"),
    }
}

/// With a decimal point, as ESRI writes numbers.
fn real(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.1}") } else { format!("{number}") }
}

/// The text; none for a CRS that has no name there (GCJ-02, BD-09) or that nothing is written in.
pub fn esri(crs: &NamedCrs) -> Option<String> {
    let degrees = match crs.frame {
        Frame::Position(Crs::Cgcs2000) => CGCS2000,
        Frame::Position(Crs::Wgs84) => WGS84,
        Frame::Position(Crs::Gcj02 | Crs::Bd09) | Frame::Old(_) => return None,
    };
    let Some(plane) = crs.plane else { return Some(degrees.to_owned()) };
    let parameters: String = [
        ("False_Easting", plane.false_easting),
        ("False_Northing", plane.false_northing),
        ("Central_Meridian", plane.central_meridian),
        ("Scale_Factor", plane.scale),
        ("Latitude_Of_Origin", plane.origin_latitude),
    ]
    .iter()
    .map(|(name, value)| format!("PARAMETER[\"{name}\",{}],", real(*value)))
    .collect();
    let title = title(crs, plane.central_meridian);
    Some(format!("PROJCS[\"{title}\",{degrees},PROJECTION[\"Gauss_Kruger\"],{parameters}UNIT[\"Meter\",1.0]]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interchange::wkt::crs_of;

    #[test]
    fn what_is_written_is_read_as_the_same_crs() {
        let numbers = (4491..=4554).map(|number| format!("epsg:{number}"));
        let others = ["wgs84", "cgcs2000", "cgcs2000:tm:cm=122.5,fe=500000,fn=-3000000,k=0.99999", "wgs84:tm:cm=120,fe=40500000"];
        for name in numbers.chain(others.map(str::to_owned)) {
            let crs: NamedCrs = name.parse().expect("a crs");
            assert_eq!(crs_of(&esri(&crs).expect("a text")), Ok(crs), "{name}");
        }
        assert_eq!(esri(&"gcj02".parse().expect("a crs")), None);
    }

    #[test]
    fn zones_are_called_as_esri_calls_them() {
        for (name, title) in [
            ("epsg:4501", "CGCS2000_GK_Zone_23"),
            ("epsg:4529", "CGCS2000_3_Degree_GK_Zone_41"),
            ("epsg:4549", "CGCS2000_3_Degree_GK_CM_120E"),
        ] {
            let text = esri(&name.parse().expect("a crs")).expect("a text");
            assert!(text.starts_with(&format!("PROJCS[\"{title}\",")), "{text}");
        }
    }
}
