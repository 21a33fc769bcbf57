#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# deps finds installed tools, from a package or otherwise. It names missing
# tools, and installs them with apt.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

copy "$tmp/a"
cd "$tmp/a" || exit

DEPS=check passes "all there" scripts/deps dpkg tar
same "one line, if all there" 1 "$(wc -l <"$tmp/out")"
DEPS=check refuses "DEPS=check names what is missing" \
	"missing: no-such-package" scripts/deps dpkg no-such-package

# few COMMAND...: with a PATH that has little
few() {
	PATH=$tmp/few "$@"
}
# little NAME [TEXT]: a program there
little() {
	printf '#!/bin/sh\n%s\n' "${2-}" >"$tmp/few/$1"
	chmod +x "$tmp/few/$1"
}
mkdir "$tmp/few"
for name in dpkg-query env mkdir tail; do
	ln -s "$(command -v $name)" "$tmp/few"
done

# With dpkg, and apt and the user as they may be
little id 'echo 1000'
DEPS=check refuses "no apt: what is missing is named" \
	"missing: no-such-package" few scripts/deps no-such-package
little apt-get "echo \"\$@\" >>$tmp/did; echo reason; exit \$(cat $tmp/status)"
ln -s "$(command -v cat)" "$tmp/few"
echo 0 >"$tmp/status"
refuses "not root, no sudo" \
	"not root and no sudo: as root, apt-get install no-such-package" \
	few scripts/deps no-such-package
little sudo "echo sudo >>$tmp/did; exec \"\$@\""
passes "apt-get by sudo" few scripts/deps tar no-such-package
same "what it runs" "sudo
-q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends no-such-package" \
	"$(cat "$tmp/did")"
echo 100 >"$tmp/status"
refuses "apt that fails" "apt could not install them" \
	few scripts/deps no-such-package
grep -q '^reason' "$tmp/out" && grep -q build/log/deps.log "$tmp/out"
result $? "apt's last lines and the log's name"
little no-such-package
passes "a program that no package brought" few scripts/deps no-such-package
rm "$tmp/few"/{no-such-package,apt-get,dpkg-query}

# Without dpkg and apt
little xz
passes "no dpkg: a program" few scripts/deps xz-utils
refuses "no dpkg: a program that is missing" \
	"missing: ld.lld-19 (Debian: lld-19), llvm-ar-19 (Debian: llvm-19)" \
	few scripts/deps xz-utils lld-19 llvm-19
refuses "no dpkg: what nothing can tell" \
	"missing: libfoo-dev (no such program, and no dpkg to ask)" \
	few scripts/deps libfoo-dev
refuses "no dpkg: no compiler" "<stdio.h> (Debian: libc6-dev)" \
	few scripts/deps libc6-dev
little gcc "cat >$tmp/source; echo \"\$@\" >$tmp/args; exit \$(cat $tmp/status)"
refuses "no dpkg: a library that is missing" \
	"missing: <libelf.h> and -lelf (Debian: libelf-dev)" \
	few scripts/deps libelf-dev
echo 0 >"$tmp/status"
passes "no dpkg: a library" few scripts/deps libelf-dev
same "it is included and linked" "#include <libelf.h> -lelf" \
	"$(head -n 1 "$tmp/source") $(sed 's/.* //' "$tmp/args")"
little python3 "echo \"\$@\" >$tmp/args; exit \$(cat $tmp/status)"
passes "no dpkg: a module of Python" few scripts/deps python3-yaml
same "it is imported" "-c import yaml" "$(cat "$tmp/args")"
echo 1 >"$tmp/status"
refuses "no dpkg: a Python that is too old" \
	"missing: python3 3.11 (Debian: python3)" few scripts/deps python3

# What dpkg says is there on this machine, deps finds without it.
# shellcheck disable=SC2016
mapfile -t packages < <({
	make -s --eval='print: ; @printf "%s\n" $(CHECK_PKGS) \
		$(SELFTEST_PKGS) $(DOCS_PKGS) gdb gcovr gnuplot-nox' print
	sed -n 's/^#: packages=//p' configs/cells/* | xargs -n 1
} | sort -u | xargs dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' \
	2>/dev/null | sed -n 's/^.i[^ ]* *//p')
mkdir "$tmp/most"
ln -sf /bin/* /usr/bin/* "$tmp/most"
rm -f "$tmp/most"/{dpkg*,apt*}
PATH=$tmp/most passes "no dpkg: ${#packages[@]} packages of this machine" \
	scripts/deps "${packages[@]}"

done_testing
