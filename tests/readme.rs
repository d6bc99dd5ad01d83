//! What the documents say is so: the tour runs, the settings are all there, the files they name exist.

use std::path::Path;
use std::process::Command;

use crate::support::process::{BINARY, Process};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The shell blocks of the tour.
fn blocks(text: &str) -> Vec<&str> {
    text.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

both!(the_tour_runs, |engine| async move {
    let mut server = Process::new(engine, &[]).await;
    server.start();
    let readme = read("README.md");
    let blocks = blocks(&readme);
    assert!(blocks.len() >= 6, "{} blocks", blocks.len());
    let script = blocks.join("\necho '--'\n").replace("127.0.0.1:8080", &server.http.to_string());
    let path =
        format!("{}:{}", Path::new(BINARY).parent().unwrap().display(), std::env::var("PATH").unwrap());
    // The server's own settings, as whoever follows the tour has them.
    let environment = server.command(&[]);
    let environment = environment.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).envs(environment).env("PATH", path);
    let output = bash.current_dir(server.database.dir()).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}\n{}", server.log());
    let parts: Vec<&str> = said.split("--\n").collect();
    assert!(parts[1].contains("\"state\":\"accepted\""), "{}", parts[1]);
    assert!(
        parts[2].contains("All tests passed, in 4 minutes.") && parts[2].contains("\"seen\":true"),
        "{}",
        parts[2]
    );
    assert!(parts[3].contains("\"state\":\"pending\""), "{}", parts[3]);
    assert!(parts[4].lines().last().unwrap().contains("\"state\":\"fulfilled\""), "{}", parts[4]);
    assert!(parts[4].contains("approve"), "{}", parts[4]);
    assert!(
        parts[5].contains("\"state\":\"delivered\"") && parts[5].contains("promise.settled"),
        "{}",
        parts[5]
    );
});

#[test]
fn every_setting_is_in_the_table() {
    let (readme, mut section, mut count) = (read("README.md"), String::new(), 0);
    for line in read("config/restante.toml").lines() {
        let line = line.trim().trim_start_matches("# ");
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            let variable = format!("{section}{key}").to_uppercase().replace('.', "__");
            let row = format!("| `{section}{key}` | `RESTANTE_{variable}` |");
            assert!(readme.contains(&row), "README.md has no row {row}");
            count += 1;
        }
    }
    assert!(count >= 10, "{count} settings: are they still found?");
    assert_eq!(readme.matches("| `RESTANTE_").count(), count, "README.md lists a setting that is none");
}

#[test]
fn the_files_that_are_named_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for document in ["README.md", "CONTRIBUTING.md"] {
        let text = read(document);
        let marked = text.split('`').skip(1).step_by(2);
        let linked = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for name in marked.chain(linked) {
            let named = ["server/", "tests/", "config/", "migrations/", "web/"]
                .iter()
                .any(|dir| name.starts_with(dir));
            if named && !name.contains(['{', '*', ' ']) && !name.contains("00nn") {
                seen += 1;
                assert!(root.join(name).exists(), "{document} names {name}, which is not there");
            }
        }
    }
    assert!(seen > 20, "{seen} names: are they still found?");
}
