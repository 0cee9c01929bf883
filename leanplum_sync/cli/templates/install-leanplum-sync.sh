#!/usr/bin/env bash
# Installs leanplum-sync for the pipeline, from one commit of its repository and with the versions and hashes pinned there.
# To update it, change COMMIT. To install a release from your package index instead, set VERSION, such as 1.2.3.
set -euo pipefail
SOURCE="${LEANPLUM_SYNC_SOURCE:-SOURCE-URL}"
COMMIT="${LEANPLUM_SYNC_COMMIT:-SOURCE-COMMIT}"
VERSION=""

if [ -n "$VERSION" ]; then
  pip install --quiet "leanplum-sync[encryption,postgres]==$VERSION"
  exit
fi
if [ -z "$SOURCE" ] || [ -z "$COMMIT" ]; then
  echo "Set SOURCE and COMMIT in .ci/install-leanplum-sync.sh: the address of the repository and the commit to install." >&2
  exit 64
fi
folder=$(mktemp -d)
git clone --quiet "$SOURCE" "$folder"
git -C "$folder" checkout --quiet --detach "$COMMIT"
pip install --quiet --require-hashes --requirement "$folder/requirements.txt"
pip install --quiet --no-deps "$folder"
