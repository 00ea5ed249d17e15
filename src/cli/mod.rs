//! The command line: arguments, progress bars, reports. No rules of its own.
//!
//! Exit codes: 0 done, 1 refused or faults found, 2 wrong usage.

mod answers;
mod audit;
mod backup;
mod cert;
mod check;
mod client;
mod compare;
mod copy;
mod demo;
mod doctor;
mod export;
mod import;
mod link;
mod locate;
mod machine;
mod migrate;
mod out;
mod remote;
mod serve;
mod token;
mod try_out;

use clap::{Parser, Subcommand};
use std::future::Future;
use std::process::ExitCode;

/// One city governed by grids: import, lookup, vector tiles.
#[derive(Debug, Parser)]
#[command(name = "wangge", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the map, the API and the tiles of one city.
    Serve(serve::Args),
    /// Imports a file: regions, grids, facilities, staff, households, open cases, organizations, buildings or addresses.
    Import(Box<import::Args>),
    /// Shows files on a map, in a city that is thrown away afterwards.
    Try(Box<try_out::Args>),
    /// Writes a part of the city, or all of it, in a format of other programs.
    Export(Box<export::Args>),
    /// Makes a data file with a synthetic city.
    Demo(demo::Args),
    /// Looks at every invariant of a data file and gives every fault with its place.
    Check(check::Args),
    /// Lays two grid sets over each other and tells which grid lies in which.
    Link(link::Args),
    /// Makes, lists and revokes tokens: secrets that stand for a caller.
    #[command(subcommand)]
    Token(token::Command),
    /// Checks and writes out who did what.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Looks at everything that a server needs, and says what is wrong and how it is mended.
    Doctor(doctor::Args),
    /// Makes certificates for TLS.
    #[command(subcommand)]
    Cert(cert::Command),
    /// Finds the grid of every position of a CSV table; writes the table to standard output with the columns grid and error.
    Locate(locate::Args),
    /// Copies a whole city as it is into another file or database, while it is in use.
    Copy(copy::Args),
    /// Compares two cities row by row: files, databases, running servers.
    Compare(compare::Args),
    /// Brings a city up to the schema of this program.
    Migrate(migrate::Args),
    /// Copies the data file while it is in use.
    Backup(backup::BackupArgs),
    /// Puts a backup in the place of the data file; the old one is kept beside it.
    Restore(backup::RestoreArgs),
}

/// Why a command did not do its work.
#[derive(Debug)]
enum Failure {
    /// What was asked for makes no sense: exit code 2.
    Usage(String),
    /// It could not be done: exit code 1.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(chain(&error))
    }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Whether all is well, as an exit code.
type Outcome = Result<bool, Failure>;

/// Reads the arguments and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(args) => block_on(serve::run(args)),
        Command::Import(args) => block_on(import::run(*args)),
        Command::Try(args) => block_on(try_out::run(*args)),
        Command::Export(args) => block_on(export::run(*args)),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Migrate(args) => block_on(migrate::run(args)),
        Command::Check(args) => block_on(check::run(args)),
        Command::Link(args) => block_on(link::run(args)),
        Command::Token(command) => block_on(token::run(command)),
        Command::Audit(command) => block_on(audit::run(command)),
        Command::Doctor(args) => block_on(doctor::run(args)),
        Command::Cert(command) => cert::run(command),
        Command::Locate(args) => block_on(locate::run(args)),
        Command::Copy(args) => block_on(copy::run(args)),
        Command::Compare(args) => block_on(compare::run(args)),
        Command::Backup(args) => block_on(backup::backup(args)),
        Command::Restore(args) => block_on(backup::restore(args)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure::Failed(text)) => {
            out::complain(&text);
            ExitCode::from(1)
        }
        Err(Failure::Usage(text)) => {
            out::complain(&text);
            ExitCode::from(2)
        }
    }
}

fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
