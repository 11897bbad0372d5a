//! Bytes that stay in a block are retained as those that are copied at once: the events are the
//! same.

use proptest::prelude::*;

use crate::decode;
use crate::frame::{Frame, LinkType, Timestamp};
use crate::limits::{Limits, time};
use crate::policy::Policy;
use crate::reassemble::Reassembler;

/// One segment: who sends it, how far it lies from where it should, how long it is, what it
/// acknowledges, its flags, its bytes; and whether the block ends after it.
type Step = (bool, i32, usize, i32, u8, u8, bool);

/// The packet of a step, of raw IP; `ends` is where each side is.
fn packet(step: &Step, ends: &mut [u32; 2]) -> Vec<u8> {
    let (up, skew, len, lag, flags, letter, _) = *step;
    let (own, peer) = (usize::from(!up), usize::from(up));
    let seq = ends[own].wrapping_add_signed(skew);
    let ack = ends[peer].wrapping_add_signed(-lag);
    let total = 40 + len as u16;
    let mut bytes = vec![0x45, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 64, 6, 0, 0]);
    let (src, dst) = ([10, 0, 0, 1 + own as u8], [10, 0, 0, 1 + peer as u8]);
    bytes.extend([src, dst].concat());
    let ports: [u16; 2] = if up { [4000, 80] } else { [80, 4000] };
    bytes.extend(ports.map(u16::to_be_bytes).concat());
    bytes.extend(seq.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.resize(40 + len, letter);
    if skew == 0 {
        ends[own] = seq
            .wrapping_add(len as u32)
            .wrapping_add(u32::from(flags & 3 != 0));
    }
    bytes
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let skew = prop_oneof![8 => Just(0), 1 => -6000..0_i32, 1 => 1..3000_i32];
    let len = prop_oneof![2 => Just(0_usize), 4 => 1..3000_usize, 1 => Just(1_usize)];
    let lag = prop_oneof![4 => Just(0), 1 => 0..5000_i32];
    let flags = prop_oneof![20 => Just(0x10_u8), 8 => Just(0x18), 1 => Just(0x11), 1 => Just(0x02),
        1 => Just(0x12), 1 => Just(0x04), 1 => Just(0x30)];
    let step = (
        any::<bool>(),
        skew,
        len,
        lag,
        flags,
        b'a'..b'd',
        prop::bool::weighted(0.1),
    );
    prop::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn what_is_lent_is_remembered_as_what_is_copied(steps in steps()) {
        let mut ends = [1000, 5000];
        let packets: Vec<Vec<u8>> = steps.iter().map(|step| packet(step, &mut ends)).collect();
        let new = || Reassembler::new(Limits::default(), Policy::default(), time::IDLE_FILE);
        let (mut copying, mut lending) = (new(), new());
        let (mut copied, mut lent) = (Vec::new(), Vec::new());
        let mut first = 0;
        while first < packets.len() {
            let ends = steps.iter().skip(first).position(|step| step.6);
            let last = ends.map_or(packets.len(), |at| first + at + 1);
            let block = packets[first..last].concat();
            let mut at = 0;
            for (number, bytes) in packets.iter().enumerate().take(last).skip(first) {
                let here = &block[at..at + bytes.len()];
                at += bytes.len();
                let ts = Timestamp::from_nanos(number as i64 * 20_000_000);
                let frame = Frame {
                    number: number as u64 + 1,
                    ts,
                    interface: 0,
                    link: LinkType::RAW,
                    wire_len: here.len() as u32,
                    bytes: here,
                };
                let packet = decode::frame(&frame).unwrap();
                copying.expire(ts, |_, event| copied.push(format!("{event:?}")));
                copying.push(&packet, |_, event| copied.push(format!("{event:?}")));
                lending.expire_from(&block, ts, |_, event| lent.push(format!("{event:?}")));
                lending.push_from(&block, &packet, |_, event| lent.push(format!("{event:?}")));
            }
            lending.settle(&block);
            first = last;
        }
        copying.finish(|_, event| copied.push(format!("{event:?}")));
        lending.finish(|_, event| lent.push(format!("{event:?}")));
        prop_assert_eq!(copied, lent);
        prop_assert_eq!(format!("{:?}", copying.stats()), format!("{:?}", lending.stats()));
    }
}
