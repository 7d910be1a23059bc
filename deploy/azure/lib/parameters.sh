# shellcheck shell=bash
# parameters.env: read as data, never run. Defaults, checks, and the names that follow from it.
# shellcheck disable=SC2034 # the other parts use them

# Every parameter with its default, as parameters.env.example explains them.
declare -A DEFAULTS=(
    [SUBSCRIPTION]="" [LOCATION]="westeurope" [NAME]="guacd-lite" [RESOURCE_GROUP]=""
    [DNS_LABEL]="" [DOMAIN]=""
    [TLS]="acme" [ACME_EMAIL]="" [ACME_AGREE_TERMS]="no" [ACME_DIRECTORY]="https://acme-v02.api.letsencrypt.org/directory"
    [CERTIFICATE_FILE]="" [CERTIFICATE_SECRET]=""
    [ALLOWED_RANGES]="Internet" [OPEN_HTTP]="yes" [LB_IDLE_MIN]="15"
    [NODES]="2" [LAYOUT]="availability-set" [VM_SIZE]="Standard_D2as_v5" [IMAGE]="Debian:debian-12:12-gen2:latest"
    [OS_DISK_GB]="32" [SSH_PUBLIC_KEY_FILE]="" [DRAIN_TIMEOUT_S]="600"
    [VNET_RANGE]="10.42.0.0/16" [NODES_RANGE]="10.42.1.0/24" [DATABASE_RANGE]="10.42.2.0/27"
    [TARGETS_RANGE]="10.42.10.0/24" [TARGET_PORTS]="22,3389,5900-5999" [MORE_TARGET_RANGES]=""
    [MYSQL_TIER]="GeneralPurpose" [MYSQL_SKU]="Standard_D2ads_v5" [MYSQL_VERSION]="8.4" [MYSQL_STORAGE_GB]="32"
    [MYSQL_HA]="auto" [MYSQL_SERVER]="" [MYSQL_BACKUP_DAYS]="14" [MYSQL_GEO_BACKUP]="no"
    [PACKAGE_FILE]="" [PACKAGE_URL]="" [PACKAGE_SHA256]=""
    [ADMIN_PASSWORD_FILE]="" [OPERATOR_RANGES]="" [VAULT_PURGE_PROTECTION]="no"
)

readonly PEER_PORT=4823
readonly MYSQL_LOGIN=guacdlite
readonly MYSQL_DATABASE=guacamole

read_parameters() {
    local file=$1 line key value number=0 name
    for name in "${!DEFAULTS[@]}"; do
        printf -v "$name" '%s' "${DEFAULTS[$name]}"
    done
    [[ -r $file ]] || die "cannot read $file" "Copy parameters.env.example to parameters.env and fill it in."
    while IFS= read -r line || [[ -n $line ]]; do
        ((number += 1))
        line=${line%$'\r'}
        [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
        [[ $line =~ ^([A-Z_0-9]+)=(.*)$ ]] || die "$file, line $number: expected NAME=value"
        key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
        [[ -v DEFAULTS[$key] ]] || die "$file, line $number: there is no parameter $key" "parameters.env.example has them all."
        if [[ $value =~ ^\"([^\"]*)\"[[:space:]]*(#.*)?$ || $value =~ ^\'([^\']*)\'[[:space:]]*(#.*)?$ ]]; then
            value=${BASH_REMATCH[1]}
        elif [[ $value =~ ^([^[:space:]]*)[[:space:]]*(#.*)?$ ]]; then
            value=${BASH_REMATCH[1]}
        else
            die "$file, line $number: put the value of $key in quotes"
        fi
        printf -v "$key" '%s' "$value"
    done <"$file"
    check_parameters
}

one_of() {
    local name=$1 value=${!1} allowed
    shift
    for allowed in "$@"; do
        [[ $value == "$allowed" ]] && return
    done
    die "$name is \"$value\", which is none of: $*"
}

a_number() {
    local name=$1 value=${!1} low=$2 high=$3
    if ! [[ $value =~ ^[0-9]{1,6}$ ]] || ((10#$value < low || 10#$value > high)); then
        die "$name is \"$value\", not a number from $low to $high"
    fi
}

a_range() {
    local name=$1 value=$2
    [[ $value =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?$ ]] || die "$name: \"$value\" is not an IPv4 range such as 10.42.1.0/24"
}

check_parameters() {
    local range port
    [[ $NAME =~ ^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$ ]] || die "NAME is \"$NAME\": use up to 20 small letters, digits and hyphens, a letter first"
    [[ $LOCATION =~ ^[a-z0-9]+$ ]] || die "LOCATION is \"$LOCATION\": use a region's short name such as westeurope"
    : "${RESOURCE_GROUP:=rg-$NAME}"
    [[ $RESOURCE_GROUP =~ ^[A-Za-z0-9_.-]{1,90}$ ]] || die "RESOURCE_GROUP is \"$RESOURCE_GROUP\": letters, digits, dots, hyphens and underscores only"
    [[ $DNS_LABEL =~ ^([a-z][a-z0-9-]{1,61}[a-z0-9])?$ ]] || die "DNS_LABEL is \"$DNS_LABEL\": 3 to 63 small letters, digits and hyphens, a letter first"
    if [[ -z $DOMAIN ]]; then
        [[ -n $DNS_LABEL ]] || die "neither DOMAIN nor DNS_LABEL is set" \
            "DOMAIN is the name that people open; with DNS_LABEL alone it is LABEL.$LOCATION.cloudapp.azure.com."
        DOMAIN=$DNS_LABEL.$LOCATION.cloudapp.azure.com
    fi
    [[ $DOMAIN =~ ^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$ && $DOMAIN == *.* ]] || die "DOMAIN is \"$DOMAIN\": a full name in small letters, such as jump.example.org"
    one_of TLS acme key-vault
    one_of OPEN_HTTP yes no
    one_of LAYOUT availability-set zones scale-set
    one_of MYSQL_TIER Burstable GeneralPurpose MemoryOptimized
    [[ $MYSQL_SERVER =~ ^([a-z0-9][a-z0-9-]{1,61}[a-z0-9])?$ ]] || die "MYSQL_SERVER is \"$MYSQL_SERVER\": the name of a server in the resource group, without its domain"
    one_of MYSQL_HA auto zone same-zone off
    one_of MYSQL_GEO_BACKUP yes no
    one_of VAULT_PURGE_PROTECTION yes no
    a_number NODES 1 8
    a_number LB_IDLE_MIN 4 30
    a_number OS_DISK_GB 30 4095
    a_number DRAIN_TIMEOUT_S 0 3600
    a_number MYSQL_STORAGE_GB 20 16384
    a_number MYSQL_BACKUP_DAYS 1 35
    for range in VNET_RANGE NODES_RANGE DATABASE_RANGE TARGETS_RANGE; do
        a_range "$range" "${!range}"
    done
    for range in ${MORE_TARGET_RANGES//,/ }; do a_range MORE_TARGET_RANGES "$range"; done
    for range in ${OPERATOR_RANGES//,/ }; do a_range OPERATOR_RANGES "$range"; done
    if [[ $ALLOWED_RANGES != Internet ]]; then
        [[ -n $ALLOWED_RANGES ]] || die "ALLOWED_RANGES is empty: nobody could open the page; \"Internet\" lets everybody"
        for range in ${ALLOWED_RANGES//,/ }; do a_range ALLOWED_RANGES "$range"; done
    fi
    for port in ${TARGET_PORTS//,/ }; do
        [[ $port =~ ^[0-9]{1,5}(-[0-9]{1,5})?$ ]] || die "TARGET_PORTS: \"$port\" is neither a port nor a range such as 5900-5999"
    done
    [[ $IMAGE =~ ^[^:]+:[^:]+:[^:]+:[^:]+$ ]] || die "IMAGE is \"$IMAGE\": expected publisher:offer:sku:version"
    check_tls_parameters
    check_package_parameters
}

check_tls_parameters() {
    if [[ $TLS == acme ]]; then
        one_of ACME_AGREE_TERMS yes no
        [[ $ACME_AGREE_TERMS == yes ]] || die "ACME_AGREE_TERMS is not yes" \
            "Read the terms of the certificate authority at $ACME_DIRECTORY, then set ACME_AGREE_TERMS=yes; or use TLS=key-vault."
        [[ $ACME_EMAIL =~ ^[^@[:space:]\"]+@[^@[:space:]\"]+$ ]] || die "ACME_EMAIL is \"$ACME_EMAIL\": an e-mail address, for the authority's warnings"
        [[ $ACME_DIRECTORY =~ ^https://[^[:space:]\"]+$ ]] || die "ACME_DIRECTORY must be an https URL"
        if [[ $ALLOWED_RANGES != Internet && $OPEN_HTTP != yes ]]; then
            die "with TLS=acme the authority must reach port 443 or 80" \
                "ALLOWED_RANGES closes 443 to it: set OPEN_HTTP=yes (80 then answers challenges and redirects only), or use TLS=key-vault."
        fi
    elif [[ -n $CERTIFICATE_FILE && -n $CERTIFICATE_SECRET || -z $CERTIFICATE_FILE$CERTIFICATE_SECRET ]]; then
        die "TLS=key-vault needs one of CERTIFICATE_FILE and CERTIFICATE_SECRET"
    elif [[ -n $CERTIFICATE_FILE ]]; then
        [[ -r $CERTIFICATE_FILE ]] || die "CERTIFICATE_FILE: cannot read $CERTIFICATE_FILE"
        grep -q -- "-----BEGIN CERTIFICATE-----" "$CERTIFICATE_FILE" && grep -q -- "PRIVATE KEY-----" "$CERTIFICATE_FILE" ||
            die "CERTIFICATE_FILE: $CERTIFICATE_FILE must hold the certificate chain and its private key, as PEM"
    else
        [[ $CERTIFICATE_SECRET =~ ^https://[a-z0-9-]+\.vault\.azure\.net/secrets/[A-Za-z0-9-]+$ ]] ||
            die "CERTIFICATE_SECRET is \"$CERTIFICATE_SECRET\": expected https://VAULT.vault.azure.net/secrets/NAME"
    fi
}

check_package_parameters() {
    if [[ -n $PACKAGE_FILE && -n $PACKAGE_URL || -z $PACKAGE_FILE$PACKAGE_URL ]]; then
        die "set one of PACKAGE_FILE and PACKAGE_URL"
    elif [[ -n $PACKAGE_FILE ]]; then
        [[ -r $PACKAGE_FILE ]] || die "PACKAGE_FILE: cannot read $PACKAGE_FILE"
        local sum
        sum=$(sha256sum -- "$PACKAGE_FILE")
        [[ -z $PACKAGE_SHA256 || $PACKAGE_SHA256 == "${sum%% *}" ]] || die "PACKAGE_FILE has the SHA-256 ${sum%% *}, not PACKAGE_SHA256"
        PACKAGE_SHA256=${sum%% *}
    else
        [[ $PACKAGE_URL =~ ^https://[^[:space:]\"]+$ ]] || die "PACKAGE_URL must be an https URL"
        [[ $PACKAGE_SHA256 =~ ^[0-9a-f]{64}$ ]] || die "PACKAGE_URL needs PACKAGE_SHA256, 64 hexadecimal digits"
    fi
}

# Names and ids. Some names are shared with the whole world, so they carry digits that follow from where this is.
name_resources() {
    local digits
    digits=$(printf '%s/%s' "$SUBSCRIPTION_ID" "$RESOURCE_GROUP" | tr '[:upper:]' '[:lower:]' | sha256sum)
    digits=${digits:0:8}
    GROUP_ID=/subscriptions/$SUBSCRIPTION_ID/resourceGroups/$RESOURCE_GROUP
    NETWORK_ID=$GROUP_ID/providers/Microsoft.Network
    COMPUTE_ID=$GROUP_ID/providers/Microsoft.Compute
    VAULT_NAME=kv-${NAME:0:12}-$digits
    VAULT_NAME=${VAULT_NAME//--/-}
    VAULT_ID=$GROUP_ID/providers/Microsoft.KeyVault/vaults/$VAULT_NAME
    MYSQL_NAME=${MYSQL_SERVER:-mysql-$NAME-$digits}
    MYSQL_ID=$GROUP_ID/providers/Microsoft.DBforMySQL/flexibleServers/$MYSQL_NAME
    MYSQL_HOST=$MYSQL_NAME.mysql.database.azure.com
    STORAGE_NAME=${NAME//-/}
    STORAGE_NAME=st${STORAGE_NAME:0:14}$digits
    STORAGE_ID=$GROUP_ID/providers/Microsoft.Storage/storageAccounts/$STORAGE_NAME
    IDENTITY_ID=$GROUP_ID/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-$NAME
    VNET_ID=$NETWORK_ID/virtualNetworks/vnet-$NAME
    BALANCER_ID=$NETWORK_ID/loadBalancers/lb-$NAME
    ADDRESS_ID=$NETWORK_ID/publicIPAddresses/pip-$NAME
}
