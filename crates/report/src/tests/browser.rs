//! Test of the page in a browser, if there is one: the test adds a script that clicks the controls.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::made_up::full;
use crate::folder::write;

/// Names of the program Chromium.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The script: it clicks the controls and writes what it sees into the page.
const CLICKS: &str = include_str!("clicks.js");

fn browser() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}

/// Opens a page and returns the browser's output and error output.
fn open(browser: &Path, folder: &Path, words: &[&str], address: &str) -> (String, String) {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .args(["--virtual-time-budget=15000", "--enable-logging=stderr", "--force-prefers-reduced-motion"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(words)
        .arg(address)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// What the script wrote into the page.
fn results(page: &str) -> Value {
    let text = page.split("<pre id=\"results\">").nth(1).expect("the added script should run to its end");
    let text = text.split("</pre>").next().unwrap();
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says that it was skipped")]
fn the_page_works_in_a_browser() {
    let Some(browser) = browser() else {
        eprintln!("skipped: this machine has no Chromium, so the page’s script was not tested");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = write(&full(), folder.path()).unwrap();
    let page = std::fs::read_to_string(&path).unwrap();
    let tried = folder.path().join("tried.html");
    // The page allows no other scripts than its own, so the added one must be allowed too.
    let allowed = format!("script-src 'sha256-{}' ", STANDARD.encode(Sha256::digest(CLICKS)));
    let page = page.replacen("script-src ", &allowed, 1);
    std::fs::write(&tried, page.replace("</body>", &format!("<script>{CLICKS}</script></body>"))).unwrap();
    // The address contains filters.
    let address = format!("file://{}#examples?class=horse&kind=context", tried.display());
    let (dom, log) = open(&browser, folder.path(), &["--dump-dom"], &address);
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let seen = results(&dom);
    assert!(seen["error"].is_null(), "{seen}");

    assert_eq!(seen["linked"], "2 of 12 examples", "the filters of the address");
    assert_eq!(seen["after_reset"], "12 of 12 examples");
    assert_eq!(seen["address_after_reset"], "#examples");
    assert_eq!(seen["horses"], "6 of 12 examples");
    assert_eq!(seen["shown_horses"], 6);
    assert_eq!(seen["empty_groups_shown"], 0);
    assert_eq!(seen["address"], "#examples?class=horse&found=yes");
    assert_eq!(seen["rule"], "naive", "each example shows only the chosen rule");
    assert_eq!(seen["n_heatmaps_shown"], 12);
    assert_eq!(seen["positive"], true);
    assert!(seen["filter"].as_str().unwrap().contains("positive-part"), "{}", seen["filter"]);
    assert_eq!(seen["opacity"], "0.25");
    assert_eq!(seen["themes"], serde_json::json!(["light", "dark", "light"]));
    assert_eq!(seen["remembered"], "light");
    assert_eq!(seen["current"], 1, "one section of the contents is marked");

    let csv = std::fs::read_to_string(folder.path().join("tables/a-by-class.csv")).unwrap();
    assert_eq!(seen["csv"], csv.as_str());
    let latex = std::fs::read_to_string(folder.path().join("tables/a-by-class.tex")).unwrap();
    assert_eq!(seen["latex"], latex.as_str(), "copied in the way for browsers without a clipboard");
    assert_eq!(seen["saved_as"], "a-by-order.svg");
    let figure = seen["svg"].as_str().unwrap();
    assert!(figure.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{figure}");
    assert!(!figure.contains("var(") && figure.contains("rgb(28, 30, 33)"), "{figure}");

    let picture = folder.path().join("page.png");
    let shot = format!("--screenshot={}", picture.display());
    open(&browser, folder.path(), &[&shot, "--window-size=1280,1600"], &format!("file://{}", path.display()));
    let mut decoder = png::Decoder::new(std::io::Cursor::new(std::fs::read(&picture).unwrap()));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (1280, 1600));
    let first = &pixels[..3];
    assert!(
        pixels.chunks_exact(info.color_type.samples()).any(|pixel| &pixel[..3] != first),
        "the page has more than one colour"
    );
}
