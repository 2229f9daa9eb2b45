"""Hosts of their own for a cluster's nodes: network namespaces on a bridge, whose ports nobody outside reaches but for one."""

import os
import signal
import subprocess
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow

_TRIES = 20


@dataclass(frozen=True)
class Namespaces:
    """`address`: this machine's, as the nodes see it. `nodes`: name of the node -> (namespace, its address)."""

    address: str
    nodes: dict[str, tuple[str, str]]

    def inside(self, node: str, *argv: str) -> tuple[str, ...]:
        """The words that run a command on the node."""
        return ("nsenter", f"--net=/run/netns/{self.nodes[node][0]}", *argv)  # `ip netns exec` would hide the cgroups


def namespaces(stack: ExitStack, nodes: tuple[str, ...], port: int) -> Namespaces:
    """Until `stack` closes. `port`: where the node's daemon is asked by the controller; all others are closed to the outside. Needs root."""
    bridge, net = _bridge(stack)
    found = {}
    for number, node in enumerate(nodes):
        name, address = f"{bridge}{node}", f"{net}.{11 + number}"
        _run("ip", "netns", "add", name)
        stack.callback(_remove_namespace, name)
        _run("ip", "link", "add", f"{bridge}{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "set", f"{bridge}{number}", "master", bridge, "up")
        _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _run("ip", "-n", name, "link", "set", link, "up")
        for rule in (
            ("-A", "INPUT", "-i", "lo", "-j", "ACCEPT"),
            ("-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"),
            ("-A", "INPUT", "-p", "tcp", "--dport", str(port), "-j", "ACCEPT"),
            ("-A", "INPUT", "-j", "REJECT"),
        ):
            _run("ip", "netns", "exec", name, "iptables", "-w", *rule)
        found[node] = (name, address)
    return Namespaces(f"{net}.1", found)


def _bridge(stack: ExitStack) -> tuple[str, str]:
    """Its name and the first three numbers of its addresses: the name is the claim to them, for others may do the same at this moment."""
    for attempt in range(_TRIES):
        second, third = 200 + randbelow(50), randbelow(256)
        name, net = f"pj{second:02x}{third:02x}", f"10.{second}.{third}"
        try:
            _run("ip", "link", "add", name, "type", "bridge")
        except AssertionError:
            if attempt == _TRIES - 1:
                raise
            continue
        stack.callback(_quietly, "ip", "link", "del", name)
        _run("ip", "addr", "add", f"{net}.1/24", "dev", name)
        _run("ip", "link", "set", name, "up")
        return name, net
    raise AssertionError("no free range of addresses")


def _remove_namespace(name: str) -> None:
    """With what still runs there."""
    there = Path(f"/run/netns/{name}").stat().st_ino
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "ns/net").stat().st_ino == there:
                os.kill(int(process.name), signal.SIGKILL)
    _quietly("ip", "netns", "del", name)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"


def _quietly(*argv: str) -> None:
    subprocess.run(argv, capture_output=True, timeout=30, check=False)
