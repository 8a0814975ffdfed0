#!/bin/sh
# Installs @VERSION@, which brings the command `bundle` and a Python of its own: `sh install.sh --help` says how.
# It fetches an archive, compares it with the SHA-256 below, unpacks it into a temporary folder, and has the `bundle` in
# there install the same version from the catalogue beside this script. The layers are those that are unpacked.
set -eu
version='@VERSION@'
served='@ADDRESS@'

# Sets the name of a platform's archive, and its size in bytes.
choose() {
    case $1 in
@ARCHIVES@
    *) fail "there is no $version for $1." 2 ;;
    esac
}

usage() {
    echo "usage: sh install.sh [--from URL|DIR] [--into DIR] [--root FILE] [--version]
Installs $version, which brings the command \`bundle\` and needs no Python.
  --from URL|DIR  where this script and the catalogue are; by default the folder that it lies in${served:+, or $served}
  --into DIR      the folder that it becomes; by default one in the user's data folder
  --root FILE     the root of trust of the catalogue (TUF)
  --version       print the version and install nothing
BUNDLE_FROM and BUNDLE_INTO stand for the first two options. BUNDLE_DATA_DIR moves the data folder, BUNDLE_CACHE_DIR the
store, and TMPDIR the temporary folder."
}

fail() {
    echo "error: $1" >&2
    exit "$2"
}

platform() {
    machine=$(uname -m)
    case $(uname -s) in
    Linux) system=linux ;;
    Darwin)
        system=macosx
        # A shell under Rosetta is told x86_64.
        [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" != 1 ] || machine=arm64
        ;;
    *) fail "there is no bundle for $(uname -s)." 2 ;;
    esac
    case $machine in
    x86_64 | amd64) echo "$system-x64" ;;
    aarch64 | arm64) echo "$system-aarch64" ;;
    *) fail "there is no bundle for the machine $machine." 2 ;;
    esac
}

# Writes a file of the source to standard output.
fetch() {
    case $from in
    http://* | https://*)
        if command -v curl >/dev/null 2>&1; then
            curl -fsSL "$from/$1"
        else
            wget -q -O - "$from/$1"
        fi
        ;;
    *) cat -- "$from/$1" ;;
    esac
}

digest() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256
    elif command -v openssl >/dev/null 2>&1; then
        openssl dgst -sha256 -r
    else
        fail 'there is no sha256sum, shasum or openssl here to check the archive with.' 1
    fi
}

# Prints an address without its credentials.
shown() {
    rest=${1#*://}
    host=${rest%%/*}
    case $1 in
    *://*) echo "${1%%://*}://${host##*@}${rest#"$host"}" ;;
    *) echo "$1" ;;
    esac
}

main() {
    from=${BUNDLE_FROM:-} into=${BUNDLE_INTO:-} root=
    while [ $# -gt 0 ]; do
        option=${1%%=*}
        case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --version)
            echo "$version"
            exit 0
            ;;
        --from=* | --into=* | --root=*) value=${1#*=} ;;
        --from | --into | --root)
            [ $# -gt 1 ] || fail "$1 needs a value." 2
            value=$2
            shift
            ;;
        *) fail "unknown argument: $1. --help lists what there is." 2 ;;
        esac
        shift
        case $option in
        --from) from=$value ;;
        --into) into=$value ;;
        --root) root=$value ;;
        esac
    done
    key=$(platform)
    choose "$key"

    if [ -z "$from" ] && [ -f "$0" ]; then
        case $0 in */*) beside=${0%/*}/ ;; *) beside=./ ;; esac
        [ ! -f "$beside$archive" ] || from=$(CDPATH='' && cd -- "$beside" && pwd -P)
    fi
    from=${from:-$served}
    while [ "$from" != "${from%/}" ]; do from=${from%/}; done
    case $from in
    '') fail 'it is not known where the archive is. Name the address of this script with --from, without /install.sh.' 2 ;;
    http://* | https://*)
        command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1 ||
            fail 'there is neither curl nor wget here. Copy the remote into a folder, and name that with --from.' 1
        ;;
    *://*) fail "this script reads https://, http:// and folders, not $(shown "$from")." 2 ;;
    esac

    temporary=$(mktemp -d "${TMPDIR:-/tmp}/bundle.XXXXXXXX") || fail "no temporary folder can be made." 1
    trap 'rm -rf "$temporary"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    echo "fetching $archive ($((size / 1000000)) MB) from $(shown "$from")" >&2
    # No more than its size, whatever a server sends.
    fetch "$archive" | head -c "$size" >"$temporary/archive"
    found=$(wc -c <"$temporary/archive")
    [ "$found" -eq "$size" ] || fail "$archive could not be fetched: $((found)) of $size bytes came." 3
    found=$(digest <"$temporary/archive")
    found=${found%% *}
    [ "$archive" = "archives/$found.tar.gz" ] ||
        fail "$archive is damaged or was changed: its SHA-256 is $found. Nothing was installed." 4
    gzip -dc <"$temporary/archive" | tar -x -o -f - -C "$temporary" ||
        fail 'the archive could not be unpacked. Is the disk full? TMPDIR names another folder.' 1
    rm "$temporary/archive"
    tool=$temporary/@TOP@/bin/bundle
    unset PYTHONHOME PYTHONPATH
    "$tool" --version >/dev/null ||
        fail "$version does not start here. It needs @FLOOR@, and a temporary folder that permits programs (TMPDIR)." 1

    set -- install "$version" --from "$from" --reuse "$temporary/@TOP@"
    [ -z "$into" ] || set -- "$@" --into "$into"
    [ -z "$root" ] || set -- "$@" --root "$root"
    "$tool" "$@" || exit
    place=$("$tool" which "${into:-$version}")
    case :$PATH: in
    *:"$place/bin":*) ;;
    *) printf 'To have the command in new shells, add this line to your ~/.profile:\n  export PATH="%s/bin:$PATH"\n' "$place" ;;
    esac
}

# The last line, so that a script that arrived in part does nothing.
main "$@"
