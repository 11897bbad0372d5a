//! DNS messages as text, one record a line as `dig` writes them (RFC 1035 section 5.1, without the
//! class where it is IN, and without the trailing dot): this text is what is searched and shown.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use memchr::memchr2;
use simple_dns::rdata::{CNAME, NS, PTR, RData, SVCB, SVCParam};
use simple_dns::{
    CLASS, CharacterString, Name, OPCODE, Packet, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE,
};

use crate::message::{Description, Fact, HeadStyle, Kind, Role};

/// Bytes that the text of most questions, and of most messages, does not exceed.
const QUESTION: usize = 96;
const MESSAGE: usize = 512;

/// The questions of a message: `A www.example.test`, several joined by a comma.
pub(super) fn question(packet: &Packet<'_>) -> String {
    let mut text = String::with_capacity(QUESTION);
    for question in &packet.questions {
        if !text.is_empty() {
            text.push_str(", ");
        }
        match question.qtype {
            QTYPE::TYPE(kind) => push_type(kind, &mut text),
            QTYPE::ANY => text.push_str("ANY"),
            QTYPE::AXFR => text.push_str("AXFR"),
            QTYPE::IXFR => text.push_str("IXFR"),
            QTYPE::MAILB => text.push_str("MAILB"),
            QTYPE::MAILA => text.push_str("MAILA"),
        }
        match question.qclass {
            QCLASS::CLASS(CLASS::IN) => {}
            QCLASS::CLASS(class) => {
                let _ = write!(text, " {}", class_name(class));
            }
            QCLASS::ANY => text.push_str(" ANY"),
        }
        text.push(' ');
        push_name(&question.qname, &mut text);
    }
    text
}

/// The text of a query: `A? www.example.test`, and any records that it carries.
pub(super) fn query(packet: &Packet<'_>, question: &str) -> String {
    let mut text = String::with_capacity(MESSAGE);
    let (before, after) = question.split_once(' ').unwrap_or((question, ""));
    match packet.opcode() {
        OPCODE::StandardQuery if before.len() == question.len() => text.push_str(question),
        OPCODE::StandardQuery => text.extend([before, "? ", after]),
        OPCODE::InverseQuery => text.extend(["IQUERY ", question]),
        OPCODE::ServerStatusRequest => text.extend(["STATUS ", question]),
        OPCODE::Notify => text.extend(["NOTIFY ", question]),
        OPCODE::Update => text.extend(["UPDATE ", question]),
        OPCODE::Reserved => text.extend(["OPCODE? ", question]),
    }
    text.push('\n');
    records(packet, &mut text);
    text
}

/// The text of a response: `NOERROR A www.example.test`, and its records.
pub(super) fn response(packet: &Packet<'_>, question: &str) -> String {
    let mut text = String::with_capacity(MESSAGE);
    text.push_str(rcode_name(packet.rcode()));
    if !question.is_empty() {
        text.push(' ');
        text.push_str(question);
    }
    text.push('\n');
    records(packet, &mut text);
    text
}

/// The records of all sections; the authority and additional sections have a line of their own
/// first.
fn records(packet: &Packet<'_>, text: &mut String) {
    for (title, records) in [
        ("", &packet.answers),
        ("; authority\n", &packet.name_servers),
        ("; additional\n", &packet.additional_records),
    ] {
        if !records.is_empty() {
            text.push_str(title);
        }
        for record in records {
            append(record, text);
        }
    }
}

fn append(record: &ResourceRecord<'_>, text: &mut String) {
    let start = text.len();
    push_name(&record.name, text);
    let _ = write!(text, " {} ", record.ttl);
    if record.class != CLASS::IN {
        let _ = write!(text, "{} ", class_name(record.class));
    }
    push_type(record.rdata.type_code(), text);
    text.push(' ');
    data(record, text);
    // A record is one line, whatever its strings hold.
    if let Some(line) = text.get(start..)
        && memchr2(b'\r', b'\n', line.as_bytes()).is_some()
    {
        let line = line.to_owned();
        text.truncate(start);
        push_line(&line, text);
    }
    text.push('\n');
}

/// The data of a record in its presentation format; of a type that has none here, as RFC 3597 says.
fn data(record: &ResourceRecord<'_>, text: &mut String) {
    let _ = match &record.rdata {
        RData::A(a) => write!(text, "{}", Ipv4Addr::from_bits(a.address)),
        RData::AAAA(a) => write!(text, "{}", Ipv6Addr::from_bits(a.address)),
        RData::NS(NS(to)) | RData::CNAME(CNAME(to)) | RData::PTR(PTR(to)) => {
            push_name(to, text);
            Ok(())
        }
        RData::MX(mx) => write!(text, "{} {}", mx.preference, name(&mx.exchange)),
        RData::SRV(srv) => write!(
            text,
            "{} {} {} {}",
            srv.priority,
            srv.weight,
            srv.port,
            name(&srv.target)
        ),
        RData::SOA(soa) => write!(
            text,
            "{} {} {} {} {} {} {}",
            name(&soa.mname),
            name(&soa.rname),
            soa.serial,
            soa.refresh,
            soa.retry,
            soa.expire,
            soa.minimum
        ),
        RData::TXT(txt) => {
            let strings: Vec<String> = txt
                .iter_raw()
                .map(|(key, value)| match value {
                    Some(value) => quoted(&[key, b"=", value].concat()),
                    None => quoted(key),
                })
                .collect();
            write!(text, "{}", strings.join(" "))
        }
        RData::HINFO(info) => write!(text, "{} {}", string(&info.cpu), string(&info.os)),
        RData::CAA(caa) => {
            let _ = write!(text, "{} {} ", caa.flag, caa.tag);
            write!(text, "{}", quoted(&caa.value))
        }
        RData::NAPTR(naptr) => write!(
            text,
            "{} {} {} {} {} {}",
            naptr.order,
            naptr.preference,
            string(&naptr.flags),
            string(&naptr.services),
            string(&naptr.regexp),
            name(&naptr.replacement)
        ),
        RData::DS(ds) => write!(
            text,
            "{} {} {} {}",
            ds.key_tag,
            ds.algorithm,
            ds.digest_type,
            hex(&ds.digest)
        ),
        RData::SVCB(service) => write!(text, "{}", binding(service)),
        RData::HTTPS(service) => write!(text, "{}", binding(&service.0)),
        _ => {
            let bytes = generic(record);
            write!(text, "\\# {} {}", bytes.len(), hex(&bytes))
        }
    };
}

/// The data of a record as it is sent, without compression of names.
fn generic(record: &ResourceRecord<'_>) -> Vec<u8> {
    /// Bytes before the data of a record whose name is the root: name, type, class, TTL, length.
    const BEFORE: usize = 1 + 2 + 2 + 4 + 2;
    let Ok(root) = Name::new("") else {
        return Vec::new();
    };
    let mut packet = Packet::new_query(0);
    packet.answers.push(ResourceRecord {
        name: root,
        ..record.clone()
    });
    let bytes = packet.build_bytes_vec().unwrap_or_default();
    let data = bytes.get(super::HEADER.saturating_add(BEFORE)..);
    data.unwrap_or_default().to_vec()
}

/// Service parameters (RFC 9460 section 2.1).
fn binding(service: &SVCB<'_>) -> String {
    let mut text = format!("{} {}", service.priority, name(&service.target));
    for param in service.iter_params() {
        let _ = match param {
            SVCParam::Mandatory(keys) => {
                let keys: Vec<String> = keys.iter().map(|key| format!("key{key}")).collect();
                write!(text, " mandatory={}", keys.join(","))
            }
            SVCParam::Alpn(protocols) => {
                let protocols: Vec<String> = protocols.iter().map(ToString::to_string).collect();
                write!(text, " alpn={}", quoted(protocols.join(",").as_bytes()))
            }
            SVCParam::NoDefaultAlpn => write!(text, " no-default-alpn"),
            SVCParam::Port(port) => write!(text, " port={port}"),
            SVCParam::Ipv4Hint(hints) => {
                let hints: Vec<String> = hints
                    .iter()
                    .map(|hint| Ipv4Addr::from_bits(*hint).to_string())
                    .collect();
                write!(text, " ipv4hint={}", hints.join(","))
            }
            SVCParam::Ech(config) => write!(text, " ech={}", hex(config)),
            SVCParam::Ipv6Hint(hints) => {
                let hints: Vec<String> = hints
                    .iter()
                    .map(|hint| Ipv6Addr::from_bits(*hint).to_string())
                    .collect();
                write!(text, " ipv6hint={}", hints.join(","))
            }
            SVCParam::InvalidKey => write!(text, " key65535"),
            SVCParam::Unknown(key, value) => write!(text, " key{key}={}", quoted(value)),
        };
    }
    text
}

/// A name as people write it; the root is a dot.
fn name(name: &Name<'_>) -> String {
    let mut text = String::new();
    push_name(name, &mut text);
    text
}

/// Appends a name, as [`Name`] is displayed: a dot or a backslash in a label has a backslash before
/// it, and bytes that are no UTF-8 become U+FFFD. Labels of letters and digits, which nearly all
/// are, are copied as they are: to display them character by character took half of the time that a
/// DNS message takes.
fn push_name(name: &Name<'_>, text: &mut String) {
    let labels = name.get_labels();
    if labels.is_empty() {
        text.push('.');
    }
    for (at, label) in labels.iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        let is_plain = |byte: &u8| matches!(byte, b'!'..=b'-' | b'/'..=b'[' | b']'..=b'~');
        let bytes: &[u8] = label.as_ref();
        // Of all bytes, which is faster than to stop.
        let all_plain = bytes.iter().fold(true, |all, byte| all & is_plain(byte));
        match str::from_utf8(bytes) {
            Ok(plain) if all_plain => text.push_str(plain),
            _ => push_line(&label.to_string(), text),
        }
    }
}

/// Appends text with its line ends escaped: labels and strings may hold any byte, and a line end in
/// one would look like the next record.
#[cold]
fn push_line(line: &str, text: &mut String) {
    for character in line.chars() {
        match character {
            '\n' => text.push_str("\\010"),
            '\r' => text.push_str("\\013"),
            other => text.push(other),
        }
    }
}

fn string(text: &CharacterString<'_>) -> String {
    quoted(text.to_string().as_bytes())
}

/// A string in quotes, with what is not printable escaped as RFC 1035 section 5.1 says.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => text.extend(['\\', character]),
                control if control.is_control() => {
                    let _ = write!(text, "\\{:03}", u32::from(control));
                }
                _ => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\{byte:03}");
        }
    }
    text.push('"');
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn push_type(kind: TYPE, text: &mut String) {
    let _ = match kind {
        TYPE::Unknown(number) => write!(text, "TYPE{number}"),
        known => write!(text, "{known:?}"),
    };
}

const fn class_name(class: CLASS) -> &'static str {
    match class {
        CLASS::IN => "IN",
        CLASS::CS => "CS",
        CLASS::CH => "CH",
        CLASS::HS => "HS",
        CLASS::NONE => "NONE",
    }
}

/// The names of IANA's registry of response codes, as `dig` prints them.
const fn rcode_name(code: RCODE) -> &'static str {
    match code {
        RCODE::NoError => "NOERROR",
        RCODE::FormatError => "FORMERR",
        RCODE::ServerFailure => "SERVFAIL",
        RCODE::NameError => "NXDOMAIN",
        RCODE::NotImplemented => "NOTIMP",
        RCODE::Refused => "REFUSED",
        RCODE::YXDOMAIN => "YXDOMAIN",
        RCODE::YXRRSET => "YXRRSET",
        RCODE::NXRRSET => "NXRRSET",
        RCODE::NOTAUTH => "NOTAUTH",
        RCODE::NOTZONE => "NOTZONE",
        RCODE::BADVERS => "BADVERS",
        RCODE::Reserved => "RESERVED",
    }
}

/// What a message is, from its text.
pub(super) fn describe(kind: Kind, head: &[u8]) -> Description {
    let mut description = Description::default();
    let Ok(text) = str::from_utf8(head) else {
        return description;
    };
    let mut lines = text.lines();
    let Some((first, question)) = lines
        .next()
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
    else {
        return description;
    };
    let is_response = kind.name == super::RESPONSE.name;
    let role = match (is_response, first) {
        (false, _) => HeadStyle::Method,
        (true, "NOERROR") => HeadStyle::Success,
        (true, "SERVFAIL" | "NOTIMP") => HeadStyle::ServerError,
        (true, _) => HeadStyle::ClientError,
    };
    description.styles.push((0..first.len(), role));
    let mut fact = |name, value: &str, summary, many| {
        description.facts.push(Fact {
            name,
            value: value.to_owned(),
            summary,
            many,
            literal: false,
        });
    };
    if !is_response {
        fact("dns.question", question, false, false);
        fact("dns.type", first.trim_end_matches('?'), false, false);
        return description;
    }
    fact("dns.rcode", first, true, false);
    let (kind_name, name) = question.split_once(' ').unwrap_or(("", question));
    fact(
        "dns.question",
        name,
        first != "NOERROR" && kind.side == Role::Response,
        false,
    );
    fact("dns.type", kind_name, false, false);
    let mut records: u32 = 0;
    for line in lines.take_while(|line| !line.starts_with(';')) {
        records = records.saturating_add(1);
        fact("dns.answers", line, false, true);
    }
    if first == "NOERROR" {
        let count = match records {
            1 => "1 record".to_owned(),
            many => format!("{many} records"),
        };
        fact("dns.records", &count, true, false);
    }
    description
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::Label;

    #[test]
    fn a_name_is_written_on_one_line_with_its_labels_told_apart() {
        let table: &[(&[&[u8]], &str)] = &[
            (&[], "."),
            (&[b"www", b"example", b"test"], "www.example.test"),
            (&[b"_http", b"_tcp", b"a-1"], "_http._tcp.a-1"),
            (&[b"a.b", b"c\\d"], "a\\.b.c\\\\d"),
            (&[b"My Printer", b"local"], "My Printer.local"),
            (&["b\u{fc}cher".as_bytes(), b"test"], "b\u{fc}cher.test"),
            (&[b"a\xffb"], "a\u{fffd}b"),
            (&[b"a\nb", b"c\rd"], "a\\010b.c\\013d"),
            (&[b"\0\x7f~!"], "\0\x7f~!"),
        ];
        for (labels, text) in table {
            let labels: Vec<Label<'_>> = (labels.iter())
                .map(|label| Label::new_unchecked(*label))
                .collect();
            let written = Name::new_with_labels(&labels);
            assert_eq!(name(&written), *text);
            let displayed = written.to_string();
            let one_line = displayed.replace('\n', "\\010").replace('\r', "\\013");
            assert_eq!(
                one_line,
                text.strip_prefix('.').unwrap_or(text),
                "as displayed"
            );
        }
    }

    #[test]
    fn a_record_is_one_line_whatever_its_strings_hold() {
        let tag = CharacterString::new(b"is\rsue\n").expect("it is short");
        let record = ResourceRecord::new(
            Name::new_unchecked("a.test"),
            CLASS::IN,
            60,
            RData::CAA(simple_dns::rdata::CAA {
                flag: 0,
                tag,
                value: b"ca.test"[..].into(),
            }),
        );
        let mut text = String::new();
        append(&record, &mut text);
        assert_eq!(text, "a.test 60 CAA 0 is\\013sue\\010 \"ca.test\"\n");
    }
}
