# shellcheck shell=bash
# Resource Manager by `az rest`: look, compare, make or change, wait. Bodies travel in files, never on a command line.

# How often to look again, and how often to try again what Azure asks to be tried again.
POLL_S=${GUACD_LITE_AZURE_POLL_S:-5}
readonly RETRIES=8

# Written by one who creates, never shown again: not compared.
readonly WRITE_ONLY='["administratorLoginPassword","customData","value","ssh"]'

# arm METHOD PATH API_VERSION [BODY_FILE]: the answer goes to $WORK/answer. Returns 4 where there is nothing.
arm() {
    local method=$1 path=$2 version=$3 body=${4:-} try mark="?"
    local line=(az rest --only-show-errors --output json --method "$method")
    [[ $path == *\?* ]] && mark="&"
    line+=(--url "$path${mark}api-version=$version")
    [[ -z $body ]] || line+=(--body "@$body")
    for ((try = 1; ; try++)); do
        if "${line[@]}" >"$WORK/answer" 2>"$WORK/fault"; then
            return 0
        fi
        if [[ $method == get ]] && grep -q "^ERROR: Not Found" "$WORK/fault"; then
            return 4
        fi
        if ((try >= RETRIES)) || ! passing_fault; then
            return 1
        fi
        sleep "$((POLL_S * try))"
    done
}

# Whether the fault is one that goes away by itself.
passing_fault() {
    grep -Eq 'Too Many Requests|Service Unavailable|Internal Server Error|Bad Gateway|Gateway Timeout|AnotherOperationInProgress|RetryableError|PrincipalNotFound|Connection (aborted|reset)|ReferencedResourceNotProvisioned|ServerIsBusy' "$WORK/fault"
}

# failed LABEL: ends with the resource, Azure's words and what to do next.
failed() {
    local label=$1 fault advice
    fault=$(tr '\n' ' ' <"$WORK/fault" | cut -c1-1500)
    case $fault in
        *AuthorizationFailed* | *"does not have authorization"*)
            advice="Your login may not do this. It needs Owner on the resource group (or Contributor and Role Based Access Control Administrator)." ;;
        *RequestDisallowedByPolicy*)
            advice="A policy of your organisation forbids it; Azure's words name the policy. Ask its owner for an exemption, or change the parameter." ;;
        *QuotaExceeded* | *"exceeding approved"* | *[Qq]uota*)
            advice="The subscription's quota in $LOCATION is too small. Ask for more (portal: Quotas), or set a smaller VM_SIZE, MYSQL_SKU or NODES." ;;
        *SkuNotAvailable* | *ZonesNotAvailable* | *ZonalAllocationFailed* | *AllocationFailed* | *ProvisionNotSupportedForRegion* | *LocationIsOfferRestricted*)
            advice="$LOCATION has no room for this size now. Set another VM_SIZE, MYSQL_SKU, LAYOUT or LOCATION." ;;
        *"deleted but recoverable"* | *"already exists in deleted state"* | *SoftDelete*)
            advice="A vault of that name was deleted lately. Get rid of it: az keyvault purge --name $VAULT_NAME --location $LOCATION" ;;
        *DnsRecordInUse*)
            advice="Somebody else has that DNS_LABEL in $LOCATION. Choose another." ;;
        *ServerNameAlreadyExists* | *VaultAlreadyExists* | *StorageAccountAlreadyTaken*)
            advice="The name is taken elsewhere in the world. Choose another NAME or RESOURCE_GROUP." ;;
        *ReadOnlyDisabledSubscription* | *SubscriptionNotFound*)
            advice="The subscription cannot be used. Choose another with SUBSCRIPTION, or: az account set --subscription NAME" ;;
        *"az login"* | *AADSTS* | *ExpiredAuthenticationToken*)
            advice="The login has run out: az login" ;;
        *Conflict*)
            advice="Something else is being done to it. Wait some minutes." ;;
        *)
            advice="Azure's words above say why; the portal shows more under the resource group's activity log." ;;
    esac
    die "$label: Azure refused" "$fault" "" "What to do: $advice" \
        "What is done stays. Then run ./deploy.sh again: it goes on where it stopped (in step \"$STEP\")."
}

# differences WANTED_FILE FOUND_FILE: paths where what is found is not what is wanted. Members of an object that are not
# asked for are not looked at, those of a list are one too many; Azure spells ids and regions in letters of either size.
differences() {
    jq -r --slurpfile found "$2" --argjson skip "$WRITE_ONLY" '
        def low: if type == "string" then ascii_downcase else . end;
        def key: .name // .id // .service // .value;
        def differ($found; $path):
            if type == "object" then
                to_entries[] | select(.key as $k | $skip | index($k) | not) | . as $entry
                | (($found // {}) | if type == "object" then to_entries else [] end
                    | map(select(.key | low == ($entry.key | low))) | first | .value) as $there
                | $entry.value | differ($there; $path + "." + $entry.key)
            elif type == "array" and length > 0 and all(type == "object" and key != null) then
                ((map(key | low)) as $keys | ($found // [])[] | select(type == "object" and (key | low | IN($keys[]) | not))
                    | $path + "[+" + (key // "?" | split("/") | last) + "]"),
                (.[] | . as $wanted
                | (($found // []) | map(select(type == "object" and ((key | low) == ($wanted | key | low)))) | first) as $there
                | $wanted | differ($there; $path + "[" + ($wanted | key | split("/") | last) + "]"))
            elif type == "array" then
                if (map(tojson | low) | sort) == (($found // []) | map(tojson | low) | sort) then empty else $path end
            elif . == null or low == ($found | low) then empty
            elif (. == false or . == "") and $found == null then empty
            else $path end;
        . as $wanted | $wanted | differ($found[0]; "") | ltrimstr(".")' "$1"
}

# ensure LABEL PATH API_VERSION: makes or changes one resource as $WORK/body has it and waits until it is ready.
# With KEEP=yes one that is there is left as it is; with PATCH=FILE that is sent instead of the whole.
ensure() {
    local label=$1 path=$2 version=$3 body=$WORK/body changed="" code=0 method=put
    arm get "$path" "$version" || code=$?
    case $code in
        0)
            cp -- "$WORK/answer" "$WORK/found"
            if jq -e '.properties.provisioningState? | IN("Failed", "Canceled")' "$WORK/found" >/dev/null; then
                changed="its making had failed"
            elif [[ ${KEEP:-no} != yes ]]; then
                changed=$(differences "${PATCH:-$body}" "$WORK/found" | sort -u | head -5 | paste -sd ' ')
            fi
            if [[ -z $changed ]]; then
                # One whose making was broken off is waited for, not passed over.
                wait_ready "$label" "$path" "$version"
                ((KEPT += 1))
                say "= $label"
                return
            fi
            ((CHANGED += 1))
            say "~ $label ($changed)"
            if [[ -n ${PATCH:-} ]]; then
                method="patch"
                body=$PATCH
            fi
            ;;
        4)
            ((MADE += 1))
            say "+ $label"
            ;;
        *) failed "$label" ;;
    esac
    [[ $WHAT_IF == no ]] || return 0
    arm "$method" "$path" "$version" "$body" || failed "$label"
    wait_ready "$label" "$path" "$version"
}

# Waits until the answer at hand, and later ones, say that it is done. In a what-if nothing is waited for.
wait_ready() {
    local label=$1 path=$2 version=$3 state code
    while :; do
        state=$(jq -r '(.properties? // {}) | (.provisioningState? // .state? // "Succeeded")' "$WORK/answer" 2>/dev/null || echo Succeeded)
        case $state in
            Succeeded | Ready | Created | Registered | "") return ;;
            Failed | Canceled | Disabled | Dropping)
                jq -c '.error // .properties.instanceView.statuses // .properties.provisioningError // {state: "\(.properties.provisioningState // .properties.state)"}' "$WORK/answer" >"$WORK/fault"
                failed "$label"
                ;;
        esac
        [[ $WHAT_IF == no ]] || return 0
        sleep "$POLL_S"
        code=0
        arm get "$path" "$version" || code=$?
        case $code in
            0) ;;
            4) printf '{"properties": {"provisioningState": "Creating"}}' >"$WORK/answer" ;;
            *) failed "$label" ;;
        esac
    done
}

# answer FILTER: a value of the last answer.
answer() { jq -r "$1 // empty" "$WORK/answer"; }

# A GUID that follows from a text: names of role assignments, the same at each run.
guid() {
    local hex
    hex=$(printf '%s' "$1" | tr '[:upper:]' '[:lower:]' | sha256sum)
    printf '%s-%s-5%s-8%s-%s' "${hex:0:8}" "${hex:8:4}" "${hex:13:3}" "${hex:17:3}" "${hex:20:12}"
}

# ensure_role LABEL SCOPE ROLE_GUID PRINCIPAL_ID PRINCIPAL_TYPE
ensure_role() {
    local label=$1 scope=$2 role=$3 principal=$4 type=$5
    jq -n --arg role "/subscriptions/$SUBSCRIPTION_ID/providers/Microsoft.Authorization/roleDefinitions/$role" \
        --arg principal "$principal" --arg type "$type" \
        '{properties: {roleDefinitionId: $role, principalId: $principal, principalType: $type}}' >"$WORK/body"
    KEEP=yes ensure "$label" "$scope/providers/Microsoft.Authorization/roleAssignments/$(guid "$scope/$role/$principal")" 2022-04-01
}
