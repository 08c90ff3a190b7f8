//! No source files of a crate import each other in a loop: what two of them share is in
//! a third, below both.
//!
//! An import is a path that begins with `crate`, `self`, `super` or a module below this
//! one. It leads to the file that has the name, also where another file re-exports it.
//! What a file takes from a module around it does not count: a module and its parts are
//! one thing. Not read: tests, and names that reach a file through `*` or a macro.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;
use std::path::Path;

use super::sources;

/// A module by its path within the crate; the crate itself is empty.
type Module = Vec<String>;

/// How many re-exports lead from a name to its file, at the most.
const MAX_RE_EXPORTS: usize = 8;

/// What a source file says of others.
#[derive(Debug, Default)]
struct Source {
    /// Each name that a `use` brings into the file, and its path.
    names: Vec<(String, Vec<String>)>,
    /// Paths that are written out elsewhere.
    paths: Vec<Vec<String>>,
}

impl Source {
    fn parse(text: &str) -> Self {
        let mut source = Self::default();
        let tokens = without_tests(&tokens(text));
        let mut rest = tokens.as_slice();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let is_bound = after.first().is_some_and(|next| next == "<");
            if first == "use" && !is_bound {
                let end = after.iter().position(|token| token == ";");
                let (tree, left) = after.split_at(end.unwrap_or(after.len()));
                expand(&[], tree, &mut source.names);
                rest = left;
            } else if ["crate", "self", "super"].contains(&first.as_str()) {
                let steps = after.chunks_exact(2).take_while(|pair| pair[0] == "::");
                let segments: Vec<_> = steps.map(|pair| &pair[1]).collect();
                rest = &after[2 * segments.len()..];
                let path = once(first).chain(segments);
                source.paths.push(path.cloned().collect());
            }
        }
        source
    }
}

/// The words and signs of Rust, without comments and what is in quotes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            quoted(rest, '"')
        } else if rest.starts_with("r#\"") || rest.starts_with("br#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'') && first == '\'' {
            quoted(rest, '\'')
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else if first.is_alphanumeric() || first == '_' {
            let is_over = |c: char| !c.is_alphanumeric() && c != '_';
            let length = rest.find(is_over).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// Length of what stands in quotes, and of these.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if character == quote && !escaped {
            return at + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    text.len()
}

/// The code without each item that only tests have.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        if rest.len() < TEST.len() || !TEST.iter().zip(rest).all(|(a, b)| a == b) {
            kept.push(first.clone());
            rest = after;
            continue;
        }
        let mut depth = 0_i32;
        let end = rest.iter().position(|token| {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            depth <= 0 && [";", "}"].contains(&token.as_str())
        });
        rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
    }
    kept
}

/// The names of a tree as `use` has it, each with its path.
fn expand(before: &[String], tree: &[String], found: &mut Vec<(String, Vec<String>)>) {
    let words = |tokens: &[String]| {
        let words = tokens.iter().filter(|token| *token != "::");
        before.iter().chain(words).cloned().collect::<Vec<_>>()
    };
    if tree.is_empty() {
        return;
    }
    if let Some(open) = tree.iter().position(|token| token == "{") {
        let before = words(&tree[..open]);
        let (mut depth, mut start) = (0, open + 1);
        for (at, token) in tree.iter().enumerate().skip(open) {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 || depth == 1 && token == "," {
                expand(&before, &tree[start..at], found);
                start = at + 1;
            }
            if depth == 0 {
                return;
            }
        }
        return;
    }
    let alias = tree.iter().position(|token| token == "as");
    let mut path = words(&tree[..alias.unwrap_or(tree.len())]);
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(name) = alias.map_or(path.last(), |at| tree.get(at + 1)) {
        found.push((name.clone(), path));
    }
}

/// The source files of a crate.
struct Crate(BTreeMap<Module, Source>);

impl Crate {
    /// Of files by their paths below `src`.
    fn new<'a>(files: impl Iterator<Item = (&'a Path, &'a str)>) -> Self {
        let mut modules: BTreeMap<Module, Source> = BTreeMap::new();
        for (path, text) in files {
            let path = path.with_extension("");
            let mut module: Module = path
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            let is_test = |part: &String| part == "tests" || part.ends_with("_tests");
            if module.iter().any(is_test) || module[0] == "bin" {
                continue;
            }
            let is_crate = module == ["lib"] || module == ["main"];
            if is_crate || module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            let source = Source::parse(text);
            let known = modules.entry(module).or_default();
            known.names.extend(source.names);
            known.paths.extend(source.paths);
        }
        Self(modules)
    }

    fn is_module(&self, parent: &Module, name: &String) -> bool {
        let child: Module = parent.iter().chain([name]).cloned().collect();
        self.0.contains_key(&child)
    }

    /// The files that have what `path` names in `module`.
    fn files_of(&self, module: &Module, path: &[String], re_exports: usize) -> BTreeSet<Module> {
        let mut at = module.clone();
        let mut rest = path;
        match rest.first().map(String::as_str) {
            Some("crate") => (at, rest) = (Module::new(), &rest[1..]),
            Some("self") => rest = &rest[1..],
            Some("super") => {
                while rest.first().is_some_and(|first| first == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            Some(_) if self.is_module(module, &rest[0]) => {}
            _ => return BTreeSet::new(),
        }
        while let Some((first, after)) = rest.split_first() {
            if !self.is_module(&at, first) {
                break;
            }
            at.push(first.clone());
            rest = after;
        }
        let Some((name, after)) = rest.split_first() else {
            return BTreeSet::from([at]);
        };
        let names = self.0.get(&at).map(|source| source.names.as_slice());
        let names = names.unwrap_or_default();
        let re_exported = names.iter().filter(|(known, _)| known == name);
        let mut found = BTreeSet::new();
        for (_, path) in re_exported.filter(|_| re_exports < MAX_RE_EXPORTS) {
            let path = [path.as_slice(), after].concat();
            found.extend(self.files_of(&at, &path, re_exports + 1));
        }
        if found.is_empty() && self.0.contains_key(&at) {
            found.insert(at);
        }
        found
    }

    /// What each file imports, except from modules around it.
    fn imports(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let imports = self.0.iter().map(|(module, source)| {
            let used = source.names.iter().map(|(_, path)| path);
            let files = used
                .chain(&source.paths)
                .flat_map(|path| self.files_of(module, path, 0));
            let below = files.filter(|file| !module.starts_with(file));
            (module, below.collect())
        });
        imports.collect()
    }

    /// One circle for each file that is in one.
    fn circles(&self) -> BTreeSet<String> {
        let imports = self.imports();
        let circles = imports.keys().filter_map(|file| {
            let mut ways = vec![vec![*file]];
            let mut seen = BTreeSet::new();
            while let Some(way) = ways.pop() {
                let last = way[way.len() - 1];
                if last == *file && way.len() > 1 {
                    let names = way.iter().map(|file| file.join("::"));
                    return Some(names.collect::<Vec<_>>().join(" → "));
                }
                for next in imports.get(last).into_iter().flatten() {
                    if seen.insert(next) {
                        ways.push(way.iter().copied().chain([next]).collect());
                    }
                }
            }
            None
        });
        circles.collect()
    }
}

#[test]
fn no_source_files_import_each_other_in_a_loop() {
    let files: Vec<_> = ["shared", "issuer", "cps", "client", "tests"]
        .into_iter()
        .flat_map(sources)
        .collect();
    let mut crates: BTreeMap<&Path, Vec<(&Path, &str)>> = BTreeMap::new();
    for (path, text) in &files {
        let manifest = path.ancestors().find(|at| at.join("Cargo.toml").exists());
        let home = manifest.unwrap();
        if let Ok(below) = path.strip_prefix(home.join("src")) {
            crates.entry(home).or_default().push((below, text.as_str()));
        }
    }
    assert!(crates.len() > 20, "{:?}", crates.keys());
    let mut circles = Vec::new();
    for (home, files) in crates {
        let found = Crate::new(files.into_iter()).circles();
        circles.extend(
            found
                .iter()
                .map(|circle| format!("{}: {circle}", home.display())),
        );
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter().map(|(path, text)| (Path::new(*path), *text));
    Crate::new(files).circles().into_iter().collect()
}

#[test]
fn a_circle_is_seen_whatever_way_the_names_take() {
    let two = ["one → two → one", "two → one → two"];
    for (one, two_imports) in [
        (
            "use crate::two::Two;",
            "use super::one::{self, One as First};",
        ),
        ("use super::Two;", "fn f() -> crate::one::One {}"),
        (
            "const S: &str = \"//\"; use crate::{\nTwo, Three};",
            "use crate::one::*;",
        ),
    ] {
        let found = circles_of(&[
            (
                "lib.rs",
                "#[cfg(test)]\nmod tests;\nmod one; mod two; pub use two::{Two, Three};",
            ),
            ("one.rs", one),
            ("two.rs", two_imports),
        ]);
        assert_eq!(found, two, "{one} {two_imports}");
    }
    let found = circles_of(&[
        ("edge.rs", "use crate::reader::Error;"),
        (
            "reader/mod.rs",
            "mod position; pub use self::position::Error;",
        ),
        ("reader/position.rs", "use crate::edge::Edge;"),
    ]);
    assert_eq!(found[0], "edge → reader::position → edge");
}

#[test]
fn a_module_and_its_parts_are_no_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod whole; mod other; pub const MAX: usize = 1;"),
        (
            "whole/mod.rs",
            "mod part; use part::Part; use super::MAX; pub struct Whole;",
        ),
        (
            "whole/part.rs",
            "use super::Whole; use crate::other::Other; const C: char = '\"';",
        ),
        (
            "other.rs",
            "// use crate::whole::Whole;\nconst S: &str = \"use crate::whole::Whole;\";\n\
             #[cfg(test)]\nuse crate::whole::Whole;\n\
             #[cfg(test)]\nmod tests { fn f() { crate::whole::f() } }",
        ),
        ("whole/tests.rs", "use crate::other::Other;"),
    ]);
    assert_eq!(found, Vec::<String>::new());
}
