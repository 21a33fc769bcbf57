#!/bin/bash -p
# SPDX-License-Identifier: GPL-2.0
# fetch gets Debian's package, notices a bad one, and needs no network twice.
set -u
# shellcheck source=tests/lib
. "$(dirname "$0")/lib"

# To stay fast: what was downloaded before, if it was.
export TEST_REAL=${XDG_CACHE_HOME:-$HOME/.cache}/netns-generic
export XDG_CACHE_HOME=$tmp/cache TEST_NET=on
cache=$XDG_CACHE_HOME/netns-generic

# apt-get as it is, but a download is a copy of what is there, and TEST_NET=off
# takes the network away, TEST_NET=bad the end of a download.
program apt-get <<EOF
#!/bin/bash
deb=\$TEST_REAL/\${!#}
deb=\${deb/=/_}_all.deb
if [ "\$TEST_NET" = off ]; then
	set -- -o Acquire::http::Proxy=http://127.0.0.1:9 \
		-o Acquire::https::Proxy=http://127.0.0.1:9 \
		-o Acquire::Retries=0 "\$@"
elif [[ " \$* " == *" download "* ]]; then
	[ \$TEST_NET != bad ] || { echo bad >"\${deb##*/}"; exit 0; }
	[ ! -f "\$deb" ] || exec cp --reflink=auto "\$deb" .
fi
exec $(command -v apt-get) "\$@"
EOF
export PATH=$tmp/bin:$PATH

# What the machine itself has from apt.
machine() {
	find /etc/apt -type f -exec sha256sum {} + 2>/dev/null | sort
	ls /var/lib/apt/lists
}

state() {
	ls -l "$cache"/*.deb
} 2>/dev/null

TEST_NET=off refuses "no network and no cache" "KERNEL=/path" scripts/fetch
before=$(machine)
if [ -d "$TEST_REAL/apt" ]; then
	cp -r "$TEST_REAL/apt" "$cache"
fi
passes "the package is fetched" scripts/fetch
line=$(cat "$tmp/out")
same "the machine's apt is as it was" "$before" "$(machine)"
read -r series version deb <<<"$line"
same "its version and file are printed" \
	"$(printf 'Package: %s\nVersion: %s' "linux-source-$series" "$version")" \
	"$(dpkg-deb -f "$deb" Package Version)"
size=$(stat -c %s "$deb")

TEST_NET=off run scripts/fetch
same "no network but a cache: the same is printed" \
	"$line" "$(tail -n 1 "$tmp/out")"
truncate -s -4096 "$deb"
TEST_NET=bad run scripts/fetch
grep -q "try again" "$tmp/out" && [ ! -e "$deb" ] &&
	[ ! -e "$cache/partial/${deb##*/}" ]
result $? "a bad download is noticed and not kept"
mv "$deb.bad" "$deb"
passes "a truncated package is fetched again" scripts/fetch
grep -q "set aside as $deb.bad" "$tmp/out" && [ -f "$deb.bad" ] &&
	[ "$(stat -c %s "$deb")" = "$size" ]
result $? "the truncated one is set aside, the new one is good"
XDG_CACHE_HOME=$tmp/bin/apt-get refuses "a cache that cannot be written" \
	"XDG_CACHE_HOME" scripts/fetch

done_testing
