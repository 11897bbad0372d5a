//! The layout of a tracepoint's record, from its `format` file.
//!
//! Fields are found by their names, because the kernel moves them from version to version. A text
//! without a field yields no layout.

/// Bytes of a format file that are read at most; the largest of those read here has 2 KiB.
pub(super) const BYTES: u64 = 64 << 10;

/// Where a field of a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field {
    offset: usize,
    size: usize,
}

impl Field {
    /// The field `name` of a format file.
    pub(super) fn find(format: &str, name: &str) -> Option<Self> {
        format.lines().find_map(|line| {
            let mut parts = line.trim().split(';').map(str::trim);
            let declared = parts.next()?.strip_prefix("field:")?;
            let declared = declared.split('[').next().unwrap_or_default();
            // `char[] filename` has its brackets in the type.
            let whole = line.trim().split(';').next().unwrap_or_default();
            let last = |text: &str| text.rsplit([' ', '*']).next().map(str::to_owned);
            if last(declared)? != name && last(whole)? != name {
                return None;
            }
            let number = |part: Option<&str>, key: &str| {
                let value = part?.strip_prefix(key)?;
                value.parse::<usize>().ok().filter(|at| *at <= 4096)
            };
            Some(Self {
                offset: number(parts.next(), "offset:")?,
                size: number(parts.next(), "size:")?,
            })
        })
    }

    /// The bytes of the field in a record.
    pub(super) fn bytes<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        record.get(self.offset..)?.get(..self.size)
    }

    /// The field as a number of at most eight bytes.
    pub(super) fn number(&self, record: &[u8]) -> Option<u64> {
        let bytes = self.bytes(record).filter(|bytes| bytes.len() <= 8)?;
        let mut value = [0; 8];
        if cfg!(target_endian = "little") {
            value.get_mut(..bytes.len())?.copy_from_slice(bytes);
        } else {
            value.get_mut(8 - bytes.len()..)?.copy_from_slice(bytes);
        }
        Some(u64::from_ne_bytes(value))
    }
}

/// `sock:inet_sock_set_state`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StateLayout {
    pub(super) socket: Field,
    pub(super) old: Field,
    pub(super) new: Field,
    pub(super) local_port: Field,
    pub(super) remote_port: Field,
    pub(super) local: [Field; 2],
    pub(super) remote: [Field; 2],
    pub(super) family: Field,
}

impl StateLayout {
    /// The layout, if the format has all fields.
    pub(super) fn of(format: &str) -> Option<Self> {
        let field = |name| Field::find(format, name);
        // The filter of the kernel needs it.
        field("protocol")?;
        Some(Self {
            socket: field("skaddr")?,
            old: field("oldstate")?,
            new: field("newstate")?,
            local_port: field("sport")?,
            remote_port: field("dport")?,
            local: [field("saddr")?, field("saddr_v6")?],
            remote: [field("daddr")?, field("daddr_v6")?],
            family: field("family")?,
        })
    }
}

/// `fib:fib_table_lookup` and `fib6:fib6_table_lookup`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RouteLayout {
    pub(super) local: Field,
    pub(super) remote: Field,
    pub(super) local_port: Field,
    pub(super) remote_port: Field,
}

impl RouteLayout {
    /// The layout, if the format has all fields.
    pub(super) fn of(format: &str) -> Option<Self> {
        let field = |name| Field::find(format, name);
        field("proto")?;
        field("iif")?;
        Some(Self {
            local: field("src")?,
            remote: field("dst")?,
            local_port: field("sport")?,
            remote_port: field("dport")?,
        })
    }
}

/// `sched:sched_process_exec`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ExecLayout {
    /// Offset and length of the path, in one number.
    pub(super) path: Field,
}

impl ExecLayout {
    /// The layout, if the format has the field.
    pub(super) fn of(format: &str) -> Option<Self> {
        Some(Self {
            path: Field::find(format, "filename")?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
