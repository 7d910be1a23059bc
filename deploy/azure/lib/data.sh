# shellcheck shell=bash
# Key Vault with the secrets, and the database. A secret is made here, goes from a file of this run into the vault and,
# where it is the database's, into the server's own request; nowhere else.

readonly VAULT_API=2023-07-01
readonly MYSQL_API=2023-12-30
readonly DNS_API=2020-06-01
readonly ROLE_SECRETS_USER=4633458b-17de-408a-b874-0445c86b69e6

ensure_vault() {
    local tenant
    tenant=$(jq -r .tenantId "$WORK/account")
    # Closed to everybody but the machines' subnet (and OPERATOR_RANGES). Secrets are put in through Resource Manager,
    # which needs no way into the vault itself.
    jq -n --arg location "$LOCATION" --arg tenant "$tenant" --arg subnet "$VNET_ID/subnets/nodes" --arg ranges "$OPERATOR_RANGES" \
        --arg purge "$VAULT_PURGE_PROTECTION" '
        {location: $location, properties: ({tenantId: $tenant, sku: {family: "A", name: "standard"},
            enableRbacAuthorization: true, enableSoftDelete: true, softDeleteRetentionInDays: 7,
            enabledForDeployment: false, enabledForTemplateDeployment: false, enabledForDiskEncryption: false,
            publicNetworkAccess: "Enabled",
            networkAcls: {defaultAction: "Deny", bypass: "None",
                virtualNetworkRules: [{id: $subnet}],
                ipRules: ($ranges | split(",") | map(select(. != "") | {value: (if contains("/") then . else . + "/32" end)}))}}
            + if $purge == "yes" then {enablePurgeProtection: true} else {} end)}' >"$WORK/body"
    ensure "key vault $VAULT_NAME" "$VAULT_ID" "$VAULT_API"
    ensure_role "role of the machines: read secrets of $VAULT_NAME" "$VAULT_ID" "$ROLE_SECRETS_USER" "$IDENTITY_PRINCIPAL" ServicePrincipal

    ensure_secret cluster-secret
    ensure_secret admin-password "$ADMIN_PASSWORD_FILE"
    [[ $TLS != key-vault || -z $CERTIFICATE_FILE ]] || ensure_certificate
}

# 48 random bytes as text, with what password rules ask for: small and large letters, a digit, a sign.
generate() { printf 'aZ3-%s' "$(openssl rand -base64 48 | tr '+/' '-_' | tr -d '\n=')" >"$1"; }

secret_exists() {
    local code=0
    arm get "$VAULT_ID/secrets/$1" "$VAULT_API" || code=$?
    ((code == 0 || code == 4)) || failed "secret $1"
    return "$code"
}

# put_secret NAME FILE [CONTENT_TYPE [DIGEST]]: a new version.
put_secret() {
    jq -n --rawfile value "$2" --arg type "${3:-text/plain}" --arg digest "${4:-}" '
        {properties: {value: ($value | sub("\n+$"; "")), contentType: $type, attributes: {enabled: true}}}
        + if $digest == "" then {} else {tags: {sha256: $digest}} end' >"$WORK/secret"
    arm put "$VAULT_ID/secrets/$1" "$VAULT_API" "$WORK/secret" || failed "secret $1"
    rm -f -- "$WORK/secret"
}

# ensure_secret NAME [FILE]: made up, or the first line of the file; one that is there stays.
ensure_secret() {
    local name=$1 file=${2:-}
    if secret_exists "$name"; then
        ((KEPT += 1))
        say "= secret $name"
        return
    fi
    ((MADE += 1))
    say "+ secret $name"
    [[ $WHAT_IF == no ]] || return 0
    if [[ -n $file ]]; then
        [[ -r $file ]] || die "cannot read the secret $name from $file"
        head -n 1 -- "$file" | tr -d '\r\n' >"$WORK/value"
        [[ -s $WORK/value ]] || die "$file has no first line for the secret $name"
    else
        generate "$WORK/value"
    fi
    put_secret "$name" "$WORK/value"
    rm -f -- "$WORK/value"
}

# A new version whenever the file's content is not that of the last one.
ensure_certificate() {
    local digest
    digest=$(sha256sum <"$CERTIFICATE_FILE")
    digest=${digest%% *}
    if secret_exists tls-certificate && [[ $(answer .tags.sha256) == "$digest" ]]; then
        ((KEPT += 1))
        say "= secret tls-certificate"
        return
    fi
    ((MADE += 1))
    say "+ secret tls-certificate (from CERTIFICATE_FILE)"
    [[ $WHAT_IF == yes ]] || put_secret tls-certificate "$CERTIFICATE_FILE" application/x-pem-file "$digest"
}

# Which kind of standby the region has for this tier. Chosen when the server is made: it cannot be added later.
choose_standby() {
    case $MYSQL_HA in
        zone) MYSQL_STANDBY=ZoneRedundant ;;
        same-zone) MYSQL_STANDBY=SameZone ;;
        off) MYSQL_STANDBY=Disabled ;;
        auto)
            MYSQL_STANDBY=Disabled
            [[ $MYSQL_TIER != Burstable ]] || return 0
            arm get "/subscriptions/$SUBSCRIPTION_ID/providers/Microsoft.DBforMySQL/locations/$LOCATION/capabilities" "$MYSQL_API" ||
                failed "what MySQL can do in $LOCATION"
            MYSQL_STANDBY=$(jq -r '[.value[]?.supportedHAMode[]?] | if index("ZoneRedundant") then "ZoneRedundant"
                elif index("SameZone") then "SameZone" else "Disabled" end' "$WORK/answer")
            ;;
    esac
    if [[ $MYSQL_STANDBY != Disabled && $MYSQL_TIER == Burstable ]]; then
        die "MYSQL_TIER=Burstable can have no standby" "Set MYSQL_HA=off, or MYSQL_TIER=GeneralPurpose."
    fi
}

server_body() {
    jq -n --arg location "$LOCATION" --arg sku "$MYSQL_SKU" --arg tier "$MYSQL_TIER" --arg version "$MYSQL_VERSION" \
        --arg login "$MYSQL_LOGIN" --arg standby "$MYSQL_STANDBY" --argjson storage "$MYSQL_STORAGE_GB" \
        --argjson days "$MYSQL_BACKUP_DAYS" --arg geo "$MYSQL_GEO_BACKUP" --rawfile password "$1" '
        {location: $location, sku: {name: $sku, tier: $tier}, properties: {
            createMode: "Default", version: $version,
            administratorLogin: $login, administratorLoginPassword: $password,
            network: {publicNetworkAccess: "Disabled"},
            highAvailability: {mode: $standby},
            storage: {storageSizeGB: $storage, autoGrow: "Enabled"},
            backup: {backupRetentionDays: $days, geoRedundantBackup: (if $geo == "yes" then "Enabled" else "Disabled" end)}}}'
}

# Starts making the server, which takes some ten minutes, and goes on; wait_for_database waits for it.
ensure_database() {
    local code=0 label="MySQL server $MYSQL_NAME"
    arm get "$MYSQL_ID" "$MYSQL_API" || code=$?
    ((code == 0 || code == 4)) || failed "$label"
    DATABASE_JOB=""
    if ((code == 0)); then
        keep_database "$label"
    else
        [[ -z $MYSQL_SERVER ]] || die "MYSQL_SERVER: there is no $MYSQL_SERVER in $RESOURCE_GROUP" "Restore it first, see README.md; or leave MYSQL_SERVER empty."
        choose_standby
        ((MADE += 1))
        say "+ $label ($MYSQL_TIER $MYSQL_SKU, standby: $MYSQL_STANDBY)"
        if [[ $WHAT_IF == no ]]; then
            # The vault first: a server whose password nobody has would be of no use. Until there is a server nobody
            # uses the secret, so each attempt may make a new one.
            generate "$WORK/value"
            put_secret database-password "$WORK/value"
            server_body "$WORK/value" >"$WORK/server"
            rm -f -- "$WORK/value"
            # This command waits for the whole operation and tells why it failed, which `az rest` does not.
            az resource create --only-show-errors --output none --id "$MYSQL_ID" --api-version "$MYSQL_API" \
                --is-full-object --properties "@$WORK/server" >"$WORK/server-log" 2>&1 &
            DATABASE_JOB=$!
            say "  goes on in the background, for 5 to 15 minutes"
        else
            say "+ secret database-password"
        fi
    fi
    ensure_private_name
}

keep_database() {
    local label=$1
    jq -n --arg sku "$MYSQL_SKU" --arg tier "$MYSQL_TIER" --argjson storage "$MYSQL_STORAGE_GB" --argjson days "$MYSQL_BACKUP_DAYS" '
        {sku: {name: $sku, tier: $tier}, properties: {storage: {storageSizeGB: $storage}, backup: {backupRetentionDays: $days}}}' >"$WORK/patch"
    # Storage grows by itself and cannot shrink.
    if (($(answer .properties.storage.storageSizeGB) > MYSQL_STORAGE_GB)); then
        jq 'del(.properties.storage)' "$WORK/patch" >"$WORK/patch.new"
        mv -- "$WORK/patch.new" "$WORK/patch"
    fi
    [[ $(answer .properties.network.publicNetworkAccess) == Disabled ]] ||
        warn "$label is open to the internet, which this script never made it; portal: Networking"
    PATCH=$WORK/patch ensure "$label" "$MYSQL_ID" "$MYSQL_API"
    if secret_exists database-password; then
        ((KEPT += 1))
        say "= secret database-password"
    else
        ((MADE += 1))
        say "+ secret database-password (it was gone: the server gets a new one)"
        [[ $WHAT_IF == yes ]] || new_database_password
    fi
}

new_database_password() {
    generate "$WORK/value"
    put_secret database-password "$WORK/value"
    jq -n --rawfile password "$WORK/value" '{properties: {administratorLoginPassword: $password}}' >"$WORK/patch"
    rm -f -- "$WORK/value"
    arm patch "$MYSQL_ID" "$MYSQL_API" "$WORK/patch" || failed "the password of $MYSQL_NAME"
    rm -f -- "$WORK/patch"
    arm get "$MYSQL_ID" "$MYSQL_API" || failed "MySQL server $MYSQL_NAME"
    wait_ready "MySQL server $MYSQL_NAME" "$MYSQL_ID" "$MYSQL_API"
}

# The name under which the server is found from inside: the same as everywhere, but with a private address.
ensure_private_name() {
    local zone=$NETWORK_ID/privateDnsZones/privatelink.mysql.database.azure.com
    printf '{"location": "global"}' >"$WORK/body"
    ensure "private DNS zone" "$zone" "$DNS_API"
    jq -n --arg network "$VNET_ID" '{location: "global", properties: {registrationEnabled: false, virtualNetwork: {id: $network}}}' >"$WORK/body"
    ensure "private DNS zone's link to the network" "$zone/virtualNetworkLinks/vnet-$NAME" "$DNS_API"
}

wait_for_database() {
    local label="MySQL server $MYSQL_NAME" endpoint=$NETWORK_ID/privateEndpoints/pe-$MYSQL_NAME
    if [[ -n $DATABASE_JOB ]]; then
        say "waiting for $label"
        if ! wait "$DATABASE_JOB"; then
            cp -- "$WORK/server-log" "$WORK/fault"
            failed "$label"
        fi
        rm -f -- "$WORK/server"
    fi
    jq -n '{properties: {value: "ON", source: "user-override"}}' >"$WORK/body"
    ensure "TLS required by the server" "$MYSQL_ID/configurations/require_secure_transport" "$MYSQL_API"
    jq -n '{properties: {charset: "utf8mb4", collation: "utf8mb4_0900_ai_ci"}}' >"$WORK/body"
    KEEP=yes ensure "database $MYSQL_DATABASE" "$MYSQL_ID/databases/$MYSQL_DATABASE" "$MYSQL_API"
    jq -n --arg location "$LOCATION" --arg subnet "$VNET_ID/subnets/database" --arg server "$MYSQL_ID" '
        {location: $location, properties: {subnet: {id: $subnet}, privateLinkServiceConnections: [
            {name: "mysql", properties: {privateLinkServiceId: $server, groupIds: ["mysqlServer"]}}]}}' >"$WORK/body"
    ensure "private endpoint pe-$MYSQL_NAME" "$endpoint" "$NETWORK_API"
    jq -n --arg zone "$NETWORK_ID/privateDnsZones/privatelink.mysql.database.azure.com" '
        {properties: {privateDnsZoneConfigs: [{name: "mysql", properties: {privateDnsZoneId: $zone}}]}}' >"$WORK/body"
    ensure "private endpoint's DNS record" "$endpoint/privateDnsZoneGroups/default" "$NETWORK_API"
}
