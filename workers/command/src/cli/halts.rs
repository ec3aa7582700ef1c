//! What holds losses back, told by every command that foretells or repairs.

use std::io::Result;

use serde_json::{Value, json};
use tollgate_core::halt::Halt;

use super::{Colour, Io};

pub(super) fn print(halts: &[Halt], io: &mut Io<'_>) -> Result<()> {
    for halt in halts {
        let mark = io.paint(Colour::Red, "!");
        writeln!(io.out, "\n{mark} {halt}\n  {}", halt.mend())?;
    }
    Ok(())
}

pub(super) fn json(halts: &[Halt]) -> Value {
    let one = |halt: &Halt| json!({ "halt": halt.as_str(), "problem": halt.to_string() });
    halts.iter().map(one).collect()
}
