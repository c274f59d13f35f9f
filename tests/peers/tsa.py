#!/usr/bin/env python3
"""An authority of time stamps (RFC 3161) for tests: python3 tsa.py DIR PORT

Makes a root (ca.pem) and a signer in DIR, and answers queries with 'openssl ts -reply'. DIR/manner says how: good, or wrong (it stamps
something else than it was asked for)."""
import http.server, os, subprocess, sys

CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = root
[root]
basicConstraints = critical,CA:TRUE
[signer]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = one
[one]
serial = ./serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""

directory, port = sys.argv[1], int(sys.argv[2])
os.chdir(directory)
run = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True)
open("tsa.cnf", "w").write(CONFIG)
open("serial", "w").write("01\n")
key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
run("req", "-x509", "-config", "tsa.cnf", "-extensions", "root", *key, "-subj", "/CN=root", "-days", "30", "-keyout", "ca.key", "-out", "made.pem")
run("req", "-new", "-config", "tsa.cnf", *key, "-subj", "/O=TSA/CN=Stamps", "-keyout", "signer.key", "-out", "signer.csr")
run("x509", "-req", "-in", "signer.csr", "-CA", "made.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "20",
    "-extfile", "tsa.cnf", "-extensions", "signer", "-out", "signer.pem")


class Answers(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        query = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["content-type"] == "application/timestamp-query"
        open("query.tsq", "wb").write(query)
        if open("manner").read() == "wrong":
            run("ts", "-query", "-digest", "00" * 32, "-sha256", "-cert", "-out", "query.tsq")
        run("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-signer", "signer.pem", "-inkey", "signer.key", "-out", "reply.tsr")
        reply = open("reply.tsr", "rb").read()
        self.send_response(200)
        self.send_header("content-type", "application/timestamp-reply")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *words):
        pass


server = http.server.HTTPServer(("127.0.0.1", port), Answers)
# It is there once the file is.
os.rename("made.pem", "ca.pem")
server.serve_forever()
