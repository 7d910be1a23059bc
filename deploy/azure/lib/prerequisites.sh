# shellcheck shell=bash
# What must be there before anything is made.
# shellcheck disable=SC2034 # the other parts use the names

readonly PROVIDERS=(Microsoft.Network Microsoft.Compute Microsoft.KeyVault Microsoft.ManagedIdentity Microsoft.DBforMySQL Microsoft.Storage)

check_tools() {
    local tool
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || die "this Bash is too old" "Cloud Shell's will do."
    for tool in jq openssl sha256sum base64; do
        command -v "$tool" >/dev/null || die "$tool is missing" "Cloud Shell has it; on Debian: apt-get install $tool"
    done
}

check_login() {
    local version
    command -v az >/dev/null || die "the Azure CLI is missing" "Use Cloud Shell, or install it: https://aka.ms/installazurecli"
    version=$(az version --output json 2>/dev/null | jq -r '."azure-cli"')
    if [[ $(printf '2.60.0\n%s\n' "$version" | sort -V | head -1) != 2.60.0 ]]; then
        die "the Azure CLI is $version; 2.60 or later is needed" "az upgrade"
    fi
    local account=(az account show --output json --only-show-errors)
    [[ -z $SUBSCRIPTION ]] || account+=(--subscription "$SUBSCRIPTION")
    if ! "${account[@]}" >"$WORK/account" 2>"$WORK/fault"; then
        die "no subscription to work in: $(head -c 300 "$WORK/fault")" "az login, or set SUBSCRIPTION to one that \"az account list\" shows."
    fi
    SUBSCRIPTION_ID=$(jq -r .id "$WORK/account")
    say "Azure CLI $version; subscription $(jq -r .name "$WORK/account") ($SUBSCRIPTION_ID), region $LOCATION"
}

# Providers registered, and whether the machines fit into the quota as far as one can know before.
check_subscription() {
    local provider state cores
    step "Subscription"
    for provider in "${PROVIDERS[@]}"; do
        arm get "/subscriptions/$SUBSCRIPTION_ID/providers/$provider" 2021-04-01 || failed "provider $provider"
        state=$(answer .registrationState)
        [[ $state != Registered ]] || continue
        say "+ provider $provider, to be registered"
        [[ $WHAT_IF == no ]] || continue
        arm post "/subscriptions/$SUBSCRIPTION_ID/providers/$provider/register" 2021-04-01 || failed "provider $provider"
        until [[ $state == Registered ]]; do
            sleep "$POLL_S"
            arm get "/subscriptions/$SUBSCRIPTION_ID/providers/$provider" 2021-04-01 || failed "provider $provider"
            state=$(answer .registrationState)
        done
    done
    if arm get "/subscriptions/$SUBSCRIPTION_ID/providers/Microsoft.Compute/locations/$LOCATION/usages" 2024-07-01; then
        cores=$(jq -r '.value[]? | select(.name.value == "cores") | .limit - .currentValue' "$WORK/answer")
        if [[ $VM_SIZE =~ ^Standard_[A-Z]+([0-9]+) && -n $cores ]]; then
            # Only a hint: machines that are there already have their cores.
            ((cores >= BASH_REMATCH[1] * NODES)) ||
                warn "$cores vCPUs are free in $LOCATION; $NODES new machines of $VM_SIZE would need $((BASH_REMATCH[1] * NODES)). See portal: Quotas."
        fi
    fi
}

# A group of our own: --destroy deletes it whole, so one with other things in it is not taken.
ensure_group() {
    local code=0
    arm get "$GROUP_ID" 2021-04-01 || code=$?
    if ((code == 0)) && [[ $(answer .tags.application) != guacd-lite ]]; then
        die "the resource group $RESOURCE_GROUP is there already and not from this script" \
            "--destroy would delete everything in it. Set RESOURCE_GROUP to a name that is free, or, if it is empty or all of it may go:" \
            "az group update --name $RESOURCE_GROUP --set tags.application=guacd-lite"
    fi
    jq -n --arg location "$LOCATION" '{location: $location, tags: {application: "guacd-lite"}}' >"$WORK/body"
    KEEP=yes ensure "resource group $RESOURCE_GROUP" "$GROUP_ID" 2021-04-01
}

# The machines' identity: what they fetch their secrets with.
ensure_identity() {
    jq -n --arg location "$LOCATION" '{location: $location}' >"$WORK/body"
    ensure "identity id-$NAME" "$IDENTITY_ID" 2023-01-31
    IDENTITY_CLIENT=$(answer .properties.clientId)
    IDENTITY_PRINCIPAL=$(answer .properties.principalId)
    if [[ $WHAT_IF == yes ]]; then
        : "${IDENTITY_CLIENT:=unknown-yet}" "${IDENTITY_PRINCIPAL:=unknown-yet}"
    fi
}
