"""A stand-in for Azure on loopback, for the real Azure CLI.

The CLI is given it as its HTTPS proxy: each CONNECT is answered here, by a certificate of a test authority, whatever
host was meant. Nothing leaves the machine. Resource Manager is kept as a tree of resources that are checked the way
Azure checks them where a script could go wrong: parents and references must exist, answers come back in Azure's
spelling and with more in them than was sent, secrets never come back, long operations take a while.
"""

import base64
import copy
import hashlib
import json
import re
import socket
import socketserver
import ssl
import subprocess
import threading
import uuid
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
TENANT = "66666666-7777-8888-9999-000000000000"
OPERATOR = "aaaaaaaa-0000-0000-0000-00000000000a"
PRINCIPAL = "bbbbbbbb-0000-0000-0000-00000000000b"
CLIENT = "cccccccc-0000-0000-0000-00000000000c"
HOSTS = ["management.azure.com", "login.microsoftonline.com", "*.blob.core.windows.net", "*.vault.azure.net"]
WRITE_ONLY = {"administratorLoginPassword", "customData", "value"}
SLOW = ("/virtualmachines/", "/loadbalancers/", "/vaults/", "/privateendpoints/", "/virtualmachinescalesets/")


class Fault(Exception):
    """An answer that is an error, as Azure words it."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Azure:
    """What there is, what was asked, and what shall go wrong."""

    def __init__(self):
        self.lock = threading.Lock()
        self.resources = {}
        self.blobs = {}
        self.deleted_vaults = {}
        self.registered = {"Microsoft.Network", "Microsoft.Compute"}
        self.log = []
        self.stray = []
        self.faults = []
        self.pending = {}
        self.operations = {}
        self.known_principals = set()
        self.tokens = 0
        self.node_answer = "guacd-lite-azure: done"
        self.standby_modes = ["ZoneRedundant", "SameZone"]

    def snapshot(self):
        with self.lock:
            return copy.deepcopy((self.resources, self.blobs, self.registered, self.known_principals, self.deleted_vaults))

    def restore(self, snapshot):
        with self.lock:
            self.resources, self.blobs, self.registered, self.known_principals, self.deleted_vaults = copy.deepcopy(snapshot)

    def fail(self, method, pattern, status, code, message, times=1):
        """The next `times` requests that match get this answer."""
        self.faults.append([method, re.compile(pattern, re.IGNORECASE), status, code, message, times])

    def changes(self):
        """Requests that change something, or mean to."""
        return [entry for entry in self.log if entry["method"] not in ("GET", "HEAD") and entry["host"] != "login.microsoftonline.com"]

    def find(self, pattern):
        """The one resource whose path ends like this."""
        found = [resource for path, resource in self.resources.items() if re.search(pattern + "$", path, re.IGNORECASE)]
        assert len(found) == 1, f"{pattern}: {len(found)} found among {sorted(self.resources)}"
        return found[0]

    # One request --------------------------------------------------------------------------------------------------

    def answer(self, host, method, target, headers, body):
        parts = urlsplit(target)
        path, query = unquote(parts.path), {key.lower(): value[0] for key, value in parse_qs(parts.query).items()}
        with self.lock:
            entry = {"method": method, "host": host, "path": path, "query": query, "body": None}
            self.log.append(entry)
            if host == "login.microsoftonline.com":
                return self.login(path)
            if "authorization" not in headers:
                raise Fault(401, "AuthenticationFailed", "no token")
            for fault in self.faults:
                if fault[5] > 0 and fault[0] == method and fault[1].search(path):
                    fault[5] -= 1
                    raise Fault(fault[2], fault[3], fault[4])
            if host.endswith(".blob.core.windows.net"):
                return self.blob(host, method, path, headers, body)
            if host != "management.azure.com":
                raise Fault(403, "Forbidden", "the vault is closed to this address")
            if body:
                entry["body"] = json.loads(body)
            if "api-version" not in query:
                raise Fault(400, "MissingApiVersionParameter", "api-version")
            return self.manage(method, path, entry["body"])

    def login(self, path):
        base = f"https://login.microsoftonline.com/{TENANT}"
        if path.endswith("/discovery/instance"):
            aliases = ["login.microsoftonline.com", "login.windows.net"]
            metadata = [{"preferred_network": aliases[0], "preferred_cache": aliases[1], "aliases": aliases}]
            return 200, {"tenant_discovery_endpoint": f"{base}/v2.0/.well-known/openid-configuration", "api-version": "1.1", "metadata": metadata}
        if path.endswith("openid-configuration"):
            return 200, {"issuer": f"{base}/v2.0", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                         "token_endpoint": f"{base}/oauth2/v2.0/token", "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode"}
        if path.endswith("/oauth2/v2.0/token"):
            self.tokens += 1
            encode = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
            claims = {"oid": OPERATOR, "idtyp": "app", "tid": TENANT, "n": self.tokens}
            return 200, {"token_type": "Bearer", "expires_in": 86399, "ext_expires_in": 86399, "access_token": f"{encode({'alg': 'none'})}.{encode(claims)}.x"}
        raise Fault(404, "NotFound", path)

    def manage(self, method, path, body):
        low = path.lower().rstrip("/")
        subscription = f"/subscriptions/{SUBSCRIPTION}"
        if low == "/subscriptions":
            return 200, {"value": [{"id": subscription, "subscriptionId": SUBSCRIPTION, "tenantId": TENANT, "displayName": "Test", "state": "Enabled",
                                    "subscriptionPolicies": {}, "authorizationSource": "RoleBased", "managedByTenants": []}]}
        if not low.startswith(subscription):
            raise Fault(404, "SubscriptionNotFound", path)
        rest = path[len(subscription):]
        if match := re.fullmatch(r"/providers/([A-Za-z.]+)(/register)?", rest):
            if match.group(2):
                self.registered.add(match.group(1))
            return 200, {"namespace": match.group(1), "registrationState": "Registered" if match.group(1) in self.registered else "NotRegistered"}
        if rest.endswith("/usages"):
            return 200, {"value": [{"name": {"value": "cores"}, "limit": 100, "currentValue": 4}]}
        if rest.endswith("/capabilities"):
            return 200, {"value": [{"zone": "1", "supportedHAMode": self.standby_modes}]}
        if match := re.fullmatch(r"/providers/Test/operations/(.+)", rest):
            return self.operation(match.group(1))
        if match := re.fullmatch(r"/providers/Microsoft\.KeyVault/locations/\w+/deletedVaults/([^/]+)(/purge)?", rest):
            if match.group(1).lower() not in self.deleted_vaults:
                raise Fault(404, "DeletedVaultNotFound", rest)
            if match.group(2):
                del self.deleted_vaults[match.group(1).lower()]
                return 202, None
            return 200, {"name": match.group(1), "properties": {"scheduledPurgeDate": "2026-12-01"}}
        if not rest.lower().startswith("/resourcegroups/"):
            raise Fault(404, "InvalidResourceType", rest)
        if method == "POST" and low.endswith("/runcommand"):
            self.resource(low.rsplit("/", 1)[0])
            return 200, {"value": [{"code": "ProvisioningState/succeeded", "message": f"Enable succeeded: \n[stdout]\n{self.node_answer}\n[stderr]\n"}]}
        if method == "GET" and low.endswith("/providers/microsoft.compute/virtualmachines"):
            return 200, {"value": [self.shown(key) for key in self.resources if re.fullmatch(re.escape(low) + "/[^/]+", key)]}
        return {"GET": self.get, "HEAD": self.get, "PUT": self.put, "PATCH": self.patch, "DELETE": self.delete}[method](path, low, body)

    def resource(self, low):
        if low not in self.resources:
            group = "/".join(low.split("/")[:5])
            code = "ResourceNotFound" if group in self.resources and low != group else "ResourceGroupNotFound"
            raise Fault(404, code, f"{low} could not be found")
        return self.resources[low]

    def get(self, path, low, _body):
        resource = self.resource(low)
        if self.pending.get(low, 0) > 0:
            self.pending[low] -= 1
            if self.pending[low] == 0:
                self.settle(resource)
        return 200, self.shown(low)

    def put(self, path, low, body):
        if not isinstance(body, dict):
            raise Fault(400, "InvalidRequestContent", "no body")
        self.check_parent(path, low)
        self.check_references(low, body)
        if low in self.resources and "/virtualmachines/" in low:
            raise Fault(409, "PropertyChangeNotAllowed", "Changing property 'osProfile.customData' is not allowed.")
        if "/roleassignments/" in low and body["properties"]["principalId"] not in self.known_principals:
            # A principal that was made a moment ago is not known everywhere.
            self.known_principals.add(body["properties"]["principalId"])
            raise Fault(400, "PrincipalNotFound", "Principal does not exist in the directory.")
        vault_name = low.rsplit("/", 1)[-1]
        if re.search(r"/vaults/[^/]+$", low) and vault_name in self.deleted_vaults:
            raise Fault(409, "ConflictError", f"A vault with the same name already exists in deleted state. {vault_name}")
        made = low not in self.resources
        if "/flexibleservers/" in low and low.count("/") == 8:
            return self.start(path, low, body)
        self.keep(path, low, body)
        if any(part in low for part in SLOW) and low.count("/") == 8:
            self.pending[low] = 1
            self.resources[low]["properties"]["provisioningState"] = "Creating" if made else "Updating"
        return (201 if made else 200), self.shown(low)

    def start(self, path, low, body):
        """A long operation: the resource is not there before it is done."""
        number = str(uuid.uuid4())
        self.operations[number] = [1, lambda: self.keep(path, low, body)]
        return 202, None, {"Azure-AsyncOperation": self.operation_url(number), "Retry-After": "1"}

    def operation_url(self, number):
        return f"https://management.azure.com/subscriptions/{SUBSCRIPTION}/providers/Test/operations/{number}?api-version=1"

    def operation(self, number):
        operation = self.operations[number]
        if operation[0] > 0:
            operation[0] -= 1
            return 202, {"status": "InProgress"}, {"Location": self.operation_url(number), "Retry-After": "1"}
        try:
            operation[1]()
        except Fault as fault:
            return 200, {"status": "Failed", "error": {"code": fault.code, "message": fault.message}}
        return 200, {"status": "Succeeded"}

    def patch(self, path, low, body):
        def merge(into, what):
            for key, value in what.items():
                if isinstance(value, dict) and isinstance(into.get(key), dict):
                    merge(into[key], value)
                else:
                    into[key] = value
        resource = self.resource(low)
        merge(resource, body)
        self.pending[low] = 1
        resource["properties"]["state" if "/flexibleservers/" in low else "provisioningState"] = "Updating"
        return 202, None

    def delete(self, path, low, _body):
        self.resource(low)

        def remove():
            for key in [key for key in self.resources if key == low or key.startswith(low + "/")]:
                if re.search(r"/vaults/[^/]+$", key):
                    self.deleted_vaults[key.rsplit("/", 1)[-1]] = True
                self.resources.pop(key, None)
        number = str(uuid.uuid4())
        self.operations[number] = [1, remove]
        return 202, None, {"Location": self.operation_url(number), "Retry-After": "1"}

    # The tree -----------------------------------------------------------------------------------------------------

    def check_parent(self, path, low):
        parts = low.split("/")
        if len(parts) == 5:
            return
        parent = "/".join(parts[:-2])
        if "/providers/microsoft.authorization/" in low:
            parent = low.split("/providers/microsoft.authorization/")[0]
        elif parts[-4] == "providers" or len(parts) == 9:
            parent = "/".join(parts[:5])
        parent = parent.removesuffix("/blobservices/default")
        if parent not in self.resources:
            raise Fault(404, "ParentResourceNotFound", f"{parent} must be there before {low}")

    def check_references(self, low, body):
        def texts(value):
            if isinstance(value, dict):
                for key, inner in value.items():
                    yield key
                    yield from texts(inner)
            elif isinstance(value, list):
                for inner in value:
                    yield from texts(inner)
            elif isinstance(value, str):
                yield value
        for text in texts(body):
            reference = text.lower()
            if not re.match(r"/subscriptions/[^/]+/resourcegroups/", reference) or reference.startswith(low + "/"):
                continue
            if reference in self.resources:
                continue
            owner, _, inner = reference.rpartition("/")
            kind = owner.rpartition("/")[2]
            owner = owner.rpartition("/")[0]
            inside = {key.lower(): value for key, value in self.resources.get(owner, {}).get("properties", {}).items()}.get(kind, [])
            if not any(item.get("name", "").lower() == inner for item in inside):
                raise Fault(400, "InvalidResourceReference", f"{text}, named by {low}, is not there")

    def keep(self, path, low, body):
        resource = copy.deepcopy(body)
        resource.setdefault("properties", {})
        resource["id"] = path.replace("/resourceGroups/", "/resourcegroups/")
        resource["name"] = path.rsplit("/", 1)[-1]
        resource["etag"] = 'W/"x"'
        before = self.resources.get(low)
        if before:
            resource["properties"] = {**{key: before["properties"][key] for key in ("ipAddress", "clientId", "principalId") if key in before["properties"]}, **resource["properties"]}
        self.resources[low] = resource
        self.settle(resource)
        if "/virtualmachinescalesets/" in low and low.count("/") == 8:
            for number in range(body["sku"]["capacity"]):
                name = f"{resource['name']}_{number:08x}"
                key = low.replace(f"/virtualmachinescalesets/{resource['name'].lower()}", f"/virtualmachines/{name}")
                self.resources[key] = {"id": key, "name": name, "tags": body.get("tags"), "properties": {"provisioningState": "Succeeded"}}

    @staticmethod
    def settle(resource):
        low = resource["id"].lower()
        properties = resource["properties"]
        if "/flexibleservers/" in low and low.count("/") == 8:
            properties["state"] = "Ready"
            return
        if not re.search(r"/(configurations|databases|roleassignments|secrets|containers)/", low):
            properties["provisioningState"] = "Succeeded"
        if "/userassignedidentities/" in low:
            properties.update(clientId=CLIENT, principalId=PRINCIPAL)
        if "/publicipaddresses/" in low:
            properties["ipAddress"] = "203.0.113.7"
        if "/networksecuritygroups/" in low:
            for rule in properties["securityRules"]:
                rule["id"] = f"{resource['id']}/securityRules/{rule['name']}"
                rule["etag"] = 'W/"x"'
                rule["properties"].setdefault("sourceAddressPrefixes", [])
                rule["properties"]["provisioningState"] = "Succeeded"
            properties["defaultSecurityRules"] = [{"name": "DenyAllInBound"}]
        if "/subnets/" in low:
            for endpoint in properties.get("serviceEndpoints", []):
                endpoint.update(locations=["*"], provisioningState="Succeeded")
        if "/vaults/" in low and "networkAcls" in properties:
            for rule in properties["networkAcls"]["virtualNetworkRules"]:
                # Key Vault gives ids back in small letters.
                rule["id"] = rule["id"].lower()
            properties["vaultUri"] = f"https://{resource['name']}.vault.azure.net/"
        if "/configurations/" in low:
            properties["currentValue"] = properties["value"]

    def shown(self, low):
        def without_secrets(value):
            if isinstance(value, dict):
                hide = WRITE_ONLY - ({"value"} if "/secrets/" not in low else set())
                return {key: without_secrets(inner) for key, inner in value.items() if key not in hide}
            return [without_secrets(inner) for inner in value] if isinstance(value, list) else value
        shown = without_secrets(self.resources[low])
        if re.search(r"/virtualnetworks/[^/]+$", low):
            shown["properties"]["subnets"] = [self.shown(key) for key in self.resources if key.startswith(low + "/subnets/")]
        return shown

    # Blobs --------------------------------------------------------------------------------------------------------

    def blob(self, host, method, path, headers, body):
        store = self.find(f"/storageaccounts/{host.split('.')[0]}")
        if store["properties"]["networkAcls"]["defaultAction"] != "Allow":
            raise Fault(403, "AuthorizationFailure", "This request is not authorized to perform this operation: network rules.")
        if method != "PUT":
            raise Fault(404, "BlobNotFound", path)
        if headers.get("x-ms-blob-type") != "BlockBlob":
            raise Fault(400, "InvalidHeaderValue", "x-ms-blob-type")
        self.blobs[path] = hashlib.sha256(body).hexdigest()
        return 201, None, {"ETag": '"x"', "Last-Modified": "Tue, 24 Nov 2026 00:00:00 GMT", "x-ms-request-server-encrypted": "true"}


class Handler(BaseHTTPRequestHandler):
    """One connection: CONNECT, then HTTP over TLS."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def setup(self):
        line = b""
        self.request.settimeout(self.timeout)
        while not line.endswith(b"\r\n\r\n"):
            byte = self.request.recv(1)
            if not byte or len(line) > 8192:
                raise ConnectionError("no CONNECT")
            line += byte
        self.host = line.split()[1].decode().rpartition(":")[0]
        if not line.startswith(b"CONNECT ") or not any(re.fullmatch(name.replace(".", r"\.").replace("*", "[a-z0-9-]+"), self.host) for name in HOSTS):
            self.server.azure.stray.append(self.host)
            self.request.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            raise ConnectionError(f"stray request for {self.host}")
        self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def serve(self):
        headers = {key.lower(): value for key, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        more = {}
        try:
            answer = self.server.azure.answer(self.host, self.command, self.path, headers, body)
            status, content = answer[0], answer[1]
            more = answer[2] if len(answer) > 2 else {}
        except Fault as fault:
            status, content = fault.status, {"error": {"code": fault.code, "message": fault.message}}
            if self.host.endswith(".blob.core.windows.net"):
                more = {"x-ms-error-code": fault.code}
                content = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
        if content is None:
            data, kind = b"", "application/json"
        elif isinstance(content, str):
            data, kind = content.encode(), "application/xml"
        else:
            data, kind = json.dumps(content).encode(), "application/json"
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = serve

    def log_message(self, *_arguments):
        pass


class Server(socketserver.ThreadingTCPServer):
    """Listens on a free port of loopback."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, directory: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.azure = Azure()
        self.authority = make_certificates(directory)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / "server.pem", directory / "server.key")
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def handle_error(self, request, client_address):
        """A connection that ended early is no news."""


def make_certificates(directory: Path) -> Path:
    """An authority of a day and a certificate for all hosts; gives the authority's file."""
    run = lambda *line: subprocess.run(["openssl", *line], cwd=directory, check=True, capture_output=True)
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    run("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stand-in", "-keyout", "server.key", "-out", "server.csr")
    (directory / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in HOSTS) + "\n")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.pem")
    return directory / "ca.pem"
