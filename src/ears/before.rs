//! The look at what is there before the run: processes and their sockets from `/proc`, the names of
//! users and containers from their files.
//!
//! It ends after [`LONGEST`], complete or not. A file that cannot be read says nothing.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::limits::processes as limits;

use super::table::{Life, Names, Program, Table};

/// The longest time of the look at `/proc`.
const LONGEST: Duration = Duration::from_millis(250);
/// Bytes that are read of a file about a process, and of others.
const SMALL: u64 = 4 << 10;
const LARGE: u64 = 1 << 20;
/// Descriptors of one process that are looked at.
const DESCRIPTORS: usize = 16_384;
/// Containers whose names are read.
const CONTAINERS: usize = 1024;
/// Programs that run scripts: the start of their names.
const INTERPRETERS: [&str; 10] = [
    "python", "node", "ruby", "perl", "php", "bash", "sh", "dash", "zsh", "java",
];

/// The start of a file.
fn text(path: impl AsRef<Path>, most: u64) -> Option<String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The names of users and containers.
pub(super) fn names() -> Names {
    let passwd = text("/etc/passwd", LARGE).unwrap_or_default();
    let mut containers = HashMap::new();
    docker(&mut containers, Path::new("/var/lib/docker/containers"));
    podman(&mut containers, Path::new("/var/lib/containers/storage"));
    nerdctl(
        &mut containers,
        Path::new("/run/containerd/io.containerd.runtime.v2.task"),
    );
    Names {
        users: users(&passwd),
        containers,
    }
}

/// The users of `/etc/passwd`. The first name of a number is taken.
fn users(passwd: &str) -> HashMap<u32, String> {
    let mut users = HashMap::new();
    for line in passwd.lines() {
        let mut parts = line.split(':');
        if let (Some(name), Some(uid)) = (parts.next(), parts.nth(1))
            && let Ok(uid) = uid.parse()
        {
            users.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    users
}

/// The names of the entries of a folder.
fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.flatten().take(CONTAINERS)
}

fn json(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&text(path, LARGE)?).ok()
}

/// Containers of docker: a folder for each, named as its identifier.
fn docker(names: &mut HashMap<String, String>, folder: &Path) {
    for entry in entries(folder) {
        let about = json(&entry.path().join("config.v2.json"));
        if let Some(name) = about.as_ref().and_then(|about| about.get("Name")?.as_str()) {
            let id = entry.file_name().to_string_lossy().into_owned();
            names.insert(id, name.trim_start_matches('/').to_owned());
        }
    }
}

/// Containers of podman: a list of all.
fn podman(names: &mut HashMap<String, String>, folder: &Path) {
    for entry in entries(folder) {
        if !entry.file_name().to_string_lossy().ends_with("-containers") {
            continue;
        }
        let list = json(&entry.path().join("containers.json"));
        let list = list.as_ref().and_then(serde_json::Value::as_array);
        for one in list.into_iter().flatten().take(CONTAINERS) {
            let name = one.get("names").and_then(|names| names.get(0)?.as_str());
            if let (Some(id), Some(name)) = (one.get("id").and_then(|id| id.as_str()), name) {
                names.insert(id.to_owned(), name.to_owned());
            }
        }
    }
}

/// Containers of containerd: a folder for each namespace, in it one for each container.
fn nerdctl(names: &mut HashMap<String, String>, folder: &Path) {
    for entry in entries(folder).flat_map(|namespace| entries(&namespace.path())) {
        let about = json(&entry.path().join("config.json"));
        let noted = |key: &str| {
            let notes = about.as_ref()?.get("annotations")?;
            Some(notes.get(key)?.as_str()?.to_owned())
        };
        let name = noted("nerdctl/name").or_else(|| noted("io.kubernetes.cri.container-name"));
        if let Some(name) = name {
            names.insert(entry.file_name().to_string_lossy().into_owned(), name);
        }
    }
}

/// Looks at all processes.
pub(super) fn look(table: &mut Table) {
    let began = Instant::now();
    let mut groups = HashMap::new();
    let Ok(entries) = fs::read_dir("/proc") else {
        return;
    };
    for entry in entries.flatten() {
        if began.elapsed() > LONGEST {
            return;
        }
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let path = entry.path();
        if let Some(mut life) = life(&path) {
            if let Some(group) = &life.group {
                let known = groups.len() < limits::GROUPS || groups.contains_key(group);
                if known {
                    let group = groups.entry(Rc::clone(group)).or_insert_with(|| {
                        // The number of a group is the inode of its folder.
                        let folder = format!("/sys/fs/cgroup{group}");
                        let id = fs::metadata(folder).map_or(0, |about| about.ino());
                        (id, Rc::clone(group))
                    });
                    life.group = Some(Rc::clone(&group.1));
                }
            }
            table.found(pid, life, &inodes(&path));
        }
    }
    for (id, path) in groups.into_values() {
        table.found_group(id, &path);
    }
}

/// What is known of a process.
fn life(path: &Path) -> Option<Life> {
    let status = text(path.join("status"), SMALL)?;
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    let name = text(path.join("comm"), SMALL)?;
    let name = name.trim_end_matches('\n').to_owned();
    let exe = fs::read_link(path.join("exe")).ok();
    let exe = exe.map(|exe| exe.to_string_lossy().into_owned());
    let script = script(
        &name,
        &text(path.join("cmdline"), SMALL).unwrap_or_default(),
    );
    let group = text(path.join("cgroup"), SMALL).unwrap_or_default();
    let group = group.lines().find_map(|line| line.strip_prefix("0::"));
    // The effective one, which sockets have.
    let uid = field("Uid").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok());
    Some(Life {
        parent: field("PPid")?.trim().parse().ok()?,
        program: Rc::new(Program { name, script, exe }),
        group: group.map(Rc::from),
        uid,
        ..Life::default()
    })
}

/// The script that an interpreter runs: the base name of its first word that is no option. Nothing
/// else is taken of a command line, which may hold secrets.
pub(super) fn script(name: &str, command: &str) -> Option<String> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !INTERPRETERS.contains(&stem) {
        return None;
    }
    let mut words = command.split('\0').skip(1);
    let mut word = words.next()?;
    if stem == "java" {
        while word != "-jar" {
            word = words.next()?;
        }
        word = words.next()?;
    } else if let Some(option) = word.strip_prefix('-') {
        // After others comes the text of a program (-c, -e), or the value of the option.
        if !["u", "B", "O", "E", "s", "S", "I", "x", "l", "w"].contains(&option) {
            return None;
        }
        word = words.next()?;
    }
    let base = word.rsplit('/').next().unwrap_or_default();
    let shown = !base.is_empty() && base.len() <= 255 && !base.starts_with('-');
    // A text given to a shell is no file.
    (shown && !base.contains(char::is_whitespace)).then(|| base.to_owned())
}

/// The inodes of a process's sockets.
fn inodes(path: &Path) -> Vec<u64> {
    let Ok(descriptors) = fs::read_dir(path.join("fd")) else {
        return Vec::new();
    };
    let inode = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        let number = target.to_str()?.strip_prefix("socket:[")?;
        number.strip_suffix(']')?.parse().ok()
    };
    let mut inodes: Vec<u64> = descriptors
        .flatten()
        .take(DESCRIPTORS)
        .filter_map(inode)
        .collect();
    inodes.sort_unstable();
    inodes.dedup();
    inodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_the_first_word_that_is_no_option() {
        for (name, command, wanted) in [
            (
                "python3",
                "python3\0/srv/site.py\0--key=x\0",
                Some("site.py"),
            ),
            ("python3.11", "python3.11\0-u\0app.py\0", Some("app.py")),
            ("python3", "python3\0-c\0print('secret')\0", None),
            ("python3", "python3\0-m\0http.server\0", None),
            ("python3", "python3\0", None),
            ("node", "node\0server.js\0", Some("server.js")),
            ("java", "java\0-Xmx1g\0-jar\0/opt/a.jar\0", Some("a.jar")),
            ("java", "java\0com.example.Main\0", None),
            ("bash", "bash\0-x\0deploy.sh\0", Some("deploy.sh")),
            ("bash", "-bash\0", None),
            ("sh", "sh\0-c\0curl x\0", None),
            ("sh", "sh\0-x\0-c\0curl\0", None),
            ("curl", "curl\0--user\0me:secret\0", None),
        ] {
            assert_eq!(script(name, command).as_deref(), wanted, "{command:?}");
        }
    }

    #[test]
    fn users_have_their_first_name() {
        let users = users("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\ndev:x:1000:1000\nx\n");
        assert_eq!(users[&0], "root");
        assert_eq!(users[&1000], "dev");
        assert_eq!(users.len(), 2);
    }

    #[test]
    fn containers_have_the_names_that_their_runtimes_gave_them() {
        let folder = std::env::temp_dir().join(format!("spygrep-before-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("docker/0a/config.v2.json", r#"{"ID":"0a","Name":"/web"}"#);
        write("docker/0b/config.v2.json", "not json");
        write(
            "podman/overlay-containers/containers.json",
            r#"[{"id":"0c","names":["db"]},{"id":"0d"}]"#,
        );
        write(
            "nerdctl/k8s/0e/config.json",
            r#"{"annotations":{"io.kubernetes.cri.container-name":"api"}}"#,
        );
        let mut names = HashMap::new();
        docker(&mut names, &folder.join("docker"));
        podman(&mut names, &folder.join("podman"));
        nerdctl(&mut names, &folder.join("nerdctl"));
        docker(&mut names, &folder.join("missing"));
        fs::remove_dir_all(&folder).unwrap();
        let wanted = [("0a", "web"), ("0c", "db"), ("0e", "api")];
        let wanted = wanted.map(|(id, name)| (id.to_owned(), name.to_owned()));
        assert_eq!(names, HashMap::from(wanted));
    }

    #[test]
    fn this_process_is_found_with_its_socket() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut table = Table::new(names());
        look(&mut table);
        let path = Path::new("/proc/self");
        let life = life(path).unwrap();
        assert!(life.program.exe.is_some() && life.uid.is_some());
        let inodes = inodes(path);
        let local = crate::flow::Endpoint {
            addr: std::net::IpAddr::from([127, 0, 0, 1]),
            port: socket.local_addr().unwrap().port(),
        };
        let found = inodes
            .iter()
            .filter_map(|inode| table.before(*inode, local));
        let pid = Some(std::process::id());
        assert!(found.into_iter().any(|process| process.pid == pid));
    }
}
