//! Why a file that an upstream lists is not shown here (rule 16 of the gate).

/// Why a file is hidden, as one sentence after the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WhyHidden {
    /// Not printable, too long, or with a separator.
    #[error("its name is not a plain file name")]
    NotAFileName,
    /// Neither a wheel nor a source archive nor something that PyPI once took.
    #[error("its name does not end like a package file's")]
    UnknownEnding,
    /// See [the wheel specification](https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention).
    #[error("its name is not name-version[-build]-python-abi-platform.whl")]
    NotAWheelName,
    /// The name normalises to something else than the page's project.
    #[error("its name says another project")]
    OtherProject,
    /// Nothing that [PEP 440](https://peps.python.org/pep-0440/) allows.
    #[error("its name does not say a valid version")]
    NoVersion,
    /// Two files with one name: nobody can say which is meant.
    #[error("the page lists this name before: only the first one counts")]
    ListedTwice,
    /// Would break a line, a header or a terminal.
    #[error("its {0} has a control character")]
    ControlCharacter(&'static str),
    /// More than any honest file needs.
    #[error("its {0} is too long")]
    TooLong(&'static str),
    /// Not http or https, or no URL at all.
    #[error("its address is not an http or https URL")]
    Address,
}
