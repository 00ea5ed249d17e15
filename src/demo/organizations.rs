//! Organizations: a party group for each grid, known by its grid alone; a mediation room, a volunteer station and a police post in each
//! community, at places between the streets.

use super::blocks::Blocks;
use super::parcels::Parcel;
use super::quota::TownshipQuota;
use crate::domain::code::Code;
use crate::domain::id::{OrganizationId, Version};
use crate::domain::organization::OrganizationRecord;
use crate::geom::LatticePoint;

/// What each community has: category, end of the name, hours.
const ROOMS: [(&str, &str, &str); 3] = [
    ("mediation", "调解室", "周一至周五 9:00–17:00"),
    ("volunteer", "志愿服务站", "每日 8:30–18:00"),
    ("policepost", "警务室", "全天"),
];

/// Party groups in the order of the grids, then rooms community by community.
pub(super) fn organizations(
    blocks: &Blocks,
    parcels: &[Parcel],
    codes: &[Code],
    townships: &[TownshipQuota],
) -> Vec<OrganizationRecord> {
    let community = |parcel: &Parcel| townships[parcel.township].communities[parcel.community].name;
    let record = |category: &str, name: String, at: Option<LatticePoint>, within: Code, hours: Option<&str>| OrganizationRecord {
        id: OrganizationId(0),
        category: category.to_owned(),
        name,
        at,
        original: None,
        within: Some(within),
        hours: hours.map(str::to_owned),
        address: None,
        version: Version(0),
        provenance: super::provenance(),
    };
    let groups = parcels.iter().zip(codes).map(|(parcel, grid)| {
        record("party", format!("{}第{}网格党小组", community(parcel), parcel.number), None, grid.clone(), None)
    });
    let communities = parcels.chunk_by(|a, b| (a.township, a.community) == (b.township, b.community));
    let mut start = 0;
    let rooms = communities.flat_map(|own| {
        let first = start;
        start += own.len();
        ROOMS.into_iter().enumerate().map(move |(n, (category, what, hours))| {
            // One grid after the other, and in a grid one block after the other.
            let (parcel, grid) = (&own[n % own.len()], &codes[first + n % own.len()]);
            let block = &blocks.list[parcel.blocks[n % parcel.blocks.len()]];
            record(category, format!("{}{what}", community(parcel)), Some(block.inner.lattice()), grid.clone(), Some(hours))
        })
    });
    groups.chain(rooms).collect()
}
