#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""gdb.py MODULES

Runs in the guest of scripts/check-gdb, where gdb waits at each stop: makes
namespaces, loads modules until the arrays have to grow, and says what the
kernel has in them.
"""

import os
import re
import socket

import lib

NAMES = "red", "green", "blue"
PERNET_LIST = lib.symbol("pernet_list")


def slots():
    """Return the slots of all nets, as guest/ko/slots.c prints them."""
    lib.clear_dmesg()
    lib.insmod("slots", f"list_at={PERNET_LIST}")
    lib.rmmod("slots")
    return re.findall("slots: (net 0x.*|  .*)", lib.dmesg())


def stop(state):
    """Report the slots, and stop: gdb has a breakpoint in sethostname()."""
    print(f"= {state}", *slots(), sep="\n", flush=True)
    socket.sethostname(state)


def full():
    """Return whether the last id of the arrays is in use."""
    net, *_, last = slots()
    return f"len {int(last.split()[0]) + 1}," in net


lib.make_nets(*NAMES)
lib.load("vxlan", "geneve", "netns_each", "netns_lazy", "netns_size")
lib.ip("red", "link add vx type vxlan id 1 dstport 4789")
lib.ip("green", "link add gen type geneve id 1 remote 192.0.2.1")
with lib.netns("blue"):
    lib.write("/dev/netns_lazy", 1)

print("= nets")
for path in "/proc/self/ns/net", *(f"/run/netns/{name}" for name in NAMES):
    print(f"net:[{os.stat(path).st_ino}]")
stop("alive")

for module in "bareudp gtp ipip bonding fou pktgen l2tp_core".split():
    if not full():
        lib.load(module)
if not full():
    lib.off("there is still room in the arrays")
stop("full")
# Three ids, the first of which makes the arrays grow
lib.load("ip_gre")
print("= kallsyms", *re.findall(r".*_ops\s\[.*", lib.read("/proc/kallsyms")),
      sep="\n")
stop("grown")

# gdb has breakpoints in the code that runs from here on
lib.rmmod("vxlan")
lib.ip(None, "netns del green")
# When it has come to its end there may be another
lib.write("/proc/sys/user/max_net_namespaces", 3)
lib.wait_for(60, "the end of green", lambda: lib.works("unshare -n true"))
