# shellcheck shell=bash
# What the user sees, and the end.

declare MADE=0 CHANGED=0 KEPT=0
STEP=""

step() {
    STEP=$1
    printf '\n%s\n' "$1"
}

say() { printf '  %s\n' "$*"; }

warn() { printf '  ! %s\n' "$*" >&2; }

# Ends with what went wrong; further lines say what to do next.
die() {
    printf '\nerror: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '  %s\n' "$@" >&2
    exit 1
}

# Asks for the word; anything else ends the script.
confirm() {
    local question=$1 word=$2 answer=""
    [[ $ASSUME_YES == yes ]] && return
    [[ -t 0 ]] || die "this needs a yes" "Run it in a terminal, or with --yes."
    read -r -p "$question Type $word to go on: " answer
    [[ $answer == "$word" ]] || die "nothing was done"
}

clean_up() {
    local job
    for job in $(jobs -p); do
        kill "$job" 2>/dev/null || true
    done
    [[ -z ${WORK:-} ]] || rm -rf -- "$WORK"
}
