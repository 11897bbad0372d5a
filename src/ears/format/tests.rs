//! Format files of several kernels: the fields that are read, at the offsets that they had there.

use super::*;

/// `sock:inet_sock_set_state` of kernel 4.18: one byte for the protocol, no padding.
const STATE_4_18: &str = "name: inet_sock_set_state
ID: 1100
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;
\tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
\tfield:__u8 protocol;\toffset:30;\tsize:1;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:31;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:35;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:39;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:55;\tsize:16;\tsigned:0;

print fmt: \"sport=%hu\", REC->sport
";

/// The same of kernel 6.18, as read there.
pub(in crate::ears) const STATE_6_18: &str = "name: inet_sock_set_state
ID: 2287
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;
\tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
\tfield:__u16 protocol;\toffset:30;\tsize:2;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;

print fmt: \"sport=%hu\", REC->sport
";

/// `fib:fib_table_lookup` of kernel 6.18, as read there.
pub(in crate::ears) const ROUTE_6_18: &str = "name: fib_table_lookup
ID: 2264
format:
\tfield:u32 tb_id;\toffset:8;\tsize:4;\tsigned:0;
\tfield:int err;\toffset:12;\tsize:4;\tsigned:1;
\tfield:int oif;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int iif;\toffset:20;\tsize:4;\tsigned:1;
\tfield:u8 proto;\toffset:24;\tsize:1;\tsigned:0;
\tfield:__u8 tos;\toffset:25;\tsize:1;\tsigned:0;
\tfield:__u8 src[4];\toffset:28;\tsize:4;\tsigned:0;
\tfield:__u8 dst[4];\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u8 gw4[4];\toffset:36;\tsize:4;\tsigned:0;
\tfield:u16 sport;\toffset:56;\tsize:2;\tsigned:0;
\tfield:u16 dport;\toffset:58;\tsize:2;\tsigned:0;
\tfield:char name[16];\toffset:60;\tsize:16;\tsigned:0;
";

/// `fib6:fib6_table_lookup` of kernel 6.18: its addresses are at odd offsets.
pub(in crate::ears) const ROUTE6_6_18: &str = "name: fib6_table_lookup
format:
\tfield:int iif;\toffset:20;\tsize:4;\tsigned:1;
\tfield:__u8 src[16];\toffset:31;\tsize:16;\tsigned:0;
\tfield:__u8 dst[16];\toffset:47;\tsize:16;\tsigned:0;
\tfield:u16 sport;\toffset:64;\tsize:2;\tsigned:0;
\tfield:u16 dport;\toffset:66;\tsize:2;\tsigned:0;
\tfield:u8 proto;\toffset:68;\tsize:1;\tsigned:0;
";

/// `sched:sched_process_exec` of kernel 6.18.
pub(in crate::ears) const EXEC_6_18: &str = "name: sched_process_exec
ID: 365
format:
\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
\tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;
";

#[test]
fn fields_are_where_the_format_says() {
    let old = StateLayout::of(STATE_4_18).unwrap();
    assert_eq!(
        old.local[1],
        Field {
            offset: 39,
            size: 16
        }
    );
    let new = StateLayout::of(STATE_6_18).unwrap();
    assert_eq!(
        new.local[1],
        Field {
            offset: 40,
            size: 16
        }
    );
    assert_eq!(old.socket, new.socket);
    let route = RouteLayout::of(ROUTE_6_18).unwrap();
    assert_eq!(
        route.remote_port,
        Field {
            offset: 58,
            size: 2
        }
    );
    assert_eq!(RouteLayout::of(ROUTE6_6_18).unwrap().local.offset, 31);
    assert_eq!(ExecLayout::of(EXEC_6_18).unwrap().path.offset, 8);
}

#[test]
fn a_field_that_is_missing_switches_the_event_off() {
    for name in ["skaddr", "oldstate", "sport", "protocol", "daddr_v6"] {
        let without: String = STATE_6_18
            .lines()
            .filter(|line| {
                !line.contains(&format!("{name};")) && !line.contains(&format!("{name}["))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(StateLayout::of(&without), None, "{name}");
    }
    // Before ports were recorded.
    let without = ROUTE_6_18.replace("u16 sport", "u16 other");
    assert_eq!(RouteLayout::of(&without), None);
    for odd in ["", "field:", "field:int a;offset:x;size:4", "\u{0}"] {
        assert_eq!(Field::find(odd, "a"), None, "{odd}");
    }
    assert_eq!(
        Field::find("field:int a;\toffset:99999999;\tsize:4;", "a"),
        None
    );
}
