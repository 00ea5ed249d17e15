//! The only place that writes to standard output and standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write as _};

/// A result, to standard output. A reader that went away (`| head`) wants nothing more.
pub(super) fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
}

/// A note, to standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Why nothing was done, to standard error.
pub(super) fn complain(text: &str) {
    note(&format!("wangge: {text}"));
}

/// A bar of bytes on standard error; invisible when that is no terminal.
pub(super) fn byte_bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} {bar:40} {bytes:>10} of {total_bytes} {eta:>5}")
        .expect("the template is well formed");
    ProgressBar::new(total).with_style(style)
}

/// A spinner with a word, on standard error.
pub(super) fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed");
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}
