#!/bin/sh
# Puts Apache Kafka's jars into the user's cache, where kafkatest looks for them.
# Does nothing if they are there. Needs Maven and a Java runtime; no root.
set -eu

version=4.1.0
here=$(cd "$(dirname "$0")" && pwd)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/x400flow/kafka-$version
if [ -d "$dir" ]; then
	exit 0
fi
for tool in mvn java; do
	if ! command -v $tool >/dev/null; then
		echo "$tool is missing; type: sudo apt-get install -y maven openjdk-17-jre-headless" >&2
		exit 1
	fi
done

mkdir -p "${dir%/*}"
tmp=$(mktemp -d "${dir%/*}/kafka.XXXXXX")
trap 'rm -rf "$tmp"' EXIT INT TERM

echo "fetching Apache Kafka $version" >&2
mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$tmp/lib"
(cd "$tmp/lib" && sha256sum --quiet --strict --check "$here/kafka.sha256")
[ "$(ls "$tmp/lib" | wc -l)" = "$(wc -l <"$here/kafka.sha256")" ] || { echo "Maven copied other jars than kafka.sha256 lists" >&2; exit 1; }
# Renaming is atomic: whoever looks finds all of it or nothing. Where another
# fetch was faster, its result stays.
mv -T "$tmp/lib" "$dir" 2>/dev/null || [ -d "$dir" ]
echo "Apache Kafka $version is in $dir" >&2
