//! RFC 7541 appendix C, another decoder, and what a late joiner decodes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::testing::unhex;
use super::*;

/// The fields of a block, one line each.
fn lines(block: &Block) -> Vec<String> {
    let line = |(name, value, known): (&[u8], &[u8], Known)| {
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        match known {
            Known::All => format!("{name}: {value}"),
            Known::Value(index, why) => format!("({index}, {why:?}): {value}"),
            Known::Nothing(index, why) => format!("({index}, {why:?})"),
        }
    };
    block.fields().map(line).collect()
}

fn decode(decoder: &mut Decoder, hex: &str) -> (Vec<String>, Option<Flaw>) {
    let mut block = Block::default();
    decoder.decode(&unhex(hex), &mut block);
    (lines(&block), block.flaw)
}

fn expect(blocks: &[(&str, &[&str])]) {
    let mut decoder = Decoder::default();
    for (hex, fields) in blocks {
        let (lines, flaw) = decode(&mut decoder, hex);
        assert_eq!(lines, *fields, "{hex}");
        assert_eq!(flaw, None, "{hex}");
    }
}

#[test]
fn representations_are_those_of_rfc_7541_c_2() {
    let custom = "400a 637573746f6d2d6b6579 0d 637573746f6d2d686561646572";
    expect(&[(custom, &["custom-key: custom-header"])]);
    expect(&[("040c 2f73616d706c652f70617468", &[":path: /sample/path"])]);
    expect(&[(
        "1008 70617373776f7264 06 736563726574",
        &["password: secret"],
    )]);
    expect(&[("82", &[":method: GET"])]);
}

const REQUESTS: [&[&str]; 3] = [
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
    ],
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
        "cache-control: no-cache",
    ],
    &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ],
];

#[test]
fn requests_are_those_of_rfc_7541_c_3_and_c_4() {
    expect(&[
        (
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            REQUESTS[0],
        ),
        ("8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1]),
        (
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
            REQUESTS[2],
        ),
    ]);
    expect(&[
        ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUESTS[0]),
        ("8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1]),
        (
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            REQUESTS[2],
        ),
    ]);
}

const COOKIE: &str = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSES: [&[&str]; 3] = [
    &[
        ":status: 302",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ],
    &[
        ":status: 307",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ],
    &[
        ":status: 200",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
        "location: https://www.example.com",
        "content-encoding: gzip",
        COOKIE,
    ],
];

/// Responses of C.5 and C.6, in a table of 256 bytes: entries are put out.
#[test]
fn responses_are_those_of_rfc_7541_c_5_and_c_6() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a \
         3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 \
         677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 \
         553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e \
         919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
         821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
         4ee5 b106 3d50 07",
    ];
    for responses in [plain, coded] {
        let mut decoder = Decoder::default();
        assert_eq!(decode(&mut decoder, "3fe101"), (vec![], None));
        for (hex, fields) in responses.iter().zip(RESPONSES) {
            let (lines, flaw) = decode(&mut decoder, hex);
            assert_eq!(lines, fields);
            assert_eq!(flaw, None);
        }
    }
}

#[test]
fn what_was_not_seen_is_not_known() {
    let mut decoder = Decoder::default();
    decoder.forget(Why::Before);
    // An entry that is referred to, one whose name is, and both again after a third.
    let (lines, flaw) = decode(&mut decoder, "82 be 7f00 0161 be bf 4001 6201 63 bf");
    assert_eq!(
        lines,
        [
            ":method: GET",
            "(62, Before)",
            "(63, Before): a",
            "(63, Before): a",
            "(63, Before)",
            "b: c",
            "(63, Before): a",
        ]
    );
    assert_eq!(flaw, None);
    // A hole: where the entries are is not known any more.
    decoder.forget(Why::Lost);
    assert_eq!(decode(&mut decoder, "be").0, ["(62, Lost)"]);
    // The table is emptied: now it is known.
    let (lines, flaw) = decode(&mut decoder, "20 3fe11f 4001 6201 63 be bf");
    assert_eq!(lines, ["b: c", "b: c", "(63, NoEntry)"]);
    assert_eq!(flaw, Some(Flaw::NoEntry));
}

#[test]
fn a_block_that_breaks_the_rules_is_read_as_far_as_it_goes() {
    let table: &[(&str, &[&str], Flaw)] = &[
        ("82 80", &[":method: GET", "(0, NoEntry)"], Flaw::NoEntry),
        ("82 be", &[":method: GET", "(62, NoEntry)"], Flaw::NoEntry),
        ("82 4001 6101", &[":method: GET"], Flaw::Cut),
        ("82 4001 61", &[":method: GET"], Flaw::Cut),
        ("82 ff", &[":method: GET"], Flaw::Cut),
        ("82 ffffffffffff", &[":method: GET"], Flaw::Cut),
        ("0481 ff 84", &[":path: ", ":path: /"], Flaw::Coding),
        ("82 20", &[":method: GET"], Flaw::LateSize),
    ];
    for (hex, fields, flaw) in table {
        let mut decoder = Decoder::default();
        let (lines, got) = decode(&mut decoder, hex);
        assert_eq!(
            (lines.as_slice(), got),
            (
                &fields.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                Some(*flaw)
            ),
            "{hex}"
        );
        let known = decode(&mut decoder, "82 be").0;
        let why = if *flaw == Flaw::Cut {
            "Lost"
        } else {
            "NoEntry"
        };
        assert_eq!(
            known,
            [":method: GET".to_owned(), format!("(62, {why})")],
            "{hex}"
        );
    }
}

#[test]
fn a_bomb_is_bounded_and_the_table_stays_what_it_is() {
    let mut decoder = Decoder::default();
    let mut bomb = unhex("4001 61 7fd11e");
    bomb.extend([b'x'; 4000]);
    bomb.extend(vec![0xbe; 60_000]);
    bomb.extend(unhex("4001 6201 63"));
    let mut block = Block::default();
    decoder.decode(&bomb, &mut block);
    assert_eq!(block.flaw, Some(Flaw::Bomb));
    assert!(block.text.len() <= FIELDS && block.fields.len() < 20);
    assert_eq!(decode(&mut decoder, "be").0, ["b: c"]);
    // Many that are small.
    decoder.decode(&vec![0x82; 60_000], &mut block);
    assert_eq!(block.flaw, Some(Flaw::Bomb));
    assert!(block.fields.len() * FIELD <= FIELDS);
    // Many entries with one large name are no more than one.
    let mut decoder = Decoder::default();
    let mut names = unhex("3fe1ff03 407f81fe02");
    names.extend(vec![b'n'; 49_152]);
    names.extend(unhex("00"));
    for _ in 0..7000 {
        names.extend(unhex("7e 00"));
    }
    decoder.decode(&names, &mut block);
    assert_eq!(block.flaw, Some(Flaw::Bomb));
}

/// One representation, as numbers that a test makes up.
#[derive(Clone, Debug)]
enum Made {
    Indexed(u8),
    Literal {
        first: u8,
        index: u8,
        name: u8,
        value: Vec<u8>,
    },
    Size(u16),
}

impl Made {
    fn write(&self, to: &mut Vec<u8>) {
        let string = |text: &[u8], to: &mut Vec<u8>| {
            to.push(text.len() as u8);
            to.extend_from_slice(text);
        };
        match self {
            Self::Indexed(index) => to.push(0x80 | (index % 126 + 1)),
            Self::Literal {
                first,
                index,
                name,
                value,
            } => {
                let (first, most) =
                    [(0x40, 62), (0x40, 62), (0x00, 14), (0x10, 14)][usize::from(first % 4)];
                let index = index % (most + 1);
                to.push(first | index);
                if index == 0 {
                    string(&[b'a' + name % 20; 3], to);
                }
                string(value, to);
            }
            Self::Size(size) => match size % 5 {
                0 => to.push(0x20),
                1 => to.extend([0x3f, 0x21]),
                2 => to.extend([0x3f, 0xe1, 0x01]),
                _ => to.extend([0x3f, 0xe1, 0x1f]),
            },
        }
    }
}

fn made() -> impl Strategy<Value = Made> {
    prop_oneof![
        4 => (61_u8..80).prop_map(Made::Indexed),
        1 => any::<u8>().prop_map(Made::Indexed),
        6 => (any::<u8>(), prop_oneof![Just(0_u8), any::<u8>()], any::<u8>(), vec(any::<u8>(), 0..60))
            .prop_map(|(first, index, name, value)| Made::Literal { first, index, name, value }),
    ]
}

/// Blocks, each with a change of the table's size before it, or none.
fn blocks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let block = (
        prop::option::weighted(0.2, any::<u16>()),
        vec(made(), 1..12),
    );
    let written = block.prop_map(|(size, made)| {
        let mut bytes = Vec::new();
        if let Some(size) = size {
            Made::Size(size).write(&mut bytes);
        }
        for one in made {
            one.write(&mut bytes);
        }
        bytes
    });
    vec(written, 1..12)
}

/// The blocks up to the first one that another decoder refuses, each with what it reads.
fn valid(blocks: &[Vec<u8>]) -> Vec<(&[u8], Vec<(Vec<u8>, Vec<u8>)>)> {
    let mut other = fluke_hpack::Decoder::new();
    let mut valid = Vec::new();
    for bytes in blocks {
        let Ok(fields) = other.decode(bytes) else {
            break;
        };
        valid.push((&bytes[..], fields));
    }
    valid
}

proptest! {
    #[test]
    fn another_decoder_reads_the_same(blocks in blocks()) {
        let mut decoder = Decoder::default();
        let mut block = Block::default();
        for (bytes, expected) in valid(&blocks) {
            decoder.decode(bytes, &mut block);
            let fields: Vec<_> = block
                .fields()
                .map(|(name, value, known)| {
                    assert_eq!(known, Known::All);
                    (name.to_vec(), value.to_vec())
                })
                .collect();
            prop_assert_eq!(fields, expected);
            prop_assert_eq!(block.flaw, None);
        }
    }

    /// Whoever joins after any of the blocks, or misses some, reads the same or nothing.
    #[test]
    fn no_value_is_ever_wrong(blocks in blocks(), missed in vec(any::<bool>(), 12)) {
        let mut decoder = Decoder::default();
        let mut block = Block::default();
        for ((bytes, expected), missed) in valid(&blocks).into_iter().zip(missed) {
            if missed {
                decoder.forget(Why::Lost);
                continue;
            }
            decoder.decode(bytes, &mut block);
            let fields: Vec<_> = block.fields().collect();
            prop_assert_eq!(fields.len(), expected.len());
            for ((name, value, known), (of_name, of_value)) in fields.into_iter().zip(expected) {
                match known {
                    Known::All => prop_assert_eq!((name, value), (&of_name[..], &of_value[..])),
                    Known::Value(..) => prop_assert_eq!(value, &of_value[..]),
                    Known::Nothing(..) => {}
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read(blocks in vec(vec(any::<u8>(), 0..200), 1..5)) {
        let mut decoder = Decoder::default();
        let mut block = Block::default();
        for bytes in blocks {
            decoder.decode(&bytes, &mut block);
            prop_assert!(block.text.len() <= FIELDS);
        }
    }
}
