#!/usr/bin/env bash
# A guided tour of specs/ with the embedded emulator, in a temporary copy. `make demo` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r leanplum-sync.yaml specs examples "$copy"
rm -rf "$copy/.leanplum-sync"
cd "$copy"
unset "${!LEANPLUM@}"  # so that the demo can't reach a real account

step() { printf '\n%s\n\n' "── $*"; }
run() { printf '$ %s\n' "$*"; "$@"; }

cat <<'TEXT'
With leanplum-sync, you declare in YAML what the users of a Leanplum app should look like. You review a plan, and it applies exactly that plan.
This demo uses an emulator inside the program. It needs no account, and nothing leaves your machine.
TEXT

step "1. The specs: three YAML files, with their data in CSV files. This one is about 2,357 customers."
run cat specs/loyalty.yaml

step "2. Validate: checks specs and data offline, and reports every mistake with its line."
run leanplum-sync validate

step "3. Plan: compares the specs with live state. This is a dry run: the command has no code that could write to the app."
run leanplum-sync plan --out demo.lpplan

step "4. Explain: what would change for one user, and which line of the spec is behind it."
run leanplum-sync explain demo.lpplan 00004

step "5. Apply: carries out that plan and nothing else. Each batch is written to a journal before it is sent."
run leanplum-sync apply demo.lpplan --yes

step "6. Plan again: nothing is left to do, and the message would not be sent twice."
run leanplum-sync plan

printf '\n%s\n' "That was the demo. Next: create a project of your own with docs/tutorial.md."
