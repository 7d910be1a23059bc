"""What deploy.sh asks Azure for, by the real Azure CLI. In this order: a deployment is made once and looked at often."""

import base64
import hashlib
import importlib.util
import json
import re
from functools import cache
from pathlib import Path

import pytest

from standin import CLIENT, PRINCIPAL

SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"


@pytest.fixture(scope="module")
def deployed(deployer):
    """A deployment as parameters.env has it by default; what was asked for it."""
    code, output = deployer.run()
    assert code == 0, output
    yield {"output": output, "log": list(deployer.azure.log), "snapshot": deployer.azure.snapshot()}


@pytest.fixture
def azure(deployer, deployed):
    """The stand-in as the deployment left it."""
    deployer.azure.restore(deployed["snapshot"])
    deployer.azure.log.clear()
    deployer.azure.faults.clear()
    return deployer.azure


def test_what_if_on_an_empty_subscription_names_everything_and_asks_for_no_change(deployer):
    code, output = deployer.run("--what-if")
    assert code == 0, output
    assert deployer.azure.changes() == []
    for name in ("resource group rg-jump", "lb-jump", "vm-jump-1", "vm-jump-2", "MySQL server", "key vault", "avail-jump"):
        assert re.search(rf"\+ .*{name}", output), name
    deployer.azure.log.clear()


def test_two_machines_stand_in_one_availability_set_behind_the_balancer(azure):
    machines = [azure.find(f"/virtualmachines/vm-jump-{number}") for number in (1, 2)]
    availability = azure.find("/availabilitysets/avail-jump")
    assert availability["sku"]["name"] == "Aligned" and availability["properties"]["platformFaultDomainCount"] == 2
    for number, machine in enumerate(machines, 1):
        properties = machine["properties"]
        assert properties["availabilitySet"]["id"].lower() == availability["id"].lower()
        assert list(machine["identity"]["userAssignedIdentities"]) == [next(iter(machines[0]["identity"]["userAssignedIdentities"]))]
        assert properties["storageProfile"]["osDisk"]["managedDisk"]["storageAccountType"] == "Premium_LRS"
        assert properties["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"] is True
        interface = azure.find(f"/networkinterfaces/nic-jump-{number}")["properties"]["ipConfigurations"][0]["properties"]
        assert "publicIPAddress" not in interface
        assert interface["subnet"]["id"].endswith("/subnets/nodes")
        assert interface["loadBalancerBackendAddressPools"][0]["id"].endswith("/backendAddressPools/nodes")


def test_the_balancer_asks_readyz_over_https_and_resets_idle_flows(azure):
    balancer = azure.find("/loadbalancers/lb-jump")
    assert balancer["sku"]["name"] == "Standard"
    properties = balancer["properties"]
    assert properties["probes"][0]["properties"] == {"protocol": "Https", "port": 443, "requestPath": "/readyz", "intervalInSeconds": 5, "probeThreshold": 2}
    rules = {rule["name"]: rule["properties"] for rule in properties["loadBalancingRules"]}
    assert {(rule["frontendPort"], rule["backendPort"], rule["protocol"]) for rule in rules.values()} == {(443, 443, "Tcp"), (80, 80, "Tcp")}
    for rule in rules.values():
        assert rule["enableTcpReset"] is True and rule["idleTimeoutInMinutes"] == 15
        assert rule["loadDistribution"] == "Default", "nothing may need stickiness"
        assert rule["probe"]["id"].endswith("/probes/readyz") and rule["disableOutboundSnat"] is True
    assert len(properties["outboundRules"]) == 1


def test_only_443_and_80_are_open_to_the_internet(azure):
    rules = inbound(azure, "nodes")
    allowed = {name: rule for name, rule in rules.items() if rule["access"] == "Allow"}
    assert {name: (rule["sourceAddressPrefix"], rule["destinationPortRange"]) for name, rule in allowed.items()} == {
        "https": ("Internet", "443"),
        "http": ("Internet", "80"),
        "probe": ("AzureLoadBalancer", "443"),
        "peers": ("10.42.1.0/24", "4823"),
    }
    assert closes(rules)
    for name, sources in {"database": {"10.42.1.0/24"}, "targets": {"10.42.1.0/24"}}.items():
        rules = inbound(azure, name)
        assert {rule["sourceAddressPrefix"] for rule in rules.values() if rule["access"] == "Allow"} == sources
        assert closes(rules)
    for name in ("nodes", "database", "targets"):
        subnet = azure.find(f"/subnets/{name}")["properties"]
        assert subnet["networkSecurityGroup"]["id"].endswith(f"nsg-jump-{name}")
    assert azure.find("/subnets/database")["properties"]["privateEndpointNetworkPolicies"] == "NetworkSecurityGroupEnabled"


def test_machines_may_reach_peers_database_targets_and_the_web_only(azure):
    rules = {rule["name"]: rule["properties"] for rule in azure.find("/networksecuritygroups/nsg-jump-nodes")["properties"]["securityRules"]}
    out = {name: rule for name, rule in rules.items() if rule["direction"] == "Outbound"}
    assert {name for name, rule in out.items() if rule["access"] == "Allow"} == {"peers-out", "mysql-out", "targets-out", "web-out"}
    assert out["targets-out"]["destinationPortRanges"] == ["22", "3389", "5900-5999"]
    assert closes(out)
    targets = {rule["name"]: rule["properties"] for rule in azure.find("/networksecuritygroups/nsg-jump-targets")["properties"]["securityRules"]}
    assert targets["not-nodes"]["access"] == "Deny" and targets["not-nodes"]["direction"] == "Outbound"


def test_mysql_is_private_redundant_and_demands_tls(azure):
    server = azure.find("/flexibleservers/mysql-jump-[0-9a-f]{8}")
    properties = server["properties"]
    assert server["sku"] == {"name": "Standard_D2ads_v5", "tier": "GeneralPurpose"}
    assert properties["network"] == {"publicNetworkAccess": "Disabled"}
    assert properties["highAvailability"] == {"mode": "ZoneRedundant"}
    assert properties["version"] == "8.4" and properties["backup"]["backupRetentionDays"] == 14
    assert azure.find("/configurations/require_secure_transport")["properties"]["value"] == "ON"
    assert azure.find("/databases/guacamole")["properties"]["charset"] == "utf8mb4"
    endpoint = azure.find("/privateendpoints/pe-mysql-jump-[0-9a-f]{8}")["properties"]
    assert endpoint["subnet"]["id"].endswith("/subnets/database")
    assert endpoint["privateLinkServiceConnections"][0]["properties"]["groupIds"] == ["mysqlServer"]
    azure.find("/privatednszones/privatelink.mysql.database.azure.com/virtualnetworklinks/vnet-jump")
    azure.find("/privatednszonegroups/default")


def test_the_vault_is_closed_to_all_but_the_machines_and_they_may_only_read(azure):
    vault = azure.find("/vaults/kv-jump-[0-9a-f]{8}")["properties"]
    assert vault["enableRbacAuthorization"] is True
    assert vault["networkAcls"]["defaultAction"] == "Deny" and vault["networkAcls"]["ipRules"] == []
    assert [rule["id"].rsplit("/", 1)[-1] for rule in vault["networkAcls"]["virtualNetworkRules"]] == ["nodes"]
    roles = [resource["properties"] for path, resource in azure.resources.items() if "/roleassignments/" in path]
    assert [(role["roleDefinitionId"].rsplit("/", 1)[-1], role["principalId"]) for role in roles] == [(SECRETS_USER, PRINCIPAL)]


def test_secrets_are_in_the_vault_and_the_servers_own_request_and_nowhere_else(deployed, azure, deployer):
    secrets = {path.rsplit("/", 1)[-1]: resource["properties"]["value"] for path, resource in azure.resources.items() if "/secrets/" in path}
    assert set(secrets) == {"database-password", "cluster-secret", "admin-password"}
    assert len(set(secrets.values())) == 3 and all(len(value) >= 64 for value in secrets.values())
    server = azure.find("/flexibleservers/mysql-jump-[0-9a-f]{8}")["properties"]
    assert server["administratorLoginPassword"] == secrets["database-password"]
    for entry in deployed["log"]:
        text = json.dumps(entry["body"])
        if "customData" in text:
            text += base64.b64decode(entry["body"]["properties"]["osProfile"]["customData"]).decode()
        for name, value in secrets.items():
            right = entry["path"].endswith(f"/secrets/{name}") or (name == "database-password" and re.search("/flexibleServers/[^/]+$", entry["path"]))
            assert value not in text or right, f"{name} in the request for {entry['path']}"
            assert value not in entry["path"] + json.dumps(entry["query"])
    for value in secrets.values():
        assert value not in deployed["output"]
        for file in deployer.directory.rglob("*"):
            assert not file.is_file() or value.encode() not in file.read_bytes(), f"{file} holds a secret"


def test_user_data_names_where_the_secrets_are_and_pins_the_package(azure):
    data = base64.b64decode(azure.find("/virtualmachines/vm-jump-1")["properties"]["osProfile"]["customData"]).decode()
    assert data.startswith("#cloud-config\n")
    files = {file["path"]: file["content"] for file in json.loads(data.split("\n", 1)[1])["write_files"]}
    settings = json.loads(files["/etc/guacd-lite-azure.json"])
    assert settings["identity"] == CLIENT and settings["package"] == {"url": "https://packages.example.org/guacd-lite_1.0_amd64.deb", "sha256": "5" * 64}
    assert settings["vault"].startswith("https://kv-jump-")
    assert 'ssl_mode = "verify-identity"' in files["/etc/guacd-lite/guacd-lite.toml"]
    assert data == base64.b64decode(azure.find("/virtualmachines/vm-jump-2")["properties"]["osProfile"]["customData"]).decode(), "machines differ by what they find out themselves"


def test_every_name_in_a_request_is_one_that_the_clis_own_models_have(deployed):
    unknown = []
    for entry in deployed["log"]:
        if entry["method"] == "PUT" and "/providers/" in entry["path"]:
            text = models_of(entry["path"])
            unknown += [f"{entry['path'].rsplit('/', 2)[-2]}: {name}" for name in names(entry["body"]) if not known(name, text)]
    assert not unknown
    # The check itself can fail.
    assert not known("idleTimeoutMinutes", models_of("/providers/Microsoft.Network/loadBalancers/x"))


def test_a_second_run_changes_nothing(deployer, azure):
    code, output = deployer.run()
    assert code == 0, output
    assert azure.changes() == []
    assert "0 made, 0 changed" in output


def test_a_changed_parameter_changes_what_it_is_about_and_nothing_else(deployer, azure):
    code, output = deployer.run(ALLOWED_RANGES="198.51.100.0/24,203.0.113.9", LB_IDLE_MIN="30")
    assert code == 0, output
    assert [(entry["method"], entry["path"].rsplit("/", 1)[-1]) for entry in azure.changes()] == [("PUT", "nsg-jump-nodes"), ("PUT", "lb-jump")]
    assert inbound(azure, "nodes")["https"]["sourceAddressPrefixes"] == ["198.51.100.0/24", "203.0.113.9"]


def test_what_was_opened_by_hand_is_closed_again(deployer, azure):
    rules = azure.find("/networksecuritygroups/nsg-jump-nodes")["properties"]["securityRules"]
    rules.append({"name": "ssh", "properties": {"priority": 105, "access": "Allow", "direction": "Inbound", "protocol": "Tcp", "sourcePortRange": "*",
                                                "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "destinationPortRange": "22"}})
    code, output = deployer.run("--what-if")
    assert code == 0 and "~ network security group nsg-jump-nodes" in output, output
    assert azure.changes() == []


@pytest.mark.parametrize(
    ("method", "pattern", "status", "code", "message", "named", "advice"),
    [
        ("PUT", "/virtualMachines/vm-jump-2$", 409, "OperationNotAllowed", "Operation could not be completed as it results in exceeding approved Total Regional Cores quota.",
         "machine vm-jump-2", "Ask for more"),
        ("PUT", "/loadBalancers/lb-jump$", 403, "AuthorizationFailed", "The client does not have authorization to perform action.", "load balancer lb-jump", "Owner"),
        ("PUT", "/virtualMachines/vm-jump-2$", 409, "SkuNotAvailable", "The requested VM size is currently not available.", "machine vm-jump-2", "VM_SIZE"),
    ],
)
def test_a_refused_call_names_the_resource_and_what_to_do_and_the_next_run_goes_on(deployer, azure, method, pattern, status, code, message, named, advice):
    for path in [path for path in azure.resources if re.search(pattern, path, re.IGNORECASE)]:
        del azure.resources[path]
    azure.fail(method, pattern, status, code, message)
    # A balancer that is gone leaves a pool that the interfaces name.
    exit_code, output = deployer.run()
    assert exit_code == 1
    assert f"error: {named}: Azure refused" in output and message in output and advice in output, output
    assert "run ./deploy.sh again" in output
    azure.log.clear()
    exit_code, output = deployer.run()
    assert exit_code == 0, output
    assert {entry["path"].rsplit("/", 1)[-1] for entry in azure.changes()} == {pattern.rsplit("/", 1)[-1].rstrip("$")}


def test_a_database_that_cannot_be_made_says_why_and_is_made_by_the_next_run(deployer, azure):
    for path in [path for path in azure.resources if "/flexibleservers/" in path or "/privateendpoints/" in path]:
        del azure.resources[path]
    azure.fail("PUT", "/flexibleServers/[^/]+$", 400, "ProvisionNotSupportedForRegion", "Provisioning is restricted in this region.")
    code, output = deployer.run()
    assert code == 1 and "error: MySQL server mysql-jump-" in output and "LOCATION" in output, output
    code, output = deployer.run()
    assert code == 0, output
    server = azure.find("/flexibleservers/mysql-jump-[0-9a-f]{8}")["properties"]
    assert server["administratorLoginPassword"] == azure.find("/secrets/database-password")["properties"]["value"]


def test_throttling_and_passing_faults_are_waited_out(deployer, azure):
    azure.fail("GET", "/loadBalancers/lb-jump$", 429, "TooManyRequests", "slow down")
    azure.fail("GET", "/networkSecurityGroups/nsg-jump-nodes$", 503, "ServerTimeout", "busy")
    code, output = deployer.run()
    assert code == 0 and azure.changes() == [], output


def test_a_new_database_password_goes_to_server_and_vault_and_each_machine_is_restarted(deployer, azure):
    before = azure.find("/secrets/database-password")["properties"]["value"]
    code, output = deployer.run("--rotate", "database-password", "--yes")
    assert code == 0, output
    after = azure.find("/secrets/database-password")["properties"]["value"]
    assert after != before and azure.find("/flexibleservers/mysql-jump-[0-9a-f]{8}")["properties"]["administratorLoginPassword"] == after
    assert after not in output
    commands = [entry["body"]["script"] for entry in azure.log if entry["path"].endswith("/runCommand")]
    assert commands == [["/usr/local/sbin/guacd-lite-azure restart && echo guacd-lite-azure: done"]] * 2


def test_an_upgrade_takes_one_machine_after_the_other_and_stops_at_the_first_that_fails(deployer, azure):
    new = {"PACKAGE_URL": "https://packages.example.org/guacd-lite_1.1_amd64.deb", "PACKAGE_SHA256": "6" * 64}
    code, output = deployer.run("--upgrade", parameters=new)
    assert code == 0, output
    asked = [(entry["path"].split("/")[-2], entry["body"]["script"][0]) for entry in azure.log if entry["path"].endswith("/runCommand")]
    assert [name for name, _ in asked] == ["vm-jump-1", "vm-jump-2"]
    for _, script in asked:
        data = base64.b64decode(re.match(r"printf %s (\S+) \| base64 -d \| \S+ configure && \S+ upgrade && ", script).group(1)).decode()
        assert new["PACKAGE_URL"] in data and new["PACKAGE_SHA256"] in data
    azure.log.clear()
    azure.node_answer = "upgrade: the daemon is not ready after 300 s"
    code, output = deployer.run("--upgrade", parameters=new)
    azure.node_answer = "guacd-lite-azure: done"
    assert code == 1 and "vm-jump-1" in output and "not ready after 300 s" in output, output
    assert [entry["path"].split("/")[-2] for entry in azure.log if entry["path"].endswith("/runCommand")] == ["vm-jump-1"]


def test_a_restored_server_takes_the_place_of_the_first(deployer, azure):
    path, server = next((path, server) for path, server in azure.resources.items() if re.search("/flexibleservers/[^/]+$", path))
    code, output = deployer.run(MYSQL_SERVER="mysql-restored-1")
    assert code == 1 and "there is no mysql-restored-1" in output and azure.changes() == [], output
    azure.keep(re.sub("[^/]+$", "mysql-restored-1", path), re.sub("[^/]+$", "mysql-restored-1", path), server)
    code, output = deployer.run(MYSQL_SERVER="mysql-restored-1")
    assert code == 0, output
    assert azure.find("/privateendpoints/pe-mysql-restored-1")["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceId"].endswith("/mysql-restored-1")
    assert not any("administratorLoginPassword" in json.dumps(entry["body"]) for entry in azure.changes())
    azure.log.clear()
    code, output = deployer.run("--upgrade", MYSQL_SERVER="mysql-restored-1")
    assert code == 0, output
    script = next(entry["body"]["script"][0] for entry in azure.log if entry["path"].endswith("/runCommand"))
    assert "@mysql-restored-1.mysql.database.azure.com:3306" in base64.b64decode(script.split()[2]).decode()


def test_destroy_asks_first_and_then_leaves_nothing(deployer, azure):
    code, output = deployer.run("--destroy")
    assert code == 1 and "needs a yes" in output and azure.changes() == []
    code, output = deployer.run("--destroy", "--yes")
    assert code == 0, output
    assert azure.resources == {} and azure.deleted_vaults == {}
    code, output = deployer.run("--destroy", "--yes")
    assert code == 0 and "is not there" in output, output


def test_a_resource_group_of_somebody_else_is_neither_used_nor_deleted(deployer, azure):
    azure.find("/resourcegroups/rg-jump")["tags"] = {"owner": "somebody"}
    for arguments in ([], ["--destroy", "--yes"]):
        code, output = deployer.run(*arguments)
        assert code == 1 and "not from this script" in output, output
    assert azure.changes() == []


def test_zones_a_package_file_and_a_certificate_file(deployer, azure, tmp_path):
    azure.resources.clear()
    package = tmp_path / "guacd-lite.deb"
    package.write_bytes(b"\x00\xffnot really a package" * 1000)
    certificate = tmp_path / "tls.pem"
    certificate.write_text("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nSECRETKEY\n-----END PRIVATE KEY-----\n")
    parameters = {"LAYOUT": "zones", "NODES": "3", "TLS": "key-vault", "CERTIFICATE_FILE": str(certificate), "PACKAGE_FILE": str(package),
                  "PACKAGE_URL": "", "PACKAGE_SHA256": "", "OPEN_HTTP": "no", "ALLOWED_RANGES": "198.51.100.0/24"}
    azure.fail("PUT", "/packages/guacd-lite-", 403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
    code, output = deployer.run(parameters=parameters)
    assert code == 0, output
    assert [azure.find(f"/virtualmachines/vm-jump-{number}")["zones"] for number in (1, 2, 3)] == [["1"], ["2"], ["3"]]
    assert not any("/availabilitysets/" in path for path in azure.resources)
    assert {name for name, rule in inbound(azure, "nodes").items() if rule["access"] == "Allow"} == {"https", "probe", "peers"}
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    assert list(azure.blobs.values()) == [digest]
    store = azure.find("/storageaccounts/stjump[0-9a-f]{8}")
    assert store["properties"]["networkAcls"]["defaultAction"] == "Deny", "closed again after the upload"
    assert store["properties"]["allowSharedKeyAccess"] is False and store["properties"]["allowBlobPublicAccess"] is False
    data = base64.b64decode(azure.find("/virtualmachines/vm-jump-1")["properties"]["osProfile"]["customData"]).decode()
    assert digest in data and "SECRETKEY" not in data and "guacd-lite-azure-certificate.timer" in data
    assert "SECRETKEY" in azure.find("/secrets/tls-certificate")["properties"]["value"]
    azure.log.clear()
    code, output = deployer.run(parameters=parameters)
    assert code == 0 and azure.changes() == [], output


def test_a_scale_set_spans_the_zones_and_grows_by_a_parameter(deployer, azure):
    for path in [path for path in azure.resources if "/microsoft.compute/" in path]:
        del azure.resources[path]
    code, output = deployer.run(LAYOUT="scale-set")
    assert code == 0, output
    scale_set = azure.find("/virtualmachinescalesets/vmss-jump")
    assert scale_set["properties"]["orchestrationMode"] == "Flexible" and scale_set["properties"]["platformFaultDomainCount"] == 1
    assert scale_set["zones"] == ["1", "2", "3"] and scale_set["sku"]["capacity"] == 2
    azure.log.clear()
    code, output = deployer.run(LAYOUT="scale-set", NODES="3")
    assert code == 0, output
    assert [(entry["method"], entry["body"]) for entry in azure.changes()] == [("PATCH", {"sku": {"capacity": 3}})]


# Which models speak of a provider's resources, below the packages of the CLI; the first that fits.
MODELS = {
    "microsoft.network/privatednszones": ["mgmt/privatedns/models"],
    "microsoft.network": ["cli/command_modules/network/aaz/latest"],
    "microsoft.compute": ["cli/command_modules/vm/aaz/latest", "mgmt/compute/v2024_11_01/models"],
    "microsoft.dbformysql": ["mgmt/mysqlflexibleservers/models"],
    "microsoft.keyvault": ["mgmt/keyvault/models"],
    "microsoft.storage": ["mgmt/storage/models"],
    "microsoft.authorization": ["mgmt/authorization/models"],
    "microsoft.managedidentity": ["mgmt/msi/v2024_11_30/models"],
}
# Members whose names are the user's, not Azure's; and values that are one of a list.
FREE = {"tags", "userAssignedIdentities"}
LISTED = {"access", "direction", "protocol", "privateEndpointNetworkPolicies", "publicIPAllocationMethod", "publicIPAddressVersion", "loadDistribution",
          "createOption", "deleteOption", "storageAccountType", "orchestrationMode", "tier", "mode", "publicNetworkAccess", "autoGrow", "geoRedundantBackup",
          "defaultAction", "bypass", "accessTier", "minimumTlsVersion", "principalType", "createMode", "version", "privateIPAllocationMethod"}


@cache
def models_of(path):
    provider = path.lower().rsplit("/providers/", 1)[-1]
    packages = Path(importlib.util.find_spec("azure.cli").submodule_search_locations[0]).parent
    folders = next(folders for start, folders in MODELS.items() if provider.startswith(start))
    files = [file for folder in folders for file in sorted((packages / folder).rglob("*.py"))]
    assert files, f"{folders}: this Azure CLI has its models elsewhere"
    return set(re.findall(r"[0-9]+(?:\.[0-9]+)+|[A-Za-z0-9_]+", "\n".join(file.read_text(encoding="utf-8") for file in files)))


def names(body):
    """Members of the body, and values that are one of a list."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield key
            if key in LISTED and isinstance(value, str) and value not in ("*", "latest"):
                yield value
            if key not in FREE:
                yield from names(value)
    elif isinstance(body, list):
        for value in body:
            yield from names(value)


def known(name, text):
    """Some models write names as they travel, some as Python does."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return name in text or snake in text


def inbound(azure, name):
    rules = azure.find(f"/networksecuritygroups/nsg-jump-{name}")["properties"]["securityRules"]
    return {rule["name"]: rule["properties"] for rule in rules if rule["properties"]["direction"] == "Inbound"}


def closes(rules):
    """Whether the last of them refuses everything, before Azure's own rules let the network in."""
    last = max(rules.values(), key=lambda rule: rule["priority"])
    return last["priority"] == 4096 and last["access"] == "Deny" and (last["sourceAddressPrefix"], last["destinationPortRange"], last["protocol"]) == ("*", "*", "*")
