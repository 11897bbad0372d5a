//! What a receiver gets that drops some of the segments, or takes other copies than the first.

use super::*;

/// Segments that every receiver drops, or may drop, are not the text when there is another copy.
#[test]
fn what_a_receiver_drops_is_not_the_text() {
    let table = [
        (
            "md5_before",
            "hs; C+0 xxxx !md5; C+0 NEED; C+4 LE",
            "C Conflict xxxx; C data NEEDLE",
        ),
        (
            "md5_over_seam",
            "hs; C+0 xxxxxx !md5; C+0 NEE; S a3; C+3 DLE; S a6",
            "C Conflict xxx; C data NEE; C Conflict <NEE>xxx; C data DLE",
        ),
        (
            "md5_each_byte",
            "hs; C+0 x !md5; C+0 N; S a1; C+1 x !md5; C+1 O; S a2",
            "C Conflict x; C data N; C Conflict <N>x; C data O",
        ),
        (
            "older_timestamp",
            "hs; C+0 AA !ts1000; C+2 xx !ts900; C+2 BB !ts1001; C+4 CC !ts1002",
            "C data AA; C Conflict <AA>xx; C data BBCC",
        ),
        (
            "fin_with_md5",
            "hs; C+0 AA; S a2; C+2 !F !md5; wait 1200; C a0; C+2 BB; S a4",
            "C data AABB",
        ),
        (
            "fin_with_old_timestamp",
            "hs; C+0 AA !ts1000; S a2; C+2 !F !ts10; wait 1200; C+2 BB !ts1001; S a4",
            "C data AABB",
        ),
        (
            "reset_with_md5",
            "hs; C+0 AA; S a2; C:R:3:5001 !md5; wait 1300; C+2 BB; S a4",
            "C data AABB",
        ),
        (
            "acknowledges_what_nobody_sent",
            "hs; C+0a9000000 xx; C+0 AA; S a2",
            "C Conflict xx; C data AA",
        ),
        (
            "false_acknowledgement",
            "hs; C+0 Q; S a1; C a900; wait 500; C+1 R; S a2; S+0a2 ANSWER; wait 100; S+6a2 MORE; C a10",
            "C data QR; S data ANSWERMORE",
        ),
        // A connection whose segments are all signed is what it is.
        (
            "all_signed",
            "C:S:0:0 !md5; S:SA:5000:1 !md5; C+0 AA !md5; S a2; C+2 BB !md5",
            "C data AABB",
        ),
        // A clock that is set back is believed after a while.
        (
            "all_older",
            "hs; C+0 AA !ts1000; C+2 BB !ts5; wait 1100; C+4 CC !ts6; wait 1100",
            "C data AABBCC",
        ),
        // A probe of a connection that rests is none of its bytes.
        (
            "keep_alive",
            "hs; C+0 AA; S a2; C+1 z; C+2 BB",
            "C data AABB",
        ),
        (
            "decoy_in_keep_alive",
            "hs; C+0 z; C+0 N",
            "C data z; C Conflict N",
        ),
    ];
    let wrong: Vec<_> = table
        .into_iter()
        .map(|(name, chart, want)| (name, emitted(chart, Form::AsIs), want))
        .filter(|(_, emitted, want)| emitted != want)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whichever copies are taken, and whether urgent bytes are: some reading has the whole word.
#[test]
fn each_reading_goes_on_over_its_seams() {
    for (name, chart) in [
        ("two_copies", "hs; C+0 xxxxxx; C+0 NEE; C+3 DLE"),
        (
            "bytes",
            "hs; C+0 xxxxxx; C+0 N; C+1 E; C+2 E; C+3 D; C+4 L; C+5 E",
        ),
        (
            "keep_alives",
            "hs; C+0 x; C+0 N; C+1 x; C+1 E; C+2 x; C+2 E; C+3 x; C+3 D; C+4 x; C+4 L; C+5 x; C+5 E",
        ),
        ("then_agreed", "hs; C+0 xxx; C+0 NEE; C+3 DLE"),
        ("agreed_in_three", "hs; C+0 xx; C+0 NE; C+2 ED; C+4 LE"),
        ("delivered_before", "hs; C+0 xxxx; C+4 LE; C+0 NEED"),
        ("urgent_inside", "hs; C+0 NE?ED !urg3; C+5 LE"),
        ("urgent_at_the_end", "hs; C+0 NEE? !urg4; C+4 DLE"),
        ("urgent_at_the_start", "hs; C+0 NEE; C+3 ?DLE !urg1"),
        ("urgent_alone", "hs; C+0 NEE; C+3 ? !urg1; C+4 DLE"),
        ("two_urgent", "hs; C+0 NE? !urg3; C+3 ED? !urg3; C+6 LE"),
        ("urgent_later", "hs; C+0 NE !urg4; C+2 E?DLE"),
        ("urgent_out_of_order", "hs; C+3 D?L !urg2; C+0 NEE; C+6 E"),
    ] {
        for form in WHOLE {
            let mut player = Player::new(*form, Policy::default(), Limits::default());
            player.play(chart);
            let found = |text: &String| text.contains("NEEDLE");
            let (seams, emitted) = (player.seams.clone(), player.finish());
            let found = seams.iter().any(found) || emitted.contains("NEEDLE");
            assert!(found, "{name} {form:?}: {seams:?} {emitted}");
        }
    }
}

/// However often a byte is contradicted, or urgent: what that costs is bounded.
#[test]
fn other_readings_are_bounded() {
    let mut player = Player::new(Form::AsIs, Policy::default(), Limits::default());
    player.play("hs");
    for at in 0..20_000 {
        for byte in [b"x", b"y"] {
            player.push(C, "AP", 1001 + at, 5001, byte, &Extra::default());
        }
    }
    let size: usize = player.seams.iter().map(String::len).sum();
    assert!((1 << 18..=2 << 20).contains(&size), "{size}");
}
