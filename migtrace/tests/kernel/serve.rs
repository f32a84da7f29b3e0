//! `migtrace serve`: its counts equal those of a known workload. A real Prometheus that scrapes it has data for every
//! panel of the dashboards.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    own_workload,
    recorder::{ChildGuard, TIMEOUT, send, wait_for},
    requirements::{PROMETHEUS, needs},
    support::{Script, migtrace, texts},
    workloads::Balancing,
};

/// Value for Grafana's `$__rate_interval`.
const RATE_INTERVAL: &str = "5m";

/// Direct, lazy and failing migrations, marks, checks and faults of several classes.
const WORKLOAD: &str = "anon seg 64p\nmap seg\nmbind seg preferred 1\ntouch seg write\n\
     mbind seg bind+move 2\nmbind seg bind+move+lazy 3\ntouch seg write\n\
     pin seg 2p 1p\nmbind seg bind+move 1\n!mbind seg bind+move+strict 1\nunpin seg\n";
/// NUMA balancing migrates pages to the new node of their task, in hinting faults.
const BALANCED: &str =
    "mpol default\nanon seg 64p\nmap seg\nmbind seg default\ncpu 1\ntouch seg write\ncpu 2\nloop 2000 seg\n";

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Sends a GET request and returns the body; `None` if there is no response with status 200.
fn get(address: SocketAddr, path: &str, accept: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(2 * TIMEOUT)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\nAccept: {accept}\r\n\r\n").ok()?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).ok()?;
    let response = String::from_utf8(response).ok()?;
    let (head, body) = response.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
}

/// `migtrace serve` on a free port.
pub(crate) struct Server {
    child: ChildGuard,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        let address = free_address();
        let mut command = migtrace();
        command.args(["serve", "--listen", &address.to_string()]).stdin(Stdio::null());
        let server = Self { child: ChildGuard::start(&mut command), address };
        wait_for("migtrace serve responds", || server.metrics());
        server
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    pub(crate) fn metrics(&self) -> Option<String> {
        get(self.address, "/metrics", "*/*")
    }

    /// Ends the server as systemd does, by SIGTERM, and asserts its success.
    pub(crate) fn end(mut self) {
        send(self.pid(), libc::SIGTERM);
        let status = self.child.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Returns the sum of a metric's samples that have all of these labels.
pub(crate) fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let of = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|l| line.contains(l))
    };
    text.lines().filter(of).map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

fn run(script: &str) {
    let output = Script::new(script).command().output().unwrap();
    assert!(output.status.success(), "{:?}", texts(&output));
}

#[test]
fn served_counts_equal_those_of_the_workload() {
    needs!(migrate_on_fault);
    let server = Server::start();
    let before = server.metrics().unwrap();
    run("anon seg 8p\nmap seg\nmbind seg preferred 1\ntouch seg write\nmbind seg bind+move 2\n\
         mbind seg bind+move+lazy 3\ntouch seg write\n");
    // The server reads new counts only if the last ones are older than one second. Syscalls are counted by their events.
    let requests = |text: &str| sum(text, "migtrace_requests_total", &["name=\"mbind\"", "result=\"ok\""]);
    let wanted = requests(&before) + 3.0;
    thread::sleep(Duration::from_millis(1100));
    let after = wait_for("the counts of three syscalls", || server.metrics().filter(|text| requests(text) >= wanted));
    let gained = |name: &str, labels: &[&str]| sum(&after, name, labels) - sum(&before, name, labels);
    let (from, to) = ("src_node=\"1\"", "dst_node=\"2\"");
    let moved = "migtrace_migration_pages_total";
    assert_eq!(gained(moved, &["cause=\"mbind\"", "result=\"ok\"", from, to]), 8.0);
    let (from, to) = ("src_node=\"2\"", "dst_node=\"3\"");
    assert_eq!(gained(moved, &["cause=\"lazy_fault\"", "result=\"ok\"", from, to]), 8.0);
    assert_eq!(gained("migtrace_checks_total", &["verdict=\"misplaced\"", from, to]), 8.0);
    assert_eq!(gained("migtrace_marked_pages_total", &["result=\"ok\"", "node=\"2\""]), 8.0);
    assert_eq!(gained("migtrace_requests_total", &["name=\"mbind\"", "result=\"ok\""]), 3.0);
    assert_eq!(gained("migtrace_probe_events_lost_total", &[]), 0.0);
    let lines = after.lines().filter(|line| line.starts_with("migtrace_migration_latency_seconds_count"));
    assert!(lines.clone().count() > 0, "{after}");
    server.end();
}

/// Container runtimes and systemd start a process in their own cgroup, move it, and execute the program. The process was
/// counted in the cgroup of its first fault.
#[test]
fn a_process_is_counted_in_the_cgroup_that_it_entered() {
    const PAGES: f64 = 2000.0;
    let cgroup = Path::new("/sys/fs/cgroup/entered");
    fs::create_dir(cgroup).unwrap();
    let server = Server::start();
    let script = Script::new(&format!("anon seg {PAGES}p\nmap seg\ntouch seg write\n"));
    let mut entering = Command::new("taskset");
    entering.args([
        "--cpu-list",
        "0",
        "sh",
        "-c",
        "echo $$ > /sys/fs/cgroup/entered/cgroup.procs && exec \"$0\" \"$@\"",
    ]);
    let memtoy = script.command();
    let output = entering.arg(memtoy.get_program()).args(memtoy.get_args()).output().unwrap();
    assert!(output.status.success(), "{:?}", texts(&output));
    thread::sleep(Duration::from_millis(1100));
    let metrics = server.metrics().unwrap();
    let faults = sum(&metrics, "migtrace_cgroup_faults_total", &["cgroup=\"/entered\""]);
    assert!((PAGES..2.0 * PAGES).contains(&faults), "{faults} faults\n{metrics}");
    server.end();
    wait_for("the cgroup is empty", || fs::remove_dir(cgroup).ok());
}

/// A Prometheus that scrapes the server every two seconds and has its own data directory.
struct Prometheus {
    _child: ChildGuard,
    address: SocketAddr,
}

impl Prometheus {
    /// `how` is more of the scrape's configuration.
    fn start(programs: &Path, dir: &Path, target: SocketAddr, how: &str) -> Self {
        let rules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../dashboards/prometheus/migtrace.rules.yml");
        let config = format!(
            "global: {{scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 5s}}\nrule_files: [{}]\n\
             scrape_configs: [{{job_name: migtrace, static_configs: [{{targets: ['{target}']}}]{how}}}]\n",
            rules.display()
        );
        let file = dir.join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let address = free_address();
        let log = fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new(programs.join("prometheus"));
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let prometheus = Self { _child: ChildGuard::start(&mut command), address };
        wait_for("Prometheus is ready", || get(address, "/-/ready", "*/*"));
        prometheus
    }

    /// Returns the result of a query over the last four minutes.
    fn range(&self, query: &str) -> Result<Vec<Value>, String> {
        let now = migtrace::clock::boot_ns() as f64 / 1e9 + migtrace::clock::wall_offset_ns() as f64 / 1e9;
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/api/v1/query_range?query={encoded}&start={}&end={now}&step=2", now - 240.0);
        let body = get(self.address, &path, "*/*").ok_or("no response")?;
        let response: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        Ok(response["data"]["result"].as_array().cloned().unwrap_or_default())
    }
}

/// Prometheus itself scrapes over TLS, with a password; without the password it gets nothing.
#[test]
fn a_secured_endpoint_is_scraped() {
    needs!(prometheus);
    let programs = PathBuf::from(std::env::var_os(PROMETHEUS).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write("server.pem", &certified.cert.pem());
    write("server.key", &certified.signing_key.serialize_pem());
    let hash = bcrypt::hash("secret", 4).unwrap();
    write(
        "web.yml",
        &format!(
            "tls_server_config: {{cert_file: server.pem, key_file: server.key}}\nbasic_auth_users: {{reader: '{hash}'}}\n"
        ),
    );
    let address = free_address();
    let mut command = migtrace();
    command.args(["serve", "--listen", &address.to_string(), "--web-config"]).arg(dir.path().join("web.yml"));
    let _server = ChildGuard::start(command.stdin(Stdio::null()));
    let tls = format!(
        ", scheme: https, tls_config: {{ca_file: {}, server_name: localhost}}",
        dir.path().join("server.pem").display()
    );
    let scraped = |how: &str| {
        let home = tempfile::tempdir().unwrap();
        let prometheus = Prometheus::start(&programs, home.path(), address, how);
        let series = || prometheus.range("up").ok()?.into_iter().next();
        wait_for("two scrapes", || {
            series().filter(|up| up["values"].as_array().is_some_and(|values| values.len() > 2))
        });
        prometheus.range("migtrace_build_info").unwrap().len()
    };
    wait_for("migtrace serve listens", || TcpStream::connect(address).ok());
    assert_eq!(scraped(&format!("{tls}, basic_auth: {{username: reader, password: secret}}")), 1);
    assert_eq!(scraped(&tls), 0);
}

/// Returns whether a series has a finite value: a quotient without data is NaN.
fn has_number(series: &Value) -> bool {
    let values = series["values"].as_array().into_iter().flatten();
    values.filter_map(|pair| pair[1].as_str()?.parse::<f64>().ok()).any(f64::is_finite)
}

/// Replaces the variables in a panel's query as Grafana does, with all hosts, nodes and causes selected.
fn expand(query: &str) -> String {
    let query = query.replace("$__rate_interval", RATE_INTERVAL);
    ["$host", "$node", "$cause"].iter().fold(query, |query, variable| query.replace(variable, ".*"))
}

/// Returns the queries of all dashboards that give no number.
fn empty_panels(prometheus: &Prometheus) -> Vec<String> {
    let mut empty = Vec::new();
    for name in ["fleet", "host"] {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../dashboards/grafana/{name}.json"));
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().unwrap() {
                let query = expand(target["expr"].as_str().unwrap());
                let result =
                    prometheus.range(&query).unwrap_or_else(|error| panic!("{name}, {title}: {error}: {query}"));
                if !result.iter().any(has_number) {
                    empty.push(format!("{name}, {title}: {query}"));
                }
            }
        }
    }
    empty
}

#[test]
fn every_panel_has_data() {
    needs!(migrate_on_fault, prometheus);
    let programs = PathBuf::from(std::env::var_os(PROMETHEUS).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start();
    let prometheus = Prometheus::start(&programs, dir.path(), server.address, "");
    let balancing = Balancing::on();
    for _ in 0..3 {
        run(WORKLOAD);
        run(BALANCED);
    }
    drop(balancing);
    let argv = own_workload::argv("waits::faults_wait_for_pages_that_another_thread_moves");
    assert!(Command::new(&argv[0]).args(&argv[1..]).stdout(Stdio::null()).status().unwrap().success());

    let text = dir.path().join("metrics");
    fs::write(&text, get(server.address, "/metrics", "text/plain").unwrap()).unwrap();
    let mut check = Command::new(programs.join("promtool"));
    let checked = check.args(["check", "metrics"]).stdin(fs::File::open(&text).unwrap()).output().unwrap();
    assert!(checked.status.success(), "promtool check metrics: {:?}", texts(&checked));

    // A rate needs two scrapes, which come every two seconds.
    let began = Instant::now();
    let mut empty = empty_panels(&prometheus);
    while !empty.is_empty() && began.elapsed() < TIMEOUT {
        thread::sleep(Duration::from_secs(1));
        empty = empty_panels(&prometheus);
    }
    assert!(empty.is_empty(), "panels without data: {empty:#?}\n{}", server.metrics().unwrap_or_default());
    server.end();
}
