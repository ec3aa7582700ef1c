//! Compresses the page's files, so that the function sends them as they are.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

#[expect(clippy::disallowed_methods, reason = "Cargo tells a build script by its environment")]
fn main() -> std::io::Result<()> {
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    for file in ["app.js", "app.css"] {
        let source = Path::new("page").join(file);
        println!("cargo::rerun-if-changed={}", source.display());
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&std::fs::read(&source)?)?;
        std::fs::write(Path::new(&out).join(format!("{file}.gz")), packed.finish()?)?;
    }
    Ok(())
}
