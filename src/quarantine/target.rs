//! What people mean when they name something: an id, a project, a version or a file.

use super::QuarantineError;
use crate::domain::{FileName, Project, UploadId, Version};
use crate::registry::cpan::author_path::AuthorPath;

/// What a decision is about, as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An upload's id.
    Upload(UploadId),
    /// `pypi:boto3==1.44.5`.
    Version(Project, Version),
    /// `pypi:boto3`.
    Project(Project),
    /// A file's name.
    File(FileName),
}

impl std::str::FromStr for Target {
    type Err = QuarantineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |error: &dyn std::fmt::Display| QuarantineError::BadRequest(error.to_string());
        if let Ok(id) = text.parse() {
            return Ok(Self::Upload(id));
        }
        let parts = match text.split_once("==") {
            Some(parts) => Some(parts),
            // How CPAN's clients write it.
            None if text.starts_with("cpan:") => text.split_once('@'),
            None => None,
        };
        if let Some((project, version)) = parts {
            let project: Project = project.trim().parse().map_err(|error| bad(&error))?;
            let version = Version::parse(project.ecosystem, version.trim()).map_err(|error| bad(&error))?;
            return Ok(Self::Version(project, version));
        }
        if text.contains(':') {
            return text.parse().map(Self::Project).map_err(|error| bad(&error));
        }
        // As a mirror has it, or as its clients name it.
        let path = AuthorPath::parse(text);
        let name = path.as_ref().map_or(text, AuthorPath::short);
        FileName::in_folders(name).map(Self::File).map_err(|_| {
            QuarantineError::BadRequest(format!(
                "{:?} names no upload: give an upload's id, pypi:NAME==VERSION, cpan:NAME@VERSION or a file name",
                text.chars().take(80).collect::<String>()
            ))
        })
    }
}
