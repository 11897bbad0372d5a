//! The *process*: a program of this machine that is one end of a flow.
//!
//! Plain data, and the trait by which the pipeline asks for it: the kernel's events, capture files
//! and tests implement it. All names come from programs or files and are hostile text.

use std::fmt;
use std::rc::Rc;

use crate::flow::{Direction, Endpoint, Flow};
use crate::frame::Timestamp;

/// A process, as far as it is known.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Process {
    /// Its number; `None` if only the program or the user is certain.
    pub pid: Option<u32>,
    /// The kernel's name of the process: at most 15 bytes of the program's name. Empty if only the
    /// user is known.
    pub name: String,
    /// The script that an interpreter runs: its base name.
    pub script: Option<String>,
    /// The path of the executable.
    pub exe: Option<String>,
    /// The number of the user.
    pub uid: Option<u32>,
    /// The name of the user.
    pub user: Option<String>,
    /// The container that it runs in.
    pub container: Option<Container>,
    /// The systemd unit that it belongs to.
    pub unit: Option<String>,
    /// How it was found.
    pub how: How,
    /// It is the process of `--pid`, or of the command, or descends from it.
    pub chosen: bool,
}

/// A container.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Container {
    /// The identifier that its runtime gave it: 64 hexadecimal digits for most.
    pub id: String,
    /// The name, if it has one.
    pub name: Option<String>,
}

impl Container {
    /// The name, or the first twelve digits of the identifier.
    #[must_use]
    pub fn label(&self) -> &str {
        match &self.name {
            Some(name) => name,
            None => self.id.get(..12).unwrap_or(&self.id),
        }
    }
}

/// How a process was found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum How {
    /// The kernel reported the process when it opened the socket.
    #[default]
    Kernel,
    /// It holds the listening socket that accepted the connection.
    Listener,
    /// Its socket was opened before the run began.
    Before,
    /// Only the user is known.
    User,
    /// By its port alone, because the addresses were translated.
    Nat,
}

impl How {
    /// The word for it in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Listener => "listener",
            Self::Before => "before",
            Self::User => "user",
            Self::Nat => "nat",
        }
    }
}

impl Process {
    /// The name that people use: the script's, else the program's.
    #[must_use]
    pub fn called(&self) -> &str {
        self.script.as_deref().unwrap_or(&self.name)
    }
}

/// `curl[8123]`, `nginx`, `curl[9102] in api`, `?(dev)`.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.called();
        match (name.is_empty(), self.pid) {
            (false, Some(pid)) => write!(f, "{name}[{pid}]")?,
            (false, None) => f.write_str(name)?,
            (true, Some(pid)) => write!(f, "?[{pid}]")?,
            (true, None) => match (&self.user, self.uid) {
                (Some(user), _) => write!(f, "?({user})")?,
                (None, Some(uid)) => write!(f, "?({uid})")?,
                (None, None) => f.write_str("?")?,
            },
        }
        match &self.container {
            Some(container) => write!(f, " in {}", container.label()),
            None => Ok(()),
        }
    }
}

/// The processes at both ends of a message; `None` where no process of this machine is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ends<'a> {
    /// Of the client.
    pub client: Option<&'a Process>,
    /// Of the server.
    pub server: Option<&'a Process>,
    /// Whether the message goes to the client.
    pub to_client: bool,
}

impl<'a> Ends<'a> {
    /// The ends of a message of this direction, not looked up yet.
    #[must_use]
    pub fn unknown(dir: Direction) -> Self {
        Self {
            to_client: dir == Direction::ToClient,
            ..Self::default()
        }
    }

    /// The sender of the message.
    #[must_use]
    pub const fn src(&self) -> Option<&'a Process> {
        match self.to_client {
            true => self.server,
            false => self.client,
        }
    }
}

/// Names processes.
pub trait Who {
    /// Takes in what happened up to `now`. Called before a frame of that time is processed.
    fn until(&mut self, now: Timestamp);

    /// The process whose socket has the address `local`, and talks to `remote`.
    fn who(&mut self, protocol: u8, local: Endpoint, remote: Endpoint) -> Option<Rc<Process>>;

    /// Events that were lost so far: names may be missing.
    fn lost(&self) -> u64 {
        0
    }
}

/// Whether a flow meets the conditions on its processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meets {
    /// One of its ends does.
    Yes,
    /// None does.
    No,
    /// None does, and none is known.
    Unknown,
}

/// Conditions on the process of a flow: `--pid`, `--exe`, `--owner`, `--container`. All must hold
/// for the same end.
#[derive(Clone, Debug, Default)]
pub struct ProcessConditions {
    /// The process, or one that it descends from, is the one asked for.
    pub chosen: bool,
    /// The number asked for: how a process of a capture file is compared.
    pub pid: Option<u32>,
    /// The name, the script, the base name of the executable or its whole path.
    pub exe: Vec<regex::Regex>,
    /// The name or the number of the user.
    pub owner: Option<String>,
    /// The name of the container, or the first digits of its identifier.
    pub container: Vec<regex::Regex>,
}

impl ProcessConditions {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.chosen
            && self.pid.is_none()
            && self.exe.is_empty()
            && self.owner.is_none()
            && self.container.is_empty()
    }

    /// Whether a process meets all of them. What is not known of it does not.
    #[must_use]
    pub fn hold(&self, process: &Process) -> bool {
        let chosen = !(self.chosen || self.pid.is_some())
            || process.chosen
            || self.pid.is_some() && process.pid == self.pid;
        chosen && self.exe_holds(process) && self.owner_holds(process) && self.is_inside(process)
    }

    fn exe_holds(&self, process: &Process) -> bool {
        let path = process.exe.as_deref();
        let base = path.map(|path| path.rsplit('/').next().unwrap_or_default());
        let name = Some(process.name.as_str()).filter(|name| !name.is_empty());
        let mut names = [name, process.script.as_deref(), base, path]
            .into_iter()
            .flatten();
        self.exe.is_empty() || names.any(|name| self.exe.iter().any(|glob| glob.is_match(name)))
    }

    fn owner_holds(&self, process: &Process) -> bool {
        self.owner.as_ref().is_none_or(|owner| {
            process.user.as_ref() == Some(owner)
                || process.uid.is_some_and(|uid| uid.to_string() == *owner)
        })
    }

    fn is_inside(&self, process: &Process) -> bool {
        let Some(container) = &process.container else {
            return self.container.is_empty();
        };
        let name = container.name.as_deref().unwrap_or_default();
        // The first digits of an identifier name it, as in `docker ps`.
        let begins = |glob: &regex::Regex| {
            (4..=container.id.len()).any(|len| {
                container
                    .id
                    .get(..len)
                    .is_some_and(|start| glob.is_match(start))
            })
        };
        self.container.is_empty()
            || self
                .container
                .iter()
                .any(|glob| glob.is_match(name) || begins(glob))
    }

    /// Whether a flow meets them.
    pub fn meet(&self, flow: &Flow, names: &mut dyn Who) -> Meets {
        let mut known = false;
        for (local, remote) in [(flow.client, flow.server), (flow.server, flow.client)] {
            if let Some(process) = names.who(flow.protocol, local, remote) {
                known |= process.how != How::User || self.owner.is_some();
                if self.hold(&process) {
                    return Meets::Yes;
                }
            }
        }
        match known {
            true => Meets::No,
            false => Meets::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str) -> Process {
        Process {
            pid: Some(7),
            name: name.into(),
            ..Process::default()
        }
    }

    #[test]
    fn a_label_has_what_is_known() {
        let in_api = Some(Container {
            id: "0123456789abcdef".into(),
            name: Some("api".into()),
        });
        let nameless = Some(Container {
            id: "0123456789abcdef".into(),
            name: None,
        });
        let table = [
            (process("curl"), "curl[7]"),
            (
                Process {
                    script: Some("site.py".into()),
                    ..process("python3")
                },
                "site.py[7]",
            ),
            (
                Process {
                    pid: None,
                    ..process("nginx")
                },
                "nginx",
            ),
            (
                Process {
                    container: in_api,
                    ..process("curl")
                },
                "curl[7] in api",
            ),
            (
                Process {
                    container: nameless,
                    ..process("curl")
                },
                "curl[7] in 0123456789ab",
            ),
            (process(""), "?[7]"),
            (
                Process {
                    user: Some("dev".into()),
                    uid: Some(1000),
                    ..Process::default()
                },
                "?(dev)",
            ),
            (
                Process {
                    uid: Some(1000),
                    ..Process::default()
                },
                "?(1000)",
            ),
        ];
        for (process, wanted) in table {
            assert_eq!(process.to_string(), wanted);
        }
    }

    fn glob(text: &str) -> Vec<regex::Regex> {
        vec![regex::Regex::new(&format!("(?s)^(?:{text})$")).unwrap()]
    }

    #[test]
    fn conditions_hold_for_what_is_known_only() {
        let curl = Process {
            exe: Some("/usr/bin/curl".into()),
            uid: Some(1000),
            user: Some("dev".into()),
            container: Some(Container {
                id: "0123456789abcdef".into(),
                name: Some("api".into()),
            }),
            ..process("curl")
        };
        let none = ProcessConditions::default();
        assert!(none.is_empty() && none.hold(&Process::default()));
        let exe = |text| ProcessConditions {
            exe: glob(text),
            ..ProcessConditions::default()
        };
        for (text, wanted) in [
            ("cur.*", true),
            ("/usr/.*", true),
            ("wget", false),
            ("url", false),
        ] {
            assert_eq!(exe(text).hold(&curl), wanted, "{text}");
        }
        let owner = |text: &str| ProcessConditions {
            owner: Some(text.into()),
            ..ProcessConditions::default()
        };
        assert!(owner("dev").hold(&curl) && owner("1000").hold(&curl));
        assert!(!owner("root").hold(&curl) && !owner("dev").hold(&process("curl")));
        let container = |text| ProcessConditions {
            container: glob(text),
            ..ProcessConditions::default()
        };
        for (text, wanted) in [("api", true), ("01234567", true), ("123", false)] {
            assert_eq!(container(text).hold(&curl), wanted, "{text}");
        }
        assert!(!container("api").hold(&process("curl")));
        let pid = ProcessConditions {
            chosen: true,
            pid: Some(9),
            ..ProcessConditions::default()
        };
        assert!(!pid.hold(&curl));
        let child = Process {
            chosen: true,
            ..curl
        };
        assert!(pid.hold(&child));
        let pid = ProcessConditions {
            pid: Some(7),
            ..pid
        };
        assert!(pid.hold(&process("sh")));
    }
}
