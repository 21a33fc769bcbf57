#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Modules that make the state of a netns when it is first needed there, see
# Documentation/networking/netns-generic.rst: can, ila, vxlan, xfrm_interface.
# A netns without state answers who asks, several first users at once are all
# served, packets pass, and the netns dies in use, as does the module.
#
# All of it also has to hold where the state is made with the netns.

# shellcheck disable=SC1091,SC2034,SC2317

ALL_TESTS="
	test_can
	test_ila
	test_vxlan
	test_xfrm_interface
"
source lib.sh

USERS=8
PACKETS=5

################################################################################
# Of each module: what makes object N in a netns, how many objects it lists
# there, and packets from $left that object 1 of $right takes

can_socket="
import os, signal, socket, subprocess
can = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
can.settimeout($WAIT_TIMEOUT)
can.bind(('vxcan0',))
"

# The child keeps the socket until cleanup_ns
can_use()
{
	ip netns exec "$1" python3 -c "$can_socket
os.fork() or signal.pause()" &> /dev/null
}

can_count()
{
	count_lines ' raw$' ip netns exec "$1" cat /proc/net/can/rcvlist_all
}

can_setup()
{
	ip -n "$left" link add vxcan0 up \
		type vxcan peer name vxcan0 netns "$right"
	ip -n "$right" link set dev vxcan0 up
	ip -n "$idle" link add vxcan0 up type vxcan peer name vxcan1
}

can_packets()
{
	ip netns exec "$right" python3 -c "$can_socket
send = b'''$can_socket
for _ in range($PACKETS): can.send(bytes(16))'''
subprocess.run('ip netns exec $left python3'.split(), input=send, check=True)
for _ in range($PACKETS): can.recv(16)"
}

# The sum of both locators is the same, and with it any checksum
ila_use()
{
	ip -n "$1" ila add loc_match "2001:db8:$2:0" loc "2001:db8:0:$2" \
		csum-mode no-action
}

ila_count()
{
	count_lines . ip -n "$1" ila list
}

ila_setup()
{
	ip -n "$left" route add 2001:db8:1::/64 via 2001:db8::2
	ip -n "$right" addr add 2001:db8:0:1::1/64 dev lo nodad
}

# The answers come from another address than ping has asked
ila_packets()
{
	local before after

	before=$(echos)
	ip netns exec "$left" ping -6 -q -c "$PACKETS" -i 0.1 -W 1 \
		2001:db8:1::1 > /dev/null
	after=$(echos)
	((after - before == PACKETS))
}

echos()
{
	ip netns exec "$right" cat /proc/net/snmp6 |
		awk '$1 == "Icmp6InEchos" { print $2 }'
}

vxlan_use()
{
	ip -n "$1" link add "vxlan$2" up type vxlan id "$2" dstport 4789 \
		local "192.0.2.${3-2}" remote "192.0.2.${4-1}"
}

vxlan_count()
{
	count_lines . ip -n "$1" -o link show type vxlan
}

vxlan_setup()
{
	vxlan_use "$left" 1 1 2
	ip -n "$left" addr add 198.51.100.1/24 dev vxlan1
}

vxlan_packets()
{
	ip -n "$right" addr add 198.51.100.2/24 dev vxlan1
	ping_right 198.51.100.2
}

xfrm_interface_use()
{
	ip -n "$1" link add "xfrm$2" up type xfrm if_id "$2"
}

xfrm_interface_count()
{
	count_lines . ip -n "$1" -o link show type xfrm
}

xfrm_interface_setup()
{
	esp "$left" 1 2
	esp "$right" 2 1
	xfrm_interface_use "$left" 1
	ip -n "$left" route add 198.51.100.2/32 dev xfrm1 src 198.51.100.1
}

# esp NETNS HERE THERE
esp()
{
	local there="src 192.0.2.$2 dst 192.0.2.$3 proto esp"
	local here="src 192.0.2.$3 dst 192.0.2.$2 proto esp"
	local key=0x0123456789abcdef0123456789abcdef
	local keys="enc cbc(aes) $key auth hmac(sha256) $key"

	ip -n "$1" -batch - <<-EOF
		addr add 198.51.100.$2/32 dev lo
		xfrm state add $there spi $2 mode tunnel if_id 1 $keys
		xfrm state add $here spi $3 mode tunnel if_id 1 $keys
		xfrm policy add dst 198.51.100.$3 dir out if_id 1 \
			tmpl $there mode tunnel
		xfrm policy add dst 198.51.100.$2 dir in if_id 1 \
			tmpl $here mode tunnel
	EOF
}

xfrm_interface_packets()
{
	ip -n "$right" route add 198.51.100.1/32 dev xfrm1 src 198.51.100.2
	ping_right 198.51.100.2
}

# count_lines PATTERN COMMAND...: the exit status is that of the command
count_lines()
{
	local list

	list=$("${@:2}") || return
	grep -c "$1" <<< "$list" || :
}

ping_right()
{
	ip netns exec "$left" ping -q -c "$PACKETS" -i 0.1 -w "$WAIT_TIMEOUT" \
		"$1" > /dev/null
}

################################################################################
# The tests

# check_count MODULE NETNS EXPECTED
check_count()
{
	local count

	count=$("$1_count" "$2")
	check_err $? "$2 cannot be listed"
	[[ $count = "$3" ]]
	check_err $? "$2 has ${count:-none}, expected $3"
}

# first_use MODULE [MODULE-TO-LOAD]
first_use()
{
	local module=$1 load=${2-$1}
	local left right idle pids pid i
	local unload=yes

	[[ ! -d /sys/module/$module ]] || unload=no
	setup_ns left right idle
	defer cleanup_all_ns
	ip -n "$left" link add veth0 up type veth peer name veth0 netns "$right"
	ip -n "$right" link set dev veth0 up
	ip -n "$left" addr add 192.0.2.1/24 dev veth0
	ip -n "$right" addr add 192.0.2.2/24 dev veth0
	ip -n "$left" addr add 2001:db8::1/64 dev veth0 nodad
	ip -n "$right" addr add 2001:db8::2/64 dev veth0 nodad
	if ! modprobe -q "$load"; then
		log_test_skip "$module: no such module"
		return
	fi
	# That of a module which is built in has none
	[[ -e /sys/module/$module/initstate ]] || unload=no

	RET=0
	check_count "$module" "$idle" 0
	log_test "$module: list of a netns without state"

	RET=0
	"${module}_setup"
	check_err $? "setup failed"
	pids=()
	for ((i = 1; i <= USERS; i++)); do
		"${module}_use" "$right" "$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
		check_err $? "a first user was refused"
	done
	check_count "$module" "$right" "$USERS"
	check_count "$module" "$idle" 0
	log_test "$module: $USERS first users at once"

	RET=0
	"${module}_packets"
	check_err $? "not all of $PACKETS packets have come"
	log_test "$module: packets"

	RET=0
	cleanup_ns "$right"
	check_err $? "the netns in use is still there"
	"${module}_use" "$idle" 1
	check_err $? "a first use was refused"
	check_count "$module" "$idle" 1
	log_test "$module: netns deleted in use, first use in another"

	if [[ $unload = no ]]; then
		log_test_skip "$module: unloaded in use, was there before"
		return
	fi

	RET=0
	ip netns pids "$idle" | xargs -r kill
	slowwait "$WAIT_TIMEOUT" modprobe -q -r "$load"
	check_err $? "cannot be unloaded"
	modprobe -q "$load"
	check_count "$module" "$idle" 0
	"${module}_use" "$idle" 2
	check_err $? "a first use was refused"
	check_count "$module" "$idle" 1
	log_test "$module: unloaded in use, first use once it is back"
}

test_can()
{
	check_command python3 || return
	first_use can can_raw
}

test_ila()
{
	first_use ila
}

test_vxlan()
{
	first_use vxlan
}

test_xfrm_interface()
{
	first_use xfrm_interface
}

trap defer_scopes_cleanup EXIT

tests_run

exit "$EXIT_STATUS"
