//! Files and folders that are there after a power cut: a file is only kept when its bytes, its name and its folder's name are.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Whoever may read folders may read the file.
const FOR_ALL: u32 = 0o666;
/// Only we may.
const FOR_US: u32 = 0o600;

/// Makes a folder and all above it, each name flushed to the disk: a flushed file in a lost folder is lost.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let parent = parent(folder);
    if folder.is_dir() {
        // Whoever made it may have been killed before its name was flushed. Where we may not look, we did not make it.
        return match sync_folder(parent) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            outcome => outcome,
        };
    }
    make_folder(parent)?;
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(parent),
    }
}

/// Flushes which names a folder has.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes beside the file and puts it in its place: nobody reads half of it, and a crash leaves the old one or the new one.
/// Makes the folder if need be.
pub fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    write(file, bytes, FOR_ALL)
}

/// The same, for what nobody else may read.
pub fn write_secret(file: &Path, bytes: &[u8]) -> io::Result<()> {
    write(file, bytes, FOR_US)
}

fn write(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    make_folder(parent(file))?;
    let beside = beside(file);
    // What an earlier crash left there may have other rights.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    out.write_all(bytes)?;
    put_in_place(&out, &beside, file)
}

/// Flushes a file that was written beside another one and puts it in that one's place.
pub fn put_in_place(written: &File, beside: &Path, file: &Path) -> io::Result<()> {
    written.sync_all()?;
    std::fs::rename(beside, file)?;
    sync_folder(parent(file))
}

/// Where to write what is to take a file's place.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    file.with_file_name(name)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_a_secret_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made/for/it/token");
        write_whole(&file, b"first").unwrap();
        std::fs::write(beside(&file), "half of what a crash interru").unwrap();
        write_secret(&file, b"second").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"second");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!beside(&file).exists());
    }
}
