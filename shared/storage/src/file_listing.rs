//! The files of a directory that somebody fills by hand, chosen by the ends of their names.
//! Not here: what is in them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is in a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileListing {
    /// The files with one of the ends, the first by their names.
    pub files: BTreeSet<PathBuf>,
    /// True if there are more of them.
    pub is_cut: bool,
    /// Up to [`MAX_OTHERS`] names that end otherwise, so that somebody can be told. Those
    /// that begin with a dot are meant to be passed over.
    pub others: BTreeSet<PathBuf>,
}

/// Most names of other files.
pub const MAX_OTHERS: usize = 8;

/// Lists the first `max` files whose names end in a dot and one of `extensions`, in whatever
/// case.
///
/// # Errors
/// What the file system says.
pub fn list(directory: &Path, extensions: &[&str], max: usize) -> io::Result<FileListing> {
    let mut found = FileListing::default();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy());
        if name.is_none_or(|name| name.starts_with('.')) {
            continue;
        }
        let extension = path.extension().map(|end| end.to_string_lossy());
        let is_wanted = |end: &str| extensions.iter().any(|one| one.eq_ignore_ascii_case(end));
        if extension.is_some_and(|end| is_wanted(&end)) {
            found.is_cut |= insert_among_first(&mut found.files, path, max);
        } else {
            insert_among_first(&mut found.others, path, MAX_OTHERS);
        }
    }
    Ok(found)
}

/// True if one had to go.
fn insert_among_first(paths: &mut BTreeSet<PathBuf>, path: PathBuf, max: usize) -> bool {
    paths.insert(path);
    paths.len() > max && paths.pop_last().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_chosen_by_the_ends_of_their_names_and_the_others_are_named() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.PEM", "a.pem", "c.Crt", "d.pem.bak", "README", ".e.pem"] {
            fs::write(directory.path().join(name), b"").unwrap();
        }
        let names = |paths: &BTreeSet<PathBuf>| {
            let names = paths.iter().filter_map(|path| path.file_name());
            let names: Vec<_> = names
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            names.join(" ")
        };
        let all = list(directory.path(), &["pem", "crt"], 3).unwrap();
        assert_eq!(names(&all.files), "a.pem b.PEM c.Crt");
        assert_eq!(names(&all.others), "README d.pem.bak");
        assert!(!all.is_cut);
        let first = list(directory.path(), &["pem", "crt"], 2).unwrap();
        assert_eq!(names(&first.files), "a.pem b.PEM");
        assert!(first.is_cut);
        assert!(list(&directory.path().join("none"), &["pem"], 1).is_err());
    }
}
