//! Plugs memory and a CPU into the running machine when the guest requests it, through QEMU's monitor.
//!
//! The guest has a port for these two requests only. With the monitor itself, it could read and write this host's files.

use std::{
    io::{BufRead, BufReader, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::Command,
    thread,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use xtask_guest::frame::PLUG_PORT;

use super::qemu;

/// The node without memory and CPUs, and what can be plugged into it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) nid: u32,
    pub(super) bytes: u64,
}

/// Ends of two connections, before QEMU starts: to the guest's port and to QEMU's monitor.
pub(super) struct Plugs {
    node: Node,
    port: UnixStream,
    monitor: UnixStream,
    port_of_qemu: OwnedFd,
    monitor_of_qemu: OwnedFd,
}

impl Plugs {
    pub(super) fn new(node: Node) -> Result<Plugs> {
        let (port, port_of_qemu) = UnixStream::pair().context("cannot open a pair of sockets")?;
        let (monitor, monitor_of_qemu) = UnixStream::pair().context("cannot open a pair of sockets")?;
        let (port_of_qemu, monitor_of_qemu) = (port_of_qemu.into(), monitor_of_qemu.into());
        Ok(Plugs { node, port, monitor, port_of_qemu, monitor_of_qemu })
    }

    /// Adds QEMU's arguments. QEMU must have the device `virtio-serial-pci`.
    pub(super) fn add_to(&self, command: &mut Command) {
        let (port, monitor) = (self.port_of_qemu.as_raw_fd(), self.monitor_of_qemu.as_raw_fd());
        command.args(["-chardev", &format!("socket,id=plug,fd={port}")]);
        command.args(["-device", &format!("virtserialport,chardev=plug,name={PLUG_PORT}")]);
        command.args(["-chardev", &format!("socket,id=monitor,fd={monitor}"), "-mon", "chardev=monitor,mode=control"]);
        [port, monitor].into_iter().for_each(|fd| qemu::inherit(command, fd));
    }

    /// Serves the guest's requests in a thread until QEMU ends.
    pub(super) fn serve(self) {
        let Plugs { node, port, monitor, .. } = self;
        thread::spawn(move || {
            let mut monitor = Monitor { lines: BufReader::new(&monitor), ready: false };
            let mut requests = BufReader::new(&port);
            let mut request = String::new();
            while requests.read_line(&mut request).is_ok_and(|length| length > 0) {
                let reply = match plug(node, request.trim(), &mut monitor) {
                    Ok(()) => "ok\n".to_owned(),
                    Err(error) => format!("error: {error:#}\n"),
                };
                request.clear();
                if (&port).write_all(reply.as_bytes()).is_err() {
                    break;
                }
            }
        });
    }
}

/// Plugs what the guest requests. The guest's kernel is notified by ACPI, and may need longer than this.
fn plug(node: Node, request: &str, monitor: &mut Monitor<'_>) -> Result<()> {
    match request {
        "memory" => {
            let backend = json!({"qom-type": "memory-backend-ram", "id": "plugged", "size": node.bytes});
            monitor.execute("object-add", &backend)?;
            let module = json!({"driver": "pc-dimm", "id": "dimm", "memdev": "plugged", "node": node.nid});
            monitor.execute("device_add", &module)?;
        }
        "cpu" => {
            let cpus = monitor.execute("query-hotpluggable-cpus", &json!({}))?;
            monitor.execute("device_add", &empty_socket(&cpus, node.nid)?)?;
        }
        _ => bail!("unknown request {request:?}; write memory or cpu"),
    }
    Ok(())
}

/// Returns the arguments of `device_add` for a CPU in the node's empty socket.
fn empty_socket(cpus: &Value, nid: u32) -> Result<Value> {
    let mut cpus = cpus.as_array().into_iter().flatten();
    let empty = cpus.find(|cpu| cpu.get("qom-path").is_none() && cpu["props"]["node-id"] == nid);
    let empty = empty.with_context(|| format!("node {nid} has no empty socket"))?;
    let mut device = empty["props"].clone();
    device["driver"] = empty["type"].clone();
    device["id"] = "cpu".into();
    Ok(device)
}

/// QEMU's monitor, which speaks JSON: <https://www.qemu.org/docs/master/interop/qmp-spec.html>.
struct Monitor<'a> {
    lines: BufReader<&'a UnixStream>,
    /// Whether the monitor accepts commands.
    ready: bool,
}

impl Monitor<'_> {
    /// Executes a command and returns its result.
    fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        if !self.ready {
            self.exchange("qmp_capabilities", &json!({}))?;
            self.ready = true;
        }
        self.exchange(command, arguments)
    }

    fn exchange(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = json!({"execute": command, "arguments": arguments}).to_string();
        self.lines.get_mut().write_all(request.as_bytes()).context("cannot write to QEMU's monitor")?;
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).context("cannot read QEMU's monitor")? == 0 {
                bail!("QEMU closed its monitor");
            }
            let mut reply: Value = serde_json::from_str(&line).context("QEMU's monitor sent invalid JSON")?;
            if let Some(error) = reply.get("error") {
                bail!("{command}: {}", error["desc"].as_str().unwrap_or("failed without a reason"));
            }
            // The greeting and events have no result.
            if let Some(result) = reply.get_mut("return") {
                return Ok(result.take());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves a node with a monitor that sends these lines. Returns the guest's end and the monitor's.
    fn served(monitor_lines: &str) -> (UnixStream, UnixStream) {
        let plugs = Plugs::new(Node { nid: 5, bytes: 1 << 28 }).expect("sockets");
        let [guest, monitor] = [&plugs.port_of_qemu, &plugs.monitor_of_qemu]
            .map(|end| UnixStream::from(end.try_clone().expect("a descriptor")));
        (&monitor).write_all(monitor_lines.as_bytes()).expect("written");
        plugs.serve();
        (guest, monitor)
    }

    fn reply(guest: &UnixStream, request: &str) -> String {
        writeln!(&mut &*guest, "{request}").expect("written");
        let mut reply = String::new();
        BufReader::new(guest).read_line(&mut reply).expect("a reply");
        reply
    }

    #[test]
    fn the_guest_can_plug_memory_and_nothing_else() {
        let (guest, monitor) =
            served("{\"QMP\": {}}\n{\"return\": {}}\n{\"event\": \"X\"}\n{\"return\": {}}\n{\"return\": {}}\n");
        assert_eq!(reply(&guest, "quit"), "error: unknown request \"quit\"; write memory or cpu\n");
        assert_eq!(reply(&guest, "memory"), "ok\n");
        drop(guest);
        monitor.shutdown(std::net::Shutdown::Write).expect("shut down");
        let commands = serde_json::Deserializer::from_reader(&monitor).into_iter::<Value>();
        let commands: Vec<Value> = commands.take(3).map(Result::unwrap).collect();
        let names: Vec<_> = commands.iter().map(|command| command["execute"].as_str().expect("a name")).collect();
        assert_eq!(names, ["qmp_capabilities", "object-add", "device_add"]);
        assert_eq!(
            (&commands[1]["arguments"]["size"], &commands[2]["arguments"]["node"]),
            (&json!(1 << 28), &json!(5))
        );
    }

    #[test]
    fn an_error_of_qemu_reaches_the_guest() {
        let (guest, _monitor) = served("{\"return\": {}}\n{\"error\": {\"desc\": \"no slot\"}}\n");
        assert_eq!(reply(&guest, "memory"), "error: object-add: no slot\n");
    }

    #[test]
    fn a_cpu_goes_into_the_empty_socket_of_the_node() {
        let cpu = |socket, nid| json!({"type": "x-cpu", "props": {"socket-id": socket, "node-id": nid}});
        let mut present = cpu(0, 5);
        present["qom-path"] = "/machine/cpu".into();
        let cpus = json!([present, cpu(1, 0), cpu(2, 5)]);
        let device = empty_socket(&cpus, 5).expect("an empty socket");
        assert_eq!(device, json!({"driver": "x-cpu", "id": "cpu", "socket-id": 2, "node-id": 5}));
        assert!(empty_socket(&cpus, 4).is_err());
    }
}
