#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""xfrm_interface.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the kernel of the series. Tests first
use, failures and teardown of xfrm_interface's per-netns state. MODULES is the
INSTALL_MOD_PATH. Each step prints one line. The first failure ends the
program with status 1.
"""

import socket
import struct
import time
from functools import partial

import lib
from lib import (IDLE, attr, delete_nets, expect, hold, ip, load, make_nets,
                 must, netns, received, refused, renew, rmmod, running, says,
                 step, u32)

LINK, IF_ID, COLLECT_METADATA = 1, 2, 3
METADATA = attr(COLLECT_METADATA)
MODULE = "xfrm_interface"
FLOOD = "ping -q -f 203.0.113.2"


def link(*data, name="x0", up=False):
    """Add an interface, including kinds that ip(8) cannot add."""
    lib.new_link("xfrm", name, *data, up=up)


first_use = partial(link, u32(IF_ID, 7))
unload = partial(rmmod, MODULE)
reload = partial(load, MODULE)


def path():
    """Join n5 and n6 by veth, with ESP between their interfaces."""
    ip("n5", "link add veth type veth peer name veth netns n6")
    null = 'proto esp mode tunnel if_id 42 enc ecb(cipher_null) ""'
    for here, there in (1, 2), (2, 1):
        out = f"src 192.0.2.{here} dst 192.0.2.{there}"
        back = f"src 192.0.2.{there} dst 192.0.2.{here}"
        ip(f"n{4 + here}", "link set lo up", "link set veth up",
           f"addr add 192.0.2.{here}/24 dev veth",
           f"addr add 203.0.113.{here}/32 dev lo",
           f"xfrm state add {out} spi {here} {null}",
           f"xfrm state add {back} spi {there} {null}",
           f"xfrm policy add dst 203.0.113.{there} dir out if_id 42 "
           f"tmpl {out} proto esp mode tunnel",
           f"xfrm policy add dst 203.0.113.{here} dir in if_id 42 "
           f"tmpl {back} proto esp mode tunnel")


def interface(*ends):
    """Add the interface of one end or of both, and the route through it."""
    for here in ends:
        ip(f"n{4 + here}", "link add x0 up type xfrm if_id 42",
           f"route add 203.0.113.{3 - here} dev x0 src 203.0.113.{here}")


def trouble():
    """Send n6 the ICMP error for an ESP packet."""
    here, there = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")
    icmp = [3 << 8 | 4, 0, 0, 1400, *struct.unpack("!14H", struct.pack(
        "!BBHHHBBH4s4sII", 0x45, 0, 120, 0, 0x4000, 64, 50, 0, there, here,
        2, 1))]
    icmp[1] = sum(icmp) % 0xffff ^ 0xffff
    with socket.socket(socket.AF_INET, socket.SOCK_RAW,
                       socket.IPPROTO_ICMP) as out:
        out.sendto(struct.pack("!18H", *icmp), ("192.0.2.2", 0))


@step
def idle():
    """Devices, deleting a netns and unloading leave no state"""
    make_nets(*IDLE)
    load("dummy", "veth", "xfrm_user", "esp4", "authenc", "crypto_null",
         MODULE)
    hold(0, "in namespaces that were there first")
    ip("n1", "link add d0 up type dummy", "link del d0",
       "link add v0 up type veth peer name v1 netns n2")
    ip("n1", "-d link show")
    renew("n2")
    unload()
    reload()
    hold(0, "where no interface was")


@step
def step_refused():
    """First requests that are refused leave no state"""
    with netns("n1"):
        says("EINVAL", link)
        says("EINVAL", link, u32(IF_ID, 0))
        says("EINVAL", link, u32(IF_ID, 1), METADATA)
        says("EINVAL", link, u32(LINK, 1), METADATA)
        says("EEXIST", link, u32(IF_ID, 1), name="lo")
    hold(0, "after requests that were refused")


@step
def first():
    """Interfaces are added by id and by metadata, and deleted"""
    with netns("n1"):
        ip(None, "link add x0 up type xfrm if_id 1")
        hold(1, "after a first interface")
        lib.charged("kmalloc-cg-4k", MODULE)
        says("EEXIST", link, u32(IF_ID, 1), name="x1")
        link(u32(IF_ID, 257), name="x1")
        link(METADATA, name="x2")
        says("EEXIST", link, METADATA, name="x3")
        ip(None, "link set x0 type xfrm if_id 2")
        refused("File exists", "ip link set x1 type xfrm if_id 2")
        link(u32(IF_ID, 1), name="x3")
        ip(None, *(f"link del x{number}" for number in range(4)))
        hold(1, "after the last interface")
        link(METADATA, name="x2")
        link(u32(IF_ID, 1), name="x3")
    delete_nets("n1")
    hold(0, "after its netns")
    make_nets("n1")
    with netns("n1"):
        link(METADATA)
    hold(1, "after a first interface without an id")
    renew("n1")


@step
def link_net():
    """The state belongs to the netns of the link, not that of the device"""
    # Two interfaces with their link in n4 and their device in n3
    ip("n3", "link add x0 up link-netns n4 type xfrm if_id 1")
    ip("n4", "link add x1 up type xfrm if_id 2", "link set x1 netns n3")
    ip("n3", "link set x1 up type xfrm if_id 3")
    refused("File exists", "ip -n n3 link set x1 type xfrm if_id 1")
    with netns("n4"):
        says("EEXIST", link, u32(IF_ID, 3))
    hold(1, "for the interfaces of n3 that live on n4")
    delete_nets("n4")
    hold(0, "after n4")
    refused("does not exist", "ip -n n3 link show x0")
    refused("does not exist", "ip -n n3 link show x1")
    ip("n3", "link add x0 type xfrm if_id 1")
    hold(1, "for the first interface of n3's own")
    delete_nets("n3")
    make_nets("n3", "n4")


@step
def traffic():
    """A tunnel carries pings, and the netns is deleted under traffic"""
    path()
    interface(1)
    with netns("n5"):
        must("ping -q -c 1 -w 9 192.0.2.2")
        refused("100% packet loss", "ping -q -c 2 -i 0.2 -W 1 203.0.113.2")
        trouble()
        hold(1, "for one end of a tunnel")
        interface(2)
        must("ping -q -c 5 -i 0.1 -W 9 203.0.113.2")
        trouble()
        hold(2, "for the two ends of a tunnel")
        with netns("n6"):
            expect(received("x0"), 5)
            ip(None, "link del x0")
            link(METADATA, up=True)
        # No reply arrives, because n6 has no route back.
        lib.works("ping -q -c 5 -i 0.1 -W 1 203.0.113.2")
        with netns("n6"):
            expect(received("x0"), 5)
            ip(None, "link del x0")
        interface(2)
        with running(FLOOD):
            time.sleep(1)
            with netns("n6"):
                count = received("x0")
            delete_nets("n6")
    hold(1, "after a netns under traffic")
    delete_nets("n5")
    hold(0, "after both ends")
    make_nets("n5", "n6")
    return f"{count} in a second"


@step
def step_unload():
    """The module is unloaded under traffic"""
    path()
    interface(1, 2)
    with netns("n5"), running(FLOOD):
        time.sleep(1)
        unload()
        reload()
        hold(0, "after unloading")
        interface(1, 2)
        must("ping -q -c 1 -w 9 203.0.113.2")
        unload()
    renew("n5", "n6")
    reload()
    return f"among {lib.nets()} namespaces"


@step
def race_unload():
    """60 first uses succeed during unloads; the number of unloads"""
    return lib.race_unload(
        MODULE, 60, first_use, ["EOPNOTSUPP"], unload=unload, reload=reload,
        turn=lambda: (unload(), reload()))


@step
def failures():
    """Each allocation of a first use fails in turn"""
    return lib.fail_each(first_use, keeps=True)


@step
def cycles():
    """The module is unloaded 20 times, each time with an interface"""
    lib.cycles(MODULE, lambda number:
               ip("n1", f"link add x0 up type xfrm if_id {number}"),
               unload, reload)


lib.last_steps(unload)
lib.watch(r"\[xfrm_interface\] func:xfrmi_init_net ")
lib.run()
