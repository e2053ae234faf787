//! `aelectra report`: a run as one page.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::expect_code;

/// The recorded demo run, whose page is written beside it.
fn page(folder: &Path) -> (PathBuf, String) {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo-run");
    let run = folder.join("<demo>");
    std::fs::create_dir(&run).expect("made");
    for name in ["manifest.json", "events.jsonl"] {
        std::fs::copy(recorded.join(name), run.join(name)).expect("copied");
    }
    let (printed, _) = expect_code(&["report", &run.to_string_lossy(), "--json"], 0);
    let said: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let path = PathBuf::from(said["report"].as_str().expect("a path"));
    let text = std::fs::read_to_string(&path).expect("written");
    (path, text)
}

#[test]
fn a_page_has_everything_and_needs_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (_, text) = page(folder.path());
    for part in [
        "<h1>&lt;demo&gt;</h1>",
        "<h2>Curves</h2>",
        "<h2>Named entities by seed</h2>",
        "mean ± SD",
        "<h2>By class: pretrained seed ",
        "<h2>By class, mean ± SD: pretrained, 3 seeds, test</h2>",
        "<h2>By class, mean ± SD: random_init, 3 seeds, test</h2>",
        "<td>LOC</td><td>39.3 ± 4.4</td><td>69.9 ± 7.4</td><td>49.9 ± 2.0</td><td>92</td>",
        "<h2>A held-out text",
        "<h2>Configuration</h2>",
        "<td>learning_rate</td>",
    ] {
        assert!(text.contains(part), "{part} is missing");
    }
    let elsewhere = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for part in [
        "http:", "https:", "<script", "url(", "@import", "NaN", "\u{1b}",
    ] {
        assert!(!elsewhere.contains(part), "{part} is in the page");
    }
    for tag in [
        "table", "tr", "svg", "h2", "p", "td", "th", "text", "span", "u",
    ] {
        let opened =
            text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
        let closed = text.matches(&format!("</{tag}>")).count();
        assert_eq!(opened, closed, "{tag}");
    }
}

/// As in a run that was copied from somebody.
#[cfg(unix)]
#[test]
fn a_link_is_written_through_only_where_it_was_named() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (path, _) = page(folder.path());
    let elsewhere = folder.path().join("elsewhere.html");
    std::fs::write(&elsewhere, "<p>").expect("written");
    std::fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink(&elsewhere, &path).expect("linked");
    let read = || std::fs::read_to_string(&elsewhere).expect("there");
    let run = path.parent().expect("a run").to_string_lossy();
    let (_, err) = expect_code(&["report", &run], 2);
    assert!(err.contains("is a symbolic link"), "{err}");
    assert_eq!(read(), "<p>");
    expect_code(&["report", &run, "--out", &path.to_string_lossy()], 0);
    assert!(path.is_symlink() && read().contains("<h2>Curves</h2>"));
}

#[test]
fn what_is_no_run_is_told() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (_, err) = expect_code(&["report", &folder.path().to_string_lossy()], 2);
    assert!(err.contains("is not a run directory"), "{err}");
}

/// Opened by a real browser, where there is one, which complains of nothing.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
#[test]
fn a_browser_shows_it() {
    let browsers = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let found = browsers.into_iter().find(|name| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|done| done.status.success())
    });
    let Some(browser) = found else {
        let line = format!("\nskipped: no browser of {}\n", browsers.join(", "));
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (path, _) = page(folder.path());
    let plain = folder.path().join("page.html");
    std::fs::copy(&path, &plain).expect("copied");
    let picture = folder.path().join("page.png");
    let done = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("--screenshot={}", picture.display()))
        .args(["--window-size=1200,3000", "--dump-dom"])
        .arg(format!("file://{}", plain.display()))
        .output()
        .expect("it runs");
    let dom = String::from_utf8_lossy(&done.stdout);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        dom.contains("<h2>Configuration</h2>") && dom.contains("</svg>"),
        "{dom}{said}"
    );
    assert!(!said.contains("CONSOLE"), "{said}");
}
