//! Charts of DNS: datagrams and streams in, messages out.

use simple_dns::rdata::{A, CNAME, HTTPS, MX, NULL, RData, SVCB, TXT};
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE,
};

use super::super::testing::{Play, flow};
use super::*;
use crate::stream::StreamEvent;

fn name(text: &str) -> Name<'_> {
    Name::new(text).expect("a name")
}

fn query(id: u16, host: &str) -> Vec<u8> {
    let mut packet = Packet::new_query(id);
    packet.questions.push(Question::new(
        name(host),
        QTYPE::TYPE(TYPE::A),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec().expect("it fits")
}

fn response(id: u16, host: &str, rcode: RCODE, records: Vec<RData<'_>>) -> Vec<u8> {
    let mut packet = Packet::new_reply(id);
    packet.questions.push(Question::new(
        name(host),
        QTYPE::TYPE(TYPE::A),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    *packet.rcode_mut() = rcode;
    packet.set_flags(PacketFlag::RESPONSE);
    packet.answers.extend(
        records
            .into_iter()
            .map(|data| ResourceRecord::new(name(host), CLASS::IN, 60, data)),
    );
    packet.build_bytes_vec_compressed().expect("it fits")
}

const ADDRESS: RData<'static> = RData::A(A {
    address: 0x0a01_0203,
});

/// The chart of datagrams between a client and this port; true: to the server.
fn datagrams(port: u16, datagrams: &[(bool, Vec<u8>)]) -> Vec<String> {
    let mut play = Play::default();
    let flow = Flow {
        server: crate::flow::Endpoint {
            port,
            ..flow(protocol::UDP).server
        },
        ..flow(protocol::UDP)
    };
    for (up, bytes) in datagrams {
        let by = PacketInfo::default();
        let dir = match up {
            true => Direction::ToServer,
            false => Direction::ToClient,
        };
        let event = StreamEvent::Datagram {
            dir,
            bytes,
            cut: 0,
            by: &by,
        };
        play.event_in(&flow, &event);
    }
    play.chart.lines().to_vec()
}

#[test]
fn a_response_is_paired_with_its_query_by_id_and_question() {
    let lines = datagrams(
        53,
        &[
            (true, query(1, "a.test")),
            (true, query(2, "b.test")),
            (false, response(2, "b.test", RCODE::NoError, vec![ADDRESS])),
            (true, query(1, "a.test")),
            (false, response(1, "other.test", RCODE::NoError, vec![])),
            (false, response(1, "a.test", RCODE::NameError, vec![])),
            (false, response(1, "a.test", RCODE::NameError, vec![])),
        ],
    );
    assert_eq!(
        lines,
        [
            "> dns.query #0",
            r#"> head "A? a.test\n""#,
            r#"> brief "A? a.test""#,
            "> end",
            "> dns.query #1",
            r#"> head "A? b.test\n""#,
            r#"> brief "A? b.test""#,
            "> end",
            "< dns.response #1",
            r#"< head "NOERROR A b.test\nb.test 60 A 10.1.2.3\n""#,
            r#"< brief "NOERROR A b.test""#,
            "< end",
            // Sent again: the same exchange.
            "> dns.query #0",
            r#"> head "A? a.test\n""#,
            r#"> brief "A? a.test""#,
            "> end",
            // The id alone does not pair.
            "< dns.response #?",
            r#"< head "NOERROR A other.test\n""#,
            r#"< brief "NOERROR A other.test""#,
            "< end",
            "< dns.response #0",
            r#"< head "NXDOMAIN A a.test\n""#,
            r#"< brief "NXDOMAIN A a.test""#,
            "< end",
            "< dns.response #?",
            r#"< head "NXDOMAIN A a.test\n""#,
            r#"< brief "NXDOMAIN A a.test""#,
            "< end",
        ]
    );
}

#[test]
fn records_are_text_as_dig_writes_it() {
    let mut service = SVCB::new(1, name("svc.test"));
    service.set_port(8443);
    service.set_ipv4hint(&[0x7f00_0001]);
    let txt = TXT::new()
        .with_string("v=spf1 \"all\"\r\nx")
        .expect("a string");
    let table = [
        (ADDRESS, "A 10.1.2.3"),
        (RData::CNAME(CNAME(name("b.test"))), "CNAME b.test"),
        (
            RData::MX(MX {
                preference: 10,
                exchange: name("mx.test"),
            }),
            "MX 10 mx.test",
        ),
        (RData::TXT(txt), r#"TXT "v=spf1 \"all\"\013\010x""#),
        (
            RData::HTTPS(HTTPS(service)),
            "HTTPS 1 svc.test port=8443 ipv4hint=127.0.0.1",
        ),
        (
            RData::NULL(4711, NULL::new(&[1, 2, 255]).expect("bytes")),
            r"TYPE4711 \# 3 0102ff",
        ),
    ];
    for (data, want) in table {
        let bytes = response(7, "a.test", RCODE::NoError, vec![data]);
        let packet = Packet::parse(&bytes).expect("what was built parses");
        let text = text::response(&packet, &text::question(&packet));
        assert_eq!(text, format!("NOERROR A a.test\na.test 60 {want}\n"));
    }
}

#[test]
fn what_is_no_whole_message_stays_a_datagram() {
    let whole = query(1, "a.test");
    for len in 0..whole.len() {
        let lines = datagrams(53, &[(true, whole[..len].to_vec())]);
        assert!(
            lines.iter().all(|line| !line.contains("dns")),
            "{len}: {lines:?}"
        );
    }
    let lines = datagrams(5300, &[(true, whole)]);
    assert_eq!(lines[0], "> udp.datagram #0", "another port");
}

#[test]
fn queries_that_are_remembered_are_bounded() {
    let mut all: Vec<(bool, Vec<u8>)> = (0..100).map(|id| (true, query(id, "a.test"))).collect();
    for id in [0, 35, 36, 99] {
        all.push((false, response(id, "a.test", RCODE::NoError, vec![])));
    }
    let lines = datagrams(53, &all);
    let responses: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("dns.response"))
        .collect();
    assert_eq!(
        responses,
        [
            "< dns.response #?",
            "< dns.response #?",
            "< dns.response #36",
            "< dns.response #99"
        ]
    );
}

#[test]
fn a_description_reads_the_text() {
    let bytes = response(7, "a.test", RCODE::NoError, vec![ADDRESS, ADDRESS]);
    let packet = Packet::parse(&bytes).expect("what was built parses");
    let text = text::response(&packet, &text::question(&packet));
    let description = text::describe(RESPONSE, text.as_bytes());
    let facts: Vec<_> = description
        .facts
        .iter()
        .map(|fact| (fact.name, fact.value.as_str(), fact.summary))
        .collect();
    assert_eq!(
        facts,
        [
            ("dns.rcode", "NOERROR", true),
            ("dns.question", "a.test", false),
            ("dns.type", "A", false),
            ("dns.answers", "a.test 60 A 10.1.2.3", false),
            ("dns.answers", "a.test 60 A 10.1.2.3", false),
            ("dns.records", "2 records", true),
        ]
    );
}

/// Over TCP each message has its length before it, however the stream is cut.
#[test]
fn messages_of_a_stream_are_read_however_it_is_cut() {
    let framed = |bytes: Vec<u8>| [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
    let up = [framed(query(1, "a.test")), framed(query(2, "b.test"))].concat();
    let down = framed(response(1, "a.test", RCODE::NoError, vec![ADDRESS]));
    let flow = Flow {
        server: crate::flow::Endpoint {
            port: 53,
            ..flow(protocol::TCP).server
        },
        ..flow(protocol::TCP)
    };
    for cut in [1, 2, 7, 14, 4096] {
        let mut play = Play::default();
        let by = PacketInfo::default();
        for (dir, bytes) in [(Direction::ToServer, &up), (Direction::ToClient, &down)] {
            let mut offset = 0;
            for bytes in bytes.chunks(cut) {
                let event = StreamEvent::Data {
                    dir,
                    offset,
                    seq: 0,
                    midstream: false,
                    bytes,
                    by: &by,
                };
                play.event_in(&flow, &event);
                offset += bytes.len() as u64;
            }
        }
        let lines: Vec<_> = play
            .chart
            .lines()
            .iter()
            .filter(|line| line.contains('#'))
            .cloned()
            .collect();
        assert_eq!(
            lines,
            ["> dns.query #0", "> dns.query #1", "< dns.response #0"],
            "{cut}"
        );
    }
}
