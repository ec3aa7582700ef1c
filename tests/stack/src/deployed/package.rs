//! Packs the functions' binaries as Lambda wants them: one `bootstrap` in a zip.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::aws::Aws;
use super::build::Built;

/// Where packages are uploaded to.
pub const BUCKET: &str = super::translate::CODE_BUCKET;

/// Where the package of each binary is, in [`BUCKET`].
pub type Packages = BTreeMap<String, String>;

/// Packs and uploads every binary.
///
/// # Errors
/// A binary cannot be read, or the upload fails.
pub async fn package(aws: &Aws, binaries: &[Built], dir: &Path) -> anyhow::Result<Packages> {
    let mut packages = Packages::new();
    for Built { function, path, .. } in binaries {
        let binary = stripped(path, dir)?;
        let bytes = std::fs::read(&binary).with_context(|| binary.display().to_string())?;
        let zip = zip(&[("bootstrap", &bytes, 0o755)])?;
        let key = format!("{function}-{}.zip", fingerprint(&zip));
        println!("  {key:<40} {:>5.1} MB", zip.len() as f64 / 1e6);
        aws.put_object(BUCKET, &key, zip).await?;
        packages.insert(function.clone(), key);
    }
    Ok(packages)
}

/// A zip file that holds these: name, content, Unix mode. Not compressed: nothing here
/// travels, and what users upload is measured elsewhere.
///
/// # Errors
/// The archive cannot be written.
pub fn zip(files: &[(&str, &[u8], u32)]) -> anyhow::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content, mode) in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .unix_permissions(*mode);
        zip.start_file(*name, options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The name of a content: the same for the same bytes.
pub fn fingerprint(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    format!("{:016x}", hasher.finish())
}

/// A copy without debug information, which is most of an everyday build; the binary itself
/// where the machine has no `strip`.
fn stripped(binary: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let name = binary.file_name().context("a binary has a name")?;
    let folder = dir.join("bin");
    std::fs::create_dir_all(&folder)?;
    let copy = folder.join(name);
    let strip = Command::new("strip").arg("-o").arg(&copy).arg(binary).status();
    Ok(if strip.is_ok_and(|status| status.success()) { copy } else { binary.to_owned() })
}

#[cfg(test)]
mod tests {
    use zip::ZipArchive;

    use super::*;

    #[test]
    fn lambda_can_run_what_is_packed() {
        let packed = zip(&[("bootstrap", b"a binary", 0o755)]).unwrap();
        let mut archive = ZipArchive::new(Cursor::new(packed)).unwrap();
        let file = archive.by_name("bootstrap").unwrap();
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
    }
}
