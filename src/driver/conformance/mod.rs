//! The laws that every storage driver keeps (tests only).
//!
//! A law is a function over a [`Fixture`], named as a sentence. [`conformance!`] lists each law once and turns each into
//! a test of the driver that joins. A law that is not listed is dead code, of which the compiler complains.
//!
//! To join: implement [`Fixture`] in the driver's tests and write `crate::driver::conformance!(TheFixture::new());`
//! there. The expression is evaluated once for each law.

pub(crate) mod activity;
pub(crate) mod at_once;
pub(crate) mod bytewise;
pub(crate) mod instances;
pub(crate) mod listing;
pub(crate) mod locking;
pub(crate) mod model;
pub(crate) mod payloads;
pub(crate) mod records;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) mod sql;
mod subject;
pub(crate) mod swap;
pub(crate) mod sweeping;
pub(crate) mod visits;

use std::net::TcpStream;

use super::{Bounds, Driver};

/// A storage of its own, empty at first, and the means to open a driver on it. Dropping it removes the storage.
pub(crate) trait Fixture: Send + Sync {
    /// A driver over the fixture's storage. A law may call this again after the first driver is dropped or idle, and
    /// then finds what the first one stored, or, if the storage lives in the driver, nothing.
    fn open(&self, bounds: Bounds) -> Box<dyn Driver>;

    /// A further driver over the same storage, to be used at the same time and on any thread; `None` when the storage
    /// lives in the driver.
    fn reopen(&self, bounds: Bounds) -> Option<Box<dyn Driver>>;

    /// Whether the storage is there at all: a server may not run here. Then its laws are not judged.
    fn is_available(&self) -> bool {
        true
    }
}

/// Whether a server listens at `address`, `host:port`; one that does not makes a test fail on CI, and is told of elsewhere.
pub(crate) fn is_listening(address: &str) -> bool {
    let connected = TcpStream::connect(address).is_ok();
    if !connected {
        assert!(std::env::var_os("CI").is_none(), "no server at {address}");
        eprintln!("skipped: no server at {address}");
    }
    connected
}

/// One test for each law, over a fresh fixture each.
macro_rules! conformance {
    ($fixture:expr) => {
        $crate::driver::conformance::tests_of! { $fixture;
            records:
                an_absent_record_loads_as_none
                a_created_record_loads_as_it_was_given
                the_last_activity_is_kept_to_the_millisecond
                loading_is_no_activity
                loading_twice_gives_the_same
                create_never_overwrites
                create_never_overwrites_even_with_the_same_payload
                create_never_overwrites_an_idle_record
                create_of_a_record_that_exists_is_no_activity
                a_destroyed_record_is_absent
                destroying_an_absent_record_succeeds
                destroying_twice_succeeds
                a_destroyed_record_can_be_created_again
                destroy_removes_an_idle_record_too
                destroy_leaves_other_records_alone
                ids_that_differ_only_in_case_name_different_records
                every_character_of_the_alphabet_may_stand_in_an_id
                an_id_may_begin_with_any_character
                an_id_may_be_one_character_forty_times
                an_underscore_in_an_id_is_no_wildcard
                ids_that_differ_in_their_last_character_name_different_records
                a_thousand_records_are_kept_apart;
            swap:
                replace_puts_the_new_payload_in_place
                replace_records_the_activity
                replace_can_follow_replace
                replacing_a_payload_by_itself_is_activity
                replace_gives_what_is_stored_when_that_is_not_expected
                a_replace_in_conflict_changes_nothing
                of_two_replaces_of_one_payload_the_second_is_in_conflict
                what_a_conflict_gave_can_be_replaced
                replace_of_an_absent_record_makes_none
                replace_of_an_absent_record_that_expects_nothing_makes_none
                a_destroyed_record_cannot_be_replaced
                an_idle_record_can_be_replaced_and_lives_again
                an_idle_record_is_compared_before_it_is_replaced
                replace_leaves_other_records_alone
                remove_removes_the_expected_payload
                remove_gives_what_is_stored_when_that_is_not_expected
                remove_of_an_absent_record_is_gone
                a_record_is_removed_only_once
                a_removed_record_cannot_be_replaced
                a_removed_record_can_be_created_again
                remove_expects_what_replace_stored
                remove_leaves_other_records_alone;
            bytewise:
                payloads_that_differ_in_case_differ
                payloads_that_differ_in_a_trailing_space_differ
                payloads_that_differ_in_a_trailing_newline_differ
                payloads_that_differ_in_the_kind_of_newline_differ
                payloads_that_differ_in_unicode_normalisation_differ
                payloads_that_differ_in_an_accent_differ
                payloads_that_differ_after_a_nul_differ
                payloads_that_differ_in_a_nul_at_the_end_differ
                payloads_that_differ_in_a_four_byte_character_differ
                payloads_that_differ_in_an_invisible_character_differ
                payloads_that_are_the_same_number_differ_as_text
                payloads_that_are_the_same_json_differ_as_text
                an_empty_payload_differs_from_any_other
                a_payload_differs_from_its_beginning
                long_payloads_that_differ_in_the_last_byte_differ;
            payloads:
                a_payload_of_no_bytes_is_kept
                a_payload_of_one_byte_is_kept
                a_payload_of_64_kilobytes_is_kept
                a_payload_of_a_mebibyte_is_kept
                quotes_and_backslashes_are_kept
                line_breaks_are_kept
                space_at_either_end_is_kept
                text_that_javascript_and_html_stumble_over_is_kept
                the_escape_of_a_lone_surrogate_is_kept
                control_characters_and_nul_are_kept
                characters_of_every_length_are_kept
                text_that_looks_like_another_type_is_kept
                text_that_is_encoded_already_is_kept
                a_payload_may_grow_and_shrink
                a_payload_at_the_limit_is_stored
                the_limit_counts_the_payload_and_not_its_encoding
                the_limit_counts_bytes_and_not_characters
                create_beyond_the_limit_stores_nothing
                replace_beyond_the_limit_leaves_the_record_whole
                a_stored_payload_beyond_the_limit_is_an_error_and_stays;
            activity:
                a_record_is_read_at_its_idle_timeout
                a_record_is_absent_one_millisecond_after_its_idle_timeout
                a_sweep_does_not_change_when_a_record_is_idle
                to_find_a_record_idle_does_not_remove_it
                a_record_from_the_future_is_read
                without_a_timeout_a_record_is_read_within_its_millisecond
                a_timeout_without_end_never_passes
                touch_records_the_activity
                touch_leaves_the_payload_alone
                touch_never_moves_the_activity_backwards
                touch_at_the_recorded_instant_succeeds
                touch_of_an_absent_record_makes_none
                a_destroyed_record_cannot_be_touched
                a_touched_idle_record_lives_again
                touch_moves_the_end_of_a_record
                replace_moves_the_end_of_a_record
                touch_leaves_other_records_alone;
            visits:
                a_visit_gives_the_record_as_it_was
                a_visit_has_recorded_the_activity_where_it_says_so
                a_visit_within_the_interval_records_nothing
                a_visit_never_moves_the_activity_backwards
                a_visit_finds_a_record_at_its_idle_timeout_and_none_after
                a_visit_of_an_idle_record_brings_it_to_no_life
                a_visit_leaves_the_payload_to_be_replaced;
            at_once:
                records_created_at_once_are_all_stored
                of_two_that_create_a_record_at_once_one_does
                records_loaded_at_once_are_each_as_they_are
                records_replaced_at_once_are_each_compared
                of_many_that_replace_a_payload_at_once_one_does_and_the_others_learn_of_it;
            sweeping:
                a_sweep_of_empty_storage_removes_nothing_and_ends
                a_sweep_removes_the_records_before_the_cutoff
                a_sweep_keeps_the_record_at_the_cutoff
                a_swept_record_is_gone_for_good
                a_sweep_keeps_a_record_that_was_touched
                a_sweep_keeps_a_record_that_was_replaced
                a_sweep_removes_a_record_whose_loading_is_recent
                a_sweep_removes_live_records_when_told_to
                a_sweep_counts_what_it_removed
                a_second_sweep_removes_nothing
                a_later_sweep_begins_anew
                destroyed_records_are_not_counted
                one_step_removes_about_as_many_as_the_limit
                repeated_steps_end_with_everything_removed
                steps_of_one_record_each_come_to_an_end
                a_step_larger_than_the_storage_is_enough
                records_created_during_a_pass_survive_it
                records_touched_during_a_pass_survive_it
                records_destroyed_during_a_pass_do_no_harm;
            instances:
                an_instance_reads_what_another_created
                an_instance_replaces_what_another_created
                an_instance_sees_what_another_touched
                an_instance_misses_what_another_destroyed
                an_instance_sweeps_what_another_created
                records_outlive_the_instance_that_stored_them
                of_two_racing_creates_one_stores
                of_two_racing_replaces_one_wins_and_the_other_learns_of_it
                of_two_racing_removes_one_removes
                no_update_of_two_racing_counters_is_lost
                a_record_replaced_while_it_is_swept_is_whole_or_gone;
            locking:
                a_free_lease_is_granted
                a_lease_keeps_others_out_and_says_until_when
                a_released_lease_is_granted_to_the_next
                a_lease_is_released_only_by_its_owner
                releasing_what_is_not_held_succeeds
                a_lease_is_held_to_its_last_millisecond_and_then_anybodys
                a_lease_that_was_taken_over_is_the_new_owners
                an_owner_that_asks_again_keeps_its_lease_which_runs_anew
                a_lease_past_its_end_that_nobody_took_is_kept
                a_lease_that_another_had_in_between_is_not_kept
                leases_of_different_sessions_are_apart
                a_lease_makes_no_record_and_needs_none
                a_lease_outlives_its_record
                a_lease_does_not_keep_its_record_from_being_used
                a_sweep_keeps_leases_that_run_and_counts_none
                a_lease_without_end_never_passes
                an_instance_heeds_the_lease_of_another
                of_two_racing_for_a_lease_one_gets_it
                of_two_racing_for_a_lease_that_ran_out_one_gets_it
                two_that_take_turns_never_hold_a_lease_at_once;
            listing:
                empty_storage_lists_nothing
                every_record_is_listed
                pages_of_one_id_come_to_an_end
                a_page_larger_than_the_storage_lists_all
                a_page_has_about_as_many_ids_as_the_limit
                idle_records_are_listed_too
                a_removed_record_is_not_listed
                nothing_but_records_is_listed
                ids_of_every_spelling_are_listed
                listing_reads_no_payload
                listing_is_no_activity
                records_used_during_a_listing_are_listed
                records_removed_during_a_listing_keep_no_other_from_it
                records_created_during_a_listing_keep_no_other_from_it
                records_that_are_removed_as_they_are_listed_all_come
                a_page_that_is_asked_for_again_is_not_lost
                listings_at_the_same_time_are_apart
                a_listing_that_nobody_goes_on_with_does_no_harm
                an_instance_lists_what_another_created;
            model:
                every_history_gives_what_the_model_gives
                no_sweep_ever_removes_a_live_record;
        }
    };
}
pub(crate) use conformance;

/// Names the test after the law, so that a failure names driver and law.
macro_rules! tests_of {
    ($fixture:expr; $($theme:ident: $($law:ident)*;)*) => {
        $($(
            #[test]
            fn $law() {
                let fixture = $fixture;
                if $crate::driver::conformance::Fixture::is_available(&fixture) {
                    $crate::driver::conformance::$theme::$law(&fixture);
                }
            }
        )*)*
    };
}
pub(crate) use tests_of;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// What stands beside the drivers: the contract, the laws, and the adapter of handlers written in JavaScript, whose
    /// storage is not ours to judge; what leases are, how quick disks are, whether a server was there a moment ago, how a payload
    /// stands in a column, what drivers of servers have in common, how they ask for several at once and encrypt, and a driver that fails when a test wants it.
    const NO_DRIVERS: [&str; 13] = [
        "mod.rs",
        "column",
        "column.rs",
        "conformance",
        "handler.rs",
        "lease.rs",
        "pace.rs",
        "presence.rs",
        "faulty.rs",
        "remote.rs",
        "tls.rs",
        "together",
        "together.rs",
    ];

    #[test]
    fn every_driver_joins_the_conformance_suite() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/driver");
        for entry in fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let driver = folder.join(name.trim_end_matches(".rs"));
            let joins = joins(&driver) || joins(&driver.with_extension("rs"));
            let exempt = NO_DRIVERS.contains(&name.as_str());
            assert!(
                joins || exempt,
                "{name} does not join the conformance suite"
            );
        }
    }

    /// Whether the file, or one anywhere in the folder, calls the macro.
    fn joins(path: &Path) -> bool {
        match fs::read_dir(path) {
            Ok(mut entries) => entries.any(|entry| joins(&entry.unwrap().path())),
            Err(_) => fs::read_to_string(path).is_ok_and(|text| text.contains("conformance!(")),
        }
    }
}
