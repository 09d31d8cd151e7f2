//! `cargo xtask dist`: a release as files: for each architecture an archive of the command line and one of the
//! functions' package, a bill of materials beside each, and the checksums of all.
//!
//! Names and bytes are the same wherever the same sources are built: the programs are compiled as `cargo xtask package`
//! compiles them, and the archives hold no time and no owner.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use longshore_local::files;
use longshore_local::process::{capture, check_interruption};
use longshore_local::python::Python;
use longshore_local::workspace::{COMMAND_LINE, PACKAGE, Workspace};
use sha2::{Digest, Sha256};

use crate::package::Architecture;
use crate::tarball::{Tarball, compressed};
use crate::terminal::{Style, Terminal, padded};
use crate::{compile, package, sbom, tools};

/// Where a release goes. Nothing else remains there.
const FOLDER: &str = "target/dist";

/// The checksums, in the form that `sha256sum --check` reads.
const CHECKSUMS: &str = "SHA256SUMS";

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Args)]
pub struct Arguments {
    /// The architecture to build for.
    #[arg(long, value_enum, default_value_t = Architecture::All)]
    architecture: Architecture,
}

/// A file of a release.
struct File {
    name: String,
    content: Vec<u8>,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let mut terminal = Terminal::standard_error();
    let python = Python::ensure(workspace, |text| terminal.progress(text))?;
    let mut release = Vec::new();
    let mut missing = Vec::new();
    for architecture in arguments.architecture.names() {
        let files = files_for(workspace, &python, architecture, &mut terminal);
        check_interruption()?;
        match files {
            Ok(files) => release.extend(files),
            // The other architecture may be had all the same.
            Err(error) => missing.push(format!("{architecture}: {error:#}")),
        }
    }
    if release.is_empty() {
        bail!("nothing could be built:\n{}", missing.join("\n"));
    }
    let checksums = checksums(&release);
    write(workspace, &release, &checksums)?;
    show(&release);
    for reason in &missing {
        terminal.line(&format!("not built for {reason}"));
    }
    Ok(if missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds everything for one architecture.
fn files_for(
    workspace: &Workspace,
    python: &Python,
    architecture: &'static str,
    terminal: &mut Terminal,
) -> Result<Vec<File>> {
    let (on_aws, program) = compile::for_release(workspace, python, architecture, terminal)?;
    terminal.progress(&format!("packing the release for {architecture}"));
    let read = |path: &std::path::Path| {
        std::fs::read(path).with_context(|| format!("read {}", path.display()))
    };
    let command_line = read(&program)?;
    check_program(&command_line, architecture)
        .with_context(|| format!("look at {}", program.display()))?;
    if tools::host_architecture().is_ok_and(|host| host == architecture) {
        let said = capture(Command::new(&program).env_clear().arg("--version"))?;
        ensure!(
            said.trim() == format!("longshore {VERSION}"),
            "longshore --version said {said:?}, expected longshore {VERSION}"
        );
    }
    let target = compile::target(architecture);
    let bill = sbom::of_program(workspace, target, sbom::COMMAND_LINE)?;
    package::packed(workspace, architecture, on_aws)?;
    let packages = workspace.packages().join(architecture);
    let license = read(&workspace.path("LICENSE"))?;
    Ok(vec![
        command_line_archive(target, &command_line, &license)?,
        File {
            name: format!("{}.cdx.json", command_line_name(target)),
            content: bill,
        },
        functions_archive(architecture, &read(&packages.join(PACKAGE))?)?,
        File {
            name: format!("{}.cdx.json", functions_name(architecture)),
            content: read(&packages.join(sbom::FILE))?,
        },
    ])
}

/// The command line's archive without its ending: by rustc's target, which says that the program is static.
fn command_line_name(target: &str) -> String {
    format!("longshore-{VERSION}-{target}")
}

/// The functions' archive without its ending: by the architecture as Lambda names it.
fn functions_name(architecture: &str) -> String {
    format!("longshore-functions-{VERSION}-{architecture}")
}

/// The command line in a folder that has the archive's name.
fn command_line_archive(target: &str, program: &[u8], license: &[u8]) -> Result<File> {
    let name = command_line_name(target);
    let mut archive = Tarball::new();
    archive.folder(&format!("{name}/"))?;
    archive.file(&format!("{name}/LICENSE"), 0o644, license)?;
    archive.file(&format!("{name}/{COMMAND_LINE}"), 0o755, program)?;
    Ok(File {
        name: format!("{name}.tar.gz"),
        content: compressed(&archive.finished()?)?,
    })
}

/// The functions' package where Terraform looks for it below `package_directory`.
fn functions_archive(architecture: &str, package: &[u8]) -> Result<File> {
    let mut archive = Tarball::new();
    archive.folder(&format!("{architecture}/"))?;
    archive.file(&format!("{architecture}/{PACKAGE}"), 0o644, package)?;
    Ok(File {
        name: format!("{}.tar.gz", functions_name(architecture)),
        content: compressed(&archive.finished()?)?,
    })
}

/// Whether a program is of Linux on this architecture, and needs no library and no loader of the machine that it runs
/// on: System V ABI, "ELF Header" and "Program Header".
fn check_program(program: &[u8], architecture: &str) -> Result<()> {
    const EM_X86_64: usize = 62;
    const EM_AARCH64: usize = 183;
    const PT_INTERP: usize = 3;
    let number = |at: usize, length: usize| {
        let bytes = program.get(at..at + length)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        )
    };
    // The magic number, 64 bits, little endian.
    ensure!(
        program.starts_with(b"\x7fELF\x02\x01"),
        "it is not a program of 64-bit Linux"
    );
    let expected = if architecture == "arm64" {
        EM_AARCH64
    } else {
        EM_X86_64
    };
    let machine = number(18, 2);
    ensure!(
        machine == Some(expected),
        "it is for machine {machine:?} of ELF, expected {expected} ({architecture})"
    );
    let headers = number(32, 8).zip(number(54, 2)).zip(number(56, 2));
    let ((first, size), count) = headers.context("its header is cut off")?;
    let is_dynamic = (0..count).any(|place| number(first + place * size, 4) == Some(PT_INTERP));
    ensure!(!is_dynamic, "it is not static: it names a loader");
    Ok(())
}

/// A line for each file, as `sha256sum` prints it.
fn checksums(release: &[File]) -> String {
    release
        .iter()
        .map(|file| {
            let digest = hex::encode(Sha256::digest(&file.content));
            format!("{digest}  {}\n", file.name)
        })
        .collect()
}

fn write(workspace: &Workspace, release: &[File], checksums: &str) -> Result<()> {
    let folder = workspace.path(FOLDER);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    for file in release {
        files::write(&folder.join(&file.name), &file.content)?;
    }
    files::write(&folder.join(CHECKSUMS), checksums.as_bytes())
}

fn show(release: &[File]) {
    let mut output = Terminal::standard_output();
    let heading = output.styled(Style::Bold, &format!("{:>10}  {FOLDER}", "bytes"));
    output.line(&heading);
    for file in release {
        output.line(&format!("{:>10}  {}", file.content.len(), file.name));
    }
    output.line(&format!("{}  {CHECKSUMS}", padded("", 10)));
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use tar::Archive;

    use super::*;

    const TARGET: &str = "x86_64-unknown-linux-musl";

    fn entries(file: &File) -> Vec<(String, u32, String)> {
        let mut archive = Archive::new(GzDecoder::new(file.content.as_slice()));
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.mtime().unwrap()), (0, 0));
            let mode = header.mode().unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            found.push((path, mode, content));
        }
        found
    }

    fn entry(path: &str, mode: u32, content: &str) -> (String, u32, String) {
        (path.to_owned(), mode, content.to_owned())
    }

    /// A program with one program header of this type.
    fn program(machine: u8, header: u8) -> Vec<u8> {
        let mut program = vec![0; 64 + 56];
        program[..6].copy_from_slice(b"\x7fELF\x02\x01");
        program[18] = machine;
        program[32] = 64;
        program[54] = 56;
        program[56] = 1;
        program[64] = header;
        program
    }

    #[test]
    fn the_command_line_is_in_a_folder_of_its_archives_name_beside_the_license() {
        let file = command_line_archive(TARGET, b"program", b"Apache").unwrap();
        let name = format!("longshore-{VERSION}-{TARGET}");
        assert_eq!(file.name, format!("{name}.tar.gz"));
        assert_eq!(
            entries(&file),
            [
                entry(&format!("{name}/"), 0o755, ""),
                entry(&format!("{name}/LICENSE"), 0o644, "Apache"),
                entry(&format!("{name}/longshore"), 0o755, "program"),
            ]
        );
    }

    #[test]
    fn the_functions_package_is_where_terraform_looks_for_it() {
        let file = functions_archive("arm64", b"package").unwrap();
        assert_eq!(
            file.name,
            format!("longshore-functions-{VERSION}-arm64.tar.gz")
        );
        let expected = [
            entry("arm64/", 0o755, ""),
            entry("arm64/longshore.zip", 0o644, "package"),
        ];
        assert_eq!(entries(&file), expected);
    }

    #[test]
    fn equal_programs_give_equal_archives_and_checksums() {
        let make = || checksums(&[command_line_archive(TARGET, b"program", b"Apache").unwrap()]);
        assert_eq!(make(), make());
        let file = File {
            name: "a".to_owned(),
            content: b"abc".to_vec(),
        };
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            checksums(&[file]),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n"
        );
    }

    #[test]
    fn a_program_of_another_architecture_or_one_that_needs_a_loader_is_not_released() {
        for (program, architecture, expected) in [
            (program(62, 1), "x86_64", None),
            (program(183, 1), "arm64", None),
            (program(62, 1), "arm64", Some("expected 183 (arm64)")),
            (program(62, 3), "x86_64", Some("it is not static")),
            (
                b"#!/bin/sh".to_vec(),
                "x86_64",
                Some("not a program of 64-bit Linux"),
            ),
            (b"\x7fELF\x02\x01".to_vec(), "x86_64", Some("machine None")),
        ] {
            let error = check_program(&program, architecture).err();
            let said = error.map(|error| error.to_string());
            match (said, expected) {
                (None, None) => {}
                (Some(said), Some(expected)) => assert!(said.contains(expected), "{said}"),
                (said, expected) => panic!("{said:?}, expected {expected:?}"),
            }
        }
    }
}
