//! Which ports the processes of a group listen on, from Linux's `/proc`.

use std::collections::BTreeSet;
use std::fs;

/// The state of a listening socket in `/proc/net/tcp`.
/// <https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html>
const LISTEN: &str = "0A";
/// 127.0.0.1, ::1 and ::ffff:127.0.0.1, as `/proc/net` spells them.
const LOOPBACK: [&str; 3] =
    ["0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"];

/// The addresses and ports, in the kernel's spelling, that the group listens on; `None`
/// where there is no `/proc`.
pub fn listeners(group: u32) -> Option<Vec<String>> {
    let sockets = sockets_of(group);
    let tables = [fs::read_to_string("/proc/net/tcp").ok()?, tcp6()];
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    Some(lines.filter_map(|line| listening(line, &sockets)).collect())
}

/// Whether an address can be reached from this machine only.
pub fn is_loopback(address: &str) -> bool {
    address.split_once(':').is_some_and(|(address, _)| LOOPBACK.contains(&address))
}

/// Empty on a machine without IPv6.
fn tcp6() -> String {
    fs::read_to_string("/proc/net/tcp6").unwrap_or_default()
}

fn listening(line: &str, sockets: &BTreeSet<String>) -> Option<String> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else { return None };
    (state == LISTEN && sockets.contains(inode)).then(|| local.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_port_is_told_from_one_on_loopback() {
        let sockets = BTreeSet::from(["7".to_owned()]);
        let line = |address: &str, state: &str, inode: u32| {
            format!("0: {address} 00000000:0000 {state} 0:0 00:0 0 0 0 {inode} 1")
        };
        assert_eq!(listening(&line("00000000:22B8", "0A", 7), &sockets).unwrap(), "00000000:22B8");
        for other in [line("00000000:22B8", "01", 7), line("00000000:22B8", "0A", 8)] {
            assert_eq!(listening(&other, &sockets), None, "{other}");
        }
        for (address, expected) in [
            ("0100007F:22B8", true),
            ("00000000:22B8", false),
            ("00000000000000000000000001000000:22B8", true),
            ("00000000000000000000000000000000:22B8", false),
        ] {
            assert_eq!(is_loopback(address), expected, "{address}");
        }
    }
}
