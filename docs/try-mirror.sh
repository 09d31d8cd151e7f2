#!/usr/bin/env bash
# Asks a mirror for a few formulae of each kind with the brew on the PATH, and says
# what came from the mirror and what from elsewhere. Nothing is installed: what is
# fetched goes into a cache of its own, which is removed at the end.
#
# usage: try-mirror.sh <https://domain of the mirror> [formula ...]
set -euo pipefail

if [[ $# -lt 1 || "$1" != http*://* ]]; then
  echo "usage: $0 <https://domain of the mirror> [formula ...]" >&2
  exit 2
fi
command -v brew >/dev/null || { echo "there is no brew on the PATH" >&2; exit 2; }

domain="${1%/}"
shift
# A plain name, @, +, a revision, a rebuild, one for all platforms, and one that
# many depend on.
formulae=("$@")
[[ ${#formulae[@]} -gt 0 ]] || formulae=(wget boost@1.85 gtk+ libsigc++@2 ca-certificates openssl@3 tern)

cache="$(mktemp -d)"
trap 'rm -rf "${cache}"' EXIT
export HOMEBREW_CACHE="${cache}"
export HOMEBREW_API_DOMAIN="${domain}/api"
export HOMEBREW_BOTTLE_DOMAIN="${domain}"
export HOMEBREW_ARTIFACT_DOMAIN="${domain}"
export HOMEBREW_NO_ANALYTICS=1

# Whose host answered a request, in the words of curl's log that brew prints.
from() {
  grep -Eo 'https?://[^ "]+' "$1" | sed -E 's|[?].*||' | sort -u
}

echo "$(brew --version | head -n 1) asks ${domain}"
elsewhere=0
ask() {
  local what="$1" log="${cache}/log"
  shift
  local result=ok
  "$@" >"${log}" 2>&1 || result=failed
  local others
  others="$(from "${log}" | grep -v "^${domain}" | grep -E 'ghcr[.]io|formulae[.]brew[.]sh|githubusercontent' || true)"
  if [[ "${result}" == ok && -z "${others}" ]]; then
    echo "mirror     ${what}"
  elif [[ "${result}" == ok ]]; then
    echo "ELSEWHERE  ${what}: $(head -n 1 <<<"${others}")"
    elsewhere=1
  else
    echo "FAILED     ${what}: $(tail -n 1 "${log}")"
    elsewhere=1
  fi
}

ask "the index" brew update --force --quiet
for formula in "${formulae[@]}"; do
  ask "${formula}, with what it depends on" brew fetch --verbose --deps --force "${formula}"
done
exit "${elsewhere}"
