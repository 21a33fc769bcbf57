#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# boot ends, whatever the guest does. It says why, and leaves no QEMU running.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

export ACCEL=tcg
log=$tmp/console

# A QEMU that writes to its console, then does as $DO says.
program qemu-system-x86_64 <<'EOF'
#!/bin/bash
echo $$ >"$PIDS"
printf '%s\n' first "the last words" >"$CONSOLE"
eval "$DO"
EOF
export PIDS=$tmp/pid CONSOLE=$log

# The QEMUs that have our log.
# shellcheck disable=SC2317
gone() {
	! grep -qsF "$log" /proc/[0-9]*/cmdline
}

# after STATUS TEXT COMMAND...
after() {
	run "${@:3}"
	same "$2: exit status" "$1" $?
}

mkdir "$tmp/few"
for name in dirname mkdir cat; do
	ln -s "$(command -v $name)" "$tmp/few"
done
PATH=$tmp/few run scripts/boot "$log" Makefile
status=$?
grep -q "qemu-system-x86" "$tmp/out"
result $? "no QEMU: Debian's package is named"
same "no QEMU: exit status" 126 $status

# fake DO OPTION...
# shellcheck disable=SC2317
fake() {
	DO=$1 PATH=$tmp/bin:$PATH exec scripts/boot "${@:2}" "$log" Makefile
}
after 0 "a guest that ends" eval "(fake 'exit 0')"
after 125 "QEMU that fails" eval "(fake 'exit 1')"
run eval "(fake 'sleep 100' -t 1)"
status=$?
grep -q "the last words" "$tmp/out" && grep -qF "$log" "$tmp/out"
result $? "a guest that hangs: the console's last lines, the log's name"
same "a guest that hangs: exit status" 124 $status
await gone
result $? "a guest that hangs: no QEMU is left"
rm "$PIDS"
fake 'sleep 100' >"$tmp/out" 2>&1 &
await [ -s "$PIDS" ]
kill $!
wait $!
await gone
result $? "boot is stopped: no QEMU is left"
after 2 "a kernel that is not there" scripts/boot "$log" "$tmp/none"

image=$(find build/cells -path "*/arch/x86/boot/bzImage" 2>/dev/null | head -n 1)
if [ "$image" ]; then
	after 124 "a real guest that hangs" \
		scripts/boot -t 3 "$log" "$image" panic=0 kunit.enable=0
	await gone
	result $? "a real guest that hangs: no QEMU is left"
fi

done_testing
