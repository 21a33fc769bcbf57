#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes requests of the kernel for the steps of guest/, see ask_python there.

A line on stdin is NET N STATEMENT. In the netns NET, or that of the boot for
"-", it runs the Python statement, line ends as CR, while the kernel's Nth
allocation for it fails, or none for N = 0. The line on stdout that answers
has how many allocations were left to go, and the error if there was one.
"""

import ctypes
import errno
import os
import socket
import struct
import sys

NETLINK_GENERIC = 16
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
families = {}


def attr(kind, data):
    """A netlink attribute."""
    return (struct.pack("=HH", 4 + len(data), kind) + data +
            bytes(-len(data) % 4))


def answers(family, kind, flags, payload):
    """Send a netlink request, and give the payload of each answer."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family) as sock:
        sock.settimeout(20)
        sock.send(struct.pack("=IHHII", 16 + len(payload), kind,
                              flags | NLM_F_REQUEST, 1, 0) + payload)
        while True:
            data = sock.recv(1 << 16)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                body, data = data[16:length], data[(length + 3) & ~3:]
                if kind not in (NLMSG_ERROR, NLMSG_DONE):
                    yield body
                    continue
                error = -struct.unpack_from("=i", body)[0]
                if error:
                    raise OSError(error, os.strerror(error))
                return


def request(family, kind, flags, payload):
    """Make a netlink request that is acknowledged."""
    return list(answers(family, kind, flags | NLM_F_ACK, payload))


def dump(family, kind, payload):
    """Dump what a netlink family has."""
    return list(answers(family, kind, NLM_F_DUMP, payload))


def genl_message(name, version, cmd, attrs):
    """The id of a generic netlink family, and a message to it."""
    if name not in families:
        found = request(NETLINK_GENERIC, GENL_ID_CTRL, 0,
                        struct.pack("BBxx", CTRL_CMD_GETFAMILY, 1) +
                        attr(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0"))[0]
        found = found[4:]
        while found:
            length, kind = struct.unpack_from("=HH", found)
            if kind == CTRL_ATTR_FAMILY_ID:
                families[name] = struct.unpack_from("=H", found, 4)[0]
            found = found[(length + 3) & ~3:]
    return (families[name],
            struct.pack("BBxx", cmd, version) + b"".join(attrs))


def genl(name, version, cmd, *attrs, flags=0):
    """Make a generic netlink request that is acknowledged."""
    kind, message = genl_message(name, version, cmd, attrs)
    return request(NETLINK_GENERIC, kind, flags, message)


def genl_dump(name, version, cmd, *attrs):
    """Dump what a generic netlink family has."""
    kind, message = genl_message(name, version, cmd, attrs)
    return dump(NETLINK_GENERIC, kind, message)


def checked(result):
    """The result of a function of the C library, unless it failed."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def enter(netns):
    """Go to a netns."""
    path = "/proc/1/ns/net" if netns == "-" else f"/run/netns/{netns}"
    with open(path, "rb") as net:
        checked(libc.setns(net.fileno(), CLONE_NEWNET))


def ask(netns, nth, statement):
    """Run the statement, and say how that went."""
    enter(netns)
    code = compile(statement.replace("\r", "\n"), "statement", "exec")
    # Where none is to fail, the kernel need not know how
    fail = os.open("/proc/thread-self/fail-nth" if nth != "0" else os.devnull,
                   os.O_RDWR)
    said = ""
    os.pwrite(fail, nth.encode(), 0)
    try:
        exec(code, globals())  # pylint: disable=exec-used
    except Exception as error:  # pylint: disable=broad-exception-caught
        said = errno.errorcode.get(getattr(error, "errno", None),
                                   repr(error))
    left = os.pread(fail, 20, 0).decode().strip() or "0"
    os.pwrite(fail, b"0", 0)
    os.close(fail)
    enter("-")  # Who stays keeps the netns alive
    return f"{left} {said}"


for line in sys.stdin:
    print(ask(*line.rstrip("\n").split(" ", 2)), flush=True)
