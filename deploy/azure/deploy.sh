#!/usr/bin/env bash
# Puts guacd-lite on Azure: machines behind a public load balancer, on one managed MySQL. Made for Bash in Cloud Shell.
# Run it again at any time: what is there and right is left alone. README.md beside this file says what it makes.
set -euo pipefail
umask 077

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# shellcheck source=lib/ui.sh
. "$HERE/lib/ui.sh"
# shellcheck source=lib/parameters.sh
. "$HERE/lib/parameters.sh"
# shellcheck source=lib/arm.sh
. "$HERE/lib/arm.sh"
# shellcheck source=lib/prerequisites.sh
. "$HERE/lib/prerequisites.sh"
# shellcheck source=lib/network.sh
. "$HERE/lib/network.sh"
# shellcheck source=lib/data.sh
. "$HERE/lib/data.sh"
# shellcheck source=lib/package.sh
. "$HERE/lib/package.sh"
# shellcheck source=lib/nodes.sh
. "$HERE/lib/nodes.sh"
# shellcheck source=lib/operations.sh
. "$HERE/lib/operations.sh"

usage() {
    cat <<'TEXT'
Usage: ./deploy.sh [OPTIONS]

  (none)                    make what is missing, change what differs, leave the rest alone
  --what-if                 say what would be made or changed; change nothing
  --destroy                 delete the resource group with everything in it, after asking
  --upgrade                 put package and settings of parameters.env on the machines, one after the other
  --rotate SECRET           database-password or cluster-secret: a new one, machines restarted
  --status                  what each machine says about itself
  --render DIR              write the machines' user data and configuration to DIR; needs no login
  --parameters FILE         read this instead of parameters.env
  --yes                     do not ask
  --help                    this text
TEXT
}

main() {
    local action=deploy parameters=$HERE/parameters.env argument=""
    WHAT_IF=no ASSUME_YES=no
    while (($# > 0)); do
        case $1 in
            --what-if) WHAT_IF=yes ;;
            --destroy | --upgrade | --status) action=${1#--} ;;
            --rotate | --render)
                action=${1#--}
                argument=${2:-}
                [[ -n $argument ]] || die "$1 needs a value; see --help"
                shift
                ;;
            --parameters)
                parameters=${2:-}
                shift
                ;;
            --yes) ASSUME_YES=yes ;;
            --help)
                usage
                return
                ;;
            *) die "unknown option $1; see --help" ;;
        esac
        shift
    done
    readonly WHAT_IF ASSUME_YES
    if [[ $WHAT_IF == yes && $action != deploy ]]; then
        die "--what-if goes with a deployment only, not with --$action"
    fi

    WORK=$(mktemp -d)
    readonly WORK
    trap clean_up EXIT
    read_parameters "$parameters"
    check_tools
    if [[ $action == render ]]; then
        render "$argument"
        return
    fi
    check_login
    name_resources
    case $action in
        deploy) deploy ;;
        destroy) destroy ;;
        upgrade) upgrade ;;
        rotate) rotate "$argument" ;;
        status) status ;;
    esac
}

deploy() {
    check_subscription
    step "Resource group, identity"
    ensure_group
    ensure_identity
    step "Network"
    ensure_network
    step "Key Vault"
    ensure_vault
    step "Database"
    ensure_database
    step "Package"
    ensure_package
    step "Load balancer"
    ensure_balancer
    step "Machines"
    wait_for_database
    ensure_nodes
    summary
}

main "$@"
