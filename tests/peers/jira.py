"""A ticket system with the few requests of Jira's REST API 2 that config/tickets/jira.toml makes. It says its port first.

What it holds is at GET /all, with how often each was looked at; POST /drop/N has it lose the answers of the next N requests that make an issue.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

ISSUES = {}
DROP = [0]
STATUS = {"11": "To Do", "21": "In Progress", "31": "Done"}


class Jira(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urlparse(self.path)
        if url.path == "/all":
            return self.answer(200, ISSUES)
        if self.headers["authorization"] != "Basic c2VjcmV0":
            return self.answer(401, {"message": "who are you?"})
        if url.path.endswith("/search"):
            label = parse_qs(url.query)["jql"][0].split('labels="')[1].rstrip('"')
            found = [{"key": key} for key, issue in ISSUES.items() if label in issue["labels"]]
            return self.answer(200, {"issues": found[:1]})
        key = url.path.split("/")[-1]
        ISSUES[key]["looks"] += 1
        self.answer(200, {"key": key, "fields": {"status": {"name": ISSUES[key]["status"]}}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"null")
        parts = self.path.strip("/").split("/")
        if parts[0] == "drop":
            DROP[0] = int(parts[1])
            return self.answer(200, {})
        if parts[0] == "status":
            ISSUES[parts[1]]["status"] = body
            return self.answer(200, {})
        if parts[-1] == "issue":
            key = f"IOC-{len(ISSUES) + 1}"
            fields = body["fields"]
            ISSUES[key] = {"summary": fields["summary"], "labels": fields["labels"], "status": "To Do", "comments": [], "looks": 0}
            if DROP[0] > 0:
                DROP[0] -= 1
                self.close_connection = True
                return
            return self.answer(201, {"key": key})
        issue = ISSUES[parts[-2]]
        if parts[-1] == "comment":
            issue["comments"].append(body["body"])
        else:
            issue["status"] = STATUS[body["transition"]["id"]]
        self.answer(204 if parts[-1] == "transitions" else 201, {})


server = ThreadingHTTPServer(("127.0.0.1", 0), Jira)
print(server.server_port, flush=True)
server.serve_forever()
