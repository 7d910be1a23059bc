# shellcheck shell=bash
# The end of a deployment, and what is done to one later.

summary() {
    if [[ $WHAT_IF == yes ]]; then
        printf '\nWhat if: %d to make, %d to change, %d as they should be. Nothing was done.\n' "$MADE" "$CHANGED" "$KEPT"
        return
    fi
    printf '\nDone: %d made, %d changed, %d were right already.\n\n' "$MADE" "$CHANGED" "$KEPT"
    say "Page:     https://$DOMAIN/ (address $PUBLIC_ADDRESS)"
    if [[ $DOMAIN != "$DNS_LABEL.$LOCATION.cloudapp.azure.com" ]]; then
        say "DNS:      $DOMAIN must be an A record for $PUBLIC_ADDRESS (or a CNAME for the address's own name)"
    fi
    say "Login:    admin; the password is the secret admin-password of the vault $VAULT_NAME, see README.md"
    say "Machines: they install themselves now, some minutes; ./deploy.sh --status asks them"
}

destroy() {
    local code=0
    step "Destroy"
    arm get "$GROUP_ID" 2021-04-01 || code=$?
    ((code == 0 || code == 4)) || failed "resource group $RESOURCE_GROUP"
    if ((code == 0)); then
        [[ $(answer .tags.application) == guacd-lite ]] ||
            die "the resource group $RESOURCE_GROUP is not from this script" "Delete by hand what may go."
        warn "this deletes $RESOURCE_GROUP with everything in it: the database with its users, connections and history, and its backups"
        confirm "Delete $RESOURCE_GROUP?" "$RESOURCE_GROUP"
        say "- resource group $RESOURCE_GROUP, for some minutes"
        az group delete --only-show-errors --name "$RESOURCE_GROUP" --subscription "$SUBSCRIPTION_ID" --yes >"$WORK/answer" 2>"$WORK/fault" ||
            failed "resource group $RESOURCE_GROUP"
    else
        say "= resource group $RESOURCE_GROUP is not there"
    fi
    # A deleted vault keeps its name and its secrets for a week, unless it is purged too.
    local deleted=/subscriptions/$SUBSCRIPTION_ID/providers/Microsoft.KeyVault/locations/$LOCATION/deletedVaults/$VAULT_NAME
    if arm get "$deleted" "$VAULT_API"; then
        if [[ $(answer .properties.purgeProtectionEnabled) == true ]]; then
            warn "the vault $VAULT_NAME has purge protection: it goes by itself on $(answer .properties.scheduledPurgeDate)"
            return
        fi
        say "- deleted vault $VAULT_NAME"
        arm post "$deleted/purge" "$VAULT_API" || failed "deleted vault $VAULT_NAME"
    fi
    printf '\nAll gone.\n'
}

# The machines by their tag, also those of a scale set.
node_names() {
    arm get "$COMPUTE_ID/virtualMachines" "$COMPUTE_API" || failed "list of machines"
    jq -r '.value[] | select(.tags.application == "guacd-lite" and .tags.role == "node") | .name' "$WORK/answer" | sort -V >"$WORK/nodes"
    [[ -s $WORK/nodes ]] || die "there are no machines in $RESOURCE_GROUP" "./deploy.sh makes them."
}

# on_node NAME LINE: runs it there as root; what it printed goes to standard output. It tells of its success by its
# last line, because Azure does not tell its exit code.
on_node() {
    local node=$1 line=$2
    printf '%s\n' "$line && echo guacd-lite-azure: done" >"$WORK/line"
    az vm run-command invoke --only-show-errors --output json --subscription "$SUBSCRIPTION_ID" --resource-group "$RESOURCE_GROUP" \
        --name "$node" --command-id RunShellScript --scripts "@$WORK/line" >"$WORK/answer" 2>"$WORK/fault" || failed "$node"
    jq -r '.value[0].message' "$WORK/answer" | sed '/^Enable succeeded/d; /^\[stdout\]$/d; /^\[stderr\]$/d; /^$/d; s/^/    /' >"$WORK/printed"
    grep -v 'guacd-lite-azure: done' "$WORK/printed" || true
    grep -q 'guacd-lite-azure: done' "$WORK/printed"
}

each_node() {
    local what=$1 line=$2 node
    node_names
    while read -r node <&3; do
        say "$node: $what"
        on_node "$node" "$line" || die "$node: $what did not succeed; the machines after it were not touched" \
            "Above is what it said. When it is mended, run the same again: it starts with the first machine and does no harm to those that are done."
    done 3<"$WORK/nodes"
}

# The package and the files that parameters.env stands for. A machine that has both is restarted all the same.
upgrade() {
    local data
    step "Package"
    arm get "$IDENTITY_ID" 2023-01-31 || failed "identity id-$NAME" # Without it there is nothing to upgrade.
    IDENTITY_PRINCIPAL=$(answer .properties.principalId)
    IDENTITY_CLIENT=$(answer .properties.clientId)
    ensure_package
    step "Machines, one after the other"
    machine_body
    data=$(<"$WORK/user-data.base64")
    each_node "upgrade" "printf %s $data | base64 -d | /usr/local/sbin/guacd-lite-azure configure && /usr/local/sbin/guacd-lite-azure upgrade"
    if [[ $LAYOUT == scale-set ]]; then
        # Machines that it makes later begin with these.
        jq '{properties: {virtualMachineProfile: {osProfile: {customData: .osProfile.customData}}}}' "$WORK/machine" >"$WORK/patch"
        arm patch "$COMPUTE_ID/virtualMachineScaleSets/vmss-$NAME" "$COMPUTE_API" "$WORK/patch" || failed "scale set vmss-$NAME"
    fi
    printf '\nAll machines have the package %s.\n' "$PACKAGE_SHA256"
}

rotate() {
    local secret=$1
    step "Rotate $secret"
    case $secret in
        database-password)
            arm get "$MYSQL_ID" "$MYSQL_API" || failed "MySQL server $MYSQL_NAME"
            confirm "New logins fail on a machine from now until it is restarted; live desktops go on." rotate
            new_database_password
            ;;
        cluster-secret)
            confirm "Until all machines are restarted they do not pass sessions on to each other." rotate
            generate "$WORK/value"
            put_secret cluster-secret "$WORK/value"
            rm -f -- "$WORK/value"
            ;;
        *) die "there is no secret $secret to rotate" "database-password or cluster-secret; a certificate comes by CERTIFICATE_FILE and ./deploy.sh." ;;
    esac
    say "~ secret $secret"
    each_node "restart" "/usr/local/sbin/guacd-lite-azure restart"
    printf '\n%s is new everywhere.\n' "$secret"
}

status() {
    local node
    step "Machines"
    node_names
    while read -r node <&3; do
        say "$node"
        on_node "$node" "/usr/local/sbin/guacd-lite-azure status" || warn "$node did not answer in full"
    done 3<"$WORK/nodes"
}
