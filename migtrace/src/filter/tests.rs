//! The language: what it means on literal events, what it refuses, and that what the kernel leaves out is never wanted.

mod kernel;
mod random;

use super::Filter;
use crate::event::{
    Access, Batch, Body, Cause, Comm, Event, Fault, FaultClass, Kind, KindSet, Loss, Migrate, NodeMask, Outcome, Phase,
    Policy, Request, RequestName, Work,
};

fn filter(text: &str) -> Filter {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn event(body: Body) -> Event {
    Event { cpu: 2, cpu_node: Some(1), pid: 7, tid: 8, comm: Comm::from("redis"), cgroup_id: 9, ..Event::at(50, body) }
}

fn fault() -> Event {
    event(Body::Fault(Fault {
        addr: 0x7f00_0000_1000,
        ip: None,
        access: Access::Write,
        class: Some(FaultClass::Anon),
        major: Some(false),
        nid: Some(0),
        order: Some(0),
        latency_ns: Some(12_000),
        result: Some("ok".into()),
        wait: None,
    }))
}

fn migrate() -> Event {
    event(Body::from(Migrate {
        addr: None,
        old_pfn: 5,
        new_pfn: None,
        order: 9,
        src_nid: 0,
        dst_nid: Some(1),
        cause: Cause::Mbind,
        result: Outcome::Failed,
        reason: Some("busy".into()),
        latency_ns: None,
        unmap_ns: Some(1),
        copy_ns: Some(2),
        remap_ns: None,
        mappings: None,
    }))
}

fn request() -> Event {
    event(Body::from(Request {
        name: RequestName::Mbind,
        addr: Some(0x1000),
        len: Some(64 << 10),
        policy: Some(Policy::Bind),
        flags: "move|lazy".into(),
        nodemask: Some(NodeMask::from_words(&[0b111], 3)),
        target_pid: None,
        ret: -22,
        latency_ns: 1_000_000,
    }))
}

fn batch() -> Event {
    event(Body::from(Batch {
        asked: None,
        succeeded: 3,
        failed: 0,
        unmoved: Some(0),
        thp_split: None,
        cause: Cause::Mbind,
        work: Work::Mark,
        latency_ns: 5,
    }))
}

#[test]
fn expressions_want_what_they_say() {
    let (fault, migrate, request, batch) = (fault(), migrate(), request(), batch());
    for (text, wanted) in [
        ("true", [true, true, true, true]),
        ("false", [false; 4]),
        ("kind == fault", [true, false, false, false]),
        ("kind == \"fault\" || kind == 'batch'", [true, false, false, true]),
        ("kind in [fault, migrate]", [true, true, false, false]),
        ("!(kind in [fault, migrate])", [false, false, true, true]),
        ("kind != fault", [false, true, true, true]),
        ("fault == kind", [true, false, false, false]),
        ("pid == 7 && tid != 7 && cpu < 3 && 1 < cpu", [true; 4]),
        ("latency_ns >= 10us", [true, false, true, false]),
        ("!(latency_ns >= 10us)", [false, false, false, true]),
        ("latency_ns >= 10us || latency_ns == null", [true, true, true, false]),
        ("1ms == latency_ns", [false, false, true, false]),
        ("has(dst_nid)", [false, true, false, false]),
        ("!has(addr)", [false, true, false, true]),
        ("addr != null && addr >= 0x7f0000001000 && addr < 0x7f0000002000", [true, false, false, false]),
        ("nid != cpu_node", [true, false, false, false]),
        ("cpu_node == dst_nid", [false, true, false, false]),
        ("succeeded > failed", [false, false, false, true]),
        ("result == failed", [false, true, false, false]),
        ("cause == mbind && order == 9", [false, true, false, false]),
        ("cause in [mbind, demotion]", [false, true, false, true]),
        ("cause != mbind", [false; 4]),
        ("major || class == anon", [true, false, false, false]),
        ("!major", [true, false, false, false]),
        ("major == false", [true, false, false, false]),
        ("ret == -22 && len == 64k", [false, false, true, false]),
        ("ret < 0", [false, false, true, false]),
        ("comm == \"redis\" && comm.startsWith(\"re\")", [true; 4]),
        ("comm.matches('^r.*s$') && comm.endsWith('s')", [true; 4]),
        ("matches(comm, 'x')", [false; 4]),
        ("!comm.matches('x')", [true; 4]),
        ("flags.contains(\"lazy\")", [false, false, true, false]),
        ("nodemask == \"0-2\"", [false, false, true, false]),
        ("mode == lazy", [false, false, false, true]),
        ("name == \"anything\" || name == mbind", [false, false, true, false]),
        ("reason == \"busy\"", [false, true, false, false]),
        ("weight == null && process_start_ns == null", [true; 4]),
        ("kind == fault && latency_ns > 10us || kind == batch && failed == 0", [true, false, false, true]),
    ] {
        let filter = filter(text);
        let got = [&fault, &migrate, &request, &batch].map(|e| filter.wants(e));
        assert_eq!(got, wanted, "{text}");
    }
}

#[test]
fn loss_is_always_wanted() {
    let loss = Loss { probe: "fault".into(), cause: "ring_full".into(), count: 3 };
    assert!(filter("kind == fault && pid == 1").wants(&event(Body::Loss(loss))));
    assert!(!filter("kind == fault").wants(&event(Body::Phase(Phase { text: "x".into() }))));
}

/// The message of the error, the text under its mark, and the help.
fn refused(text: &str) -> (String, String, String) {
    let error = text.parse::<Filter>().expect_err(text);
    let marked = text.get(error.span.clone()).unwrap_or_default().to_owned();
    (error.message, marked, error.help.unwrap_or_default())
}

#[test]
fn mistakes_are_named_marked_and_mended() {
    for (text, message, marked, help) in [
        ("kind == faul", "kind is never faul", "faul", "did you mean fault?"),
        ("kind == \"faul\"", "kind is never faul", "\"faul\"", "did you mean fault?"),
        ("kind in [fault, chek]", "kind is never chek", "chek", "did you mean check?"),
        ("cause == compactoin", "cause is never compactoin", "compactoin", "did you mean compaction?"),
        ("latency > 10us", "unknown column latency", "latency", "did you mean latency_ns?"),
        ("kind == fault && dst_node == 1", "unknown column dst_node", "dst_node", "did you mean dst_nid?"),
        ("latency_ns > 10parsecs", "unknown unit parsecs", "10parsecs", ""),
        ("latency_ns > 64k", "latency_ns is a time", "64k", ""),
        ("pages > 64k", "pages has no unit", "64k", ""),
        ("len > 10us", "len is a size in bytes", "10us", ""),
        ("pid == \"x\"", "pid is a number, and this is not", "\"x\"", ""),
        ("comm == redis", "unknown word or column redis", "redis", "quotes: comm == \"redis\""),
        ("comm == 5", "comm is a text, and this is not", "5", ""),
        ("comm < \"a\"", "comm has no order", "\"a\"", "use == or !="),
        (
            "comm == \"a-name-of-20-bytes-\"",
            "the kernel stores only 15 bytes",
            "\"a-name-of-20-bytes-\"",
            "\"a-name-of-20-by\"",
        ),
        ("major == 1", "major is true or false", "1", ""),
        ("pid", "pid alone is not a condition", "pid", "pid != null"),
        ("cpu == -1", "cpu is from 0 to 4294967295, so this never matches", "-", ""),
        ("kind = fault", "= is not an operator", "=", "use == to compare"),
        ("major & lazy", "& is not an operator", "&", "&&"),
        ("comm ~ 'x'", "~ is not an operator", "~", "matches"),
        ("major and lazy", "unexpected and", "and", "&&"),
        ("comm matches 'x'", "unexpected matches", "matches", "comm.matches("),
        ("comm.matches('(')", "invalid regular expression", "'('", ""),
        ("comm.match('x')", "unknown function match", "(", "did you mean matches?"),
        ("kind ==", "the expression ends too early", "", ""),
        ("(major", "the expression ends too early", "", ""),
        ("", "the expression ends too early", "", ""),
        ("comm == \"x", "this text has no closing quote", "\"", ""),
        ("major)", "unexpected )", ")", ""),
        ("latency_ns - copy_ns > 5", "filters have no arithmetic", "-", ""),
        ("(major && lazy) == true", "a condition cannot be compared", "&&", ""),
        ("1 == 1", "expected a column on one side", "==", ""),
        ("major ? true : false", "no ?:", "?", ""),
        ("pid == comm", "different types", "==", ""),
        ("latency_ns > pid", "different units", ">", ""),
        ("kind in fault", "expected a list", "fault", "kind in ["),
        ("addr < null", "null has no order", "null", ""),
        ("event.pid == 1", "filters have no fields of values", ".", ""),
    ] {
        let got = refused(text);
        assert!(got.0.contains(message), "{text}: {got:?}");
        assert!(marked.is_empty() || got.1 == marked, "{text}: {got:?}");
        assert!(got.2.contains(help), "{text}: {got:?}");
    }
}

#[test]
fn an_error_prints_the_place() {
    let error = "comm == \"é\" && latency > 10us".parse::<Filter>().expect_err("no such column");
    let expected = "unknown column latency
  comm == \"é\" && latency > 10us
                 ^^^^^^^
  did you mean latency_ns?";
    assert_eq!(error.to_string(), expected);
    let second_line = "major &&\n latncy_ns > 1".parse::<Filter>().expect_err("no such column");
    assert_eq!((second_line.span.start, second_line.span.end), (10, 19));
    let syntax = "major &&\n lazy lazy".parse::<Filter>().expect_err("two in a row");
    assert_eq!(syntax.span, 15..19);
    assert!(!"kind == '\u{1b}[2J'".parse::<Filter>().expect_err("no kind").to_string().contains('\u{1b}'));
}

#[test]
fn hostile_expressions_are_errors_and_no_crash() {
    let deep = |n: usize| format!("{}major{}", "(".repeat(n), ")".repeat(n));
    assert!(deep(30).parse::<Filter>().is_ok());
    for text in [
        deep(2000),
        "(".repeat(5000),
        "[".repeat(5000),
        format!("{}major", "!(".repeat(3000)),
        "major?".repeat(2000),
        "a.b(".repeat(2000),
        format!("{} major", "-".repeat(5001)),
        "x".repeat(20_000),
        "\u{0}".to_owned(),
        "\\".to_owned(),
        "'''".to_owned(),
        "\"\\".to_owned(),
        "0x".to_owned(),
        "9".repeat(100),
    ] {
        assert!(text.parse::<Filter>().is_err(), "{}", &text[..text.len().min(40)]);
    }
    let long = vec!["pid == 1"; 1000].join(" || ");
    assert!(filter(&long).wants(&fault()) == (fault().pid == 1));
}

#[test]
fn filters_print_as_expressions() {
    for text in [
        "true",
        "kind == fault",
        "kind in [fault, check] && (cause == mbind || addr == null)",
        "latency_ns >= 10us && latency_ns <= 2ms",
        "nid != cpu_node",
        "src_nid != 3 && (cpu <= 3 || cpu >= 8)",
        "pid in [1, 7]",
        "!major && lazy",
        "!comm.matches(\"^a\\\\d\\\"\") && result != ok",
        "comm.startsWith(\"x\") || text.contains(\"\\n\") || !(name in [mbind, \"b\"])",
        "len >= 64k",
        "addr >= 0x7f00",
        "ret <= -1",
        "major && ((cpu >= 2 && cpu <= 30) || cpu == 80) && (pid == 1 || lazy || cpu <= 3)",
    ] {
        assert_eq!(filter(text).to_string(), text);
    }
    assert_eq!(filter("((major) && (lazy && has(addr)))").to_string(), "major && lazy && addr != null");
    assert_eq!(filter("!(pid == 1 || cpu > 3 && major)").to_string(), "pid != 1 && (cpu <= 3 || !major)");
}

#[test]
fn the_kinds_of_a_filter_are_known_beforehand() {
    let kinds = |text: &str| filter(text).kinds();
    let set = |kinds: &[Kind]| kinds.iter().copied().chain([Kind::Loss]).collect::<KindSet>();
    assert_eq!(kinds("true"), KindSet::all());
    assert_eq!(kinds("pid == 1 && comm == 'x'"), KindSet::all());
    assert_eq!(kinds("kind == fault || kind == check && latency_ns > 1"), set(&[Kind::Fault]));
    assert_eq!(kinds("major"), set(&[Kind::Fault]));
    assert_eq!(kinds("cause == mbind"), set(&[Kind::Migrate, Kind::Batch]));
    assert_eq!(kinds("nid == 1"), set(&[Kind::Fault, Kind::Mark, Kind::Node, Kind::Census]));
    assert_eq!(kinds("src_nid != dst_nid"), set(&[Kind::Check, Kind::Migrate, Kind::Place]));
    assert_eq!(kinds("kind == fault && kind == check"), set(&[]));
    assert!(kinds("addr == null").contains(Kind::Phase));
}

#[test]
fn the_part_for_tasks_is_what_asks_about_them_alone() {
    let part = |text: &str| filter(text).of_tasks().to_string();
    assert_eq!(part("pid == 1 && kind == fault"), "pid == 1");
    assert_eq!(part("(pid == 1 || comm == 'x') && major"), "pid == 1 || comm == \"x\"");
    assert_eq!(part("pid == 1 || kind == fault"), "true");
    assert_eq!(part("pid == 1"), "pid == 1");
}
