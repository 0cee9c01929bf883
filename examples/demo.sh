#!/usr/bin/env bash
# A guided run of specs/ against the embedded emulator, in a copy that is thrown away. `make demo` starts it.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r leanplum-sync.yaml specs examples "$copy"
rm -rf "$copy/.leanplum-sync"
cd "$copy"
unset "${!LEANPLUM@}"  # an account in your environment has no part in this

step() { printf '\n%s\n\n' "── $*"; }
run() { printf '$ %s\n' "$*"; "$@"; }

cat <<'TEXT'
leanplum-sync keeps the users of a Leanplum app as specs under review: it plans, you judge, it applies exactly that.
This demo talks to an emulator inside the program. It needs no account, and nothing leaves this machine.
TEXT

step "1. The specs: three YAML files, their data beside them. This one says what 2,357 customers should look like."
run cat specs/loyalty.yaml

step "2. Validate: reads specs and data, opens no connection, reports every mistake with its line."
run leanplum-sync validate

step "3. Plan: compares the specs with the app as it is. It can't write: it is built without a way to."
run leanplum-sync plan --out demo.lpplan

step "4. One user, close up: what would change, and which line asks for it."
run leanplum-sync explain demo.lpplan 00004

step "5. Apply: carries out that plan and nothing else, noting each batch in a journal before it leaves."
run leanplum-sync apply demo.lpplan --yes

step "6. Plan again: the app is as the specs say, and the message is not sent twice. Nothing is left to do."
run leanplum-sync plan

printf '\n%s\n' "That was all. Next: docs/tutorial.md makes a project of your own."
