#!/bin/sh
# A script, and behind its last line an archive: `sh FILE --help` says how to unpack it.
set -eu
name='@NAME@'
sha256='@SHA256@'

usage() {
    echo "usage: sh ${0##*/} [--into DIR] [--check]"
    echo "Checks the archive and unpacks $name into DIR, ./$name by default; DIR must not exist."
    echo "--check unpacks nothing."
}

fail() {
    echo "error: $1" >&2
    exit "$2"
}

# Runs a command whose standard input is the archive.
archive() {
    while IFS= read -r line; do
        [ "$line" != '# The archive follows.' ] || break
    done
    "$@"
}

digest() {
    if command -v sha256sum >/dev/null 2>&1; then
        archive sha256sum <"$self"
    elif command -v shasum >/dev/null 2>&1; then
        archive shasum -a 256 <"$self"
    elif command -v openssl >/dev/null 2>&1; then
        archive openssl dgst -sha256 -r <"$self"
    elif [ -n "$1" ]; then
        archive "$1" -I -c 'import hashlib, sys
print(hashlib.file_digest(sys.stdin.buffer, "sha256").hexdigest())' <"$self"
    fi
}

check() {
    found=$(digest "$1")
    found=${found%% *}
    [ -n "$found" ] || return 1
    [ "$found" = "$sha256" ] ||
        fail "the archive in $self is damaged: its SHA-256 is $found, not $sha256. Fetch the file again." 4
}

into=./$name
only=
while [ $# -gt 0 ]; do
    case $1 in
    --into)
        [ $# -gt 1 ] || fail '--into needs a folder.' 2
        into=$2
        shift
        ;;
    --into=*) into=${1#--into=} ;;
    --check) only=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) fail "unknown argument: $1. --help lists what there is." 2 ;;
    esac
    shift
done
self=$0
[ -f "$self" ] || fail "$self is no file. Start the script by its path: sh ./FILE" 2

checked=
check '' && checked=yes
if [ -n "$only" ]; then
    [ -n "$checked" ] || fail 'there is no sha256sum, shasum or openssl here to check the archive with.' 1
    echo "$self is whole."
    exit 0
fi

while [ "$into" != "${into%/}" ] && [ "$into" != / ]; do into=${into%/}; done
case $into in
'') fail '--into needs a folder.' 2 ;;
/* | ./*) ;;
*) into=./$into ;;
esac
if [ -e "$into" ] || [ -h "$into" ]; then
    fail "$into exists, and stays as it is. Remove it, or name another folder with --into." 2
fi
staging=$into.partial.$$
trap 'rm -rf "$staging"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "${into%/*}/" || fail "${into%/*} cannot be made." 1
mkdir "$staging" || fail "$staging cannot be made." 1
archive gzip -dc <"$self" | tar -x -o -f - -C "$staging" ||
    fail "$name could not be unpacked. Is the disk full?" 1
if [ -z "$checked" ]; then
    check "$staging/@TOP@/bin/python" || fail 'the archive could not be checked.' 4
fi
if [ -e "$into" ] || [ -h "$into" ]; then fail "$into appeared in the meantime, and stays as it is." 2; fi
mv "$staging/@TOP@" "$into"
echo "$name is in $into. Start it with $into/bin/python"
exit 0
# The archive follows.
