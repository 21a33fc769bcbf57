#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""can.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the kernel of the series. Tests first
use, failures and teardown of can's per-netns state. MODULES is the
INSTALL_MOD_PATH. Each step prints one line. The first failure ends the
program with status 1.

A netns that exits under traffic receives from a vxcan pair and has a gateway
job as its receiver, because a socket would keep the netns alive.
"""

import os
import socket
import struct
import time

import lib
from lib import (IDLE, at_once, background, beside_uses, child, delete_nets,
                 expect, fail_each, hold, ip, load, make_nets, netns, off,
                 renew, rmmod, says, step, u32, until)

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
CGW_SRC_IF, CGW_DST_IF = 9, 10
TX_SETUP, RX_SETUP, RX_CHANGED = 1, 5, 12
SETTIMER, STARTTIMER, RX_FILTER_ID = 1, 2, 0x20
ETH_P_CAN = 0xc
CLONE_NEWUSER = 0x10000000
STATE = 32768
PROC = "/proc/thread-self/net/can/"


def raw(dev=None):
    """Open a raw socket, bound to DEV, to all devices ("") or to none."""
    sock = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    sock.settimeout(20)
    if dev is not None:
        sock.bind((dev,))
    return sock


def use():
    """Make the simplest first use."""
    raw().close()


def bcm(dev, opcode, flags, can_id, *frames):
    """Open a broadcast manager socket, and send a request to it."""
    sock = socket.socket(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_BCM)
    sock.settimeout(20)
    sock.connect((dev,))
    sock.send(struct.pack("@IIIllllII", opcode, flags, 0, 0, 0, 0, 10000,
                          can_id, len(frames)) + b"".join(frames))
    return sock


def packet(dev):
    """Open a packet socket, to send frames without code of can."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((dev, ETH_P_CAN))
    return sock


def frame(can_id=0x123, data=b"hello"):
    """Return a frame."""
    return struct.pack("=IB3x8s", can_id, len(data), data)


def gateway(kind, source, target):
    """Make or delete a gateway job between devices, by number or name."""
    source, target = (socket.if_nametoindex(dev) if isinstance(dev, str)
                      else dev for dev in (source, target))
    lib.request(0, kind, 0, struct.pack("=BBH", socket.AF_CAN, 1, 5) +
                u32(CGW_SRC_IF, source) + u32(CGW_DST_IF, target))


def gateways():
    """Return the number of gateway jobs."""
    return len(lib.dump(0, RTM_GETROUTE, bytes([socket.AF_CAN, 0, 0, 0])))


def show(name):
    """Return the text of a file of /proc/net/can."""
    return lib.read(PROC + name)


def stats(*names, text=None):
    """Return the named statistics, or all of them by name."""
    lines = map(str.split, (text or show("stats")).splitlines())
    found = {line[-1].strip("()"): int(line[0]) for line in lines if line}
    return [found.get(name) for name in names] if names else found


def unused(count=14):
    """Expect COUNT statistics and all lists to be empty."""
    expect(list(stats().values()), [0] * count)
    for name in "all", "fil", "inv", "sff", "eff", "err":
        if "(any: no entry)" not in show("rcvlist_" + name):
            off(show("rcvlist_" + name))
    expect(show("reset_stats"), "")
    expect(gateways(), 0)


def keep_sending(sock, data):
    """Send until the device is gone."""
    try:
        while True:
            sock.send(data)
    except OSError:
        sock.close()


def load_can():
    """Load the modules that use the state."""
    load("can_raw", "can_bcm", "can_gw")


def unload_can():
    """Unload the modules as soon as they are unused."""
    rmmod("can_gw", "can_bcm", "can_raw", "can", within=20)


def pair():
    """Make a device in n1 for sending, and devices in n2 for receiving."""
    ip("n1", "link add x1 up type vxcan peer name x2 netns n2")
    ip("n2", "link set x2 up", "link add v0 up type vcan")


@step
def idle():
    """Devices, frames, proc files and module loads need no state"""
    make_nets(*IDLE)
    load_can()
    load("vcan", "vxcan")
    pair()
    ip("n1", "link add v0 up type vcan")
    with netns("n1"):
        unused()
        other = open(PROC + "stats", encoding="ascii")
    with netns("n2"), other:
        unused()
        expect(set(stats(text=other.read()).values()), {0})
    with netns("n1"):
        for dev in "v0", "x1":
            with packet(dev) as sock:
                for _ in range(100):
                    sock.send(frame())
    with netns("n2"):
        until(lambda: lib.received("x2") == 100, "frames")
        unused()
    ip("n1", "link set v0 netns n3")
    renew("n2")
    ip("n3", "link del v0")
    unload_can()
    load_can()
    hold(0, "where no socket and no gateway job was")


@step
def refused():
    """A refused first socket or gateway job leaves no state"""
    def make(kind, protocol):
        socket.socket(socket.AF_CAN, kind, protocol).close()

    with netns("n1"):
        says("EPROTOTYPE", make, socket.SOCK_STREAM, 1)
        says("EPROTONOSUPPORT", make, socket.SOCK_RAW, 3)
        says("EINVAL", make, socket.SOCK_RAW, 99)
        says("ENODEV", gateway, RTM_NEWROUTE, 99, 99)
        says("ENODEV", gateway, RTM_NEWROUTE, 1, 1)
        says("EINVAL", gateway, RTM_DELROUTE, 1, 1)
    hold(0, "after requests that were refused")


@step
def first():
    """A first socket or gateway job allocates the state, others share it"""
    with netns("n1"):
        with raw():
            hold(1, "after a first socket")
        with raw(""):
            # One request serves all namespaces: their next timer takes it.
            show("reset_stats")
            until(lambda: stats().get("STR"), "the reset of the statistics")
            expect("raw" in show("rcvlist_all"), True)
        expect(stats("CRCV", "MRCV"), [0, 1])
    hold(1, "after the last socket")
    ip("n2", "link add v0 up type vcan")
    with netns("n2"):
        gateway(RTM_NEWROUTE, "v0", "v0")
        expect(gateways(), 1)
        hold(2, "after a first gateway job")
        gateway(RTM_DELROUTE, "v0", "v0")
        expect(gateways(), 0)
    with netns("n3"):
        unused()
    delete_nets("n1", "n2")
    hold(0, "after their namespaces")
    make_nets("n1", "n2")


def use_all(nets):
    """Make a first use in several namespaces."""
    for net in nets:
        with netns(net):
            use()


@step
def charged():
    """20 states are charged to the process that opens the sockets"""
    group = lib.cgroup("charged")
    with lib.charged_to(group):
        before = lib.kernel_memory(group)
        use_all(IDLE)
        hold(20, "after a socket in each netns")
        lib.wait_for(10, "20 states charged to a memcg", lambda:
                     lib.kernel_memory(group) >= before + 20 * STATE)
    delete_nets(*IDLE)
    hold(0, "after their namespaces")
    make_nets(*IDLE)


@step
def nobody():
    """A user without privileges pays for the state in its own netns"""
    group = lib.cgroup("charged")
    (ready, is_ready), (turn, next_turn) = os.pipe(), os.pipe()

    def user():
        os.close(next_turn)
        lib.write(f"{group}/cgroup.procs", 0)
        os.setgid(65534)
        os.setuid(65534)
        lib.checked(lib.libc.unshare(CLONE_NEWUSER | lib.CLONE_NEWNET))
        os.write(is_ready, b".")
        os.read(turn, 1)
        with raw():
            os.read(turn, 1)

    wait = child(user)
    os.close(is_ready)
    expect(os.read(ready, 1), b".")
    # memory.stat lags behind a charge by some seconds
    time.sleep(3)
    before = lib.kernel_memory(group)
    hold(0, "in a netns that nobody made")
    os.write(next_turn, b".")
    lib.wait_for(10, "the state charged to nobody",
                 lambda: lib.kernel_memory(group) >= before + STATE)
    hold(1, "after nobody's socket")
    os.close(next_turn)
    wait()
    until(lambda: not lib.states(), "the end of nobody's netns")


@step
def limit():
    """A user at the limit of its cgroup is killed, another user is not"""
    group = lib.cgroup("charged")

    def user():
        lib.write(f"{group}/cgroup.procs", 0)
        used = int(lib.read(f"{group}/memory.current"))
        lib.write(f"{group}/memory.max", used + (1 << 20))
        use_all(poor)

    with lib.new_nets("p", 60) as poor:
        child(user)(9)
        lib.told(1, "Memory cgroup out of memory: Killed process")
        # dmesg must contain only the report of the OOM kill
        expect([line for line in lib.splats(lib.dmesg())
                if "Call Trace" not in line], [])
        lib.clear_dmesg()
        paid = lib.states()
        if not 0 < paid < 60:
            off(f"{paid} states within the limit")
        use_all(poor)
        hold(60, "after first uses without a limit")
        lib.write(f"{group}/memory.max", "max")
    hold(0, "after their namespaces")
    return f"after {paid} first uses"


@step
def traffic():
    """Sockets and the broadcast manager receive frames, all are counted"""
    ip("n1", "link add v0 up type vcan")
    with netns("n1"), raw("v0") as receiver, raw("") as anywhere, \
            raw("v0") as sender:
        for number in range(100):
            wanted = frame(number, b"%d" % number)
            sender.send(wanted)
            expect(receiver.recv(16), wanted)
            expect(anywhere.recv(16), wanted)
        expect(stats("TXF", "RXF", "RXMF", "CRCV"), [100, 100, 100, 3])
        until(lambda: stats()["MRXR"], "the timer of the statistics")
        expect(show("reset_stats"), "Scheduled statistic reset #1.\n")
        until(lambda: stats().get("STR"), "the reset of the statistics")
        expect(stats("TXF", "USTR"), [0, 1])
        with bcm("v0", RX_SETUP, RX_FILTER_ID, 0x321) as listener:
            sender.send(frame(0x321))
            expect(listener.recv(99)[:4], struct.pack("=I", RX_CHANGED))
            with bcm("v0", TX_SETUP, SETTIMER | STARTTIMER, 0x111,
                     frame(0x111)):
                receiver.recv(16)
                for _ in range(20):
                    expect(receiver.recv(16), frame(0x111))
    delete_nets("n1")
    hold(0, "after traffic")
    make_nets("n1")


def under_traffic(kind):
    """Let n1 send to a gateway in n2, through a socket of this kind.

    Gives the function that waits until the sender has found its device gone.
    """
    pair()
    with netns("n2"):
        gateway(RTM_NEWROUTE, "x2", "v0")
    with netns("n1"):
        wait = background(keep_sending, kind("x1"), frame())
    with netns("n2"):
        until(lambda: stats()["RXMF"] > 100, "frames")
        expect(stats()["TXF"] > 100, True)
    return wait


@step
def die():
    """A netns exits while it receives and forwards frames"""
    wait = under_traffic(raw)
    hold(2, "for the sender and the receiver")
    delete_nets("n2")
    hold(1, "after a netns under traffic")
    wait()
    delete_nets("n1")
    hold(0, "after the one that sent")
    make_nets("n1", "n2")


@step
def unload():
    """The modules are unloaded under traffic"""
    wait = under_traffic(packet)
    hold(1, "for the receiver")
    rmmod("can_gw")
    unload_can()
    load_can()
    hold(0, "after unloading")
    with netns("n2"):
        unused()
        gateway(RTM_NEWROUTE, "x2", "v0")
        until(lambda: stats()["RXMF"] > 100, "frames")
    unload_can()
    delete_nets("n2")
    wait()
    make_nets("n2")
    load_can()
    return f"among {lib.nets()} namespaces"


@step
def no_timer():
    """Without the timer, reading reset_stats resets the statistics"""
    unload_can()
    load("can stats_timer=0")
    load_can()
    renew("n1")
    with netns("n1"):
        expect(list(stats().values()), [0] * 5)
        ip(None, "link add v0 up type vcan")
        with raw("v0") as sender:
            sender.send(frame())
        expect(stats("TXF", "RXF", "RXMF", "MRCV"), [1, 1, 1, 1])
        expect(show("reset_stats"), "Performed statistic reset #1.\n")
        expect(stats("TXF", "USTR"), [0, 1])
        expect(len(stats()), 7)
    renew("n1")
    unload_can()
    load_can()


@step
def race():
    """Two first sockets race in each of 60 namespaces: one state each"""
    with lib.new_nets("r", 60) as nets:
        at_once(nets, lambda: raw, lambda: raw)
        hold(60, "after first users raced in 60 namespaces")
    hold(0, "after those namespaces")


@step
def storm():
    """The modules are unloaded 8 times during first uses"""
    # The pause gives the modules time without users
    with beside_uses(IDLE, lambda: raw("").close(), pause=0.05) as done:
        for _ in range(8):
            unload_can()
            load_can()
            time.sleep(0.3)
        expect(done() > 20, True)
    unload_can()
    load_can()
    hold(0, "after first uses against unloads")


@step
def failures():
    """Each allocation of a first use fails in turn"""
    def job():
        gateway(RTM_NEWROUTE, "v0", "v0")

    # The first try may have made the job and lost the reply
    def job_again():
        if not gateways():
            job()

    def with_vcan(net):
        with netns(net):
            lib.new_link("vcan", "v0", up=True)

    for what, kwargs in (("socket", {"first": use, "again": use}),
                         ("gateway", {"first": job, "again": job_again,
                                      "prepare": with_vcan})):
        # The state takes 8 pages. Also fail page allocations alone, because
        # the Nth of all allocations may never be the state.
        with lib.of_cache():
            fail_each(**kwargs, order=3)
        lib.ok(f"First {what}: {fail_each(**kwargs, order=3)}")


@step
def cycles():
    """The modules are unloaded 20 times after a first use"""
    unload_can()
    load("can_raw")
    lib.cycles("can", lambda _: use_all(["n1"]),
               lambda: rmmod("can_raw", "can", within=20),
               lambda: load("can_raw"))


lib.last_steps(unload_can, "vcan", "vxcan")
lib.watch(r"\[can\] func:can_net_get ")
lib.run()
