"""Opens the SSH session of SETTINGS on GUACD_PORT with pyguacamole, waits for a picture, and joins it."""

import json
import os

from guacamole.client import GuacamoleClient

PORT = int(os.environ["GUACD_PORT"])
SETTINGS = {name.replace("-", "_"): value for name, value in json.loads(os.environ["SETTINGS"]).items()}


def watch(client):
    """Reads until a frame with an image is complete."""
    images = 0
    while True:
        text = client.receive()
        assert text is not None, "the connection was lost"
        opcode = text.split(",", 1)[0].rstrip(";").split(".", 1)[1]
        assert opcode != "error", text
        if opcode == "img":
            images += 1
        if opcode == "sync":
            client.send(",".join(text.rstrip(";").split(",")[:2]) + ";")
            if images:
                return


owner = GuacamoleClient("127.0.0.1", PORT, timeout=60)
owner.handshake(protocol="ssh", width=640, height=480, image=["image/png"], **SETTINGS)
assert owner.id.startswith("$"), owner.id
watch(owner)
print("picture drawn")

joiner = GuacamoleClient("127.0.0.1", PORT, timeout=60)
joiner.handshake(connectionid=owner.id, image=["image/png"])
watch(joiner)
print("joined")
joiner.close()
owner.close()
