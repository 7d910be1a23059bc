# shellcheck shell=bash
# The network: who may talk to whom, the subnets, the address and the balancer.

readonly NETWORK_API=2023-11-01

ensure_network() {
    nodes_rules >"$WORK/rules"
    ensure_security_group nodes
    database_rules >"$WORK/rules"
    ensure_security_group database
    targets_rules >"$WORK/rules"
    ensure_security_group targets

    # Subnets are resources of their own here: whatever else the network gets later stays.
    jq -n --arg location "$LOCATION" --arg range "$VNET_RANGE" \
        '{location: $location, properties: {addressSpace: {addressPrefixes: [$range]}}}' >"$WORK/body"
    KEEP=yes ensure "virtual network vnet-$NAME" "$VNET_ID" "$NETWORK_API"
    # By service endpoints the machines reach vault and package store as themselves, though both are closed to others.
    ensure_subnet nodes "$NODES_RANGE" '{serviceEndpoints: [{service: "Microsoft.KeyVault"}, {service: "Microsoft.Storage"}]}'
    # Without the policy the rules would not hold for private endpoints.
    ensure_subnet database "$DATABASE_RANGE" '{privateEndpointNetworkPolicies: "NetworkSecurityGroupEnabled"}'
    ensure_subnet targets "$TARGETS_RANGE" '{}'
}

# rule NAME PRIORITY Allow|Deny Inbound|Outbound PROTOCOL FROM TO PORTS: FROM, TO and PORTS may be lists with commas.
rule() {
    jq -n --arg name "$1" --argjson priority "$2" --arg access "$3" --arg direction "$4" --arg protocol "$5" \
        --arg from "$6" --arg to "$7" --arg ports "$8" '
        def one_or_many($text; $one; $many): ($text | split(",")) as $list
            | if ($list | length) == 1 then {($one): $text} else {($many): $list} end;
        {name: $name, properties: ({priority: $priority, access: $access, direction: $direction, protocol: $protocol, sourcePortRange: "*"}
            + one_or_many($from; "sourceAddressPrefix"; "sourceAddressPrefixes")
            + one_or_many($to; "destinationAddressPrefix"; "destinationAddressPrefixes")
            + one_or_many($ports; "destinationPortRange"; "destinationPortRanges"))}'
}

nodes_rules() {
    local targets=$TARGETS_RANGE${MORE_TARGET_RANGES:+,$MORE_TARGET_RANGES}
    rule https 100 Allow Inbound Tcp "$ALLOWED_RANGES" "$NODES_RANGE" 443
    if [[ $OPEN_HTTP == yes ]]; then
        # The certificate authority asks from anywhere; the page itself is only redirected.
        rule http 110 Allow Inbound Tcp Internet "$NODES_RANGE" 80
    fi
    rule probe 120 Allow Inbound Tcp AzureLoadBalancer "$NODES_RANGE" 443
    rule peers 130 Allow Inbound Tcp "$NODES_RANGE" "$NODES_RANGE" "$PEER_PORT"
    rule nothing-else 4096 Deny Inbound "*" "*" "*" "*"
    rule peers-out 100 Allow Outbound Tcp "$NODES_RANGE" "$NODES_RANGE" "$PEER_PORT"
    rule mysql-out 110 Allow Outbound Tcp "$NODES_RANGE" "$DATABASE_RANGE" 3306
    rule targets-out 120 Allow Outbound Tcp "$NODES_RANGE" "$targets" "$TARGET_PORTS"
    # Packages, vault, package store, identity, certificate authority. Their addresses change too often to list.
    rule web-out 130 Allow Outbound Tcp "$NODES_RANGE" Internet 80,443
    rule nothing-else-out 4096 Deny Outbound "*" "*" "*" "*"
}

database_rules() {
    rule mysql 100 Allow Inbound Tcp "$NODES_RANGE" "$DATABASE_RANGE" 3306
    rule nothing-else 4096 Deny Inbound "*" "*" "*" "*"
}

targets_rules() {
    rule from-nodes 100 Allow Inbound Tcp "$NODES_RANGE" "$TARGETS_RANGE" "$TARGET_PORTS"
    rule nothing-else 4096 Deny Inbound "*" "*" "*" "*"
    # A target that was taken over must not reach the machines that reach all the others, nor the database.
    rule not-nodes 100 Deny Outbound "*" "$TARGETS_RANGE" "$NODES_RANGE,$DATABASE_RANGE" "*"
}

ensure_security_group() {
    jq -s --arg location "$LOCATION" '{location: $location, properties: {securityRules: .}}' "$WORK/rules" >"$WORK/body"
    ensure "network security group nsg-$NAME-$1" "$NETWORK_ID/networkSecurityGroups/nsg-$NAME-$1" "$NETWORK_API"
}

ensure_subnet() {
    jq -n --arg range "$2" --arg group "$NETWORK_ID/networkSecurityGroups/nsg-$NAME-$1" \
        "{properties: ({addressPrefix: \$range, networkSecurityGroup: {id: \$group}, defaultOutboundAccess: false} + $3)}" >"$WORK/body"
    ensure "subnet $1" "$VNET_ID/subnets/$1" "$NETWORK_API"
}

ensure_balancer() {
    jq -n --arg location "$LOCATION" --arg dns "$DNS_LABEL" '
        {location: $location, sku: {name: "Standard"}, properties: ({publicIPAllocationMethod: "Static", publicIPAddressVersion: "IPv4"}
            + if $dns == "" then {} else {dnsSettings: {domainNameLabel: $dns}} end)}' >"$WORK/body"
    ensure "public address pip-$NAME" "$ADDRESS_ID" "$NETWORK_API"
    PUBLIC_ADDRESS=$(answer .properties.ipAddress)

    # The probe asks over HTTPS whether this machine takes work. One that says no keeps the flows it has: that is how
    # a machine drains. Outbound traffic has the same address, by a rule of its own: it takes no health into account,
    # so that a machine can install itself before it is healthy.
    jq -n --arg id "$BALANCER_ID" --arg location "$LOCATION" --arg address "$ADDRESS_ID" --argjson idle "$LB_IDLE_MIN" --arg http "$OPEN_HTTP" '
        def forward($name; $port): {name: $name, properties: {
            frontendIPConfiguration: {id: "\($id)/frontendIPConfigurations/public"},
            backendAddressPool: {id: "\($id)/backendAddressPools/nodes"},
            probe: {id: "\($id)/probes/readyz"},
            protocol: "Tcp", frontendPort: $port, backendPort: $port, loadDistribution: "Default",
            idleTimeoutInMinutes: $idle, enableTcpReset: true, enableFloatingIP: false, disableOutboundSnat: true}};
        {location: $location, sku: {name: "Standard"}, properties: {
            frontendIPConfigurations: [{name: "public", properties: {publicIPAddress: {id: $address}}}],
            backendAddressPools: [{name: "nodes"}],
            probes: [{name: "readyz", properties: {protocol: "Https", port: 443, requestPath: "/readyz", intervalInSeconds: 5, probeThreshold: 2}}],
            loadBalancingRules: ([forward("https"; 443)] + if $http == "yes" then [forward("http"; 80)] else [] end),
            outboundRules: [{name: "out", properties: {
                frontendIPConfigurations: [{id: "\($id)/frontendIPConfigurations/public"}],
                backendAddressPool: {id: "\($id)/backendAddressPools/nodes"},
                protocol: "All", allocatedOutboundPorts: 8000, idleTimeoutInMinutes: 4, enableTcpReset: true}}]}}' >"$WORK/body"
    ensure "load balancer lb-$NAME" "$BALANCER_ID" "$NETWORK_API"
}
