//! One story per rule of the gate, one per promise, and what the project said that it would show.

mod advisories;
mod certificates;
mod cpan;
mod cpan_faults;
mod cpan_names;
mod cpan_proxy;
mod cpan_review;
mod doctor;
mod doors;
mod identity;
mod lock_files;
mod missing_data;
mod names_and_indexes;
mod operations;
mod promises;
mod reassessment;
mod releasing;
mod reports;
mod rolling_out;
mod serving_bytes;
mod shown;
mod sign_in;
mod teapot;
mod teapot_answers;
mod teapot_trust;
