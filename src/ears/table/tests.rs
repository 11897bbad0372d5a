//! Events in, names out.

use super::*;
use crate::process::How;

fn end(text: &str) -> Endpoint {
    let (addr, port) = text.rsplit_once(':').unwrap();
    Endpoint {
        addr: addr.trim_matches(['[', ']']).parse().unwrap(),
        port: port.parse().unwrap(),
    }
}

fn at(time: u64, pid: u32, what: What) -> Event {
    Event {
        time,
        pid,
        group: 0,
        what,
    }
}

fn state(socket: u64, old: u8, new: u8, local: &str, remote: &str) -> What {
    What::State {
        socket,
        old,
        new,
        local: end(local),
        remote: end(remote),
    }
}

fn exec(name: &str) -> What {
    What::Name {
        name: name.into(),
        exec: true,
    }
}

fn takes(table: &mut Table, events: impl IntoIterator<Item = Event>) {
    table.take(&mut events.into_iter().collect());
}

fn table(events: impl IntoIterator<Item = Event>) -> Table {
    let mut table = Table::default();
    takes(&mut table, events);
    table
}

fn tcp(table: &mut Table, local: &str, remote: &str) -> String {
    let found = table.who((protocol::TCP, end(local), end(remote)));
    found.map_or_else(|| "-".to_owned(), |process| process.to_string())
}

fn udp(table: &mut Table, local: &str, remote: &str) -> String {
    let found = table.who((protocol::UDP, end(local), end(remote)));
    found.map_or_else(|| "-".to_owned(), |process| process.to_string())
}

const CLIENT: &str = "10.0.0.2:40000";
const SERVER: &str = "10.0.0.9:80";

/// A shell starts curl, which connects.
fn curl(pid: u32, from: u64, local: &str) -> Vec<Event> {
    vec![
        at(from, pid, What::Fork { parent: 1 }),
        at(from + 1, pid, exec("curl")),
        at(
            from + 2,
            pid,
            What::Exec {
                path: "/usr/bin/curl".into(),
            },
        ),
        at(from + 3, pid, state(9, 7, 2, "10.0.0.2:0", SERVER)),
        // In softirq: another process runs.
        at(from + 4, 77, state(9, 2, 1, local, SERVER)),
    ]
}

#[test]
fn a_connect_is_joined_by_its_socket_whatever_runs_when_it_gets_its_port() {
    let mut table = table(curl(5, 10, CLIENT));
    assert_eq!(tcp(&mut table, CLIENT, SERVER), "curl[5]");
    assert_eq!(tcp(&mut table, SERVER, CLIENT), "-");
    let process = table
        .who((protocol::TCP, end(CLIENT), end(SERVER)))
        .unwrap();
    assert_eq!(process.exe.as_deref(), Some("/usr/bin/curl"));
    assert_eq!(process.how, How::Kernel);
}

#[test]
fn a_refused_connect_has_a_name_and_one_without_an_answer_too() {
    let mut events = curl(5, 10, CLIENT);
    events.pop();
    let mut unanswered = table(events.clone());
    // The packet has the port that the event had not.
    assert_eq!(tcp(&mut unanswered, CLIENT, SERVER), "curl[5]");
    assert_eq!(tcp(&mut unanswered, "10.0.0.3:4", SERVER), "-");
    // Two processes wait for the same server: either may be meant.
    takes(
        &mut unanswered,
        [at(20, 6, state(8, 7, 2, "10.0.0.2:0", SERVER))],
    );
    assert_eq!(tcp(&mut unanswered, CLIENT, SERVER), "-");
    events.push(at(14, 5, state(9, 2, 7, CLIENT, SERVER)));
    assert_eq!(tcp(&mut table(events), CLIENT, SERVER), "curl[5]");
}

#[test]
fn events_may_come_from_other_processors_out_of_order_and_a_round_apart() {
    let mut events = curl(5, 10, CLIENT);
    events.reverse();
    let fork = events.pop().unwrap();
    let mut table = table(events);
    assert_eq!(tcp(&mut table, CLIENT, SERVER), "curl[5]");
    table.root = Some(1);
    takes(&mut table, [fork]);
    let process = table
        .who((protocol::TCP, end(CLIENT), end(SERVER)))
        .unwrap();
    assert_eq!(
        (process.to_string().as_str(), process.chosen),
        ("curl[5]", true)
    );
}

#[test]
fn a_pid_and_a_port_that_are_used_again_are_others() {
    let mut table = table(curl(5, 10, CLIENT));
    takes(
        &mut table,
        [
            at(20, 5, What::Exit),
            at(30, 5, What::Fork { parent: 1 }),
            at(31, 5, exec("wget")),
        ],
    );
    assert_eq!(tcp(&mut table, CLIENT, SERVER), "curl[5]");
    takes(
        &mut table,
        [
            at(40, 5, state(9, 7, 2, "10.0.0.2:0", SERVER)),
            at(41, 5, state(9, 2, 1, CLIENT, SERVER)),
        ],
    );
    assert_eq!(tcp(&mut table, CLIENT, SERVER), "wget[5]");
    // Long after.
    takes(&mut table, [at(70_000_000_000, 1, What::Exit)]);
    assert_eq!(tcp(&mut table, CLIENT, SERVER), "wget[5]");
    takes(
        &mut table,
        [
            at(70_000_000_001, 5, What::Exit),
            at(140_000_000_000, 1, What::Exit),
        ],
    );
    assert_eq!(tcp(&mut table, CLIENT, SERVER), "-");
}

#[test]
fn the_server_is_who_listens_and_the_worker_who_closes() {
    const LATER: u64 = 5_000_000_000;
    let accepted = |time, client: &str| at(time, 999, state(4, 3, 1, SERVER, client));
    let mut table = table([
        at(1, 7, What::Fork { parent: 1 }),
        at(2, 7, exec("nginx")),
        at(3, 7, state(1, 7, 10, "0.0.0.0:80", "0.0.0.0:0")),
        accepted(4, CLIENT),
    ]);
    assert_eq!(tcp(&mut table, SERVER, CLIENT), "nginx[7]");
    let process = table
        .who((protocol::TCP, end(SERVER), end(CLIENT)))
        .unwrap();
    assert_eq!(process.how, How::Listener);
    // A fork may be a program that is about to be executed.
    takes(
        &mut table,
        [
            at(5, 8, What::Fork { parent: 7 }),
            at(6, 9, What::Fork { parent: 7 }),
        ],
    );
    assert_eq!(tcp(&mut table, SERVER, CLIENT), "nginx[7]");
    // Workers: only the name is certain.
    takes(&mut table, [at(LATER, 1, What::Exit)]);
    assert_eq!(tcp(&mut table, SERVER, CLIENT), "nginx");
    // Closed in softirq, where another process runs.
    takes(
        &mut table,
        [at(LATER + 7, 5, state(4, 8, 9, SERVER, CLIENT))],
    );
    assert_eq!(tcp(&mut table, SERVER, CLIENT), "nginx");
    takes(
        &mut table,
        [at(LATER + 8, 9, state(4, 1, 4, SERVER, CLIENT))],
    );
    assert_eq!(tcp(&mut table, SERVER, CLIENT), "nginx[9]");
    // A program that a worker starts has no part in it.
    takes(
        &mut table,
        [
            at(LATER + 9, 10, What::Fork { parent: 9 }),
            at(LATER + 10, 10, exec("sh")),
            accepted(LATER + 11, "10.0.0.2:1"),
        ],
    );
    assert_eq!(tcp(&mut table, SERVER, "10.0.0.2:1"), "nginx");
    takes(
        &mut table,
        [at(LATER + 12, 8, What::Exit), at(LATER + 13, 9, What::Exit)],
    );
    assert_eq!(tcp(&mut table, SERVER, "10.0.0.2:1"), "nginx[7]");
    // A remote server with the same port is not ours.
    assert_eq!(tcp(&mut table, "93.184.216.34:80", CLIENT), "-");
}

#[test]
fn a_server_that_executes_itself_again_keeps_its_socket() {
    let mut table = table([
        at(1, 7, What::Fork { parent: 1 }),
        at(2, 7, state(1, 7, 10, SERVER, "0.0.0.0:0")),
        at(3, 7, exec("server")),
        at(4, 0, state(4, 3, 1, SERVER, CLIENT)),
    ]);
    assert_eq!(tcp(&mut table, SERVER, CLIENT), "server[7]");
}

#[test]
fn programs_of_different_names_at_one_port_are_not_told_apart() {
    let mut table = table([
        at(1, 7, What::Fork { parent: 1 }),
        at(1, 8, What::Fork { parent: 1 }),
        at(2, 7, exec("nginx")),
        at(2, 8, exec("caddy")),
        at(3, 7, state(1, 7, 10, SERVER, "0.0.0.0:0")),
        at(4, 8, state(2, 7, 10, SERVER, "0.0.0.0:0")),
        at(5, 0, state(4, 3, 1, SERVER, CLIENT)),
    ]);
    assert_eq!(tcp(&mut table, SERVER, CLIENT), "-");
}

#[test]
fn datagrams_have_names_until_they_are_silent() {
    let sends = |time, pid, local: &str, remote: &str| {
        let (local, remote) = (end(local), end(remote));
        at(time, pid, What::Datagram { local, remote })
    };
    let mut table = table([
        at(1, 5, What::Fork { parent: 1 }),
        at(2, 5, exec("dig")),
        // The route decides on the address.
        sends(3, 5, "0.0.0.0:4000", "10.0.0.9:53"),
        at(3, 6, What::Fork { parent: 1 }),
        at(3, 6, exec("named")),
        sends(4, 6, "[::1]:53", "[::1]:4001"),
        // The kernel delivers in the thread that sends.
        sends(4, 6, "[::1]:4001", "[::1]:53"),
    ]);
    assert_eq!(udp(&mut table, "10.0.0.2:4000", "10.0.0.9:53"), "dig[5]");
    assert_eq!(udp(&mut table, "[::1]:53", "[::1]:4001"), "named[6]");
    assert_eq!(udp(&mut table, "[::1]:4001", "[::1]:53"), "-");
    // A socket of UDP has many peers.
    assert_eq!(udp(&mut table, "[::1]:53", "[::1]:4002"), "named[6]");
    takes(
        &mut table,
        [sends(11_000_000_000, 6, "[::1]:53", "[::1]:9")],
    );
    assert_eq!(udp(&mut table, "10.0.0.2:4000", "10.0.0.9:53"), "-");
    assert_eq!(udp(&mut table, "[::1]:53", "[::1]:9"), "named[6]");
}

#[test]
fn translated_addresses_are_marked() {
    let mut table = table(curl(5, 10, CLIENT));
    let found = table.who((protocol::TCP, end(CLIENT), end("172.17.0.2:8080")));
    let found = found.unwrap();
    assert_eq!(
        (found.to_string().as_str(), found.how),
        ("curl[5]", How::Nat)
    );
    takes(&mut table, curl(6, 20, "10.0.0.2:1"));
    assert_eq!(tcp(&mut table, "10.0.0.2:2", "172.17.0.2:8080"), "-");
}

#[test]
fn names_are_those_of_programs_not_of_their_threads() {
    let renames = |time, pid, name: &str| {
        let (name, exec) = (name.into(), false);
        at(time, pid, What::Name { name, exec })
    };
    let mut events = curl(5, 10, CLIENT);
    events.push(renames(15, 5, "Socket Thread"));
    let mut table = table(events);
    assert_eq!(tcp(&mut table, CLIENT, SERVER), "curl[5]");
    // A worker that names itself.
    takes(
        &mut table,
        [
            at(20, 6, What::Fork { parent: 5 }),
            renames(21, 6, "worker 1"),
            at(22, 6, state(9, 7, 2, "10.0.0.2:0", SERVER)),
            at(23, 6, state(9, 2, 1, "10.0.0.2:1", SERVER)),
        ],
    );
    assert_eq!(tcp(&mut table, "10.0.0.2:1", SERVER), "worker 1[6]");
    assert_eq!(tcp(&mut table, CLIENT, SERVER), "curl[5]");
}

#[test]
fn descendants_are_chosen_through_forks_and_execs() {
    let mut table = Table::default();
    table.choose_children(100);
    let connects = |time, pid, port: u16| {
        let local = format!("10.0.0.2:{port}");
        [
            at(time, pid, state(9, 7, 2, "10.0.0.2:0", SERVER)),
            at(time + 1, pid, state(9, 2, 1, &local, SERVER)),
        ]
    };
    takes(
        &mut table,
        [
            at(1, 100, exec("spygrep")),
            at(2, 101, What::Fork { parent: 100 }),
            at(3, 101, exec("sh")),
            at(4, 102, What::Fork { parent: 101 }),
            // A daemon: its parents end.
            at(5, 103, What::Fork { parent: 102 }),
            at(6, 102, What::Exit),
            at(7, 101, What::Exit),
            at(8, 103, exec("daemon")),
            at(9, 200, What::Fork { parent: 1 }),
        ],
    );
    takes(&mut table, connects(10, 103, 1));
    takes(&mut table, connects(20, 200, 2));
    takes(&mut table, connects(30, 100, 3));
    let mut chosen = |port: u16| {
        let local = end(&format!("10.0.0.2:{port}"));
        table
            .who((protocol::TCP, local, end(SERVER)))
            .unwrap()
            .chosen
    };
    assert_eq!([1, 2, 3].map(&mut chosen), [true, false, false]);
    table.choose(100);
    let local = end("10.0.0.2:3");
    assert!(
        table
            .who((protocol::TCP, local, end(SERVER)))
            .unwrap()
            .chosen
    );
}

#[test]
fn what_was_there_before_is_found_by_its_inode() {
    let mut table = Table::new(Names {
        users: HashMap::from([(1000, "dev".to_owned())]),
        containers: HashMap::from([("0123456789ab".to_owned(), "api".to_owned())]),
    });
    let life = Life {
        program: Rc::new(Program {
            name: "python3".into(),
            script: Some("site.py".into()),
            exe: None,
        }),
        uid: Some(1000),
        group: Some("/docker-0123456789ab.scope".into()),
        ..Life::default()
    };
    table.found(7, life, &[55, 56]);
    table.found_listener(end("[::]:80"), 55);
    let process = table.before(56, end(SERVER)).unwrap();
    assert_eq!(process.to_string(), "site.py[7] in api");
    assert_eq!(
        (process.user.as_deref(), process.how),
        (Some("dev"), How::Before)
    );
    // A socket that it accepted later.
    let process = table.before(999, end(SERVER)).unwrap();
    assert_eq!((process.pid, process.how), (Some(7), How::Listener));
    assert_eq!(table.before(999, end("10.0.0.9:81")), None);
    let user = table.of_user(1000);
    assert_eq!((user.to_string().as_str(), user.how), ("?(dev)", How::User));
}

#[test]
fn floods_are_bounded() {
    let mut table = Table::default();
    let mut events = Vec::new();
    for number in 0..300_000_u32 {
        let time = u64::from(number) * 10;
        let pid = 2 + number;
        let local = format!(
            "10.{}.{}.{}:9",
            number >> 16,
            number >> 8 & 255,
            number & 255
        );
        events.push(at(time, pid, What::Fork { parent: 1 }));
        events.push(at(time + 1, pid, state(time, 7, 2, &local, SERVER)));
        events.push(at(time + 2, pid, state(time, 2, 1, &local, SERVER)));
        events.push(at(
            time + 3,
            pid,
            state(1 << 40 | time, 7, 2, &local, &local),
        ));
        events.push(at(time + 4, pid, state(1, 7, 10, &local, SERVER)));
        if number % 3 == 0 {
            events.push(at(time + 5, pid, What::Exit));
        }
        let path = format!("/{number}");
        events.push(at(time + 6, 0, What::Group { id: time, path }));
        if events.len() > 10_000 {
            table.take(&mut events);
        }
    }
    assert!(table.lives.len() <= limits::PROCESSES);
    let [sockets, order, by_local, begun] = table.sockets.len();
    assert!(sockets <= limits::SOCKETS && by_local <= limits::SOCKETS);
    assert!(order <= 2 * limits::SOCKETS + 1 && begun <= limits::SOCKETS);
    assert!(table.listeners.len() <= limits::LISTENERS);
    assert!(table.groups.len() <= limits::GROUPS);
}
