#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""xfrm6_tunnel.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the kernel of the series. Tests first
use, failures and teardown of xfrm6_tunnel's per-netns state. MODULES is the
INSTALL_MOD_PATH. Each step prints one line. The first failure ends the
program with status 1.

The first use is a state of IPComp over IPv6 in tunnel mode. IPComp does not
compress small packets: xfrm6_tunnel receives them as plain IPv6 in IPv6.
"""

import contextlib
import re
import socket
import struct
import time
from functools import partial
from socket import AF_INET6, SOCK_DGRAM, SOCK_RAW

import lib
from lib import (IDLE, delete_nets, expect, hold, in_net, ip, load, make_nets,
                 netns, off, renew, rmmod, says, step, until)

NETLINK_XFRM, NEWSA, FLUSHSA, ALG_COMP = 6, 0x10, 0x1c, 3
TRANSPORT, TUNNEL, BEET = 0, 1, 4
INBOX = "2001:db8:6::1", 4242

reload = partial(load, "ipcomp6")


def comp(mode=TUNNEL):
    """Add an IPComp state from 2001:db8::1 to 2001:db8::2."""
    state = struct.pack("=56x16s4sBxxx16s32s84xHBBB7x",
                        socket.inet_pton(AF_INET6, "2001:db8::2"),
                        b"\0\0\x01\0", 108,
                        socket.inet_pton(AF_INET6, "2001:db8::1"),
                        b"\xff" * 32, AF_INET6, mode, 0, 0)
    name = struct.pack("=64sI", b"deflate", 0)
    lib.request(NETLINK_XFRM, NEWSA, lib.NLM_F_NEW,
                state + lib.attr(ALG_COMP, name))


def flush():
    """Delete all states."""
    lib.request(NETLINK_XFRM, FLUSHSA, 0, b"\0")


def plain(target, proto=socket.IPPROTO_IPV6):
    """Send 100 IPv6 packets in IPv6 packets."""
    with socket.socket(AF_INET6, SOCK_RAW, proto) as out:
        for _ in range(100):
            out.sendto(struct.pack("=IHBB32x", 0x60, 0, 59, 64), (target, 0))


def unload():
    """Unload the modules: deleted states are freed in the background."""
    rmmod("ipcomp6", within=20)
    rmmod("xfrm6_tunnel")


def spis():
    """Return the number of spis in use."""
    return lib.sites(r"\[xfrm6_tunnel\] func:__xfrm6_tunnel_alloc_spi ")[1]


def path():
    """Join n5 and n6, with IPComp from n5 once n6 has a state as well.

    Gives a socket of n6, of those to which arrive() sends.
    """
    ip("n5", "link add veth type veth peer name veth netns n6")
    for here, there, policy in (1, 2, "out"), (2, 1, "in"):
        ip(f"n{4 + here}", "link set lo up", "link set veth up",
           f"addr add 2001:db8::{here}/64 dev veth nodad",
           f"addr add 2001:db8:{4 + here}::1/128 dev lo nodad",
           f"route add 2001:db8:{4 + there}::/64 via 2001:db8::{there} "
           f"src 2001:db8:{4 + here}::1",
           f"xfrm policy add src 2001:db8:5::/64 dst 2001:db8:6::/64 "
           f"dir {policy} tmpl src 2001:db8::1 dst 2001:db8::2 proto comp "
           f"mode tunnel level {'use' if policy == 'in' else 'required'}")
    in_net("n5", comp)
    with netns("n6"):
        inbox = socket.socket(AF_INET6, SOCK_DGRAM)
    inbox.bind(INBOX)
    return inbox


def arrive(inbox, count, *sizes):
    """Expect COUNT of 5 packets of each size from n5 to arrive."""
    for size in sizes:
        with netns("n5"), socket.socket(AF_INET6, SOCK_DGRAM) as out:
            for _ in range(5):
                out.sendto(b"?" * size, INBOX)
        inbox.settimeout(10 if count else 1)
        came = []
        with contextlib.suppress(TimeoutError):
            while len(came) < 5:
                came.append(len(inbox.recv(9999)))
        expect(came, [size] * count)


def delivered():
    """Return the number of IPv6 packets that n6 has received."""
    text = in_net("n6", lambda: lib.read("/proc/thread-self/net/snmp6"))
    return int(re.search("Ip6InDelivers *\t([0-9]+)", text)[1])


@step
def idle():
    """Packets, deleting a netns and unloading leave no state"""
    make_nets(*IDLE)
    load("veth", "deflate", "xfrm_user", "ipcomp6")
    hold(0, "in namespaces that were there first")
    ip("n1", "link set lo up")
    with netns("n1"):
        plain("::1")
        plain("::1", socket.IPPROTO_IPIP)
        comp(TRANSPORT)
        flush()
    renew("n2")
    unload()
    reload()
    hold(0, "where no tunnel was")


@step
def refused():
    """A first request that is refused leaves no state"""
    in_net("n1", lambda: says("EINVAL", comp, BEET))
    hold(0, "after a request that was refused")


@step
def first():
    """Tunnels are added and deleted, and one is freed with its netns"""
    in_net("n1", comp)
    hold(1, "after a first tunnel")
    lib.charged("kmalloc-cg-8k", "xfrm6_tunnel")
    in_net("n1", lambda: says("EEXIST", comp))
    to_third = "dst 2001:db8::3 proto comp mode tunnel comp deflate"
    ip("n1", f"xfrm state add src 2001:db8::1 spi 0x101 {to_third}",
       f"xfrm state add src 2001:db8::4 spi 0x102 {to_third}")
    if spis() != 2:
        off("not one spi for each source address")
    in_net("n1", flush)
    until(lambda: not spis(), "the end of the spis")
    hold(1, "after the last tunnel")
    in_net("n1", comp)
    delete_nets("n1")
    hold(0, "after its netns")
    until(lambda: not spis(), "the end of the spi")
    make_nets("n1")


@step
def traffic():
    """Small and large packets arrive; the netns is deleted under traffic"""
    with path() as inbox:
        arrive(inbox, 0, 10, 500)
        hold(1, "for one end of a path")
        in_net("n6", comp)
        hold(2, "for both ends")
        arrive(inbox, 5, 10, 500)
        in_net("n6", flush)
        arrive(inbox, 0, 10)
        in_net("n6", comp)
    with netns("n5"), lib.running(f"ping -6 -q -f -s 8 {INBOX[0]}"):
        time.sleep(1)
        before = delivered()
        time.sleep(1)
        count = delivered() - before
        expect(count > 0, True)
        delete_nets("n6")
    hold(1, "after a netns under traffic")
    delete_nets("n5")
    hold(0, "after both")
    make_nets("n5", "n6")
    return f"{count} in a second"


@step
def step_unload():
    """The module is unloaded under traffic"""
    with path() as inbox:
        in_net("n6", comp)
        arrive(inbox, 5, 10)
        in_net("n5", flush)
        with lib.beside_uses(["n5"], lambda: plain("2001:db8::2"),
                             errors=[]) as sent:
            until(sent, "the first packets")
            in_net("n6", flush)
            unload()
            hold(0, "after unloading")
            reload()
            hold(0, "after loading")
            in_net("n6", comp)
            in_net("n5", comp)
            arrive(inbox, 5, 10)
            in_net("n6", flush)
            in_net("n5", flush)
            unload()
    renew("n5", "n6")
    reload()
    return f"among {lib.nets()} namespaces"


@step
def race_unload():
    """80 first uses succeed during unloads; the number of unloads"""
    def turn():
        if not lib.gone("ipcomp6"):
            return False
        rmmod("xfrm6_tunnel")
        return reload()

    return lib.race_unload(
        "xfrm6_tunnel", 80, lambda: (comp(), flush()), ["EPROTONOSUPPORT"],
        turn=turn, unload=unload, reload=reload)


@step
def failures():
    """Each allocation of a first use fails in turn, also the state's"""
    # The Nth of all allocations may never be the state.
    with lib.of_cache("kmalloc-cg-8k"):
        lib.fail_each(comp)
    return lib.fail_each(comp, keeps=True)


@step
def cycles():
    """The module is unloaded 20 times, each time after a tunnel"""
    lib.cycles("xfrm6_tunnel", lambda _: in_net("n1", comp, flush),
               unload, reload)


lib.last_steps(unload)
lib.watch(r"\[xfrm6_tunnel\] func:xfrm6_tunnel_init_net ")
lib.run()
