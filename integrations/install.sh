#!/bin/sh
# Installs a release of the command line into a folder: install.sh <folder>
#
# LONGSHORE_VERSION   the version, such as 0.2.0
# LONGSHORE_RELEASES  where the files of `cargo xtask dist` are: an https address, or a folder
set -eu

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

[ $# -eq 1 ] || fail "give the folder to install into: install.sh <folder>"
: "${LONGSHORE_VERSION:?set it to the version to install, such as 0.2.0}"
: "${LONGSHORE_RELEASES:?set it to the address, or the folder, of the files of cargo xtask dist}"

system="$(uname -s) $(uname -m)"
case "$system" in
  "Linux x86_64") target=x86_64-unknown-linux-musl ;;
  "Linux aarch64" | "Linux arm64") target=aarch64-unknown-linux-musl ;;
  *) fail "there is no program for $system: Linux on x86_64 or arm64 is needed; elsewhere use cargo install --path cli" ;;
esac
name="longshore-$LONGSHORE_VERSION-$target"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

get() {
  case "$LONGSHORE_RELEASES" in
    https://*)
      if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --proto '=https' --retry 3 --output "$work/$1" "$LONGSHORE_RELEASES/$1"
      else
        wget -q -O "$work/$1" "$LONGSHORE_RELEASES/$1"
      fi
      ;;
    *://*) fail "LONGSHORE_RELEASES is $LONGSHORE_RELEASES: give an https address, or a folder" ;;
    *) cp "$LONGSHORE_RELEASES/$1" "$work/$1" ;;
  esac || fail "cannot get $LONGSHORE_RELEASES/$1"
}

get "$name.tar.gz"
get SHA256SUMS
cd "$work"
grep "  $name.tar.gz\$" SHA256SUMS > expected || fail "SHA256SUMS does not name $name.tar.gz"
sha256sum -c expected >/dev/null || fail "$name.tar.gz is not what SHA256SUMS says: nothing was installed"
tar -xzf "$name.tar.gz"
cd - >/dev/null
mkdir -p "$1"
# Moved within the folder, so that a longshore that runs is never half written.
cp "$work/$name/longshore" "$1/longshore.new"
chmod 755 "$1/longshore.new"
mv "$1/longshore.new" "$1/longshore"
echo "installed longshore $LONGSHORE_VERSION into $1"
