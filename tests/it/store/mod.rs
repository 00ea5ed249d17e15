//! The store: one suite of promises over every implementation, and what only a file has to promise.

mod callers;
mod contract;
mod copy;
mod database;
mod differential;
mod file;
mod kill;
mod world;

use crate::postgres::Database;
use std::path::PathBuf;
use wangge::store::{Access, Store};

/// A store under test.
struct Bed {
    store: Store,
    home: Home,
}

/// Where a store is between two openings.
enum Home {
    Memory,
    Folder(tempfile::TempDir),
    Database(PathBuf),
}

impl Bed {
    async fn memory() -> Self {
        Self { store: Store::memory(world::meta()), home: Home::Memory }
    }

    async fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("city.gpkg"), &world::meta()).await.unwrap();
        Self { store, home: Home::Folder(folder) }
    }

    async fn postgis() -> Self {
        Self::in_database(Database::new().url()).await
    }

    /// Through PgBouncer, which gives each transaction the connection that is free.
    async fn pooled() -> Self {
        Self::in_database(Database::new().pooled_url()).await
    }

    async fn in_database(url: String) -> Self {
        let url = PathBuf::from(url);
        let store = Store::create(&url, &world::meta()).await.unwrap();
        Self { store, home: Home::Database(url) }
    }

    /// The same store after a restart, as far as it survives one.
    async fn reopened(self) -> Self {
        let place = match &self.home {
            Home::Memory => return self,
            Home::Folder(folder) => folder.path().join("city.gpkg"),
            Home::Database(url) => url.clone(),
        };
        self.store.close().await.unwrap();
        Self { store: Store::open(&place, Access::Serve).await.unwrap(), home: self.home }
    }

    /// Nothing is wrong with it, and a restart changes nothing.
    async fn sound(self) {
        assert_eq!(self.store.check().await.unwrap(), vec![]);
        let before = self.store.snapshot(world::now()).await.unwrap();
        let after = self.reopened().await;
        assert_eq!(after.store.snapshot(world::now()).await.unwrap(), before);
        assert_eq!(after.store.check().await.unwrap(), vec![]);
    }
}

/// Runs the suite over each implementation.
macro_rules! over_every_store {
    ($($promise:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                super::contract::$promise(super::Bed::memory().await).await;
            })*
        }
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                super::contract::$promise(super::Bed::embedded().await).await;
            })*
        }
        mod postgis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                super::contract::$promise(super::Bed::postgis().await).await;
            })*
        }
        mod pooled {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                super::contract::$promise(super::Bed::pooled().await).await;
            })*
        }
    };
}

over_every_store!(
    a_new_store_is_empty_and_says_what_it_was_told,
    the_citys_own_data_changes_but_keeps_the_categories_in_use,
    settings_come_with_the_commit_that_needs_them_or_not_at_all,
    a_publication_comes_back_as_it_was_given,
    of_two_publications_from_one_base_one_is_stale,
    every_epoch_can_be_asked_for_and_their_periods_touch,
    a_set_beside_the_chain_leaves_the_chain_alone,
    each_grid_set_has_a_chain_of_its_own,
    organizations_come_back_whole_and_count_their_versions,
    buildings_come_back_whole_and_count_their_versions,
    buildings_of_an_import_are_known_as_they_were,
    addresses_and_organizations_of_an_import_are_known_as_they_were,
    the_same_boundaries_again_publish_nothing,
    rows_that_stay_keep_the_import_that_wrote_them,
    a_publication_of_thousands_of_grids_is_like_one_of_three,
    boundaries_out_of_order_or_in_an_empty_period_are_refused,
    a_publication_moves_facilities_and_cases,
    facilities_get_ids_and_count_their_versions,
    every_field_of_every_record_comes_back,
    what_changed_meanwhile_is_refused_or_skipped,
    a_refused_commit_leaves_nothing_behind,
    rows_located_in_another_epoch_are_refused,
    a_load_of_thousands_is_like_a_commit_of_three,
    a_load_that_is_given_up_leaves_nothing,
    ids_are_never_given_twice,
    names_in_other_systems_lead_to_the_facility,
    staff_are_written_by_their_id,
    counts_of_households_are_those_of_today,
    closed_cases_stay_in_the_store_and_leave_the_city,
    a_write_with_a_name_happens_once,
    a_change_and_a_removal_with_a_name_happen_once,
    a_facility_is_removed_at_its_version_only,
    addresses_count_their_versions_and_need_no_epoch,
    the_log_has_no_holes_and_imports_keep_their_reports,
    writers_at_the_same_time_lose_nothing,
    tokens_come_back_whole_and_are_revoked_once,
    sessions_are_written_over_and_end,
    the_audit_is_one_chain_that_loses_only_its_beginning,
    what_is_known_of_a_source_is_kept_and_is_no_change,
);
