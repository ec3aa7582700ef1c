//! Which ports the processes of a group listen on, from Linux's `/proc`.
//!
//! Where there is no `/proc` nothing is found.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";
/// 127.0.0.1 and ::1, as `/proc/net` spells them.
const LOOPBACK: [&str; 3] =
    ["0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"];

/// The listening addresses, in the kernel's spelling, that are not loopback's.
///
/// # Errors
/// `/proc` cannot be read.
pub fn public_listeners(group: u32) -> anyhow::Result<Vec<String>> {
    let sockets = sockets_of(group);
    let mut open = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(table) = fs::read_to_string(table) else { continue };
        for line in table.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else { continue };
            let (address, _) = local.split_once(':').context("an address of /proc/net/tcp")?;
            if state == LISTEN && !LOOPBACK.contains(&address) && sockets.contains(inode) {
                open.push(local.to_owned());
            }
        }
    }
    Ok(open)
}

/// The inodes of all sockets of a process group. A process that ends meanwhile has none.
fn sockets_of(group: u32) -> BTreeSet<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let members = processes.filter(|process| {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // pid (name) state parent group …; the name may hold spaces.
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
        let member = after_name.and_then(|rest| rest.split_whitespace().nth(2));
        member == Some(group.to_string().as_str())
    });
    let files = members.flat_map(|process| fs::read_dir(process.path().join("fd"))).flatten();
    let links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    let names = links.filter_map(|link| link.to_str().map(str::to_owned));
    names
        .filter_map(|name| Some(name.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}
