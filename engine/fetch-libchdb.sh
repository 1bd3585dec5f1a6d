#!/bin/sh
# Puts libchdb.so into the user's cache, where engine.Library looks for it.
# Does nothing if it is there. Needs npm, which brings node; no root.
set -eu

version=26.5.3
package=@chdb/lib-linux-x64-gnu
# The registry's own integrity digest of that version: base64 of its SHA-512.
integrity=fPrLmRt5Moor9yGz4mazbrNje4t7X9KB2mTGkXFWRxRBs2iKy8yh6jx11xsa0Qr3iDFMU/yHqd+bVdYJXu3QaQ==

if [ -n "${CHDB_LIB_PATH:-}" ]; then
	[ -f "$CHDB_LIB_PATH" ] || { echo "no libchdb at $CHDB_LIB_PATH, which CHDB_LIB_PATH names" >&2; exit 1; }
	exit 0
fi

case "$(uname -s)-$(uname -m)" in
Linux-x86_64) ;;
*) echo "libchdb is pinned for Linux on x86_64 only; set CHDB_LIB_PATH to a libchdb.so $version of your own" >&2; exit 1 ;;
esac

dir=${XDG_CACHE_HOME:-$HOME/.cache}/x400flow/libchdb-$version
if [ -f "$dir/libchdb.so" ]; then
	exit 0
fi
if ! command -v npm >/dev/null; then
	echo "npm is missing; type: sudo apt-get install -y npm" >&2
	exit 1
fi

mkdir -p "$dir"
tmp=$(mktemp -d "$dir/fetch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT INT TERM

echo "fetching libchdb $version" >&2
(cd "$tmp" && npm pack --silent "$package@$version" >/dev/null)
set -- "$tmp"/*.tgz
[ $# -eq 1 ] && [ -f "$1" ] || { echo "npm pack left no archive" >&2; exit 1; }

got=$(node -e '
	const hash = require("crypto").createHash("sha512");
	require("fs").createReadStream(process.argv[1]).pipe(hash)
		.on("finish", () => console.log(hash.digest("base64")));
' "$1")
if [ "$got" != "$integrity" ]; then
	echo "libchdb $version: the archive's SHA-512 is $got, expected $integrity" >&2
	exit 1
fi

tar -xzf "$1" -C "$tmp" package/libchdb.so
# Renaming within one directory is atomic: whoever looks finds all of it or
# nothing.
mv -f "$tmp/package/libchdb.so" "$dir/libchdb.so"
echo "libchdb $version is in $dir" >&2
