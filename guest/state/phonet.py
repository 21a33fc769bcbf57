#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""phonet.py MODULES [STEP]...

Runs in the guest of scripts/boot, on the kernel of the series. Tests first
use, failures and teardown of phonet's per-netns state. Frames come from tun
devices, which take any protocol. Their files can be in another netns.
"""

import contextlib
import errno
import os
import socket
import struct
import time
from fcntl import ioctl
from functools import partial

import lib
from lib import (IDLE, attr, background, checked, delete_nets, dump, expect,
                 hold, ip, libc, load, make_nets, netns, renew, rmmod, says,
                 step, write)

AF_PHONET, ETH_P_PHONET = 35, b"\0\xf5"
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
IFA_LOCAL, RTA_DST, RTA_OIF = 2, 1, 4
SIOCPNGETOBJECT, SIOCPNADDRESOURCE, TUNSETIFF = 0x89e0, 0x89ee, 0x400454ca

reload = partial(load, "phonet")


def address(kind=RTM_NEWADDR, addr=0x10, dev=1):
    """Add or delete an address, a multiple of 4; lo is device 1."""
    lib.request(0, kind, 0, struct.pack("=4BI", AF_PHONET, 0, 0, 0, dev) +
                attr(IFA_LOCAL, bytes([addr])))


def route(kind=RTM_NEWROUTE, dst=0x6c, dev=1):
    """Add or delete a route, to a multiple of 4."""
    lib.request(0, kind, 0,
                struct.pack("=8BI", AF_PHONET, 6, 0, 0, 254, 4, 0, 1, 0) +
                attr(RTA_DST, bytes([dst])) + lib.u32(RTA_OIF, dev))


def addresses():
    """Return the device and the address of each address of this netns."""
    bodies = dump(0, RTM_GETADDR, bytes([AF_PHONET]) + bytes(7))
    return [(struct.unpack_from("=I", body, 4)[0], body[12])
            for body in bodies]


def routes():
    """Return the destinations of the routes of this netns."""
    return [body[16] for body in
            dump(0, RTM_GETROUTE, bytes([AF_PHONET]) + bytes(11))]


def lists(sockets):
    """Expect this number of sockets in /proc."""
    lines = lib.read("/proc/thread-self/net/phonet").splitlines()
    expect(len(lines) - 1, sockets)


def sockaddr(addr, obj, res=0):
    """Return the address of a socket."""
    return struct.pack("=HBBB11x", AF_PHONET, obj, addr, res)


def bound(addr=0, obj=0):
    """Return a bound socket."""
    sock = socket.socket(AF_PHONET, socket.SOCK_DGRAM, 0)
    sock.settimeout(20)
    checked(libc.bind(sock.fileno(), sockaddr(addr, obj), 16))
    return sock


def send(sock, data, *where):
    """Send a datagram."""
    checked(libc.sendto(sock.fileno(), data, len(data), 0, sockaddr(*where),
                        16))


def tun(name):
    """Make a device, and return the file for its frames."""
    file = os.open("/dev/net/tun", os.O_RDWR)
    ioctl(file, TUNSETIFF, struct.pack("16sH22x", name.encode(), 1))
    return file


def frame(addr, data=b"hello"):
    """Return a frame for an object of an address."""
    return bytes(2) + ETH_P_PHONET + struct.pack(
        "!3BHBB", addr, 0x40, 0, len(data) + 2, 0x20, 0x21) + data


def read_frame(file):
    """Return the next phonet frame, without the tun flags."""
    data = b""
    while data[2:4] != ETH_P_PHONET:
        data = os.read(file, 99)
    return data[2:]


def keep(function, *args):
    """Call a function until the device is gone."""
    with contextlib.suppress(OSError):
        while True:
            function(*args)


@contextlib.contextmanager
def traffic():
    """Send frames to n1 while the block runs, for itself and for a route.

    The block has to delete n1.
    """
    routed = []
    with netns("n2"):
        inside, outside = tun("t0"), tun("t1")
    ip("n2", "link set t0 netns n1 up", "link set t1 netns n1 up")
    with netns("n1"):
        address()
        route(dev=socket.if_nametoindex("t1"))

    def receive():
        if read_frame(outside) == frame(0x6c)[2:]:
            routed.append(1)

    threads = [background(keep, os.write, inside, frame(0x10)),
               background(keep, os.write, inside, frame(0x6c)),
               background(keep, receive)]
    lib.until(lambda: len(routed) >= 100)
    yield
    for wait in threads:
        wait()
    os.close(inside)
    os.close(outside)


@step
def idle():
    """Devices, frames, sockets and unloading leave no state"""
    make_nets(*IDLE)
    load("tun", "dummy", "phonet")
    lib.insmod("pnauto")
    ip("n1", "link set lo up", "link add d0 up type dummy",
       "link set d0 netns n2")
    with netns("n1"):
        expect(addresses() + routes(), [])
        says("EADDRNOTAVAIL", address, RTM_DELADDR)
        says("ENOENT", route, RTM_DELROUTE)
        lists(0)
        says("EADDRNOTAVAIL", bound, 0x10)
        with bound() as sock:
            says("EHOSTUNREACH", send, sock, b"hello", 0x10, 0x20)
            says("EHOSTUNREACH", ioctl, sock, SIOCPNGETOBJECT, bytes(2))
            # phonet looks for an address of the device
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
            says("EHOSTUNREACH", send, sock, b"hello", 0x10, 0x20)
            says("EHOSTUNREACH", ioctl, sock, SIOCPNGETOBJECT, bytes(2))
    # Routed by resource, only in the first netns: a device but no address
    with bound() as sock:
        ioctl(sock, SIOCPNADDRESOURCE, struct.pack("=I", 5))
        says("EHOSTUNREACH", send, sock, b"hello", 0, 0, 5)
    with netns("n1"):
        file = tun("t0")
        ip("n1", "link set t0 up")
        for _ in range(100):
            os.write(file, frame(0x10))
        os.close(file)
    with netns("n2"), bound(), netns("n1"):
        lists(0)
    renew("n1", "n2")
    rmmod("phonet")
    reload()
    hold(0, "where no address and no route was")


@step
def refused():
    """A first address or route that is refused leaves no state"""
    error = "/sys/module/pnauto/parameters/error"
    with netns("n1"):
        says("ENODEV", address, dev=99)
        says("EINVAL", address, addr=0x11)
        says("ENODEV", route, dev=99)
        says("EINVAL", route, dst=0x11)
        says("ENODEV", address, RTM_DELADDR, dev=99)
    write(error, -errno.ENODEV)
    ip("n1", "link add p0 type pnauto")
    write(error, 0)
    hold(0, "after requests that were refused")
    renew("n1")


@step
def first():
    """A first address or route allocates the state, which the netns keeps"""
    with netns("n1"):
        address()
        hold(1, "after a first address")
        lib.charged("kmalloc-cg-1k", "phonet")
        says("EEXIST", address)
        address(addr=0x14)
        route()
        expect(addresses(), [(1, 0x10), (1, 0x14)])
        expect(routes(), [0x6c])
        with netns("n2"):
            expect(addresses() + routes(), [])
        address(RTM_DELADDR)
        address(RTM_DELADDR, addr=0x14)
        route(RTM_DELROUTE)
        expect(addresses() + routes(), [])
    hold(1, "after the last address")
    with netns("n2"):
        route()
        expect(routes(), [0x6c])
    hold(2, "after a first route")
    renew("n1", "n2", left=0)


@step
def auto():
    """A device configures itself when registered, moved or found at load"""
    def configured():
        with netns("n2"):
            expect([addr for _, addr in addresses()], [0x10])

    ip("n1", "link add p0 type pnauto")
    hold(1, "after a device that configured itself")
    ip("n1", "link set p0 netns n2")
    hold(2, "after its move")
    with netns("n1"):
        expect(addresses(), [])
    configured()
    rmmod("phonet")
    reload()
    hold(1, "for the device that was there when the module was loaded")
    configured()
    renew("n1", "n2", left=0)


@step
def step_traffic():
    """A netns sends 100 datagrams to itself, receives 100, and routes 100"""
    ip("n1", "link set lo up")
    with netns("n1"), bound() as sender:
        address()
        with bound(0x10, 0x20) as receiver:
            for number in range(100):
                send(sender, b"%d" % number, 0x10, 0x20)
                expect(receiver.recv(9), b"%d" % number)
            expect(ioctl(sender, SIOCPNGETOBJECT, bytes(2))[1], 0x10)
            inside, outside = tun("t0"), tun("t1")
            ip("n1", "link set t0 up", "link set t1 up")
            route(dev=socket.if_nametoindex("t1"))
            for number in range(100):
                os.write(inside, frame(0x10, b"%d" % number))
                expect(receiver.recv(9), b"%d" % number)
                os.write(inside, frame(0x6c, b"%d" % number))
                expect(read_frame(outside), frame(0x6c, b"%d" % number)[2:])
            os.close(outside)
            # The route is deleted with its device
            expect(routes(), [])
            os.close(inside)
    renew("n1", left=0)


@step
def die():
    """A netns is deleted while it receives and routes frames"""
    with traffic():
        hold(1, "under traffic")
        delete_nets("n1")
        hold(0, "after a netns under traffic")
    make_nets("n1")


@step
def unload():
    """The module is unloaded under traffic"""
    with traffic():
        rmmod("phonet")
        reload()
        hold(0, "after unloading")
        with netns("n1"):
            expect(addresses() + routes(), [])
            address()
        rmmod("phonet")
        delete_nets("n1")
    make_nets("n1")
    reload()
    return f"among {lib.nets()} namespaces"


@step
def race():
    """A concurrent address and route share one state, in 60 namespaces"""
    with lib.new_nets("r", 60) as names:
        lib.at_once(names, lambda: address, lambda: route)
        hold(60, "after first users raced in 60 namespaces")
        with netns("r60"):
            expect(addresses(), [(1, 0x10)])
            expect(routes(), [0x6c])
    hold(0, "after those namespaces")


@step
def storm():
    """The module is unloaded and loaded 10 times during first uses"""
    def use():
        address()
        address(RTM_DELADDR)

    with lib.beside_uses(IDLE, use) as uses:
        for _ in range(10):
            rmmod("phonet", within=20)
            reload()
            time.sleep(0.3)
        if uses() <= 100:
            lib.off(f"only {uses()} uses")
    rmmod("phonet")
    reload()
    hold(0, "after first uses against unloads")


@step
def failures():
    """Each allocation of a first address and of a first route fails in turn"""
    return f"{lib.fail_each(address)}; {lib.fail_each(route)}"


@step
def cycles():
    """The module is unloaded and loaded 20 times, with an address"""
    lib.cycles("phonet", lambda _: lib.in_net("n1", address),
               partial(rmmod, "phonet"), reload)


lib.watch(r"\[phonet\] func:phonet_net_alloc ")
lib.last_steps("phonet", "pnauto")
lib.run()
