//! House rules that no compiler checks.

#![allow(missing_docs)]

use std::path::{Path, PathBuf};

use rtrl_imports::{Graph, packages};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All Rust files of the workspace.
fn sources() -> Vec<PathBuf> {
    let found = xtask::fmt::sources().unwrap();
    assert!(found.len() > 50, "the sources are found");
    found
}

fn manifest(folder: &str) -> toml::Table {
    let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

#[test]
fn crates_depend_along_the_arrows_of_the_architecture_page() {
    let allowed: [(&str, &[&str]); 17] = [
        ("crates/checkpoint", &[]),
        ("crates/sparse", &[]),
        ("crates/cells", &["rtrl-checkpoint", "rtrl-sparse"]),
        ("crates/estimators", &["rtrl-checkpoint", "rtrl-sparse", "rtrl-cells"]),
        ("crates/tasks", &["rtrl-checkpoint"]),
        ("crates/train", &["rtrl-checkpoint", "rtrl-sparse", "rtrl-cells", "rtrl-estimators", "rtrl-tasks"]),
        ("crates/interchange", &["rtrl-checkpoint", "rtrl-sparse", "rtrl-cells", "rtrl-tasks", "rtrl-train"]),
        (
            "crates/stream",
            &["rtrl-checkpoint", "rtrl-sparse", "rtrl-cells", "rtrl-estimators", "rtrl-tasks", "rtrl-train"],
        ),
        (
            "crates/rtrl",
            &[
                "rtrl-checkpoint",
                "rtrl-sparse",
                "rtrl-cells",
                "rtrl-estimators",
                "rtrl-tasks",
                "rtrl-train",
                "rtrl-interchange",
                "rtrl-stream",
            ],
        ),
        ("crates/report", &["rtrl-checkpoint"]),
        ("crates/data", &["rtrl-checkpoint"]),
        ("crates/sweep", &["rtrl-sparse", "rtrl-tasks", "rtrl-train", "rtrl-report"]),
        (
            "crates/reproduce",
            &[
                "rtrl-sparse",
                "rtrl-stream",
                "rtrl-cells",
                "rtrl-estimators",
                "rtrl-tasks",
                "rtrl-train",
                "rtrl-report",
                "rtrl-sweep",
            ],
        ),
        (
            "crates/cli",
            &[
                "rtrl-checkpoint",
                "rtrl-sparse",
                "rtrl-cells",
                "rtrl-estimators",
                "rtrl-tasks",
                "rtrl-train",
                "rtrl-interchange",
                "rtrl-stream",
                "rtrl-report",
                "rtrl-sweep",
                "rtrl-data",
            ],
        ),
        ("xtask/figures", &["rtrl-cells", "rtrl-estimators", "rtrl-tasks", "rtrl-train", "rtrl-report"]),
        // Its programs are compiled when they are called.
        ("xtask", &["rtrl-imports"]),
        ("xtask/imports", &[]),
    ];
    for (folder, arrows) in allowed {
        let manifest = manifest(folder);
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for name in dependencies.keys().filter(|name| name.starts_with("rtrl")) {
            assert!(arrows.contains(&name.as_str()), "{folder} depends on {name}");
        }
    }
}

#[test]
fn crates_use_what_they_depend_on() {
    // The code of the book is compiled as documentation of `rtrl`.
    let book = std::fs::read_dir(root().join("docs/book/src/extend")).unwrap();
    let book = book.map(|entry| (root().join("crates/rtrl/book"), entry.unwrap().path()));
    let sources: Vec<(PathBuf, String)> = sources()
        .into_iter()
        .map(|path| (path.clone(), path))
        .chain(book)
        .map(|(place, path)| (place, std::fs::read_to_string(path).unwrap()))
        .collect();
    let mut checked = 0;
    for folder in members() {
        let manifest = manifest(&folder);
        let folder = root().join(&folder);
        // What only tests and examples use must not be more than a dev-dependency.
        for (table, part) in
            [("dependencies", "src"), ("dev-dependencies", ""), ("build-dependencies", "build.rs")]
        {
            let Some(dependencies) = manifest.get(table) else { continue };
            for name in dependencies.as_table().unwrap().keys() {
                let word = name.replace('-', "_");
                let inside = |path: &Path| {
                    path.starts_with(folder.join(part))
                        || manifest["package"]["name"].as_str() == Some("rtrl-benches")
                };
                // Comments need nothing, but examples in them do.
                let comments = table == "dev-dependencies";
                let used = sources.iter().any(|(path, text)| {
                    path.starts_with(&folder) && inside(path) && uses(text, &word, comments)
                });
                assert!(used, "{} has {name} among its {table} and does not use it there", folder.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "the manifests are read");
}

/// Whether the code names the crate: `word::…` or `use word as …`, not a longer word or a file of that name.
fn uses(text: &str, word: &str, comments: bool) -> bool {
    let code = text.lines().filter(|line| comments || !line.trim_start().starts_with("//"));
    code.into_iter().any(|line| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = &line[at + word.len()..];
            let alone = !before.is_some_and(|c| c.is_alphanumeric() || "_:.".contains(c));
            alone && (after.starts_with("::") || after.starts_with(" as "))
        })
    })
}

#[test]
fn a_crate_that_is_only_mentioned_is_not_used() {
    for line in ["use rand::Rng;", "    let x: rand::Seed = y;", "use rand as random;"] {
        assert!(uses(line, "rand", false), "{line}");
    }
    for line in
        ["use rand_xoshiro::Rng;", "// use rand::Rng;", "mod rand;", "use crate::rand::Rng;", "operand::x"]
    {
        assert!(!uses(line, "rand", false), "{line}");
    }
}

/// Folders of the workspace's members.
fn members() -> Vec<String> {
    let mut members =
        ["xtask", "xtask/figures", "xtask/imports", "benches", "benches/counts"].map(str::to_string).to_vec();
    for group in ["crates", "examples"] {
        let folders = std::fs::read_dir(root().join(group)).unwrap();
        members
            .extend(folders.map(|entry| format!("{group}/{}", entry.unwrap().file_name().to_string_lossy())));
    }
    members
}

#[test]
fn what_is_published_is_described_and_the_rest_is_not_published() {
    for folder in members() {
        let package = manifest(&folder)["package"].as_table().unwrap().clone();
        if !folder.starts_with("crates/") {
            assert_eq!(package.get("publish").and_then(toml::Value::as_bool), Some(false), "{folder}");
            continue;
        }
        for field in ["description", "license", "readme", "keywords", "categories", "rust-version"] {
            assert!(package.contains_key(field), "{folder} has no {field}");
        }
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(root().join(&folder).join(license).exists(), "{folder} has no {license}");
        }
    }
}

#[test]
fn rust_version_is_the_least_that_dependencies_allow() {
    let output = |program: &str, arguments: &[&str]| {
        let output =
            std::process::Command::new(program).args(arguments).current_dir(root()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let compiler = output("rustc", &["-vV"]);
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = ["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host];
    let metadata: serde_json::Value = serde_json::from_str(&output(env!("CARGO"), &metadata)).unwrap();
    let [packages, nodes] =
        [&metadata["packages"], &metadata["resolve"]["nodes"]].map(|v| v.as_array().unwrap());

    // Ids of the packages that are published from here, then of all that is compiled for them.
    let published =
        |package: &&serde_json::Value| package["source"].is_null() && package["publish"].is_null();
    let mut ids: Vec<_> = packages.iter().filter(published).map(|package| &package["id"]).collect();
    assert!(ids.len() > 5, "the crates are found");
    let mut visited = 0;
    while let Some(id) = ids.get(visited) {
        let node = nodes.iter().find(|node| node["id"] == **id).unwrap();
        for dependency in node["deps"].as_array().unwrap() {
            let mut kinds = dependency["dep_kinds"].as_array().unwrap().iter();
            if kinds.any(|kind| kind["kind"] != "dev") && !ids.contains(&&dependency["pkg"]) {
                ids.push(&dependency["pkg"]);
            }
        }
        visited += 1;
    }
    let version =
        |text: &str| -> Vec<u32> { text.split('.').take(2).map(|part| part.parse().unwrap()).collect() };
    let (least, name) = packages
        .iter()
        .filter(|package| ids.contains(&&package["id"]) && !package["source"].is_null())
        .filter_map(|package| Some((version(package["rust_version"].as_str()?), &package["name"])))
        .max_by_key(|(version, _)| version.clone())
        .unwrap();
    let stated = manifest("")["workspace"]["package"]["rust-version"].as_str().unwrap().to_string();
    assert_eq!(version(&stated), least, "rust-version of the workspace, and what {name} asks for");
}

#[test]
fn unsafe_code_lives_in_the_kernels_alone() {
    let keyword = ["un", "safe "].concat();
    for path in sources() {
        let kernels = ["simd", "linear/scattered.rs", "recursion/rows.rs"];
        let kernels =
            kernels.iter().any(|file| path.starts_with(root().join("crates/sparse/src").join(file)));
        let text = std::fs::read_to_string(&path).unwrap();
        let found = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| line.contains(&keyword));
        assert!(!found || kernels, "{}", path.display());
    }
}

#[test]
fn a_library_without_unit_tests_has_none_that_would_never_run() {
    let without = |folder: &String| {
        let lib = manifest(folder).get("lib").cloned();
        lib.and_then(|lib| lib.get("test").cloned()) == Some(toml::Value::Boolean(false))
    };
    let folders: Vec<_> = members().into_iter().filter(without).collect();
    assert!(folders.contains(&"crates/sparse".to_string()), "{folders:?}");
    let attribute = ["cfg", "(test)"].concat();
    for path in sources() {
        let within = folders.iter().any(|folder| path.starts_with(root().join(folder).join("src")));
        let found = std::fs::read_to_string(&path).unwrap().contains(&attribute);
        assert!(!(within && found), "{} has unit tests", path.display());
    }
}

#[test]
fn files_stay_readable() {
    for path in sources() {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_sparse_crate_has_no_neural_word() {
    let words = ["neural", "neuron", "recurrent", "preactivation", "hidden state", "gated"];
    let folders = ["crates/sparse/src", "examples/sparse-alone"].map(|folder| root().join(folder));
    for path in sources().iter().filter(|path| folders.iter().any(|folder| path.starts_with(folder))) {
        let text = std::fs::read_to_string(path).unwrap().to_lowercase();
        for word in words {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn files_import_each_other_in_no_circle() {
    for folder in packages(root()).unwrap() {
        let graph = Graph::read(&folder).unwrap();
        assert!(graph.circles().is_empty(), "{}: {:?}", graph.name, graph.circles());
    }
}

#[test]
fn files_import_along_the_order_of_modules_where_one_is_declared() {
    for folder in packages(root()).unwrap() {
        let against = Graph::read(&folder).unwrap().against_order();
        assert!(against.is_empty(), "{}: {against:?}", folder.display());
    }
}

#[test]
fn every_file_is_in_the_graph_of_its_crate() {
    for folder in packages(root()).unwrap() {
        let src = folder.join("src");
        let graph = Graph::read(&folder).unwrap();
        for path in sources().iter().filter(|path| path.starts_with(&src)) {
            let name = path.strip_prefix(&src).unwrap().with_extension("");
            let name = name.to_string_lossy().replace('\\', "/");
            let only_tests = name.split('/').any(|part| ["tests", "testing", "sample"].contains(&part));
            assert!(only_tests || graph.files.contains(&name), "{} lacks {name}", graph.name);
        }
    }
}
