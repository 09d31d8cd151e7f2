//! The image's only layer: the program, and whom it trusts.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tarball::{Tarball, compressed};

/// Where programs on Linux look for the certificates of those whom they trust.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// A layer: an archive, and what it is known by.
pub struct Layer {
    /// The archive, compressed.
    pub compressed: Vec<u8>,
    /// The archive as it is unpacked: the image's configuration names its digest.
    pub plain: Vec<u8>,
}

/// A layer with the program at its top. It depends on nothing but the program's name and content: no clock, no owner, no path of this machine.
pub fn of_program(name: &str, program: &[u8]) -> Result<Layer> {
    let mut archive = Tarball::new();
    for directory in ["etc/", "etc/ssl/", "etc/ssl/certs/"] {
        archive.folder(directory)?;
    }
    archive.file(CERTIFICATES, 0o644, certificates().as_bytes())?;
    archive.file(name, 0o755, program)?;
    let plain = archive.finished()?;
    let compressed = compressed(&plain)?;
    Ok(Layer { compressed, plain })
}

/// The certificates of the authorities that Mozilla trusts, as PEM. `Cargo.lock` pins them.
fn certificates() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(certificate);
        // RFC 7468, section 2: lines of 64 characters.
        for line in encoded.as_bytes().chunks(64) {
            text.extend(line.iter().copied().map(char::from));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use tar::Archive;

    use super::*;

    #[test]
    fn equal_programs_give_equal_layers() {
        let first = of_program("bottle-sync", b"program").unwrap();
        let second = of_program("bottle-sync", b"program").unwrap();
        assert_eq!(first.compressed, second.compressed);
        let mut plain = Vec::new();
        GzDecoder::new(first.compressed.as_slice())
            .read_to_end(&mut plain)
            .unwrap();
        assert_eq!(plain, first.plain);
    }

    #[test]
    fn the_layer_holds_the_program_and_the_certificates_and_belongs_to_root() {
        let layer = of_program("bottle-sync", b"program").unwrap();
        let mut found = Vec::new();
        for entry in Archive::new(layer.plain.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            assert_eq!(header.mtime().unwrap(), 0);
            let mode = header.mode().unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            found.push((path, mode, content));
        }
        let names: Vec<(&str, u32)> = found
            .iter()
            .map(|(path, mode, _)| (path.as_str(), *mode))
            .collect();
        assert_eq!(
            names,
            [
                ("etc/", 0o755),
                ("etc/ssl/", 0o755),
                ("etc/ssl/certs/", 0o755),
                (CERTIFICATES, 0o644),
                ("bottle-sync", 0o755),
            ]
        );
        assert_eq!(found[4].2, "program");
        // Amazon's own authority, which S3 and ECR have their certificates from, is one of them.
        assert!(found[3].2.matches("BEGIN CERTIFICATE").count() > 100);
    }
}
