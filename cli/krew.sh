#!/bin/sh
# Packs the plugin for Krew: PROGRAM and the licence into an archive in FOLDER, and the manifest that names its digest.
# BASE is the address of the folder that you will publish the archive in. Without one, the manifest serves to install the
# archive from this machine alone, and names it by its path.
set -eu
[ $# -ge 4 ] || { echo "usage: krew.sh PROGRAM VERSION MACHINE FOLDER [BASE]" >&2; exit 2; }
program=$1 version=$2 machine=$3 folder=$4 base=${5:-}
here=$(cd "$(dirname "$0")" && pwd)
# As Go calls the machines that uname names otherwise.
case $machine in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) echo "krew.sh: no name is known that Krew has for $machine" >&2; exit 1 ;;
esac
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
archive=kubectl-modelrelease-v$version-linux-$arch.tar.gz
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
install -m 755 "$program" "$staged/kubectl-modelrelease"
install -m 644 "$here/../LICENSE" "$staged/LICENSE"
# The same program gives the same archive, whoever packs it and when.
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --format=ustar --directory="$staged" \
    kubectl-modelrelease LICENSE | gzip --no-name --best > "$folder/$archive"
digest=$(sha256sum "$folder/$archive" | cut -d ' ' -f 1)
uri=${base:+${base%/}/$archive}
uri=${uri:-file://$folder/$archive}
sed -e "s|@VERSION@|$version|" -e "s|@ARCH@|$arch|" -e "s|@SHA256@|$digest|" -e "s|@URI@|$uri|" \
    "$here/krew.yaml" | grep -v '^#' > "$folder/modelrelease.yaml"
echo "$folder/$archive"
echo "$folder/modelrelease.yaml"
