//! What the run and its helper send to each other: packets of a fixed size.
//!
//! A packet of another size, or of an unknown kind, is nothing.

/// Bytes of an order, and of an answer.
pub(super) const ORDER: usize = 8;
pub(super) const ANSWER: usize = 64;

/// From the run to the helper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// Start the command.
    Go,
    /// Send this signal to the command.
    Signal(i32),
}

/// From the helper to the run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The helper is the user now, and waits.
    Ready,
    /// The command runs as this process.
    Started(u32),
    /// The command cannot be run: the error.
    NotRun(i32),
    /// A descendant of the command goes on: its process and its name.
    Left(u32, String),
    /// The command ended with this status.
    Exited(u8),
    /// The command ended by this signal.
    Killed(i32),
}

impl Order {
    pub(super) fn encode(self) -> [u8; ORDER] {
        let (kind, value) = match self {
            Self::Go => (1, 0),
            Self::Signal(signal) => (2, signal),
        };
        let mut bytes = [0; ORDER];
        bytes[..4].copy_from_slice(&u32::to_ne_bytes(kind));
        bytes[4..].copy_from_slice(&value.to_ne_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; ORDER]>::try_from(bytes).ok()?;
        let [kind, value] = [0, 4].map(|at| number(&bytes, at));
        match kind? {
            1 => Some(Self::Go),
            2 => Some(Self::Signal(value?.cast_signed())),
            _ => None,
        }
    }
}

impl Answer {
    pub(super) fn encode(&self) -> [u8; ANSWER] {
        let (kind, value, name) = match self {
            Self::Ready => (1, 0, ""),
            Self::Started(pid) => (2, *pid, ""),
            Self::NotRun(error) => (3, error.cast_unsigned(), ""),
            Self::Left(pid, name) => (4, *pid, name.as_str()),
            Self::Exited(status) => (5, u32::from(*status), ""),
            Self::Killed(signal) => (6, signal.cast_unsigned(), ""),
        };
        let mut bytes = [0; ANSWER];
        bytes[..4].copy_from_slice(&u32::to_ne_bytes(kind));
        bytes[4..8].copy_from_slice(&value.to_ne_bytes());
        for (place, byte) in bytes[8..].iter_mut().zip(name.bytes()) {
            *place = byte;
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; ANSWER]>::try_from(bytes).ok()?;
        let value = number(&bytes, 4)?;
        Some(match number(&bytes, 0)? {
            1 => Self::Ready,
            2 => Self::Started(value),
            3 => Self::NotRun(value.cast_signed()),
            4 => {
                let name = bytes.get(8..)?;
                let len = name
                    .iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(name.len());
                let name = String::from_utf8_lossy(name.get(..len)?).into_owned();
                Self::Left(value, name)
            }
            5 => Self::Exited(u8::try_from(value).ok()?),
            6 => Self::Killed(value.cast_signed()),
            _ => return None,
        })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_comes_back_and_anything_else_is_nothing() {
        for order in [Order::Go, Order::Signal(15)] {
            assert_eq!(Order::decode(&order.encode()), Some(order));
        }
        let name = "n".repeat(200);
        for answer in [
            Answer::Ready,
            Answer::Started(8123),
            Answer::NotRun(2),
            Answer::Left(7, "node".into()),
            Answer::Exited(3),
            Answer::Killed(9),
        ] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        let Some(Answer::Left(_, cut)) = Answer::decode(&Answer::Left(7, name).encode()) else {
            panic!("it is one");
        };
        assert_eq!(cut.len(), ANSWER - 8);
        assert_eq!(Order::decode(&[0; ORDER]), None);
        assert_eq!(Order::decode(&[1]), None);
        assert_eq!(Answer::decode(&[0; ANSWER]), None);
        assert_eq!(Answer::decode(&[1; 3]), None);
    }
}
