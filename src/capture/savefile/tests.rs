//! Files made of bytes: of each format, whole and damaged, and however they come.

mod coming;
mod formats;

use std::io;

use super::input::Input;
use super::*;

/// A frame as owned values: number, time, interface, link, wire length, bytes.
type Seen = (u64, i64, u32, u32, u32, Vec<u8>);

fn source(files: Vec<Vec<u8>>) -> Savefiles {
    let open = |(index, bytes): (usize, Vec<u8>)| {
        OpenFile::of(
            Path::new(&format!("file{index}")),
            Input::from_reader(io::Cursor::new(bytes)),
        )
    };
    let mut source = Savefiles::of(files.into_iter().enumerate().map(open).collect());
    source.advance();
    source
}

fn drain(source: &mut Savefiles) -> Result<Vec<Seen>, CaptureError> {
    let mut seen = Vec::new();
    loop {
        match source.next_frame()? {
            Next::Frame(f) => {
                seen.push((
                    f.number,
                    f.ts.nanos(),
                    f.interface,
                    f.link.0,
                    f.wire_len,
                    f.bytes.to_vec(),
                ));
            }
            Next::Idle => {}
            Next::End => return Ok(seen),
        }
    }
}

fn read(bytes: Vec<u8>) -> (Vec<Seen>, Vec<String>) {
    let mut source = source(vec![bytes]);
    let seen = drain(&mut source).unwrap();
    let warnings = source.take_warnings();
    (seen, warnings.iter().map(ToString::to_string).collect())
}

/// Writes numbers in one byte order.
#[derive(Clone, Copy)]
struct Order(bool);

impl Order {
    fn u16(self, n: u16) -> [u8; 2] {
        if self.0 {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }
    fn u32(self, n: u32) -> [u8; 4] {
        if self.0 {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }
    fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| self.u32(*word)).collect()
    }

    fn pcap_header(self, magic: u32, minor: u16, snaplen: u32, link: u32) -> Vec<u8> {
        [
            &self.u32(magic)[..],
            &self.u16(2),
            &self.u16(minor),
            &self.words(&[0, 0, snaplen, link]),
        ]
        .concat()
    }
    fn record(self, sec: u32, fraction: u32, wire_len: u32, bytes: &[u8]) -> Vec<u8> {
        [
            &self.words(&[sec, fraction, bytes.len() as u32, wire_len])[..],
            bytes,
        ]
        .concat()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = (padded + 12) as u32;
        let padding = vec![0; padded - body.len()];
        [
            &self.words(&[kind, length])[..],
            body,
            &padding,
            &self.u32(length),
        ]
        .concat()
    }
    fn section(self) -> Vec<u8> {
        self.block(
            0x0a0d_0d0a,
            &[
                &self.u32(0x1a2b_3c4d)[..],
                &self.u16(1),
                &self.u16(0),
                &[0xff; 8],
            ]
            .concat(),
        )
    }
    fn interface(self, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [&self.u16(link)[..], &[0, 0], &self.u32(snaplen)].concat();
        for (code, value) in options {
            body.extend(self.u16(*code));
            body.extend(self.u16(value.len() as u16));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body)
    }
    fn packet(self, interface: u32, ticks: u64, wire_len: u32, bytes: &[u8]) -> Vec<u8> {
        let words = [
            interface,
            (ticks >> 32) as u32,
            ticks as u32,
            bytes.len() as u32,
            wire_len,
        ];
        self.block(6, &[&self.words(&words)[..], bytes].concat())
    }
}

const LITTLE: Order = Order(false);
const BIG: Order = Order(true);
