# Packages that are unpacked beside a build and never installed; for other scripts to source.

# fetch ROOT SUITE ARCHITECTURE OPTIONS: makes ROOT a place for packages of a suite and their lists, and sets OPTIONS for
# apt-get.
fetch() {
  local root=$1 suite=$2 architecture=$3
  local -n set=$4
  rm -rf "$root"
  mkdir -p "$root/sources" "$root/lists/partial" "$root/cache/archives/partial"
  cat >"$root/sources/suite.sources" <<END
Types: deb
URIs: http://deb.debian.org/debian
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
  set=(-qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$root/sources"
    -o "Dir::State::Lists=$root/lists" -o "Dir::Cache=$root/cache" -o APT::Sandbox::User=root
    -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
    -o Acquire::Retries=1 -o Acquire::http::Timeout=20)
  apt-get "${set[@]}" update
}

# unpack ROOT SUITE ARCHITECTURE PACKAGE ...: once, with all that they need down to a C library of their own, in ROOT/files.
unpack() {
  local root=$1 suite=$2 architecture=$3 options package
  shift 3
  [ ! -e "$root/complete" ] || return 0
  fetch "$root" "$suite" "$architecture" options || return 1
  : >"$root/status"
  options+=(-o "Dir::State::status=$root/status" -o Debug::NoLocking=true --no-install-recommends --download-only --yes)
  apt-get "${options[@]}" install "$@" || return 1
  for package in "$root"/cache/archives/*.deb; do dpkg -x "$package" "$root/files" || return 1; done
  rm -rf "$root/cache" "$root/lists"
  touch "$root/complete"
}
