//! The floors of the house (CONTRIBUTING.md): a room imports only from lower floors, and never from its neighbours.

use std::path::{Path, PathBuf};

/// Rooms and how high they are; those of one height do not know each other. The ground floor's `config`, `telemetry`
/// and `app` are one above the other, as the settings come before what uses them.
const FLOORS: &[(&str, u8)] = &[
    ("mail", 0),
    ("store", 10),
    ("net", 10),
    ("promise", 20),
    ("auth", 20),
    ("submission", 30),
    ("delivery", 40),
    ("http", 50),
    ("smtp", 50),
    ("config", 60),
    ("telemetry", 61),
    ("app", 62),
    ("cli", 70),
    ("main", 80),
];

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// Every Rust file below a directory.
pub(crate) fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            out.push(path);
        }
    }
}

/// The source without its comments, whose links may point anywhere.
fn code(source: &str) -> String {
    source
        .lines()
        .map(|line| if line.trim_start().starts_with("//") { "" } else { line })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Rooms named after `root::`, in plain or grouped imports.
fn named(source: &str, root: &str) -> Vec<String> {
    let mut out = vec![];
    for (at, _) in source.match_indices(root) {
        if source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &source[at + root.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            out.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            continue;
        };
        let (mut depth, mut word) = (1, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => out.push(std::mem::take(&mut word)),
                c if depth == 1 => word.push(c),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        out.push(word);
    }
    out.iter()
        .map(|word| word.trim().split("::").next().unwrap_or_default().trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The most `super::` in a row.
fn climbs(source: &str) -> usize {
    let (mut most, mut rest) = (0, source);
    while let Some(at) = rest.find("super::") {
        rest = &rest[at..];
        let mut row = 0;
        while let Some(more) = rest.strip_prefix("super::") {
            (row, rest) = (row + 1, more);
        }
        most = most.max(row);
    }
    most
}

#[test]
fn no_import_goes_up_or_sideways() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("server");
    let mut all = vec![];
    files(&root, &mut all);
    let (mut bad, mut seen) = (vec![], 0);
    for file in &all {
        let path = file.strip_prefix(&root).unwrap();
        let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().replace(".rs", "")).collect();
        let room = &parts[0];
        if room == "lib" {
            continue;
        }
        let Some(mine) = floor(room) else {
            bad.push(format!("{}: {room} has no floor", path.display()));
            continue;
        };
        let source = code(&std::fs::read_to_string(file).unwrap());
        let mut others = named(&source, "crate::");
        others.extend(named(&source, "restante::"));
        for other in others {
            seen += 1;
            if other != *room && floor(&other).is_none_or(|other| other >= mine) {
                bad.push(format!("{} imports {other}", path.display()));
            }
        }
        // `super` must not climb out of the room, where it would go unseen here.
        let depth = parts.len() - 1 - usize::from(parts.last().is_some_and(|last| last == "mod"));
        let inner = usize::from(source.contains("\nmod tests {"));
        if climbs(&source) > depth + inner {
            bad.push(format!("{}: say crate:: for what is in another room", path.display()));
        }
    }
    assert!(seen > 5, "{seen} imports: are they still found?");
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn groups_are_read() {
    let source = "use crate::{http::{A, b::C}, mail::D, store}; crate::app::x(); x_crate::no()";
    assert_eq!(named(source, "crate::"), ["http", "mail", "store", "app"]);
    assert_eq!(climbs("use super::a; super::super::b super::c"), 2);
}
