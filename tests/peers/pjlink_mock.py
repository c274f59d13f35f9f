"""The mock projector of aiopjlink's own tests, which we did not write, told what to expect and to answer.

pjlink_mock.py PORT       one JSON object on standard input: {"greeting": "PJLINK 0\r", "script": [["%1POWR ?\r", "%1POWR=1\r"], ...]}
A message that is not the next of the script closes the connection, as the mock does. Each new connection plays the script anew.
"""
import asyncio
import importlib.util
import json
import pathlib
import sys

import aiopjlink

# It lies beside the package, under a name that Python's own tests have, too.
place = pathlib.Path(aiopjlink.__file__).parent.parent / "test" / "test_projector.py"
spec = importlib.util.spec_from_file_location("aiopjlink_tests", place)
mock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mock)


async def main():
    given = json.loads(sys.stdin.readline())
    loop = asyncio.get_running_loop()

    def projector():
        protocol = mock.PJLinkServerProtocol(loop)
        protocol.open_and_send(given["greeting"].encode())
        for incoming, answer in given["script"]:
            expected = mock.ExpectedEvent(incoming.encode(), answer.encode(), within=60)
            protocol._expected_events.append(expected)
        return protocol

    server = await loop.create_server(projector, "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
