//! One story per rule of the gate, one per promise, and what the project said that it would show.

mod missing_data;
mod names_and_indexes;
mod operations;
mod promises;
mod releasing;
mod serving_bytes;
mod shown;
