//! The policy of the page, and that nothing of what was captured is in it as text.

use std::cell::RefCell;
use std::io::Read as _;
use std::rc::Rc;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::render::Output;

/// A writer whose bytes can be read afterwards.
#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The page of a title and an error, which may be any bytes.
fn page(title: &[u8], many: u64) -> String {
    let sink = Sink::default();
    let settings = Settings {
        output: Output::named("html"),
        ..Settings::default()
    };
    let mut html = Html::new(settings, Out::new(Box::new(sink.clone()), false));
    let name = String::from_utf8_lossy(title).into_owned();
    let banner = Banner {
        files: vec![name.clone().into()],
        pattern: Some((name.clone(), false)),
        filter: name.clone(),
        ..Banner::default()
    };
    html.begin(&banner).expect("a vector takes all");
    for number in 1..=many {
        let pair = Pair {
            number,
            request: None,
            response: None,
            title,
            times: crate::times::Times::default(),
            silence: Silence::None,
            failed: None,
        };
        html.pair(&pair).expect("a vector takes all");
    }
    html.end(&Ending::Broken(name)).expect("a vector takes all");
    html.finish(&Stats::default()).expect("a vector takes all");
    let bytes = sink.0.borrow().clone();
    String::from_utf8(bytes).expect("the page is text")
}

/// The data of the elements of a class, unpacked.
fn data(page: &str, class: &str) -> Vec<String> {
    let start = format!("<script type=\"text/plain\" class=\"{class}\">");
    let parts = page.split(&start).skip(1);
    parts
        .map(|part| {
            let text = part.split('<').next().unwrap_or_default();
            let packed = base64::engine::general_purpose::STANDARD
                .decode(text)
                .expect("it is base64");
            let mut text = String::new();
            flate2::read::GzDecoder::new(&packed[..])
                .read_to_string(&mut text)
                .expect("it is gzip of text");
            text
        })
        .collect()
}

#[test]
fn the_policy_allows_this_script_and_this_style_alone() {
    for (kind, part) in [("script-src", SCRIPT), ("style-src", STYLE)] {
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(part));
        let wanted = format!("{kind} 'sha256-{hash}';");
        assert!(HEAD.contains(&wanted), "html/head.html lacks {wanted}");
    }
    for rule in [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ] {
        assert!(HEAD.contains(rule), "{rule}");
    }
    for way in [
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "href",
        "fetch(",
        "XMLHttp",
        "import(",
    ] {
        assert!(!SCRIPT.contains(way), "{way}");
    }
    // Each part ends where it seems to.
    assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style"));
}

#[test]
fn rows_come_in_chunks_with_their_details_first() {
    let page = page(b"GET x/", 1201);
    let (rows, details) = (data(&page, "rows"), data(&page, "details"));
    let lines =
        |all: &[String]| -> Vec<usize> { all.iter().map(|text| text.lines().count()).collect() };
    assert_eq!(lines(&rows), [500, 500, 201]);
    assert_eq!(lines(&details), lines(&rows));
    let at = |class: &str| {
        page.find(&format!("class=\"{class}\">"))
            .expect("it is there")
    };
    assert!(at("about") < at("details") && at("details") < at("rows") && at("rows") < at("end"));
    let last = rows[2].lines().last().expect("there is one");
    let row: Value = serde_json::from_str(last).expect("it is JSON");
    assert_eq!(
        (&row[0], &row[2], &row[3]),
        (&json!(1201), &json!("GET"), &json!("x"))
    );
    assert_eq!(
        (&row[4], &row[5], &row[6]),
        (&json!("/"), &json!("no response"), &json!(9))
    );
    let detail: Value =
        serde_json::from_str(details[0].lines().next().expect("there is one")).expect("JSON");
    assert_eq!(
        detail["no_request"],
        "the request was not kept, to bound memory"
    );
}

proptest! {
    #[test]
    fn no_byte_that_was_captured_is_markup(
        title in prop::collection::vec(prop_oneof![
            any::<u8>(), Just(b'<'), Just(b'>'), Just(b'"'), Just(b'&'), Just(b'/'), Just(0xe2), Just(0x80), Just(0xae),
        ], 0..60),
    ) {
        let empty = page(b"", 1);
        let page = page(&title, 1);
        let count = |text: &str, sign: char| text.matches(sign).count();
        for sign in ['<', '>', '"', '&'] {
            prop_assert_eq!(count(&page, sign), count(&empty, sign));
        }
        for text in ["about", "rows", "details", "end"].iter().flat_map(|class| data(&page, class)) {
            for line in text.lines() {
                prop_assert!(serde_json::from_str::<Value>(line).is_ok());
            }
            let steers = |c: char| (c.is_control() && c != '\n')
                || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{2028}';
            prop_assert!(!text.chars().any(steers));
        }
    }
}
