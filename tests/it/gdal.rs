//! GDAL's programs beside ours. `make test` installs them; without them these tests fail.

use std::process::{Command, Output};

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; the tests need GDAL's programs (Debian: gdal-bin)"))
}

/// What a program says when it has nothing to complain about.
pub(crate) fn told(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{program} {arguments:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether it ended well, and all that it said.
pub(crate) fn answered(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = run(program, arguments);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
