# shellcheck shell=bash
# How the package reaches the machines: from a URL, or from a store of this deployment that only they can read.
# Either way they check the SHA-256 that stands in their user data.

readonly STORAGE_API=2023-01-01
readonly ROLE_BLOB_READER=2a2b9908-6ea1-4ae2-8e65-a410df84e7d1
readonly ROLE_BLOB_WRITER=ba92f5b4-2d11-453d-a403-e96b0029c9fe
readonly UPLOAD_RETRIES=20

ensure_package() {
    if [[ -z $PACKAGE_FILE ]]; then
        say "= $PACKAGE_URL, SHA-256 $PACKAGE_SHA256"
        return
    fi
    local code=0 held="" container=$STORAGE_ID/blobServices/default/containers/packages
    arm get "$STORAGE_ID" "$STORAGE_API" || code=$?
    ((code == 0 || code == 4)) || failed "package store $STORAGE_NAME"
    ((code == 4)) || held=$(answer .tags.package)
    # Its tag says which package was put in whole.
    store_body Deny "$held"
    ensure "package store $STORAGE_NAME" "$STORAGE_ID" "$STORAGE_API"
    printf '{"properties": {"publicAccess": "None"}}' >"$WORK/body"
    ensure "container packages" "$container" "$STORAGE_API"
    ensure_role "role of the machines: read packages" "$container" "$ROLE_BLOB_READER" "$IDENTITY_PRINCIPAL" ServicePrincipal
    PACKAGE_URL=https://$STORAGE_NAME.blob.core.windows.net/packages/guacd-lite-${PACKAGE_SHA256:0:16}.deb
    if [[ $held == "$PACKAGE_SHA256" ]]; then
        ((KEPT += 1))
        say "= package $PACKAGE_SHA256"
        return
    fi
    ((MADE += 1))
    say "+ package $PACKAGE_SHA256 (from PACKAGE_FILE)"
    [[ $WHAT_IF == yes ]] || upload "$container"
}

# store_body Allow|Deny PACKAGE: no anonymous reading and no account keys in either case.
store_body() {
    jq -n --arg location "$LOCATION" --arg action "$1" --arg package "$2" --arg subnet "$VNET_ID/subnets/nodes" '
        {location: $location, kind: "StorageV2", sku: {name: "Standard_LRS"}, tags: {package: $package},
         properties: {accessTier: "Hot", minimumTlsVersion: "TLS1_2", supportsHttpsTrafficOnly: true,
            allowBlobPublicAccess: false, allowSharedKeyAccess: false, publicNetworkAccess: "Enabled",
            networkAcls: {defaultAction: $action, bypass: "None", ipRules: [], virtualNetworkRules: [{id: $subnet, action: "Allow"}]}}}' >"$WORK/body"
}

# Opens the store's network for the time of the upload (login and role still needed), and closes it again.
upload() {
    local container=$1 try operator
    operator=$(az account get-access-token --only-show-errors --query accessToken --output tsv |
        jq -rR 'split(".")[1] | gsub("-"; "+") | gsub("_"; "/") | . + ("=" * ((4 - length % 4) % 4)) | @base64d | fromjson | "\(.oid) \(.idtyp // "user")"')
    case ${operator#* } in
        app) ensure_role "role of this login: write packages" "$container" "$ROLE_BLOB_WRITER" "${operator% *}" ServicePrincipal ;;
        *) ensure_role "role of this login: write packages" "$container" "$ROLE_BLOB_WRITER" "${operator% *}" User ;;
    esac
    store_body Allow ""
    arm put "$STORAGE_ID" "$STORAGE_API" "$WORK/body" || failed "package store $STORAGE_NAME"
    for ((try = 1; ; try++)); do
        if az storage blob upload --only-show-errors --output none --no-progress --auth-mode login --account-name "$STORAGE_NAME" \
            --container-name packages --name "${PACKAGE_URL##*/}" --file "$PACKAGE_FILE" --overwrite >"$WORK/answer" 2>"$WORK/fault"; then
            break
        fi
        # New roles and network rules take minutes to be known everywhere.
        if ((try >= UPLOAD_RETRIES)) || ! grep -Eq 'AuthorizationFailure|AuthorizationPermissionMismatch|network rules|permissions' "$WORK/fault"; then
            cp -- "$WORK/fault" "$WORK/upload-fault"
            store_body Deny ""
            arm put "$STORAGE_ID" "$STORAGE_API" "$WORK/body" || warn "the store $STORAGE_NAME is still open: run again"
            cp -- "$WORK/upload-fault" "$WORK/fault"
            failed "package upload to $STORAGE_NAME"
        fi
        ((try > 1)) || say "  waiting until the role and the open network are known"
        sleep "$((POLL_S * 3))"
    done
    store_body Deny "$PACKAGE_SHA256"
    arm put "$STORAGE_ID" "$STORAGE_API" "$WORK/body" || failed "package store $STORAGE_NAME"
}
