//! What PyPI and indexes like it speak: [the Simple API](https://packaging.python.org/en/latest/specifications/simple-repository-api/),
//! core metadata and the JSON API.

pub mod core_metadata;
pub mod file_name;
mod hidden;
mod html;
pub mod json_api;
mod listing;
mod members;
pub mod negotiate;
pub mod render;
pub mod root;
mod simple_html;
mod simple_json;
mod value;

#[cfg(test)]
mod tests;

pub use hidden::WhyHidden;
pub use listing::{MOST_FILES, read_listing};
pub use negotiate::{Format, negotiate};
