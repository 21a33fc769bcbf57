# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A private apt state. The machine's own apt state is only read.

# private_apt DIR TOOL ARGUMENT...: runs apt's TOOL with DIR/sources.list, and
# with all of its state in DIR
private_apt() {
	mkdir -p "$1"/{lists,archives}/partial
	"$2" -q -o Dir::Etc::SourceList="$1/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$1/lists" \
		-o Dir::State::Status=/dev/null \
		-o Dir::Cache="$1" -o APT::Get::List-Cleanup=false \
		-o APT::Sandbox::User=root "${@:3}"
}

# debian_source URI SUITE: a line for sources.list
debian_source() {
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"$1 $2 main"
}

# mirrors: the machine's own mirrors, that of its release first. The mirror of
# one release has the suites of the other releases as well.
mirrors() {
	local release
	# shellcheck source=/dev/null
	release=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -v release="$release" '$1 ~ /security/ { next }
			{ print ($1 == release ? 0 : 1), $2 }' |
		sort -u | cut -d' ' -f2-
}
