# shellcheck shell=bash
# The machines: their user data, which holds no secret, and how they are spread.

readonly COMPUTE_API=2024-07-01
readonly NODE_TAG='{"application": "guacd-lite", "role": "node"}'
# For the balancer's probe (every 5 s, two in a row) to notice before the listener closes.
readonly DRAIN_NOTICE_S=15

config_file() {
    local credentials=/run/credentials/guacd-lite.service
    cat <<TEXT
# Written when this machine was made. No secret stands here: they come from Key Vault at each start.
data_dir = "/var/lib/guacd-lite"
admin_password_file = "$credentials/admin-password"
drain_notice_s = $DRAIN_NOTICE_S
drain_timeout_s = $DRAIN_TIMEOUT_S

[web]
listen = "0.0.0.0:443"
TEXT
    [[ $OPEN_HTTP != yes ]] || printf 'http_listen = "0.0.0.0:80"\n'
    if [[ $TLS == key-vault ]]; then
        printf 'tls_certificate_file = "/run/guacd-lite-tls/tls-cert"\ntls_key_file = "/run/guacd-lite-tls/tls-key"\n'
    fi
    cat <<TEXT

[guacd]
listen = "off"

[database]
url = "mysql://$MYSQL_LOGIN@$MYSQL_HOST:3306/$MYSQL_DATABASE"
password_file = "$credentials/database-password"
ssl_mode = "verify-identity"
ssl_ca_file = "/etc/guacd-lite/mysql-ca.pem"

# Address and name of this machine are in the environment, by guacd-lite-azure.
[cluster]
listen = "0.0.0.0:$PEER_PORT"
secret_file = "$credentials/cluster-secret"

[maintenance]
azure_scheduled_events = true
TEXT
    if [[ $TLS == acme ]]; then
        # Port 443 does for the challenge too, unless the authority cannot get at it.
        local challenge=tls-alpn-01
        [[ $ALLOWED_RANGES == Internet ]] || challenge=http-01
        cat <<TEXT

[acme]
domains = ["$DOMAIN"]
email = "$ACME_EMAIL"
directory = "$ACME_DIRECTORY"
agree_terms = true
challenge = "$challenge"
TEXT
    fi
}

# What guacd-lite-azure on the machine needs to know.
settings_file() {
    local certificate=""
    if [[ $TLS == key-vault ]]; then
        certificate=${CERTIFICATE_SECRET:-https://$VAULT_NAME.vault.azure.net/secrets/tls-certificate}
    fi
    jq -n --arg client "$IDENTITY_CLIENT" --arg vault "https://$VAULT_NAME.vault.azure.net" --arg certificate "$certificate" \
        --arg url "$PACKAGE_URL" --arg sha256 "$PACKAGE_SHA256" --argjson port "$PEER_PORT" '
        {identity: $client, vault: $vault, secrets: ["database-password", "cluster-secret", "admin-password"],
         certificate: $certificate, package: {url: $url, sha256: $sha256}, peer_port: $port}'
}

service_dropin() {
    cat <<TEXT
[Unit]
Requires=guacd-lite-azure.service
Wants=network-online.target
After=guacd-lite-azure.service network-online.target

[Service]
EnvironmentFile=/run/guacd-lite-azure/node.env
LoadCredential=database-password:/run/guacd-lite-azure/database-password
LoadCredential=cluster-secret:/run/guacd-lite-azure/cluster-secret
LoadCredential=admin-password:/run/guacd-lite-azure/admin-password
TEXT
}

# cloud-init's user data. JSON is YAML, and jq quotes what must be quoted.
user_data() {
    local dir=$1
    mkdir -p -- "$dir"
    config_file >"$dir/guacd-lite.toml"
    settings_file >"$dir/azure.json"
    service_dropin >"$dir/azure.conf"
    printf '#cloud-config\n'
    jq -n --rawfile config "$dir/guacd-lite.toml" --rawfile settings "$dir/azure.json" --rawfile dropin "$dir/azure.conf" \
        --rawfile script "$HERE/node/guacd-lite-azure" --rawfile secrets "$HERE/node/guacd-lite-azure.service" \
        --rawfile renewal "$HERE/node/guacd-lite-azure-certificate.service" \
        --rawfile timer "$HERE/node/guacd-lite-azure-certificate.timer" --arg tls "$TLS" '
        def file($path; $mode; $content): {path: $path, permissions: $mode, owner: "root:root", content: $content};
        {package_update: true, packages: ["ca-certificates", "python3", "unattended-upgrades"],
         write_files: ([
            file("/etc/guacd-lite/guacd-lite.toml"; "0644"; $config),
            file("/etc/guacd-lite-azure.json"; "0644"; $settings),
            file("/usr/local/sbin/guacd-lite-azure"; "0755"; $script),
            file("/etc/systemd/system/guacd-lite-azure.service"; "0644"; $secrets),
            file("/etc/systemd/system/guacd-lite.service.d/azure.conf"; "0644"; $dropin)]
            + if $tls == "key-vault" then [
                file("/etc/systemd/system/guacd-lite-azure-certificate.service"; "0644"; $renewal),
                file("/etc/systemd/system/guacd-lite-azure-certificate.timer"; "0644"; $timer)] else [] end),
         runcmd: ([["systemctl", "daemon-reload"], ["/usr/local/sbin/guacd-lite-azure", "install"]]
            + if $tls == "key-vault" then [["systemctl", "enable", "--now", "guacd-lite-azure-certificate.timer"]] else [] end)}'
}

# For people who want to see before they deploy, and for tests: needs no login.
render() {
    local dir=$1
    SUBSCRIPTION_ID=${SUBSCRIPTION:-00000000-0000-0000-0000-000000000000}
    name_resources
    IDENTITY_CLIENT=00000000-0000-0000-0000-000000000000
    [[ -z $PACKAGE_FILE ]] || PACKAGE_URL=https://$STORAGE_NAME.blob.core.windows.net/packages/guacd-lite-${PACKAGE_SHA256:0:16}.deb
    mkdir -p -- "$dir"
    user_data "$dir" >"$dir/user-data"
    say "$dir: user-data, guacd-lite.toml, azure.json, azure.conf"
}

# The key that logs in by SSH, which no rule lets in from outside. Without one of yours a key is made and its private
# half thrown away: then nobody logs in, and `az vm run-command` is the way in.
ssh_key() {
    if [[ -n $SSH_PUBLIC_KEY_FILE ]]; then
        [[ -r $SSH_PUBLIC_KEY_FILE ]] || die "cannot read SSH_PUBLIC_KEY_FILE $SSH_PUBLIC_KEY_FILE"
        head -n 1 -- "$SSH_PUBLIC_KEY_FILE"
    else
        [[ -r $WORK/key.pub ]] || ssh-keygen -q -t rsa -b 3072 -N "" -C nobody -f "$WORK/key"
        rm -f -- "$WORK/key"
        cat -- "$WORK/key.pub"
    fi
}

# The parts of a machine that all layouts share, as {storageProfile, osProfile, diagnosticsProfile}.
machine_body() {
    user_data "$WORK/node" >"$WORK/user-data"
    ssh_key >"$WORK/ssh-key"
    base64 -w 0 "$WORK/user-data" >"$WORK/user-data.base64"
    jq -n --arg image "$IMAGE" --argjson disk "$OS_DISK_GB" --rawfile data "$WORK/user-data.base64" --rawfile key "$WORK/ssh-key" '
        ($image | split(":")) as $image
        | {storageProfile: {
                imageReference: {publisher: $image[0], offer: $image[1], sku: $image[2], version: $image[3]},
                osDisk: {createOption: "FromImage", diskSizeGB: $disk, deleteOption: "Delete", managedDisk: {storageAccountType: "Premium_LRS"}}},
           osProfile: {adminUsername: "azureadmin", customData: $data, linuxConfiguration: {
                disablePasswordAuthentication: true,
                ssh: {publicKeys: [{path: "/home/azureadmin/.ssh/authorized_keys", keyData: ($key | rtrimstr("\n"))}]}}},
           diagnosticsProfile: {bootDiagnostics: {enabled: true}}}' >"$WORK/machine"
}

ensure_nodes() {
    machine_body
    if [[ $LAYOUT == scale-set ]]; then
        ensure_scale_set
        return
    fi
    local number
    if [[ $LAYOUT == availability-set ]]; then
        jq -n --arg location "$LOCATION" '{location: $location, sku: {name: "Aligned"},
            properties: {platformFaultDomainCount: 2, platformUpdateDomainCount: 5}}' >"$WORK/body"
        KEEP=yes ensure "availability set avail-$NAME" "$COMPUTE_ID/availabilitySets/avail-$NAME" "$COMPUTE_API"
    fi
    for ((number = 1; number <= NODES; number++)); do
        ensure_node "$number"
    done
}

ensure_node() {
    local number=$1
    local nic=$NETWORK_ID/networkInterfaces/nic-$NAME-$number
    jq -n --arg location "$LOCATION" --arg subnet "$VNET_ID/subnets/nodes" --arg pool "$BALANCER_ID/backendAddressPools/nodes" '
        {location: $location, properties: {ipConfigurations: [{name: "main", properties: {
            privateIPAllocationMethod: "Dynamic", subnet: {id: $subnet}, loadBalancerBackendAddressPools: [{id: $pool}]}}]}}' >"$WORK/body"
    ensure "network interface nic-$NAME-$number" "$nic" "$NETWORK_API"
    jq --arg location "$LOCATION" --arg size "$VM_SIZE" --arg identity "$IDENTITY_ID" --arg nic "$nic" --arg name "vm-$NAME-$number" \
        --arg layout "$LAYOUT" --arg set "$COMPUTE_ID/availabilitySets/avail-$NAME" --argjson number "$number" --argjson tags "$NODE_TAG" '
        {location: $location, tags: $tags, identity: {type: "UserAssigned", userAssignedIdentities: {($identity): {}}},
         properties: (. + {hardwareProfile: {vmSize: $size},
            networkProfile: {networkInterfaces: [{id: $nic, properties: {primary: true, deleteOption: "Delete"}}]}})}
        | .properties.osProfile.computerName = $name
        | if $layout == "zones" then .zones = ["\((($number - 1) % 3) + 1)"] else .properties.availabilitySet = {id: $set} end' \
        "$WORK/machine" >"$WORK/body"
    # One that is there keeps its user data and its place: Azure changes neither.
    KEEP=yes ensure "machine vm-$NAME-$number" "$COMPUTE_ID/virtualMachines/vm-$NAME-$number" "$COMPUTE_API"
}

ensure_scale_set() {
    jq --arg location "$LOCATION" --arg size "$VM_SIZE" --arg identity "$IDENTITY_ID" --arg name "$NAME" --argjson nodes "$NODES" \
        --arg subnet "$VNET_ID/subnets/nodes" --arg pool "$BALANCER_ID/backendAddressPools/nodes" --argjson tags "$NODE_TAG" '
        {location: $location, tags: $tags, zones: ["1", "2", "3"], sku: {name: $size, tier: "Standard", capacity: $nodes},
         identity: {type: "UserAssigned", userAssignedIdentities: {($identity): {}}},
         properties: {orchestrationMode: "Flexible", platformFaultDomainCount: 1, singlePlacementGroup: false,
            virtualMachineProfile: (. + {networkProfile: {networkApiVersion: "2022-11-01", networkInterfaceConfigurations: [
                {name: "nic", properties: {primary: true, deleteOption: "Delete", ipConfigurations: [{name: "main", properties: {primary: true,
                    subnet: {id: $subnet}, loadBalancerBackendAddressPools: [{id: $pool}]}}]}}]}})}}
        | .properties.virtualMachineProfile.osProfile.computerNamePrefix = "\($name)-"' "$WORK/machine" >"$WORK/body"
    jq -n --argjson nodes "$NODES" '{sku: {capacity: $nodes}}' >"$WORK/patch"
    PATCH=$WORK/patch ensure "scale set vmss-$NAME, $NODES machines" "$COMPUTE_ID/virtualMachineScaleSets/vmss-$NAME" "$COMPUTE_API"
}
