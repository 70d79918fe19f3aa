//! Calls `cargo xtask bench --quick` as a user does.

use std::process::{Command, Output};

fn xtask(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(words).output().unwrap()
}

#[test]
fn a_quick_run_prints_a_table_and_writes_json_and_markdown() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (json, markdown) = (path("rows.json"), path("rows.md"));
    let words = ["bench", "sift", "pca", "--quick", "--no-peers", "--json", &json, "--markdown", &markdown];
    let output = xtask(&words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("dense-sift") && said.contains("quick run"), "{said}");
    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert!(markdown.starts_with("Measured on 2") && markdown.contains("| pca-projection |"), "{markdown}");

    let found: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert!(found["machine"]["cores"].as_u64().unwrap() >= 1);
    for rate in ["gflops", "bandwidth"] {
        assert!(found[rate].as_f64().unwrap() > 0.0, "{rate}");
    }
    let rows = found["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dense-sift", "pca-projection"]);
    for row in rows {
        assert!(row["seconds"].as_f64().unwrap() > 0.0 && row["limit_seconds"].as_f64().unwrap() > 0.0, "{row}");
        for field in ["goal_seconds", "peer", "peer_seconds", "ratio"] {
            assert!(row.as_object().unwrap().contains_key(field), "{field}");
        }
        assert!(row["peer"].is_null() && row["ratio"].is_null(), "peers are measured although --no-peers is given");
    }
    // Without a peer, the goal of the projection follows from the machine's limit. The extraction has no goal.
    assert!(rows[0]["goal_seconds"].is_null() && rows[1]["goal_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn wrong_arguments_are_refused_with_a_helpful_message() {
    let fail = |words: &[&str], expected: &[&str]| {
        let output = xtask(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)) && !said.contains("panicked"), "{words:?}: {said}");
        for part in expected {
            assert!(said.contains(part), "{words:?} should say {part:?}, but says: {said}");
        }
    };
    fail(&["bench", "gabor"], &["\"gabor\"", "dense-sift", "fisher-vector", "svm"]);
    fail(&["bench", "--update"], &["--instructions"]);
    fail(&["bench", "--repeats", "0"], &["--repeats"]);
    fail(&["bench", "sift", "--quick", "--no-peers", "--image", "/nowhere.jpg"], &["/nowhere.jpg"]);
}
