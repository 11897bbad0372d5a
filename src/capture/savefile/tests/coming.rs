//! Files that come slowly, in pieces, by another thread: the frames are the same.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use flate2::write::GzEncoder;
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

/// The frames and warnings of files that another thread helps to read whenever it is not busy.
/// Checks that no block that is reported to lack the needle contains a frame with it.
fn read_together(files: &[Vec<u8>], needle: &'static [u8]) -> (Vec<Seen>, Vec<String>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("spygrep-together-{number}-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let paths: Vec<_> = (0..files.len())
        .map(|index| directory.join(format!("{index}.pcap")))
        .collect();
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::write(path, bytes).unwrap();
    }
    let mut source = Savefiles::open(&paths).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();

    let lacks = move |bytes: &[u8]| !bytes.windows(needle.len()).any(|part| part == needle);
    let stretches = source.share(Some(Sought {
        lacks: Box::new(lacks),
        reach: needle.len() - 1,
    }));
    let (mut seen, mut checked, mut memory) = (Vec::<Seen>::new(), 0, Vec::new());
    let mut oversized = 0;
    // The thread also ends if an assertion fails here.
    let wanted = Arc::new(());
    let helps = Arc::downgrade(&wanted);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut turns = 0_u32;
            while helps.strong_count() > 0 {
                turns += 1;
                if turns.is_multiple_of(3) || !stretches.help() {
                    std::thread::yield_now();
                }
            }
        });
        loop {
            match source.next_kept().unwrap() {
                (Next::Frame(f), block) => {
                    assert!(block.as_ptr_range().contains(&f.bytes.as_ptr()) || f.bytes.is_empty());
                    let bytes = f.bytes.to_vec();
                    let ts = f.ts.nanos();
                    seen.push((f.number, ts, f.interface, f.link.0, f.wire_len, bytes));
                    continue;
                }
                (Next::Idle, _) => {}
                (Next::End, _) => break,
            }
            let lacking = source.lacks();
            assert!(!lacking || seen[checked..].iter().all(|frame| lacks(&frame.5)));
            checked = seen.len();
            memory = source.exchange(memory);
            oversized += usize::from(memory.capacity() > 2 * memory.len().max(200));
        }
        drop(wanted);
    });
    let warnings = source.take_warnings();
    assert!(
        oversized <= warnings.len(),
        "only the memory of a cut record has space left"
    );
    (seen, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn a_pipe_is_idle_while_it_is_silent_whatever_it_carries() {
    let mut file = LITTLE.pcap_header(0xa1b2_c3d4, 4, 65535, 1);
    file.extend(LITTLE.record(0, 0, 3, b"abc"));
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file).unwrap();
    for bytes in [
        file.clone(),
        gzip.finish().unwrap(),
        compress_to_vec(&file[..], CompressionLevel::Fastest),
    ] {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let mut source = Savefiles::open(&[path]).unwrap();
        assert!(matches!(source.next_frame(), Ok(Next::Idle)));
        writer.write_all(&bytes[..10]).unwrap();
        assert!(matches!(source.next_frame(), Ok(Next::Idle)));
        writer.write_all(&bytes[10..]).unwrap();
        let mut seen = 0;
        for _ in 0..3 {
            seen += usize::from(matches!(source.next_frame(), Ok(Next::Frame(_))));
        }
        assert_eq!(seen, 1);
        let read = Progress {
            read: bytes.len() as u64,
            total: None,
        };
        assert_eq!(source.progress(), Some(read));
        drop(writer);
        drop(reader);
        assert!(matches!(source.next_frame(), Ok(Next::End)));
    }
}

/// Returns as many bytes per read as the list says, cyclically; 0 stands for "would block".
struct Dripping {
    bytes: io::Cursor<Vec<u8>>,
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Dripping {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        if size == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = target.len().min(size);
        self.bytes.read(&mut target[..most])
    }
}

fn some_file() -> impl Strategy<Value = Vec<u8>> {
    let frames = prop::collection::vec(
        (any::<u32>(), prop::collection::vec(any::<u8>(), 0..80)),
        0..30,
    );
    (frames, any::<bool>(), 0..2usize).prop_map(|(frames, big, format)| {
        let order = Order(big);
        let mut file = Vec::new();
        if format == 0 {
            file.extend(order.pcap_header(0xa1b2_c3d4, 4, 65535, 1));
            for (number, bytes) in &frames {
                file.extend(order.record(*number, 5, 90, bytes));
            }
        } else {
            file.extend(order.section());
            file.extend(order.interface(1, 0, &[(9, &[9])]));
            for (number, bytes) in &frames {
                file.extend(order.packet(0, u64::from(*number), 90, bytes));
                if number % 3 == 0 {
                    file.extend(order.block(0x0bad, bytes));
                }
            }
        }
        file
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn frames_do_not_depend_on_how_the_bytes_come(file in some_file(), mut sizes in prop::collection::vec(0..40usize, 1..9)) {
        sizes.push(1);
        let (whole, warnings) = read(file.clone());
        prop_assert!(warnings.is_empty());
        let input = Input::from_reader(Dripping { bytes: io::Cursor::new(file), sizes, turn: 0 });
        let mut pieces = Savefiles::of(vec![OpenFile::of(Path::new("pieces"), input)]);
        pieces.advance();
        prop_assert_eq!(drain(&mut pieces).unwrap(), whole);
        prop_assert!(pieces.take_warnings().is_empty());
    }

    #[test]
    fn damaged_files_never_panic(
        file in some_file(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![0u8, 1, 3, 6, 0x7f, 0x80, 0xff])), 1..8),
    ) {
        let mut file = file;
        for (place, value) in changes {
            let place = place.index(file.len());
            file[place] = value;
        }
        let mut source = source(vec![file]);
        let _ = drain(&mut source);
        prop_assert!(source.take_warnings().len() <= 2);
    }

    #[test]
    fn frames_do_not_depend_on_who_reads_them(
        files in prop::collection::vec(some_file(), 1..4),
        cut in any::<prop::sample::Index>(),
        large in prop::collection::vec(prop::sample::select(b"abcdefgh".to_vec()), 0..1000),
    ) {
        let mut files = files;
        files.push([
            LITTLE.pcap_header(0xa1b2_c3d4, 4, 65535, 1),
            large.chunks(9).flat_map(|bytes| LITTLE.record(1, 2, 3, bytes)).collect(),
            LITTLE.record(1, 2, 3, &large),
            LITTLE.record(1, 2, 3, &large[large.len() / 2..]),
        ].concat());
        let last = files.last_mut().unwrap();
        last.truncate(24 + cut.index(last.len() - 23));
        let mut alone = source(files.clone());
        let seen = drain(&mut alone).unwrap();
        let warnings: Vec<_> = alone.take_warnings().iter().map(|warning| warning.text.clone()).collect();
        let (together, together_warnings) = read_together(&files, b"abc");
        prop_assert_eq!(together, seen);
        prop_assert_eq!(together_warnings.len(), warnings.len());
        for (together_warnings, warning) in together_warnings.iter().zip(&warnings) {
            prop_assert!(together_warnings.ends_with(warning), "{} {}", together_warnings, warning);
        }
    }
}
