#!/usr/bin/env bash
# Installs the named Debian packages that are not there yet: no questions, and no output of apt-get unless it fails.
set -euo pipefail
missing=()
for package in "$@"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null) || true
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get > /dev/null || { echo "There is no apt-get here: install ${missing[*]} by other means." >&2; exit 1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
}
echo "Installing ${missing[*]}"
# A fresh machine has no lists of packages, an old one has lists of versions that are gone.
{ install || { apt-get update && install; }; } > "$log" 2>&1 < /dev/null || { cat "$log" >&2; exit 1; }
