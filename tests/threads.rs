//! Two threads show what one shows, to the byte; and both are in the sandbox.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use super::frames::{ACK, Numbers, PSH, SYN, ip, tcp, write};
use super::{project, run, scratch, spygrep, text};

/// Ways to look at a capture; each has its own state between packets.
const WAYS: [&str; 15] = [
    "''",
    "-q ''",
    "-t -T -W log ''",
    "-W byline -x e",
    "--json ''",
    "--stats=1s ''",
    "--timing --pair GET",
    "-A 1 -B 2 --show-empty e",
    "-v e",
    "--and e --not POST .",
    "--list ''",
    "-o '[a-z]+'",
    "--count --wire .",
    "--har - ''",
    "-q --slow 1s ''",
];

fn expect_the_same(files: &str) {
    for way in WAYS {
        let [one, two] =
            ["1", "2"].map(|threads| run(&format!("--threads {threads} {way} {files}")));
        assert_eq!(text(&one.stdout), text(&two.stdout), "{way} {files}");
        assert_eq!(text(&one.stderr), text(&two.stderr), "{way} {files}");
        assert_eq!(one.status, two.status, "{way} {files}");
    }
}

#[test]
fn each_capture_is_shown_the_same_by_one_thread_and_by_two() {
    let mut all = String::new();
    for file in fs::read_dir(project().join("pcaps")).expect("there are captures") {
        let name = file.expect("a file").file_name();
        let name = name.to_str().expect("a plain name");
        let extension = Path::new(name).extension().and_then(|it| it.to_str());
        if extension.is_some_and(|it| ["pcap", "pcapng", "gz", "zst"].contains(&it)) {
            expect_the_same(&format!("pcaps/{name}"));
            all.push_str(&format!(" pcaps/{name}"));
        }
    }
    assert!(!all.is_empty(), "no capture was found");
    // Files that end one after the other in the middle of what they tell.
    let [one, two] = ["1", "2"].map(|threads| run(&format!("--threads {threads} --json ''{all}")));
    assert_eq!(text(&one.stdout), text(&two.stdout));
}

/// Captures with segments out of order, fragments, copies, several link types.
const SAVED: &str = "pcaps/tcp-reordered.pcap pcaps/udp-fragments.pcap pcaps/http-gzip.pcap pcaps/any-sll.pcap \
    pcaps/french-website.pcap pcaps/padding.pcap";

#[test]
fn the_same_packets_are_saved_by_one_thread_and_by_two() {
    let folder = scratch("threads-saved");
    for way in ["", "--write-flow", "--show-empty", "-A 1 -B 1", "--pair"] {
        for pattern in ["''", "e", "HTTP"] {
            let [one, two] = ["1", "2"].map(|threads| {
                let file = folder.join(threads).with_extension("pcap");
                let ran = run(&format!(
                    "--threads {threads} -q {way} -O {} {pattern} {}",
                    file.display(),
                    SAVED
                ));
                (fs::read(file).expect("it was written"), ran)
            });
            assert_eq!(one.0, two.0, "{way} {pattern}");
            assert_eq!(text(&one.1.stdout), text(&two.1.stdout), "{way} {pattern}");
        }
    }
}

/// Connections whose segments come late, twice, differently, in pieces, or never; with pauses, and
/// ports used again.
fn messy(seed: u64, packets: usize) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(seed);
    let mut made = Vec::new();
    let mut sent = [[0_u32; 2]; 12];
    while made.len() < packets {
        let flow = numbers.below(12);
        let port = 4000 + u16::try_from(flow).expect("few");
        let up = numbers.below(2) == 0;
        let [own, other] = match up {
            true => sent[flow],
            false => [sent[flow][1], sent[flow][0]],
        };
        let body = match numbers.below(4) {
            0 => format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", numbers.below(100)),
            1 => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                numbers.below(90)
            ),
            2 => "some text that goes on ".repeat(numbers.below(60)),
            _ => format!("a={}&", numbers.below(1000)),
        };
        let len = u32::try_from(body.len()).expect("short");
        let skewed = match numbers.below(10) {
            0 => own.wrapping_sub(20),
            1 => own.wrapping_add(30),
            _ => own,
        };
        let [seq, ack] = [skewed, other].map(|offset| offset.wrapping_add(1000));
        made.push(match numbers.below(24) {
            0 => tcp(up, port, SYN, seq.wrapping_sub(1), 0, b""),
            1 => tcp(up, port, SYN | ACK, seq.wrapping_sub(1), ack, b""),
            2 => tcp(up, port, ACK | 1, seq, ack, b""),
            3 => tcp(up, port, 4, seq, ack, b""),
            4 => ip(
                up,
                17,
                (7, 0x2000),
                &[&[0, 9, 0, 9, 0, 40, 0, 0][..], &[b'f'; 8]].concat(),
            ),
            5 => ip(up, 17, (7, 2), b"the rest of a datagram"),
            6 => vec![0xff; 9],
            _ => tcp(up, port, PSH | ACK, seq, ack, body.as_bytes()),
        });
        if skewed == own && numbers.below(12) > 0 {
            sent[flow][usize::from(!up)] = own.wrapping_add(len);
        }
    }
    made
}

#[test]
fn what_is_out_of_order_is_shown_the_same_by_one_thread_and_by_two() {
    let folder = scratch("threads");
    for (seed, packets) in [(1, 300), (2, 3000), (3, 20_000)] {
        let file = folder.join(format!("{seed}.pcap"));
        write(&file, &messy(seed, packets));
        expect_the_same(&file.display().to_string());
        expect_the_same(&format!("--max-flows 5 --mem 2000 {}", file.display()));
    }
}

/// A capture file of raw IP packets with their times in milliseconds.
fn timed(path: &Path, packets: &[(u32, Vec<u8>)]) {
    let mut bytes = Vec::new();
    let mut put = |fields: &[u32], packet: &[u8]| {
        bytes.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
        bytes.extend(packet);
    };
    put(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 101], &[]);
    for (millis, packet) in packets {
        let len = u32::try_from(packet.len()).expect("a packet is short");
        put(&[millis / 1000, millis % 1000 * 1000, len, len], packet);
    }
    fs::write(path, bytes).expect("a file in the target directory can be written");
}

#[test]
fn what_one_frame_lets_go_is_shown_the_same_however_much_it_is() {
    let folder = scratch("threads-let-go");
    let hours = 2 * 3_600_000;
    let begun = |port: u16| tcp(true, 10_000 + port, PSH | ACK, 1000, 1, b"some text");
    let behind = |at: u32, port: u16| {
        let seq = 1100 + at * 1400;
        tcp(true, 10_000 + port, PSH | ACK, seq, 1, &[b'x'; 1400])
    };
    // More ends than one batch has, let go by a frame without bytes, behind some whose block is not
    // yet sent.
    let quiet = (0..5000).map(|port| (0, begun(port)));
    let last = (0..100).map(|port| (1, begun(port)));
    let ended: Vec<_> = quiet.chain(last).chain([(hours, Vec::new())]).collect();
    // More bytes behind holes than one batch has.
    let holes = (0..60).flat_map(|port| {
        let rest = (0..40).map(move |at| (1, behind(at, port)));
        [(0, begun(port))].into_iter().chain(rest)
    });
    let holes: Vec<_> = holes
        .chain([(hours, begun(99)), (hours, begun(98))])
        .collect();
    for (name, packets) in [("ended.pcap", ended), ("holes.pcap", holes)] {
        let file = folder.join(name);
        timed(&file, &packets);
        for way in ["--count ''", "--json e", "-q x", "--wire --and e -A 1 some"] {
            let [one, two] = ["1", "2"]
                .map(|threads| run(&format!("--threads {threads} {way} {}", file.display())));
            assert!(!one.stdout.is_empty(), "{way} {name}");
            // Not with what they are: it is long.
            assert!(one.stdout == two.stdout, "{way} {name}");
        }
    }
}

#[test]
fn what_was_lost_is_counted_where_no_packet_was_read() {
    let folder = scratch("threads-nothing");
    let file = folder.join("cut.pcap");
    write(&file, &[]);
    let mut bytes = fs::read(&file).expect("it was written");
    bytes.extend([1, 2, 3, 4, 5]);
    fs::write(&file, bytes).expect("a file in the target directory can be written");
    expect_the_same(&file.display().to_string());
    let two = run(&format!("--threads 2 --json '' {}", file.display()));
    assert!(text(&two.stdout).contains("\"cut_files\":1"));
}

#[test]
fn what_ends_a_run_early_is_one_threads() {
    let file = "pcaps/french-website.pcap";
    for way in ["-n 1 ''", "--exists GET", "--curl 1", "--diff 1,2"] {
        let [one, two] =
            ["1", "2"].map(|threads| run(&format!("--threads {threads} {way} {file}")));
        assert_eq!(text(&one.stdout), text(&two.stdout), "{way}");
        assert_eq!(text(&one.stderr), text(&two.stderr), "{way}");
    }
    assert_eq!(
        run(&format!("--threads 3 '' {file}")).status.code(),
        Some(2)
    );
}

/// All threads of a process, by the lines of their states that begin with a name.
fn states(process: u32, name: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let states = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    states
        .filter_map(|state| {
            Some(
                state
                    .lines()
                    .find(|line| line.starts_with(name))?
                    .to_owned(),
            )
        })
        .collect()
}

#[test]
#[cfg(target_os = "linux")]
fn both_threads_are_in_the_sandbox_and_the_records_come_at_once() {
    let mut child = spygrep()
        .args(["--threads", "2", "-q", "-I", "-", "GET"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let capture = fs::read(project().join("pcaps/french-website.pcap")).expect("it is there");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&capture).expect("it reads");
    input.flush().expect("it reads");
    // The pipe stays open, and what is in it is shown.
    let mut output = child.stdout.take().expect("a pipe");
    let mut first = [0; 2];
    std::io::Read::read_exact(&mut output, &mut first).expect("a record");
    let [filters, rights] = ["Seccomp:", "NoNewPrivs:"].map(|name| states(child.id(), name));
    drop(input);
    assert!(child.wait().expect("it ends").success());
    if Path::new("/proc/sys/kernel/seccomp").exists() {
        assert_eq!(filters, ["Seccomp:\t2", "Seccomp:\t2"]);
    }
    assert_eq!(rights, ["NoNewPrivs:\t1", "NoNewPrivs:\t1"]);
}
