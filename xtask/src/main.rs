//! The project's own commands: `cargo xtask package|image|dist|local|demo|first-hour|test|soak|upgrade|bench|fuzz`.

mod bench;
mod circles;
mod compile;
mod demo;
mod dist;
mod documents;
mod durations;
mod features;
mod first_hour;
mod fuzz;
mod image;
mod imports;
mod judges;
mod local;
mod package;
mod reliability;
mod sbom;
mod shell;
mod tarball;
mod templates;
mod terminal;
mod test;
mod tools;
mod upgrade;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use longshore_local::process::watch_for_interruption;
use longshore_local::workspace::Workspace;

use crate::terminal::Terminal;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands.", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the functions as Lambda packages into target/packages, byte for byte reproducibly.
    Package(package::Arguments),
    /// Build the container image of the bottles' task or of the command line, byte for byte reproducibly, and push it to ECR.
    Image(image::Arguments),
    /// Build a release: archives of the command line and of the functions, with checksums and bills of materials.
    Dist(dist::Arguments),
    /// The local cloud with Longshore in it: start, stop, look at it.
    Local(local::Arguments),
    /// Show the whole way of a push, from nothing, on this machine.
    Demo(demo::Arguments),
    /// Run docs/first-hour.md on a local cloud, and write into it what was printed.
    FirstHour,
    /// Run every check and every test.
    Test(test::Arguments),
    /// Let Longshore work under load and faults for an hour, and measure it.
    Soak(reliability::Arguments),
    /// Let functions of this version and of another one work on the same rollouts.
    Upgrade(upgrade::Arguments),
    /// Measure beside others what is said to be cheap.
    Bench(bench::Arguments),
    /// Look for inputs that break a parser of what comes from outside.
    Fuzz(fuzz::Arguments),
}

fn main() -> ExitCode {
    let workspace = Workspace::of_this_build();
    let outcome = watch_for_interruption().and_then(|()| match Arguments::parse().command {
        Command::Package(arguments) => package::run(&workspace, &arguments),
        Command::Image(arguments) => image::run(&workspace, &arguments),
        Command::Dist(arguments) => dist::run(&workspace, &arguments),
        Command::Local(arguments) => local::run(&workspace, &arguments),
        Command::Demo(arguments) => demo::run(&workspace, &arguments),
        Command::FirstHour => first_hour::run(&workspace),
        Command::Test(arguments) => test::run(&workspace, &arguments),
        Command::Soak(arguments) => test::soak(&workspace, &arguments),
        Command::Upgrade(arguments) => upgrade::run(&workspace, &arguments),
        Command::Bench(arguments) => bench::run(&workspace, &arguments),
        Command::Fuzz(arguments) => fuzz::run(&workspace, &arguments),
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            Terminal::standard_error().line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
