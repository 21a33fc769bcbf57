# SPDX-License-Identifier: GPL-2.0
"""Helpers for the programs of guest/, which run in the guest of scripts/boot.

The first argument of a program is the INSTALL_MOD_PATH of the modules. Further
arguments name the steps to run; the default is all steps. A step is a function
with the decorator @step. Its docstring becomes its "ok" line. The first
exception ends the program with an "OFF" line and status 1.

The module has a small netlink of its own: on a busy machine, `import pyroute2`
took 55 s in a TCG guest, and a start of Python with this module 6 to 8 s.
"""
# pylint: disable=protected-access

import binascii
import contextlib
import ctypes
import errno
import mmap
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from functools import cache, partial
from glob import glob
from itertools import cycle

MODULES = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")
IDLE = [f"n{number}" for number in range(1, 21)]
# The factor for all timeouts, from the kernel's command line
PATIENCE = int(os.environ.get("PATIENCE", "1"))
LEAKS = "/sys/kernel/debug/kmemleak"
FAIL = "/sys/kernel/debug/fail"
CLONE_NEWNET = 0x40000000
SYSLOG_READ_ALL, SYSLOG_CLEAR, SYSLOG_SIZE_BUFFER = 3, 5, 10

NETLINK_GENERIC = 16
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_NEW = 0x1, 0x4, 0x300, 0x600
NLMSG_ERROR, NLMSG_DONE = 2, 3
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
RTM_NEWLINK = 16
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND, IFLA_INFO_DATA = 3, 18, 1, 2

libc = ctypes.CDLL(None, use_errno=True)
families = {}
_steps = {}
_watched = {}


class Off(Exception):
    """The program found an unexpected result."""


# Reports

def ok(text):  # pylint: disable=invalid-name
    """Report a success, with the seconds since boot."""
    print(f"ok  {int(time.monotonic()):3} s  {text}", flush=True)


def off(text):
    """End the program with TEXT as its report."""
    raise Off(text)


def expect(what, wanted):
    """Raise an exception unless WHAT equals WANTED."""
    if what != wanted:
        off(f"{what!r}, expected {wanted!r}")


def tell(*words):
    """Write a line of results to fd 3, for the script on the host."""
    os.write(3, (" ".join(map(str, words)) + "\n").encode())


def _report(kind, error, trace):
    """Report the exception that ends the program, and the kernel's splats."""
    text = str(error) if kind is Off else f"{kind.__name__}: {error}"
    print(f"OFF {int(time.monotonic()):3} s  {text}",
          *splats(dmesg())[:5], sep="\n", flush=True)
    sys.__excepthook__(kind, error, trace)
    # Other threads and children may still run
    os._exit(1)


sys.excepthook = _report


# Files, commands and time

def read(path):
    """Return the text of a file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def write(path, text):
    """Write TEXT to a file, for example of sysfs or debugfs."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(text))


def _call(command, text=None):
    return subprocess.run(command.split(), input=text, text=True, check=False,
                          capture_output=True)


def works(command):
    """Return whether a command (a string) succeeds in this netns."""
    return _call(command).returncode == 0


def must(command, text=None):
    """Expect that a command succeeds with TEXT as stdin; return its stdout."""
    done = _call(command, text)
    if done.returncode:
        said = done.stderr or done.stdout or f"status {done.returncode}"
        off(f"{command}: {said.strip()}")
    return done.stdout


def refused(words, command):
    """Expect that a command fails, and that it prints WORDS."""
    done = _call(command)
    if not done.returncode:
        off(f"{command}: was not refused")
    if words not in done.stdout + done.stderr:
        off(f"{command}: {done.stderr.strip()}")


def ip(net, *lines):  # pylint: disable=invalid-name
    """Run lines of ip(8) in the netns NET, or in this one for None."""
    command = f"ip -n {net}" if net else "ip"
    if len(lines) == 1:
        return must(f"{command} {lines[0]}")
    return must(f"{command} -batch -", "\n".join(lines) + "\n")


@contextlib.contextmanager
def running(command):
    """Keep a command running in this netns while the block runs."""
    with subprocess.Popen(command.split(), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def now():
    """Return the milliseconds since boot."""
    return time.monotonic_ns() // 1000000


def wait_for(seconds, what, condition):
    """Wait until CONDITION() is true, at most SECONDS times PATIENCE."""
    limit = seconds * PATIENCE
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            off(f"{what}: not within {limit} seconds")
        time.sleep(0.05)


def until(condition, what="what the step waits for"):
    """Wait until CONDITION() is true, 20 seconds at most."""
    wait_for(20, what, condition)


# The kernel's log and its allocations

@cache
def _splat():
    """Return the lines of configs/splats as one regular expression.

    With kmemleak=off, the message that kmemleak is disabled is not a splat.
    """
    lines = read(f"{os.path.dirname(__file__)}/../configs/splats").splitlines()
    off_on_purpose = "kmemleak=off" in read("/proc/cmdline")
    return re.compile("|".join(line for line in lines if not (
        line.startswith("#") or off_on_purpose and "disabled" in line)))


def splats(text):
    """Return the lines of TEXT that match configs/splats."""
    if not _splat().search(text):
        return []
    return list(filter(_splat().search, text.splitlines()))


def dmesg():
    """Return the kernel log since boot or clear_dmesg()."""
    size = libc.klogctl(SYSLOG_SIZE_BUFFER, None, 0)
    buffer = ctypes.create_string_buffer(size)
    size = checked(libc.klogctl(SYSLOG_READ_ALL, buffer, size))
    return re.sub("^<[0-9]+>", "", buffer.raw[:size].decode(errors="replace"),
                  flags=re.MULTILINE)


def clear_dmesg():
    """Clear the kernel log."""
    checked(libc.klogctl(SYSLOG_CLEAR, None, 0))


def told(count, words):
    """Expect WORDS in exactly COUNT lines of dmesg."""
    lines = sum(words in line for line in dmesg().splitlines())
    if lines != count:
        off(f"'{words}' {lines} times in dmesg, expected {count}")


def sites(pattern, below=None):
    """Return the bytes and objects that matching call sites hold now.

    PATTERN is a regular expression for lines of /proc/allocinfo. With BELOW,
    it counts only call sites with an average object size below BELOW bytes.
    """
    text = read("/proc/allocinfo")
    starts = {text.rfind("\n", 0, match.start()) + 1
              for match in re.finditer(pattern, text)}
    total = [0, 0]
    for start in starts:
        held, objects = map(int, text[start:start + 60].split()[:2])
        if below is None or held < below * objects:
            total[0] += held
            total[1] += objects
    return tuple(total)


def keeps_nothing(*modules):
    """Expect that all memory of MODULES is freed. RCU may free it late."""
    for module in modules:
        wait_for(5, f"{module} without memory",
                 lambda module=module: sites(rf"\[{module}\]") == (0, 0))


def core_bytes():
    """Return the bytes of all net_generic arrays and of all .size data."""
    return sites("/net_namespace.c:.* func:(net_alloc_generic|ops_init) ")[0]


def nets():
    """Count the live namespaces by their arrays; struct net lives longer."""
    return sites("/net_namespace.c:.* func:net_alloc_generic ")[1]


def watch(pattern, below=None):
    """Set the call site of the per-netns state, for states() and hold()."""
    _watched.update(pattern=pattern, below=below)


def states():
    """Return the number of states that namespaces hold, see watch()."""
    return sites(**_watched)[1]


def hold(count, when):
    """Expect that namespaces hold COUNT states."""
    held = states()
    if held != count:
        off(f"{held} states {when}, expected {count}")


def charged(pattern, module):
    """Expect objects of MODULE in slab caches that charge memcgs."""
    traces = "".join(map(read, glob(
        f"/sys/kernel/debug/slab/{pattern}/alloc_traces")))
    if not re.search(rf"^ +[0-9]+ .*\[{module}\]", traces, re.MULTILINE):
        off("the state is not charged to a memcg")


def symbol(name):
    """Return the address of a symbol of the kernel or of a module."""
    return "0x" + re.search(rf"^([0-9a-f]+) . {name}\s",
                            read("/proc/kallsyms"), re.MULTILINE)[1]


# Modules

def load(*modules):
    """Load modules with their dependencies, or one as "MODULE A=B"."""
    families.clear()
    names = "" if " " in modules[0] else "-a "
    must(f"modprobe -d {MODULES} {names}{' '.join(modules)}")


def image(module):
    """Return the content of a module of the kernel or of guest/ko."""
    path = f"{os.path.dirname(MODULES)}/guest/{module}.ko"
    if not os.path.exists(path):
        path = must(f"modinfo -b {MODULES} -F filename {module}").strip()
    with open(path, "rb") as file:
        return file.read()


def init_module(content, parameters=""):
    """Load a module from memory."""
    checked(libc.init_module(content, ctypes.c_ulong(len(content)),
                             parameters.encode()))


def insmod(module, parameters=""):
    """Load a module of guest/ko, with PARAMETERS as "NAME=VALUE ..."."""
    init_module(image(module), parameters)


def delete_module(module):
    """Unload a module, or raise OSError."""
    checked(libc.delete_module(module.encode(), os.O_NONBLOCK), module)


def rmmod(*modules, within=0):
    """Unload modules, which must be loaded and unused.

    With WITHIN, wait as many seconds for each to become unused. It may also
    not be loaded.
    """
    families.clear()
    for module in modules:
        if within:
            wait_for(within, f"{module} unloaded", partial(gone, module))
        else:
            delete_module(module)


def gone(module):
    """Try to unload a module; return whether it is not loaded any more."""
    families.clear()
    try:
        delete_module(module)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def autoload():
    """Make the kernel and other programs load modules from MODULES."""
    folder = "/run/autoload"
    os.mkdir(folder)
    write(f"{folder}/modprobe",
          f'#!/bin/sh\nexec /sbin/modprobe -d {MODULES} "$@"\n')
    os.chmod(f"{folder}/modprobe", 0o755)
    write("/proc/sys/kernel/modprobe", f"{folder}/modprobe")
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


# Namespaces

def make_nets(*names):
    """Make namespaces, and return the milliseconds that this took."""
    start = now()
    must("ip -batch -", "".join(f"netns add {name}\n" for name in names))
    return now() - start


def delete_nets(*names):
    """Delete namespaces, and return the milliseconds until they are freed."""
    left = nets() - len(names)
    start = now()
    must("ip -batch -", "".join(f"netns del {name}\n" for name in names))
    wait_for(60, f"{' '.join(names)} freed", lambda: nets() == left)
    return now() - start


def renew(*names, left=None):
    """Delete namespaces, expect LEFT states, and make the namespaces again."""
    delete_nets(*names)
    if left is not None:
        hold(left, f"after {' and '.join(names)}")
    make_nets(*names)


@contextlib.contextmanager
def new_nets(prefix, count):
    """Make COUNT namespaces for the block, and delete them after it."""
    names = [f"{prefix}{number}" for number in range(1, count + 1)]
    make_nets(*names)
    yield names
    delete_nets(*names)


def enter(net):
    """Move this thread to a netns; None is init_net."""
    path = f"/run/netns/{net}" if net else "/proc/1/ns/net"
    with open(path, "rb") as file:
        checked(libc.setns(file.fileno(), CLONE_NEWNET))


@contextlib.contextmanager
def netns(net):
    """Run the block with this thread in a netns.

    Commands, threads and processes that the block starts inherit the netns.
    """
    with open("/proc/thread-self/ns/net", "rb") as before:
        enter(net)
        try:
            yield
        finally:
            checked(libc.setns(before.fileno(), CLONE_NEWNET))


def in_net(net, *functions):
    """Call functions in a netns, and return the result of the last one."""
    with netns(net):
        return [function() for function in functions][-1]


def received(dev):
    """Return the packets that a device of this netns has received."""
    return int(re.search(rf"^ *{dev}: *[0-9]+ +([0-9]+) ",
                         read("/proc/thread-self/net/dev"), re.MULTILINE)[1])


def cgroup(name):
    """Make a cgroup with the memory controller, and return its folder."""
    root = "/sys/fs/cgroup"
    if not os.path.exists(f"{root}/cgroup.procs"):
        must(f"mount -t cgroup2 cgroup2 {root}")
    write(f"{root}/cgroup.subtree_control", "+memory")
    os.makedirs(f"{root}/{name}", exist_ok=True)
    return f"{root}/{name}"


def kernel_memory(folder):
    """Return the kernel memory of a cgroup; the value can be seconds old."""
    return int(re.search("^kernel ([0-9]+)", read(f"{folder}/memory.stat"),
                         re.MULTILINE)[1])


@contextlib.contextmanager
def charged_to(folder):
    """Run the block with this process in a cgroup."""
    write(f"{folder}/cgroup.procs", 0)
    yield
    write("/sys/fs/cgroup/cgroup.procs", 0)


# Requests

def checked(result, *what):
    """Return the result of a C function, or raise OSError about WHAT."""
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), *what)
    return result


def attr(kind, *data):
    """Return a netlink attribute; other attributes can be its data."""
    data = b"".join(data)
    return (struct.pack("=HH", 4 + len(data), kind) + data +
            bytes(-len(data) % 4))


def u32(kind, value):
    """Return a netlink attribute that is a number."""
    return attr(kind, struct.pack("=I", value))


def string(kind, text):
    """Return a netlink attribute that is a string."""
    return attr(kind, text.encode() + b"\0")


def parse(data):
    """Return the netlink attributes in DATA, by their kinds."""
    found = {}
    while data:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3fff] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def message(kind, flags, payload):
    """Return a netlink message."""
    return struct.pack("=IHHII", 16 + len(payload), kind,
                       flags | NLM_F_REQUEST, 1, 0) + payload


def netlink(family):
    """Return a netlink socket of this netns."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    sock.settimeout(20 * PATIENCE)
    return sock


def answers(sock):
    """Return the payload of each answer to the message that SOCK has sent."""
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
    """Make a netlink request that is acknowledged, and return the answers."""
    with netlink(family) as sock:
        sock.send(message(kind, flags | NLM_F_ACK, payload))
        return list(answers(sock))


def dump(family, kind, payload):
    """Dump the objects of a netlink family."""
    return request(family, kind, NLM_F_DUMP, payload)


def genl_message(name, version, cmd, attrs):
    """Return the id of a generic netlink family, and a payload for it.

    The id is kept until load() or rmmod().
    """
    if name not in families:
        body, = request(NETLINK_GENERIC, GENL_ID_CTRL, 0,
                        struct.pack("BBxx", CTRL_CMD_GETFAMILY, 1) +
                        string(CTRL_ATTR_FAMILY_NAME, name))
        families[name] = struct.unpack(
            "=H", parse(body[4:])[CTRL_ATTR_FAMILY_ID])[0]
    return (families[name],
            struct.pack("BBxx", cmd, version) + b"".join(attrs))


def genl(name, version, cmd, *attrs, flags=0):
    """Make a generic netlink request that is acknowledged."""
    kind, payload = genl_message(name, version, cmd, attrs)
    try:
        return request(NETLINK_GENERIC, kind, flags, payload)
    except FileNotFoundError:
        # Another process may have loaded the module again
        families.pop(name)
        raise


def genl_dump(name, version, cmd, *attrs):
    """Dump the objects of a generic netlink family."""
    return genl(name, version, cmd, *attrs, flags=NLM_F_DUMP)


def new_link(kind, name, *data, up=False):
    """Add a network device to this netns, without ip(8)."""
    request(socket.NETLINK_ROUTE, RTM_NEWLINK, NLM_F_NEW,
            struct.pack("=8xII", up, up) +
            string(IFLA_IFNAME, name) +
            attr(IFLA_LINKINFO, attr(IFLA_INFO_KIND, kind.encode()),
                 attr(IFLA_INFO_DATA, *data)))


def says(error, function, *args, **kwargs):
    """Expect that a call fails with an error like "EINVAL"."""
    try:
        function(*args, **kwargs)
    except OSError as got:
        if got.errno != getattr(errno, error):
            off(f"{_label(function)}{args}: {_name(got)}, expected {error}")
    else:
        off(f"{_label(function)}{args}: no error, expected {error}")


def _label(function):
    return getattr(function, "__name__", "a call")


def _name(error):
    return errno.errorcode.get(getattr(error, "errno", None), repr(error))


# Threads and processes that run at the same time

def background(function, *args):
    """Call a function in a thread of this netns.

    Return a function that waits for it, and returns its result or raises its
    exception.
    """
    said = []

    def body():
        try:
            said.append((function(*args), None))
        except Exception as error:  # pylint: disable=broad-exception-caught
            said.append((None, error))

    thread = threading.Thread(target=body, daemon=True)
    thread.start()

    def wait(seconds=20):
        thread.join(seconds * PATIENCE)
        if not said:
            off(f"{_label(function)}: no end after {seconds} seconds")
        result, error = said[0]
        if error:
            raise error
        return result

    return wait


def child(function, *args):
    """Call a function in a child process.

    Return a function wait(status=0), which raises Off unless the process ends
    with this status of waitpid().
    """
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            function(*args)
        except BaseException as error:  # pylint: disable=broad-except
            sys.__excepthook__(type(error), error, error.__traceback__)
            os.write(writes, f"{type(error).__name__}: {error}".encode())
            os._exit(1)
        os._exit(0)
    os.close(writes)

    def wait(wanted=0):
        with open(reads, encoding="utf-8", errors="replace") as pipe:
            said = pipe.read()
        status = os.waitpid(pid, 0)[1]
        if status != wanted:
            off(f"a process in {_label(function)}: {said or status}")

    return wait


def at_once(names, *users):
    """Make processes act in each of some namespaces at the same time.

    Start a process for each function of USERS. It enters one netns after the
    other. In each netns it calls its user, which prepares and returns another
    function. When all processes are ready, each calls that function. Their
    results stay alive until the last netns.
    """
    shared = memoryview(mmap.mmap(-1, 4096)).cast("I")
    crowded = len(users) > os.cpu_count()

    def user(number):
        kept = []
        try:
            for met, name in enumerate(names, 1):
                enter(name)
                act = users[number]()
                shared[number] = met
                for other in range(len(users)):
                    while shared[other] < met:
                        if crowded:
                            os.sched_yield()
                kept.append(act())
        finally:
            # After an error, the other processes must not wait for this one
            shared[number] = len(names)

    for wait in [child(user, number) for number in range(len(users))]:
        wait()


@contextlib.contextmanager
def beside_uses(names, use, *, once=False, errors=None, pause=0, count=1):
    """Run the block while COUNT processes call USE() in namespaces.

    Each process cycles through NAMES until the block ends. With ONCE, it goes
    through NAMES once, and retries USE() in each netns until it succeeds.
    USE() may fail with the errors in ERRORS ("ENOENT"). With None, it may fail
    with any error. A process pauses for PAUSE seconds after each use. The
    context value is a function that returns the number of successful uses.
    """
    shared = memoryview(mmap.mmap(-1, 4096)).cast("I")
    stop, failed = 1000, 1001
    allowed = [getattr(errno, error) for error in errors or ()]

    def uses(number):
        for name in names if once else cycle(names):
            enter(name)
            worked = False
            while not (worked or shared[stop]):
                try:
                    use()
                    shared[number] += 1
                    worked = True
                except OSError as error:
                    worked = not once
                    if errors is not None and error.errno not in allowed:
                        raise
                time.sleep(pause)
            if shared[stop]:
                break

    def user(number):
        try:
            uses(number)
        except BaseException:
            shared[failed] = 1
            raise

    waits = [child(user, number) for number in range(count)]

    def end(early):
        shared[stop] = early
        while waits:
            waits.pop()()

    def done():
        if shared[failed]:
            end(True)
        return sum(shared[:count])

    yield done
    end(not once)


# Allocations that fail

def allow_failures(order=10):
    """Enable failing allocations, for pages from this order on.

    The slab allocator has a fallback for its own pages, and allocates them at
    random times. If these counted, the Nth allocation would vary.
    """
    for kind in "slab", "_page_alloc":
        write(f"{FAIL}{kind}/ignore-gfp-wait", "N")
        write(f"{FAIL}{kind}/verbose", 0)
    write(f"{FAIL}_page_alloc/min-order", order)


@contextlib.contextmanager
def of_cache(*names):
    """Make only slab allocations from the caches NAMES fail.

    Without NAMES, only page allocations fail.
    """
    switches = [f"{FAIL}slab/cache-filter",
                *(f"/sys/kernel/slab/{name}/failslab" for name in names)]
    for switch in switches:
        write(switch, 1)
    yield
    for switch in switches:
        write(switch, 0)


def attempt(nth, function, *args):
    """Call a function, and make its Nth allocation fail.

    Return the number of allocations left before the Nth (0 if it failed), and
    the error of the function ("ENOMEM", or "" if there was none).
    """
    said = ""
    fail = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
    os.pwrite(fail, str(nth).encode(), 0)
    try:
        function(*args)
    except (OSError, MemoryError) as error:
        said = _name(error)
    left = int(os.pread(fail, 20, 0))
    os.pwrite(fail, b"0", 0)
    os.close(fail)
    return left, said


def _again(first):
    """Try again. The first try may have succeeded and lost its reply."""
    with contextlib.suppress(FileExistsError):
        first()


# pylint: disable-next=too-many-locals
def fail_each(first, *, prepare=None, again=None, also=None, check=None,
              last=None, keeps=False, order=10):
    """Make each allocation of a first use fail in turn.

    FIRST() is the first use. Each try uses a new netns, which PREPARE(net)
    prepares. With LAST, only the last LAST allocations fail. If FIRST() fails,
    AGAIN() must succeed. AGAIN() is FIRST() by default, and then EEXIST is a
    success. After AGAIN(), the netns must have its state. ALSO(n) can check
    more.

    The tries end when FIRST() makes fewer allocations, or when it fails and
    leaves the state behind: later allocations are not specific to a first use.
    KEEPS requires the second case. CHECK(net) can check the netns of the last
    try. Then all namespaces are deleted, and no state may be left. ORDER is
    for allow_failures(). Return a text for the report.
    """
    allow_failures(order)
    number = skipped = 0
    if last is not None:
        with new_nets("f", 1) as names, netns(names[0]):
            number = skipped = 1000000 - attempt(1000000, first)[0] - last
    used, refusals, kept, made = 0, 0, False, []
    while not kept:
        number += 1
        net = f"f{number}"
        if used == len(made):
            more = [f"f{number + ahead}" for ahead in range(10)]
            make_nets(*more)
            made += more
        if prepare:
            prepare(net)
        with netns(net):
            left, said = attempt(number, first)
            if left:
                expect(said, "")
                break
            used += 1
            if not said:
                continue
            refusals += 1
            kept = states() != used - 1
            try:
                (again or partial(_again, first))()
            except OSError as error:
                off(f"after allocation {number} failed: {error}")
        hold(used, f"after allocation {number} failed")
        if also:
            also(number)
    if not refusals:
        off("no allocation was refused")
    if keeps and not kept:
        off("no failure of a first use left the state behind")
    if check:
        check(net)
    delete_nets(*made)
    hold(0, "after failures")
    return (f"allocations {skipped + 1} to {number} failed, {refusals} of them"
            " refused it, the next try worked")


def fail_loads(module, count, check=None):
    """Make the last COUNT allocations of a module's load fail in turn.

    COUNT should cover the module's init. CHECK() can check the state after a
    failed load. The module is loaded from memory, because modprobe would add
    allocations, and 9p does not survive each failure. Return the number of
    failed loads.
    """
    allow_failures()
    content = image(module)

    def once(nth):
        left, said = attempt(nth, init_module, content)
        if not said:
            rmmod(module)
        return left, said

    total = 1000000 - once(1000000)[0]
    refusals = 0
    for nth in range(total, total - count, -1):
        said = once(nth)[1]
        if said:
            refusals += 1
            if said not in ("ENOMEM", "ENOBUFS"):
                off(f"allocation {nth} failed: {said}")
            keeps_nothing(module)
            if check:
                check()
    return refusals or off(f"no load of {module} has failed")


# Steps

def step(function):
    """Register a step, in the order of the file.

    Its name is the name of the function, without "step_". The return value of
    the function follows its docstring in the report.
    """
    _steps[function.__name__.removeprefix("step_")] = function
    return function


def cycles(module, use, unload, reload, *, keeps=(0, 0), count=20):
    """Use a module, unload it and load it again, COUNT times.

    USE(number) makes the first use. At the end, the arrays of all nets must
    have their old size, and sites() of MODULE must return KEEPS.
    """
    before = core_bytes()
    for number in range(1, count + 1):
        use(number)
        unload()
        reload()
    # RCU may free the last of it late
    wait_for(5, f"the nets back at {before} bytes",
             lambda: core_bytes() == before)
    wait_for(5, f"{module} back at {keeps} bytes and objects",
             lambda: sites(rf"\[{module}\]") == keeps)


def race_unload(module, count, use, errors, *, turn, unload, reload):
    """Unload a module while a process makes first uses in COUNT namespaces.

    USE() and ERRORS are for beside_uses(). TURN() unloads and loads the
    module, or returns False if it cannot. It runs at least three times, and
    until all namespaces are used. Return the number of successful turns.
    """
    turns = 0
    with new_nets("u", count) as names:
        with beside_uses(names, use, once=True, errors=errors) as done:
            until(done, "the first of the users")
            while turns < 3 or done() < count:
                turns += turn() is not False
        unload()
        keeps_nothing(module)
    reload()
    return turns


def leaks():
    """Two scans of kmemleak find nothing"""
    # kmemleak reports an object only if it is 5 s old and did not change
    write(LEAKS, "scan")
    time.sleep(6)
    write(LEAKS, "scan")
    found = read(LEAKS)
    if "unreferenced" in found:
        off("kmemleak: " + "\n".join(found.splitlines()[:26]))


def step_dmesg():
    """The kernel has not warned"""
    if splats(dmesg()):
        off("dmesg has:")
    # Out-of-tree modules such as rival.ko taint the kernel
    if int(read("/proc/sys/kernel/tainted")) & ~4096:
        off("the kernel is tainted")


def last_steps(*unload, keeps=()):
    """Register the steps end, leaks and dmesg.

    The step "end" unloads the modules in UNLOAD. If an item of UNLOAD is a
    function, the step calls it. Then it checks keeps_nothing(KEEPS), and
    deletes the namespaces IDLE.
    """
    def end():
        """All modules are unloaded, all namespaces are deleted"""
        for item in unload:
            if callable(item):
                item()
            else:
                rmmod(item)
        keeps_nothing(*keeps)
        delete_nets(*IDLE)

    for function in end, leaks, step_dmesg:
        step(function)


def give_counts():
    """Write the gcov counts to fd 3, for make coverage."""
    for folder, _, names in os.walk("/sys/kernel/debug/gcov"):
        for name in names:
            if name.endswith(".gcda"):
                with open(f"{folder}/{name}", "rb") as file:
                    counts = binascii.b2a_base64(file.read(), newline=False)
                tell(f"gcda={folder}/{name} {counts.decode()}")


def run():
    """Run all steps, or the steps that the arguments name.

    A hang or an oops ends the guest, with the kernel's report on the console.
    """
    chosen = sys.argv[2:]
    if not set(chosen) <= _steps.keys():
        off(f"no step {' '.join(set(chosen) - _steps.keys())}")
    write("/proc/sys/kernel/panic_on_oops", 1)
    write("/proc/sys/kernel/hung_task_panic", 1)
    write("/proc/sys/kernel/hung_task_timeout_secs", 30 * PATIENCE)
    for name, function in _steps.items():
        if chosen and name not in chosen:
            continue
        detail = function()
        if found := splats(dmesg()):
            off(f"in step {name}: {found[0]}")
        text = " ".join(function.__doc__.split()).rstrip(".")
        ok(f"{text}: {detail}" if detail else text)
    give_counts()


# boot -i has no fd 3
try:
    os.fstat(3)
except OSError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 3)
