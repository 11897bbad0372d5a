//! The charts by name: what is captured, and what is emitted. Numbers are those of the list of
//! named tests.

use super::*;

type Row = (&'static str, &'static str, &'static str, &'static [Form]);

fn check(table: &[Row]) {
    let mut wrong = Vec::new();
    for (name, chart, want, forms) in table {
        for form in *forms {
            let got = emitted(chart, *form);
            if got != *want {
                wrong.push(format!("{name} {form:?}\n   got {got}\n  want {want}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn order_and_retransmission() {
    check(&[
        ("inorder", "hs; C+0 AAAA; C+4 BBBB", "C data AAAABBBB", FOUR),
        ("swap2", "hs; C+4 BBBB; C+0 AAAA", "C data AAAABBBB", FOUR),
        (
            "one_hole_many_behind",
            "hs; C+2 b; C+4 c; C+6 d; C+8 e; C+7 x; C+5 y; C+3 z; C+0 AA",
            "C data AAbzcydxe",
            FOUR,
        ),
        (
            "two_holes_fill_second_first",
            "hs; C+8 CC; C+4 BB; C+6 bb; C+0 AAAA",
            "C data AAAABBbbCC",
            FOUR,
        ),
        (
            "retrans_same",
            "hs; C+0 AAAA; C+0 AAAA",
            "C data AAAA",
            FOUR,
        ),
        (
            "retrans_longer",
            "hs; C+0 AAAA; C+0 AAAABBBB",
            "C data AAAABBBB",
            FOUR,
        ),
        (
            "retrans_shorter",
            "hs; C+0 AAAABBBB; C+0 AAAA",
            "C data AAAABBBB",
            FOUR,
        ),
        (
            "retrans_partial_overlap",
            "hs; C+0 012345; C+4 456789",
            "C data 0123456789",
            FOUR,
        ),
        (
            "repacketised",
            "hs; C+0 012; C+3 34567; C+0 01234; C+5 567",
            "C data 01234567",
            FOUR,
        ),
        (
            "frame_twice",
            "C:S:0:0; C:S:0:0; S:SA:5000:1; S:SA:5000:1; C+0 AAAA; C+0 AAAA; S+0a4 bb; S+0a4 bb; C+4a2 CC !F; C+4a2 CC !F; S:A:5003:7; S:A:5003:7",
            "C data AAAA; S data bb; C data CC; C end Fin",
            FOUR,
        ),
        (
            "spurious_after_ack",
            "hs; C+0 AAAA; S a4; C+0 AAAA",
            "C data AAAA",
            FOUR,
        ),
    ]);
}

#[test]
fn overlap_with_different_data() {
    check(&[
        (
            "delivered_diff",
            "hs; C+0 AAAA; C+0 VVVV; C+4 B",
            "C data AAAA; C Conflict VVVV; C data B",
            WHOLE,
        ),
        (
            "queued_same_diff",
            "hs; C+4 BBBB; C+4 YYYY; C+0 AAAA",
            "C Conflict YYYY; C data AAAABBBB",
            WHOLE,
        ),
        (
            "left_overlap",
            "hs; C+4 BBBB; C+2 YYYY; C+0 AA",
            "C Conflict <YY>YY; C data AAYYBBBB",
            WHOLE,
        ),
        (
            "right_overlap",
            "hs; C+2 BBBB; C+4 YYYY; C+0 AA",
            "C Conflict <BB>YY; C data AABBBBYY",
            WHOLE,
        ),
        (
            "covering",
            "hs; C+4 BB; C+2 yyYYyy; C+0 AA",
            "C Conflict <yy>YY; C data AAyyBByy",
            WHOLE,
        ),
        (
            "covered",
            "hs; C+2 BBBBBB; C+4 YY; C+0 AA",
            "C Conflict <BB>YY; C data AABBBBBB",
            WHOLE,
        ),
        (
            "attack_in_loser",
            "hs; C+0 xxGETxx; C+0 xxPWNxx",
            "C data xxGETxx; C Conflict <xx>PWNxx",
            WHOLE,
        ),
        (
            "attack_split_winner_loser",
            "hs; C+0 SEC; C+3 xxx; C+3 RET",
            "C data SECxxx; C Conflict <SEC>RET",
            WHOLE,
        ),
        (
            "low_ttl_insertion",
            "hs; C+0 VVVV; C+0 AAAA; C+4 BBBB",
            "C data VVVV; C Conflict AAAA; C data BBBB",
            WHOLE,
        ),
        (
            "bad_checksum_insertion",
            "hs; C+4 VVVV !bad; C+4 BBBB; C+0 AAAA",
            "C Conflict VVVV; C data AAAABBBB",
            WHOLE,
        ),
        (
            "no_ack_flag_insertion",
            "hs; C:P:1:0 EVIL; C+0 AAAA",
            "C NoAck EVIL; C data AAAA",
            FOUR,
        ),
        (
            "null_flags_data",
            "hs; C::1:0 EVIL; C+0 AAAA",
            "C NoAck EVIL; C data AAAA",
            FOUR,
        ),
        (
            "christmas",
            "hs; C:FSRPAUEW:1:5001 EVIL; C+0 AAAA",
            "C BadFlags EVIL; C data AAAA",
            WHOLE,
        ),
        (
            "paws_old_timestamp",
            "hs; C+0 AAAA; C+0 VVVV; C+4 BBBB",
            "C data AAAA; C Conflict VVVV; C data BBBB",
            WHOLE,
        ),
        (
            "urgent_mid",
            "hs; C+0 SEC; C+3 xRET !urg1",
            "C data SECxRET",
            WHOLE,
        ),
        (
            "syn_payload_conflict",
            "C:S:0:0 evil; S:SA:5000:1; C+0 good",
            "C Conflict evil; C data good",
            WHOLE,
        ),
    ]);
    for (name, policy, want) in [
        (
            "overlap_last_option",
            Overlap::Last,
            "C Conflict BBBB; C data AAAAYYYY",
        ),
        (
            "overlap_first_option",
            Overlap::First,
            "C Conflict YYYY; C data AAAABBBB",
        ),
    ] {
        for form in WHOLE {
            assert_eq!(
                said_by("hs; C+4 BBBB; C+4 YYYY; C+0 AAAA", *form, overlap(policy)),
                want,
                "{name} {form:?}"
            );
        }
    }
    let always = Policy {
        checksum: Checksum::On,
        ..Policy::default()
    };
    let chart = "hs; C+0 VVVV !bad; C+0 AAAA";
    assert_eq!(
        said_by(chart, Form::AsIs, always),
        "C BadChecksum VVVV; C data AAAA",
        "checksum_on"
    );
    let never = Policy {
        checksum: Checksum::Off,
        ..Policy::default()
    };
    let chart = "hs; C+0 VVVV !bad; C+0 AAAA";
    assert_eq!(
        said_by(chart, Form::AsIs, never),
        "C data VVVV; C Conflict AAAA"
    );
    let chart = "hs; C:R:1:0 !bad; wait 2000; C+0 AAAA";
    assert_eq!(
        said_by(chart, Form::AsIs, never),
        "C end Reset; S end Reset; C data AAAA",
        "checksum_off"
    );
}

/// What is damaged is not the text when another copy comes that is not: it waits until that, its
/// acknowledgement, or for a second.
#[test]
fn damaged_copies_that_come_first() {
    check(&[
        (
            "then_the_good_one",
            "hs; C+0 VVVV !bad; C+0 AAAA; C+4 BB; S a6",
            "C Conflict VVVV; C data AAAABB",
            WHOLE,
        ),
        (
            "behind_others",
            "hs; C+0 AA; S a2; C+2 VVVV !bad; C+6 CC; C+8 DD; S a2; C+2 BBBB; S a10",
            "C data AA; C Conflict <AA>VVVV; C data BBBBCCDD",
            WHOLE,
        ),
        (
            "in_other_pieces",
            "hs; C+0 VVVV !bad; C+0 AA; C+2 AA; S a4",
            "C Conflict VV; C data AA; C Conflict <AA>VV; C data AA",
            WHOLE,
        ),
        (
            "with_a_fin",
            "hs; C+0 VVVV !bad !F; C+0 AAAA !F; S:A:5001:6",
            "C Conflict VVVV; C data AAAA; C end Fin",
            WHOLE,
        ),
        (
            "of_both_sides",
            "hs; C+0 VVV !bad; C+0 ASK; S+0a3 WWW !bad; S+0a3 ANS; C a3",
            "C Conflict VVV; C data ASK; S Conflict WWW; S data ANS",
            WHOLE,
        ),
        // The acknowledgement is in front of both, or between them: some taps are not in order.
        (
            "behind_the_acknowledgement",
            "hs; C+0 AA; S a6; C+2 VVVV !bad; C+2 BBBB",
            "C data AA; C Conflict <AA>VVVV; C data BBBB",
            WHOLE,
        ),
        (
            "around_the_acknowledgement",
            "hs; C+0 VVVV !bad; S a4; C+4 CC; C+0 AAAA",
            "C Conflict VVVV; C data AAAACC",
            WHOLE,
        ),
        // Nobody sends another: then it is the text, for the receiver took it, or nobody saw that
        // it did not.
        (
            "acknowledged",
            "hs; C+0 AAAA !bad; S a4; C+4 BB",
            "C data AAAABB",
            WHOLE,
        ),
        (
            "answered",
            "hs; C+0 AAAA !bad; S+0a4 X",
            "C data AAAA; S data X",
            WHOLE,
        ),
        (
            "waited_for",
            "hs; C+0 AAAA !bad; wait 900; C+4 BB; wait 200; C+6 CC",
            "C data AAAABBCC",
            WHOLE,
        ),
        (
            "at_the_end",
            "hs; C+0 AAAA !bad; C+4 BB",
            "C data AAAABB",
            WHOLE,
        ),
        (
            "reset",
            "hs; C+0 AAAA !bad; S:RA:5001:5; wait 1200",
            "C data AAAA; C end Reset; S end Reset",
            WHOLE,
        ),
        // Where no checksum is right, none says anything.
        (
            "all_of_them",
            "C:S:0:0 !bad; S:SA:5000:1; C:A:1:5001; C+0 AAAA !bad; C+4 BB !bad",
            "C data AAAABB",
            WHOLE,
        ),
    ]);
    let mut player = Player::new(Form::AsIs, Policy::default(), Limits::default());
    player.play("hs; C+0 AAAA !bad; wait 999");
    assert_eq!(player.emitted.len(), 0, "it is waited for");
    player.play("wait 2");
    assert_eq!(player.emitted, ["C data AAAA"], "and not longer");
}

#[test]
fn gaps() {
    check(&[
        (
            "gap_acked",
            "hs; C+0 AAAA; C+8 CCCC; S a12; wait 60",
            "C data AAAA; C gap 4 Acked; C data CCCC",
            FOUR,
        ),
        (
            "ack_before_data",
            "hs; C+0 AAAA; S a8; C+4 BBBB; wait 100",
            "C data AAAABBBB",
            WHOLE,
        ),
        (
            "gap_never_acked_eof",
            "hs; C+0 AAAA; C+8 CCCC",
            "C data AAAA; C gap 4 End; C data CCCC",
            FOUR,
        ),
        (
            "gap_never_acked_fin",
            "hs; C+0 AAAA; C+8 CCCC !F",
            "C data AAAA; C gap 4 End; C data CCCC; C end Fin",
            FOUR,
        ),
        (
            "gap_timeout_10s",
            "hs; C+0 AAAA; C+8 CCCC; S+0 x; wait 11000",
            "C data AAAA; S data x; C gap 4 Timeout; C data CCCC",
            FOUR,
        ),
        (
            "quiet_interface_gap_timer",
            "hs; C+0 AAAA; C+8 CCCC; S a12; wait 49; wait 1",
            "C data AAAA; C gap 4 Acked; C data CCCC",
            FOUR,
        ),
        (
            "gap_late_fill",
            "hs; C+4 BBBB; S a8; wait 100; C+0 AAAA; C+0 AAAA",
            "C gap 4 Acked; C data BBBB; C Late AAAA",
            FOUR,
        ),
        (
            "tail_missing_acked",
            "hs; C+0 AAAA; S a8",
            "C data AAAA; C gap 4 Acked",
            FOUR,
        ),
        (
            "tail_missing_acked_fin",
            "hs; C+0 AAAA; C:FA:9:5001; S a9",
            "C data AAAA; C gap 4 Acked; C end Fin",
            FOUR,
        ),
        (
            "first_bytes_missing",
            "hs; C+100 AAAA; S a104; wait 60",
            "C gap 100 Acked; C data AAAA",
            FOUR,
        ),
        (
            "zero_fill_bomb",
            "hs; C+1073741824 x; C+0 AAAA",
            "C OutOfWindow x; C data AAAA",
            FOUR,
        ),
        (
            "out_of_window",
            "hs; C+50000000 x; C+0 AAAA",
            "C OutOfWindow x; C data AAAA",
            FOUR,
        ),
        (
            "ack_of_nothing_sent",
            "hs; S a900000000; C+0 AAAA; wait 100; C+4 BBBB",
            "C data AAAABBBB",
            FOUR,
        ),
        (
            "snaplen_cut",
            "hs; C+0 HEAD !cut6; C+10 TAIL",
            "C data HEAD; C gap 6 Snaplen; C data TAIL",
            WHOLE,
        ),
        (
            "snaplen_cut_ooo",
            "hs; C+4 HEAD !cut6; C+14 TAIL; C+0 AAAA",
            "C data AAAAHEAD; C gap 6 Snaplen; C data TAIL",
            WHOLE,
        ),
        (
            "keepalive_0",
            "hs; C+0 AAAA; C:A:4:5001; C+4 B",
            "C data AAAAB",
            FOUR,
        ),
        (
            "keepalive_acked",
            "hs; C+0 AAAA; S a4; C+3 \0; C+4 B",
            "C data AAAAB",
            WHOLE,
        ),
        (
            "keepalive_1",
            "hs; C+0 AAAA; C+3 \0; C+4 B",
            "C data AAAA; C Conflict <AAA>\0; C data B",
            FOUR,
        ),
        (
            "zero_window_probe",
            "hs; C+0 AAAA; S a4; C+4 B; C+4 B; S a5; C+5 C",
            "C data AAAABC",
            FOUR,
        ),
    ]);
}

/// A clock that is set ends nothing: what a connection brings tells whether it is the same.
#[test]
fn jumps_of_the_clock() {
    check(&[
        (
            "an_hour_ahead",
            "hs; C+0 AAAA; S+0a4 x; jump 3700; C+4a1 BBBB; S+1a8 y; jump 90000; S+2a8 z; C:AF:9:5004; S:AF:5004:10",
            "C data AAAA; S data x; C data BBBB; S data yz; C end Fin; S end Fin",
            FOUR,
        ),
        (
            "an_hour_back",
            "hs; C+0 AAAA; jump -3700; C+4 BBBB; S+0a8 y; wait 2000; C+8 CC",
            "C data AAAABBBB; S data y; C data CC",
            FOUR,
        ),
        (
            "to_both_ends",
            "hs; C+0 AAAA; jump 9223372036; C+4 BB; jump -9223372036; C+6 CC; jump -9223372036; C+8 DD; S a10; jump 9223372036; C+10 EE",
            "C data AAAABBCCDDEE",
            FOUR,
        ),
        (
            "a_hole_that_nobody_acknowledged",
            "hs; C+0 AAAA; C+8 CCCC; jump 3700; S+0a4 x; C+4 BBBB",
            "C data AAAA; S data x; C data BBBBCCCC",
            WHOLE,
        ),
        (
            "a_hole_at_the_end_of_the_range",
            "jump 9223372036; hs; C+0 AAAA; C+8 CCCC; S+0a12 x; C+12 D; jump 1; S+1a13 y; S+2a13 z; S+3a13 z",
            "C data AAAA; C gap 4 Acked; C data CCCCD; S data xyzz",
            WHOLE,
        ),
        (
            "a_reset_at_the_end_of_the_range",
            "jump 9223372036; hs; C+0 AAAA; S:R:5001:0; jump 10; C+4 BB; jump -1",
            "C data AAAABB; C end Reset; S end Reset",
            WHOLE,
        ),
        (
            "another_connection_after_hours",
            "hs; C+0 AAAA; jump 7200; C:AP:70000000:900000000 BBBB",
            "C data AAAA; C end Abandoned; S end Abandoned; C data BBBB",
            WHOLE,
        ),
        (
            "quiet_for_hours_as_it_goes",
            "hs; C+0 AAAA; wait 7200000; C+4 BBBB",
            "C data AAAA; C end Abandoned; S end Abandoned; C data BBBB",
            WHOLE,
        ),
    ]);
}

#[test]
fn start_end_and_reuse() {
    check(&[
        (
            "syn_missing",
            "S:SA:5000:1; C+4 BBBB; C+0 AAAA; C+8 CC",
            "C data AAAABBBBCC",
            WHOLE,
        ),
        (
            "syn_and_first_bytes_missing",
            "S:SA:5000:1; C+4 BBBB; S a8; wait 60",
            "C gap 4 Acked; C data BBBB",
            WHOLE,
        ),
        (
            "midstream",
            "C+100 AAAA; C+104 BBBB",
            "C data AAAABBBB",
            FOUR,
        ),
        (
            "midstream_ooo",
            "C+4 BBBB; C+0 AAAA; C+0 AAAA; C+8 CCCC",
            "C data BBBB; C Late AAAA; C data CCCC",
            FOUR,
        ),
        ("midstream_only_acks", "C a5; S a7; C a9", "", FOUR),
        (
            "one_sided_client",
            "hs; C+0 AAAA; C+4 BBBB",
            "C data AAAABBBB",
            FOUR,
        ),
        (
            "one_sided_server",
            "S+0 AAAA; S+8 CCCC; S+4 BBBB",
            "S data AAAABBBBCCCC",
            FOUR,
        ),
        (
            "synack_first",
            "S:SA:5000:1; C:S:0:0; C:A:1:5001; C+0 AAAA; S+0a4 bb",
            "C data AAAA; S data bb",
            FOUR,
        ),
        (
            "syn_after_synack",
            "S:SA:5000:1; C:S:0:0; S+0 bb; C+0 AAAA",
            "S data bb; C data AAAA",
            FOUR,
        ),
        (
            "syn_after_data",
            "C+4 BBBB; C:S:0:0; C+0 AAAA",
            "C data BBBB; C Late AAAA",
            FOUR,
        ),
        (
            "simultaneous_open",
            "C:S:0:0; S:S:5000:0; C:SA:0:5001; S:SA:5000:1; C+0 AAAA; S+0a4 bb",
            "C data AAAA; S data bb",
            FOUR,
        ),
        (
            "four_way",
            "C:S:0:0; S:A:5000:1; S:S:5000:0; C:A:1:5001; C+0 AAAA; S+0a4 bb",
            "C data AAAA; S data bb",
            FOUR,
        ),
        (
            "five_way",
            "C:S:0:0; S:A:5000:1; S:S:5000:0; C:SA:0:5001; S:A:5001:1; C+0 AAAA; S+0a4 bb",
            "C data AAAA; S data bb",
            FOUR,
        ),
        (
            "two_synacks",
            "C:S:0:0; S:SA:7000:1; S:SA:9000:1; C:A:1:9001; S:AP:9001:1 REAL",
            "S data REAL",
            FOUR,
        ),
        (
            "data_with_synack",
            "C:S:0:0; S:SA:5000:1 BANNER; C:A:1:5007; C+0a6 AA",
            "S data BANNER; C data AA",
            FOUR,
        ),
        (
            "server_data_before_3whs_done",
            "C:S:0:0; S:SA:5000:1; S+0 BANNER; C:A:1:5007",
            "S data BANNER",
            FOUR,
        ),
        (
            "syn_retrans",
            "C:S:0:0; C:S:0:0; S:SA:5000:1; C+0 AAAA",
            "C data AAAA",
            FOUR,
        ),
        (
            "syn_other_isn_unanswered",
            "hs; C+0 AAAA; C:S:7000:0; C+4 BBBB",
            "C data AAAABBBB",
            FOUR,
        ),
        (
            "syn_other_isn_answered",
            "hs; C+0 AAAA; C:S:7000:0; S:SA:9000:7001; C:AP:7001:9001 BB",
            "C data AAAA; C end Abandoned; S end Abandoned; C data BB",
            FOUR,
        ),
        (
            "reuse_after_fin",
            "hs; C+0 AAAA !F; S:AF:5001:6; C:A:6:5002; C:S:7000:0; C:AP:7001:1 BB",
            "C data AAAA; C end Fin; S end Fin; C data BB",
            FOUR,
        ),
        (
            "reuse_after_rst",
            "hs; C+0 AAAA; C:R:5:0; C:S:7000:0; C:AP:7001:1 BB",
            "C data AAAA; C end Reset; S end Reset; C data BB",
            FOUR,
        ),
        (
            "reuse_same_isn",
            "hs; C+0 AAAA !F; S:AF:5001:6; C:A:6:5002; hs; C+0 BB",
            "C data AAAA; C end Fin; S end Fin; C data BB",
            FOUR,
        ),
        (
            "reuse_no_close_idle",
            "hs; C+0 AAAA; wait 61000; C:S:7000:0; C:AP:7001:1 BB",
            "C data AAAA; C end Abandoned; S end Abandoned; C data BB",
            FOUR,
        ),
        (
            "fin_with_data",
            "hs; C+0 AAAA !F; S:A:5001:6",
            "C data AAAA; C end Fin",
            FOUR,
        ),
        (
            "fin_ooo",
            "hs; C+4 BBBB !F; C+0 AAAA; S:A:5001:10",
            "C data AAAABBBB; C end Fin",
            FOUR,
        ),
        (
            "fin_retrans_overlap",
            "hs; C+0 AAAA; C+2 AABB !F; C+2 AABB !F; S:A:5001:8",
            "C data AAAABB; C end Fin",
            FOUR,
        ),
        (
            "fin_unacked",
            "C+0 AAAA !F; wait 1100; C+5 x",
            "C data AAAA; C end Fin; C AfterFin x",
            FOUR,
        ),
        (
            "fake_fin_same_seq",
            "hs; C:AF:1:5001; C+0 AAAA; C+4 BBBB",
            "C data AAAABBBB",
            FOUR,
        ),
        (
            "fin_bad_checksum",
            "hs; C:AF:1:5001 !bad; S:A:5001:2; C+0 AAAA",
            "C data AAAA",
            FOUR,
        ),
        (
            "data_after_fin",
            "hs; C+0 AAAA !F; S:A:5001:6; C+5 BB",
            "C data AAAA; C end Fin; C AfterFin BB",
            FOUR,
        ),
        (
            "rst_exact",
            "hs; C+0 AAAA; C:R:5:0; wait 1100",
            "C data AAAA; C end Reset; S end Reset",
            FOUR,
        ),
        (
            "rst_out_of_window",
            "hs; S:R:9999:0; S+0 x; wait 1100",
            "S data x",
            FOUR,
        ),
        (
            "rst_bad_checksum",
            "hs; C+0 AAAA; C:R:5:0 !bad; wait 1100; C+4 BBBB",
            "C data AAAABBBB",
            FOUR,
        ),
        (
            "rst_then_acked_data",
            "hs; C+0 AAAA; C:R:5:0; C+4 BBBB; S a8; wait 1100; C+8 CC",
            "C data AAAABBBBCC",
            FOUR,
        ),
        (
            "rst_then_data_late",
            "hs; C+0 AAAA; C:R:5:0; wait 1100; C+4 BBBB",
            "C data AAAA; C end Reset; S end Reset; C data BBBB",
            FOUR,
        ),
        (
            "rst_then_more_acknowledged",
            "hs; C+0 AAAA; C:R:5:0; wait 1100; S a8; wait 200; S a8",
            "C data AAAA; C end Reset; S end Reset",
            FOUR,
        ),
        (
            "rst_then_the_syn_again_with_data",
            "hs; C:R:1:0; S:R:5001:0; C+0 AAAA; wait 1100; C:S:0:0 AAAABB",
            "C data AAAA; C end Reset; S end Reset; C data AAAABB",
            WHOLE,
        ),
        (
            "rst_then_a_syn_of_the_server_with_data",
            "hs; S+0 AAAA; C:R:1:0; wait 1100; S:SA:5000:1 AAAABB",
            "S data AAAA; C end Reset; S end Reset; S AfterFin BB",
            WHOLE,
        ),
        (
            "fin_then_a_run_far_ahead",
            "hs; C+0 AAAA !F; S:A:5001:6; \
             C+9000000 a; C+9000001 b; C+9000002 c; C+9000003 d; C+9000004 e; C+9000005 f; C+9000006 g; C+9000007 h; \
             C+9000008 i; C+9000009 j; C+9000010 k; C+9000011 l; C+9000012 m; C+9000013 n; C+9000014 o; C+9000015 p",
            "C data AAAA; C end Fin; C OutOfWindow abcdefghijklmnop",
            FOUR,
        ),
        (
            "half_close_first_then_a_slow_answer",
            "C+0 AAAA !F; S+0a5 more; wait 6000; S+4a5 rest",
            "C data AAAA; S data more; C end Fin; S data rest",
            WHOLE,
        ),
        (
            "fin_withdrawn_then_slow",
            "C+0 AAAA !F; C+4 BBBB; wait 6000; C+8 CC",
            "C data AAAABBBBCC",
            FOUR,
        ),
        (
            "rst_with_data",
            "hs; C:R:1:0 bye; wait 1100",
            "C WithRst bye; C end Reset; S end Reset",
            WHOLE,
        ),
        (
            "half_close",
            "hs; C:AF:1:5001; S:A:5001:2; S+0a1 more; S+4a1 !P; wait 2000; S+4a1 END",
            "C end Fin; S data moreEND",
            FOUR,
        ),
        (
            "wrap_in_order",
            "isn 4294967290; hs; C+0 AAAA; C+4 BBBB; C+8 CC",
            "C data AAAABBBBCC",
            FOUR,
        ),
        (
            "wrap_ooo",
            "isn 4294967290; hs; C+8 CC; C+4 BBBB; C+0 AAAA",
            "C data AAAABBBBCC",
            FOUR,
        ),
        (
            "wrap_exact_edge",
            "isn 4294967291; hs; C+0 AAAA; C+4 BBBB",
            "C data AAAABBBB",
            FOUR,
        ),
        (
            "tfo_accepted",
            "C:S:0:0 AAAA; S:SA:5000:5; C+4 BBBB",
            "C data AAAABBBB",
            WHOLE,
        ),
        (
            "tfo_rejected_resent",
            "C:S:0:0 AAAA; S:SA:5000:1; C+0 AAAA; C+4 BBBB",
            "C data AAAABBBB",
            WHOLE,
        ),
        (
            "tfo_partial_ack",
            "C:S:0:0 AAAABB; S:SA:5000:5; C+4 BBCC",
            "C data AAAABBCC",
            WHOLE,
        ),
        ("tfo_never_answered", "C:S:0:0 AAAA", "C data AAAA", WHOLE),
    ]);
}

#[test]
fn direction_order() {
    check(&[
        (
            "resp_before_req_capture",
            "hs; S+0a3 RESP; C+0 REQ",
            "C data REQ; S data RESP",
            WHOLE,
        ),
        (
            "resp_before_req_req_lost",
            "hs; S+0a3 RESP; wait 60",
            "C gap 3 Acked; S data RESP",
            WHOLE,
        ),
        (
            "pipelined_interleaved",
            "hs; S+0a2 r1; S+2a4 r2; C+0 Q1; C+2 Q2",
            "C data Q1; S data r1; C data Q2; S data r2",
            WHOLE,
        ),
    ]);
    for form in WHOLE {
        let got = emitted("hs; C+0a4 AAAA; S+0a4 bbbb; wait 60", *form);
        assert!(
            got.contains("C data AAAA") && got.contains("S data bbbb") && !got.contains("gap"),
            "ring: {got}"
        );
    }
}
