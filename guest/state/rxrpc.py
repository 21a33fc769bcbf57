#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""rxrpc.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the kernel of the series. Tests first
use, failures and teardown of rxrpc's per-netns state.
"""

import contextlib
import os
import select
import socket
import struct
import time
from functools import partial

import lib
from lib import (IDLE, checked, expect, hold, ip, libc, load, netns, read,
                 renew, says, step, write)

AF_RXRPC, SOL_RXRPC = 33, 272
RXRPC_USER_CALL_ID, RXRPC_CHARGE_ACCEPT = 1, 14
# The kernel itself replies to such a packet
VERSION = bytes(20) + b"\r\1" + bytes(7)
UDP = socket.AF_INET, socket.SOCK_DGRAM
PROC = "/proc/thread-self/net/rxrpc/"
NOTHING = {"calls": 0, "conns": 0, "bundles": 0, "peers": 0, "locals": 0}
NO_DATA = "Data     : send=0 sendf=0 fail=0 emsz=0"
STATE = r"\[rxrpc\] func:rxrpc_use_net "
STATE_BYTES = 16384

reload = partial(load, "rxrpc")
# RCU frees a socket, which holds a module reference, after a grace period
unload = partial(lib.rmmod, "rxrpc", within=20)


def rxrpc(protocol=socket.AF_INET, kind=socket.SOCK_DGRAM):
    """Return a new socket."""
    return socket.socket(AF_RXRPC, kind, protocol)


def use():
    """Make the simplest first use."""
    rxrpc().close()


def address(host):
    """Return the address of service 1 at port 7001 of HOST."""
    return (struct.pack("=5H", AF_RXRPC, 1, socket.SOCK_DGRAM, 16,
                        socket.AF_INET) +
            struct.pack(">H", 7001) + socket.inet_aton(host) + bytes(20))


def serve(host):
    """Return a socket that is bound to this address."""
    sock = rxrpc()
    checked(libc.bind(sock.fileno(), address(host), 36))
    return sock


def receive(sock):
    """Return the next message that has data."""
    data = b""
    while not data:
        expect(select.select([sock], [], [], 20)[0], [sock])
        data = sock.recv(100)
    return data


def call(client, server, host):
    """Make a call and answer it."""
    number = SOL_RXRPC, RXRPC_USER_CALL_ID, struct.pack("=Q", 1)
    checked(libc.connect(client.fileno(), address(host), 36))
    checked(libc.listen(server.fileno(), 5))
    server.sendmsg([], [number, (SOL_RXRPC, RXRPC_CHARGE_ACCEPT, b"")])
    client.sendmsg([b"question"], [number])
    expect(receive(server), b"question")
    server.sendmsg([b"answer"], [number])
    expect(receive(client), b"answer")


def version(host):
    """Request the version string of the kernel's rxrpc."""
    with socket.socket(*UDP) as sock:
        sock.settimeout(20)
        sock.sendto(VERSION, (host, 7001))
        expect(sock.recv(200)[28:34], b"linux-")


def flood(host):
    """Send packets until the device is gone."""
    with socket.socket(*UDP) as sock, contextlib.suppress(OSError):
        while True:
            sock.sendto(VERSION, (host, 7001))
            # A socket is closed only after it has processed all packets
            time.sleep(0.002)


def listed(name):
    """Return the lines of a file in /proc."""
    return read(PROC + name).splitlines()


def lines(**counts):
    """Expect this number of lines below the headings of files in /proc."""
    expect({name: len(listed(name)) - 1 for name in counts}, counts)


@step
def idle():
    """Reading /proc, deleting a netns and unloading leave no state"""
    lib.make_nets(*IDLE)
    load("rxrpc", "veth")
    with netns("n1"), open(PROC + "conns", encoding="ascii") as conns:
        lines(**NOTHING)
        stats = listed("stats")
        expect((len(stats), stats[0]), (12, NO_DATA))
        write(PROC + "stats", "\n")
        with netns("n2"):
            expect(len(conns.readlines()), 1)
    renew("n1", "n2")
    unload()
    reload()
    hold(0, "where no socket was")


@step
def refused():
    """A first socket that is refused leaves no state"""
    with netns("n1"):
        says("EPROTONOSUPPORT", rxrpc, protocol=1)
        says("ESOCKTNOSUPPORT", rxrpc, kind=socket.SOCK_STREAM)
    hold(0, "after sockets that were refused")


@step
def first():
    """The first socket's cgroup is charged for the state"""
    group = "/sys/fs/cgroup"
    lib.must(f"mount -t cgroup2 none {group}")
    write(f"{group}/cgroup.subtree_control", "+memory")
    os.mkdir(f"{group}/first")

    def sockets():
        write(f"{group}/first/cgroup.procs", 0)
        for name in IDLE:
            lib.enter(name)
            use()

    lib.child(sockets)()
    hold(20, "after a first socket in each netns")
    time.sleep(1)
    # The state has pages of its own. All other memory of the sockets is freed.
    stat = dict(line.split() for line in
                read(f"{group}/first/memory.stat").splitlines())
    if int(stat["kernel"]) < 20 * STATE_BYTES:
        lib.off(f"the states are not charged: {stat['kernel']} bytes")
    expect(lib.sites(STATE), (20 * STATE_BYTES, 20))
    renew(*IDLE, left=0)
    return f"{STATE_BYTES} bytes in each of 20 namespaces"


@step
def step_call():
    """A call is answered, and its netns is deleted"""
    ip("n1", "link set lo up")
    with netns("n1"):
        with serve("127.0.0.1") as server, rxrpc() as client:
            version("127.0.0.1")
            call(client, server, "127.0.0.1")
            lines(locals=2, bundles=1, peers=2)
            if len(listed("conns")) < 2:
                lib.off("/proc lists no connection")
            expect(listed("stats")[0], NO_DATA.replace("send=0", "send=2"))
            with netns("n2"):
                lines(**NOTHING)
                expect(listed("stats")[0], NO_DATA)
            hold(1, "after a call in n1")
        lines(locals=0)
    renew("n1", left=0)


@step
def traffic():
    """Two namespaces make a call, then one is deleted under traffic"""
    ip("n3", "link add veth type veth peer name veth netns n4",
       "addr add 192.0.2.1/24 dev veth", "link set veth up")
    ip("n4", "addr add 192.0.2.2/24 dev veth", "link set veth up")
    with netns("n3"):
        server = serve("192.0.2.1")
    with netns("n4"):
        version("192.0.2.1")
        with rxrpc() as client:
            call(client, server, "192.0.2.1")
            hold(2, "after a call from n4 to n3")
            flooded = lib.background(flood, "192.0.2.1")
            time.sleep(0.5)
            server.close()
            lib.delete_nets("n3")
            hold(1, "after n3")
            flooded()
    lib.delete_nets("n4")
    hold(0, "after n4")
    lib.make_nets("n3", "n4")


@step
def race():
    """First users race each other and readers of /proc in 60 namespaces"""
    def reads():
        lines(**NOTHING)
        lines(**NOTHING)

    with lib.new_nets("r", 60) as names:
        lib.at_once(names[:45], lambda: use, lambda: use)
        lib.at_once(names[45:], lambda: use, lambda: reads)
        hold(60, "after two first users in each of 60 nets")
    hold(0, "after their nets")


@step
def failures():
    """Each allocation of a first use fails"""
    # The state takes 4 pages
    return lib.fail_each(use, order=2)


@step
def step_unload():
    """Two users make first sockets while the module is reloaded"""
    unloads = 0
    with lib.beside_uses(IDLE, use, pause=0.1, count=2):
        for _ in range(20):
            unloads += lib.gone("rxrpc")
            reload()
    unload()
    lib.keeps_nothing("rxrpc")
    reload()
    return f"{unloads} unloads"


@step
def cycles():
    """The module is unloaded and loaded 20 times, each time after a socket"""
    def sockets(number):
        with netns(f"n{number}"), rxrpc(), serve("0.0.0.0"):
            lines(locals=1)
        hold(1, "after a first socket")

    # The module keeps its workqueue while it is loaded
    lib.cycles("rxrpc", sockets, unload, reload,
               keeps=lib.sites(r"\[rxrpc\]"))


lib.watch(STATE)
lib.last_steps(unload, keeps=["rxrpc"])
lib.run()
