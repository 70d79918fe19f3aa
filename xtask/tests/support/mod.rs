//! Calls the program as a user does.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::Path;
use std::process::{Command, Output};

/// Output of the program with these arguments.
pub(crate) fn xtask(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(words).output().unwrap()
}

/// The path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Standard output of a command that must succeed.
pub(crate) fn succeed(words: &[&[&str]]) -> String {
    let output = xtask(&words.concat());
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Checks that a command fails without a panic, and that its message contains all texts of `expected`.
pub(crate) fn fail(words: &[&[&str]], expected: &[&str]) {
    let output = xtask(&words.concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{words:?}: {:?} {said}", output.status);
    assert!(!said.contains("panicked"), "{words:?}: {said}");
    for part in expected {
        assert!(said.contains(part), "{words:?} should say {part:?}, but says: {said}");
    }
}
