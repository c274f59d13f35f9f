"""A mail server that keeps what it gets: aiosmtpd, one JSON line per mail in the file that is named.

It says its port on the first line of standard output.
"""

import asyncio
import json
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP


class Keep:
    def __init__(self, path):
        self.path = path

    async def handle_RCPT(self, server, session, envelope, address, options):
        # A mailbox that does not exist is refused for good.
        if address.startswith("nobody@"):
            return "550 5.1.1 there is no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        kept = {
            "to": envelope.rcpt_tos,
            "subject": str(mail["subject"]),
            "message_id": str(mail["message-id"]),
            "body": mail.get_content(),
        }
        with open(self.path, "a", encoding="utf-8") as out:
            out.write(json.dumps(kept, ensure_ascii=False) + "\n")
        return "250 kept"


async def main():
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Keep(sys.argv[1]), enable_SMTPUTF8=True), host="127.0.0.1", port=0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
