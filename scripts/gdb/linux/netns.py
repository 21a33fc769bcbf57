# SPDX-License-Identifier: GPL-2.0
#
# gdb helper commands and functions for Linux kernel debugging
#
"""Generic per-net pointers"""

import gdb

from linux import lists, modules, utils

net_type = utils.CachedType("struct net")
net_generic_type = utils.CachedType("struct net_generic")
pernet_operations_type = utils.CachedType("struct pernet_operations")


def get_init_net():
    """Return init_net of a kernel whose arrays can be read."""
    try:
        net = gdb.parse_and_eval("init_net")
        fields = pernet_operations_type.get_type().keys()
    except gdb.error as error:
        raise gdb.GdbError(f"No symbols for init_net: {error}") from None
    if "slot" not in fields:
        raise gdb.GdbError("This kernel has no module-owned per-net pointers")
    try:
        if net["gen"]:
            return net
    except gdb.MemoryError:
        pass
    raise gdb.GdbError("init_net has no array: no kernel has booted here yet")


def get_array(net):
    """Return the array of a struct net [*], which need not be on any list."""
    init_net = get_init_net()
    if net.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
        net = net.dereference()
    if net.type.strip_typedefs().unqualified() != net_type.get_type():
        raise gdb.GdbError(f"Must be struct net [*], not {net.type}")
    try:
        if net["ns"]["ops"] == init_net["ns"]["ops"] and \
           net["ns"]["ns_type"] == init_net["ns"]["ns_type"]:
            return net, net["gen"].dereference()
    except gdb.MemoryError:
        pass
    raise gdb.GdbError(f"No struct net at {int(net.address):#x}")


def min_id():
    """MIN_PERNET_OPS_ID: the first ids' slots hold the array's header."""
    pointer = net_type.get_type().pointer().sizeof
    return -(-net_generic_type.get_type().sizeof // pointer)


def symbol(address):
    """Name an address as %ps does, where lx-symbols has loaded the module."""
    name = gdb.execute(f"info symbol {address:#x}", to_string=True)
    name = name.split(" in section ")[0]
    if name.startswith("No symbol"):
        name = f"{address:#x}"
    for module in modules.module_list():
        first, last = module["mem"].type.range()
        for i in range(first, last + 1):
            mem = module["mem"][i]
            if 0 <= address - int(mem["base"]) < int(mem["size"]):
                return f"{name} [{module['name'].string()}]"
    return name


def get_owners():
    """Return for each id whose ops are registered who owns the data."""
    owners = {}
    for ops in lists.list_for_each_entry(
            gdb.parse_and_eval("pernet_list"),
            pernet_operations_type.get_type().pointer(), "list"):
        if ops["slot"]:
            owners[int(ops["slot"])] = ("module" if ops["free"] else "core",
                                        symbol(int(ops)))
    return owners


def show(net, owners):
    """Print what a net has."""
    net, array = get_array(net)
    slots = int(array["s"]["len"])
    gdb.write(f"net {int(net.address):#x} net:[{int(net['ns']['inum'])}]: "
              f"len {slots}, {slots * array['s']['unset'].type.sizeof} bytes"
              f"{', closed' if array['s']['closed'] else ''}\n"
              "  id  owned by  pointer             owner\n")
    pointers = {i: int(array["ptr"][i]) for i in range(min_id(), slots)}
    # The ops of an id are on no list while they are unregistered.
    ids = owners.keys() | {i for i in pointers if pointers[i]}
    for i in sorted(ids):
        pointer = f"{pointers[i]:#x}" if i in pointers else "no room"
        kind, name = owners.get(i, ("?", "?"))
        gdb.write(f"{i:4}  {kind:8}  {pointer:18}  {name}\n")


class LxNetnsGeneric(gdb.Command):
    """Print the generic per-net pointers of a net.

lx-netns-generic [NET|all]: For NET, a struct net or a pointer to one, for all
nets, or for init_net, print the length and the size of its array, and each id
that is registered: whether its data is owned by the core or by a module, the
pointer, and the struct pernet_operations. Those of a module have a name once
lx-symbols has loaded its symbols."""

    def __init__(self):
        super().__init__("lx-netns-generic", gdb.COMMAND_DATA,
                         gdb.COMPLETE_EXPRESSION)

    def invoke(self, arg, from_tty):
        """Called by gdb."""
        try:
            nets = [get_init_net()]
            if arg == "all":
                nets = lists.list_for_each_entry(
                    gdb.parse_and_eval("net_namespace_list"),
                    net_type.get_type().pointer(), "list")
            elif arg:
                nets = [gdb.parse_and_eval(arg)]
            owners = get_owners()
            for net in nets:
                show(net, owners)
        except gdb.error as error:
            raise gdb.GdbError(error) from None


LxNetnsGeneric()


class LxNetGeneric(gdb.Function):
    """Return a generic per-net pointer.

$lx_net_generic(ID [, NET]): Return the pointer for ID of NET, a struct net or
a pointer to one, or of init_net."""

    def __init__(self):
        super().__init__("lx_net_generic")

    def invoke(self, number, net=None):
        """Called by gdb."""
        init_net = get_init_net()
        _, array = get_array(init_net if net is None else net)
        slots = int(array["s"]["len"])
        if not min_id() <= number < slots:
            raise gdb.GdbError(f"Per-net id {number} is out of range, "
                               f"{min_id()} to {slots - 1}")
        return array["ptr"][number]


LxNetGeneric()
