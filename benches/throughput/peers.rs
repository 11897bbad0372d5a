//! Other programs on the same files, and libpcap with no program around it.

use std::path::Path;
use std::time::Duration;

use crate::runs::{self, Call};
use crate::table::{Table, ratio, seconds};
use crate::workloads::Made;
use crate::{PATTERN, Plan};

/// A program that does something of the kind: its name, the arguments in front of the file's name,
/// and those behind it.
type Peer = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// Each is run once, and not for longer: in a flood of SYNs tcpdump would go on for hours.
const PATIENCE: Duration = Duration::from_mins(1);

/// tcpdump and tcpflow print the payload, to be searched by another program; httpry prints the
/// heads of HTTP.
const PEERS: [Peer; 4] = [
    ("tcpdump", &["-nn", "-A", "-r"], &[]),
    (
        "tshark",
        &["-n", "-r"],
        &["-Y", "frame matches \"NEEDLE-[0-9]+-END\""],
    ),
    ("tcpflow", &["-X", "/dev/null", "-c", "-r"], &[]),
    ("httpry", &["-q", "-r"], &[]),
];

/// Time of each peer on each workload, and spygrep's over it.
pub(crate) fn table(plan: &Plan) {
    let there = PEERS.map(|(program, ..)| runs::is_there(program));
    println!(
        "files of {} MiB, spygrep's median of {} runs, one run of the others\n",
        plan.mebibytes, plan.runs
    );
    let mut table = Table::new(&["workload", "peer", "peer's", "spygrep", "ratio"]);
    for workload in plan.workloads(&[]) {
        let Made { path, .. } = workload.file(&plan.folder, plan.mebibytes);
        let ours = runs::spygrep(&[PATTERN], &path);
        let [ours] = runs::medians([Some(&ours)], plan.runs, None);
        for (peer, _) in PEERS.iter().zip(there).filter(|(_, there)| *there) {
            let theirs = runs::time_within(&call(*peer, &path), PATIENCE);
            table.row(vec![
                workload.name.into(),
                peer.0.into(),
                theirs.map_or("too long".into(), |time| seconds(Some(time))),
                seconds(ours),
                ratio(ours, theirs),
            ]);
        }
    }
    table.print();
}

fn call((program, before, behind): Peer, file: &Path) -> Call {
    let file = file.to_str().expect("the path is text");
    let words = [&[program], before, &[file], behind].concat();
    words.into_iter().map(str::to_owned).collect()
}

/// This program as [`read`] of a file.
pub(crate) fn bare(file: &Path) -> Call {
    let own = std::env::current_exe().expect("the program has a path");
    let path = |path: &Path| path.to_str().expect("the path is text").to_owned();
    vec![path(&own), "--loop".into(), path(file)]
}

/// What any program on libpcap has to do: get each packet. The sum keeps it from being left out.
pub(crate) fn read(file: &str) {
    let mut capture = pcap::Capture::from_file(file).expect("the capture is there");
    let mut sum = 0_u64;
    while let Ok(packet) = capture.next_packet() {
        sum = sum.wrapping_add(packet.data.len() as u64);
    }
    println!("{sum}");
}
