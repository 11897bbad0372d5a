//! A compiled filter program and two ways to run it: libpcap's interpreter and an own one. The own
//! interpreter, half as fast, runs only for a truncated frame whose length the program reads: the
//! `pcap` crate passes the captured length to libpcap instead of the length on the wire.

use crate::frame::LinkType;

use super::linktype;

/// Loads at or above this offset read data of the kernel about the packet (direction, interface),
/// not its bytes (`SKF_AD_OFF`).
const KERNEL_ONLY: u32 = 0xffff_f000;
/// `BPF_LD | BPF_W | BPF_LEN` and `BPF_LDX | BPF_W | BPF_LEN`.
const LOAD_LENGTH: [u16; 2] = [0x80, 0x81];
/// Loads from a fixed offset: `BPF_LD | BPF_ABS` of a word, a half word, a byte.
const LOAD_ABSOLUTE: [u16; 3] = [0x20, 0x28, 0x30];

/// A filter program for one link type.
pub(super) struct Program {
    compiled: pcap::BpfProgram,
    /// The instructions, kept only if the program reads the frame's length.
    instructions: Vec<Instruction>,
    needs_kernel: bool,
}

/// An instruction of the classic Berkeley packet filter (USENIX Winter 1993).
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    k: u32,
}

impl Program {
    /// Compiles an expression for frames of a link type. The error is libpcap's message.
    pub(super) fn compile(expression: &str, link: LinkType) -> Result<Self, String> {
        let dead = pcap::Capture::dead(linktype::dlt(link))
            .map_err(|error| super::device::message(&error))?;
        let compiled = dead
            .compile(expression, true)
            .map_err(|error| super::device::message(&error))?;
        let mut instructions: Vec<_> = compiled
            .get_instructions()
            .iter()
            .filter_map(|one| parse(&one.to_string()))
            .collect();
        let needs_kernel = instructions
            .iter()
            .any(|one| LOAD_ABSOLUTE.contains(&one.code) && one.k >= KERNEL_ONLY);
        if !instructions
            .iter()
            .any(|one| LOAD_LENGTH.contains(&one.code))
        {
            instructions = Vec::new();
        }
        Ok(Self {
            compiled,
            instructions,
            needs_kernel,
        })
    }

    /// Number of instructions.
    pub(super) fn length(&self) -> usize {
        self.compiled.get_instructions().len()
    }

    /// The program reads data that only the kernel has while capturing (`inbound`, `ifindex`).
    pub(super) fn needs_kernel(&self) -> bool {
        self.needs_kernel
    }

    /// Returns whether a frame passes.
    pub(super) fn passes(&self, wire_len: u32, bytes: &[u8]) -> bool {
        if self.instructions.is_empty() || wire_len as usize == bytes.len() {
            self.compiled.filter(bytes)
        } else {
            run(&self.instructions, wire_len, bytes).is_some_and(|verdict| verdict != 0)
        }
    }
}

/// Parses `code jt jf k`: the `pcap` crate exposes the fields of an instruction only as text.
fn parse(text: &str) -> Option<Instruction> {
    let mut words = text.split(' ');
    Some(Instruction {
        code: words.next()?.parse().ok()?,
        jump_true: words.next()?.parse().ok()?,
        jump_false: words.next()?.parse().ok()?,
        k: words.next()?.parse().ok()?,
    })
}

/// Runs a program. Returns `None` if it reads past the end of the frame, divides by zero or is
/// invalid; the frame then does not pass.
///
/// Jumps only go forward, so it terminates.
fn run(program: &[Instruction], wire_len: u32, bytes: &[u8]) -> Option<u32> {
    let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; 16]);
    let mut at = 0usize;
    loop {
        let Instruction {
            code,
            jump_true,
            jump_false,
            k,
        } = *program.get(at)?;
        at += 1;
        let operand = if code & 0x08 == 0 { k } else { x };
        let class = code & 0x07;
        match class {
            // ld, ldx: size in bits 3 and 4, addressing mode in bits 5 to 7
            0x00 | 0x01 => {
                let value = match code & 0xe0 {
                    0x00 => k,
                    0x20 => load(bytes, k, code)?,
                    0x40 => load(bytes, x.checked_add(k)?, code)?,
                    0x60 => memory.get(k as usize).copied()?,
                    0x80 => wire_len,
                    0xa0 => u32::from(bytes.get(k as usize)? & 0x0f) * 4,
                    _ => return None,
                };
                if class == 0 {
                    a = value;
                } else {
                    x = value;
                }
            }
            0x02 => *memory.get_mut(k as usize)? = a,
            0x03 => *memory.get_mut(k as usize)? = x,
            0x04 => {
                a = match code & 0xf0 {
                    0x00 => a.wrapping_add(operand),
                    0x10 => a.wrapping_sub(operand),
                    0x20 => a.wrapping_mul(operand),
                    0x30 => a.checked_div(operand)?,
                    0x40 => a | operand,
                    0x50 => a & operand,
                    0x60 => a.checked_shl(operand).unwrap_or(0),
                    0x70 => a.checked_shr(operand).unwrap_or(0),
                    0x80 => a.wrapping_neg(),
                    0x90 => a.checked_rem(operand)?,
                    0xa0 => a ^ operand,
                    _ => return None,
                }
            }
            0x05 => {
                let offset = match code & 0xf0 {
                    0x00 => k as usize,
                    0x10 => usize::from(if a == operand { jump_true } else { jump_false }),
                    0x20 => usize::from(if a > operand { jump_true } else { jump_false }),
                    0x30 => usize::from(if a >= operand { jump_true } else { jump_false }),
                    0x40 => usize::from(if a & operand != 0 {
                        jump_true
                    } else {
                        jump_false
                    }),
                    _ => return None,
                };
                at = at.checked_add(offset)?;
            }
            0x06 => return Some(if code & 0x18 == 0x10 { a } else { k }),
            _ if code & 0xf8 == 0 => x = a,
            _ => a = x,
        }
    }
}

/// Loads a big-endian word, half word or byte, according to the size bits of `code`.
fn load(bytes: &[u8], at: u32, code: u16) -> Option<u32> {
    let rest = bytes.get(at as usize..)?;
    match code & 0x18 {
        0x00 => rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)),
        0x08 => rest
            .first_chunk()
            .map(|bytes| u32::from(u16::from_be_bytes(*bytes))),
        0x10 => rest.first().map(|byte| u32::from(*byte)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_length_of_a_cut_frame_is_its_length_on_the_wire() {
        let greater = Program::compile("greater 1000", LinkType::ETHERNET).unwrap();
        let less = Program::compile("less 100 and ip", LinkType::ETHERNET).unwrap();
        let mut frame = [0u8; 60];
        frame[12] = 8;
        assert!(greater.passes(1500, &frame));
        assert!(!greater.passes(60, &frame));
        assert!(!less.passes(1500, &frame));
        assert!(less.passes(60, &frame));
    }

    #[test]
    fn kernel_only_loads_are_recognised() {
        assert!(
            !Program::compile("tcp port 80", LinkType::ETHERNET)
                .unwrap()
                .needs_kernel()
        );
        if let Ok(program) = Program::compile("inbound", LinkType::ETHERNET) {
            assert!(program.needs_kernel());
        }
    }

    proptest! {
        #[test]
        fn both_interpreters_agree(
            which in 0usize..6,
            ethertype in prop::sample::select(vec![0x0800u16, 0x86dd, 0x8100]),
            mut bytes in prop::collection::vec(any::<u8>(), 0..90),
        ) {
            if let Some(place) = bytes.get_mut(12..14) {
                place.copy_from_slice(&ethertype.to_be_bytes());
            }
            if let Some(place) = bytes.get_mut(14) { *place = 0x45 }
            if let Some(place) = bytes.get_mut(23) { *place = if *place > 128 { 6 } else { 17 } }
            let expression = [
                "len > 40 and (tcp or udp)",
                "less 60 and tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
                "len >= 0 and udp[8:2] = 0x0102",
                "len > 10 and (ip[6:2] & 0x1fff = 0 or vlan)",
                "len - 10 > 20 and ether[0] * 3 + ether[1] / (ether[2] | 1) > 300",
                "len > 1 and (portrange 1000-30000 or net 128.0.0.0/1)",
            ][which];
            let program = Program::compile(expression, LinkType::ETHERNET).unwrap();
            let own = run(&program.instructions, bytes.len() as u32, &bytes).is_some_and(|verdict| verdict != 0);
            prop_assert_eq!(own, program.compiled.filter(&bytes));
        }
    }
}
