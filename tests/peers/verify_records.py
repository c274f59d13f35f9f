#!/usr/bin/env python3
"""Checks an archive of records by docs/records.md alone, with Python's own library and openssl: python3 verify_records.py ARCHIVE [CA.pem [STAMP-CA.pem]]"""
import base64, hashlib, json, os, re, struct, subprocess, sys, tarfile, tempfile

def sha(data): return hashlib.sha256(data).digest()
def node(left, right): return sha(b"\x01" + left + right)
faults = []
def expect(good, what):
    if not good: faults.append(what)

archive = tarfile.open(sys.argv[1], "r:")
names = archive.getnames()
expect(len(names) == len(set(names)), "a file is there twice")
plain = lambda name: all(re.fullmatch(r"[A-Za-z0-9._-]+", part) and part not in (".", "..") for part in name.split("/"))
expect(all(plain(one.name) and one.isfile() and one.mode == 0o600 for one in archive.getmembers()), "not a file of an archive of records")
room = sum(512 + -(-one.size // 512) * 512 for one in archive.getmembers()) + 1024
expect(os.path.getsize(sys.argv[1]) == room, "something stands between the files or behind them")
read = lambda name: archive.extractfile(name).read()
manifest_bytes = read("manifest.json")
manifest = json.loads(manifest_bytes)
if manifest["format"] != "ioc-watch records 1": sys.exit("another format: " + manifest["format"])
ca = open(sys.argv[2], "rb").read() if len(sys.argv) > 2 else read("ca.pem")

def signed(key, text, signature):
    """Whether the key of this name, which the authority certified, signed the text."""
    with tempfile.TemporaryDirectory() as d:
        at = lambda name: os.path.join(d, name)
        for name, content in (("ca", ca), ("key", read("keys/%s.pem" % key)), ("text", text), ("sig", base64.b64decode(signature))):
            open(at(name), "wb").write(content)
        run = lambda *words: subprocess.run(["openssl", *words], capture_output=True)
        if run("verify", "-CAfile", at("ca"), at("key")).returncode: return False
        # The authority certifies every device, too: the certificate has to be of a key of records, and of this one.
        about = run("x509", "-in", at("key"), "-noout", "-subject", "-nameopt", "RFC2253", "-ext", "basicConstraints").stdout.decode()
        if "subject=CN=IOC Watch records %s\n" % key not in about or "CA:TRUE" in about: return False
        usage = run("asn1parse", "-in", at("key")).stdout.decode().split(":X509v3 Extended Key Usage\n")
        # One usage, 1.3.6.1.5.5.7.3.36, as DER.
        if len(usage) != 2 or usage[1].split("\n")[0].split("[HEX DUMP]:")[-1] != "300A06082B06010505070324": return False
        open(at("public"), "wb").write(run("x509", "-in", at("key"), "-pubkey", "-noout").stdout)
        point = run("pkey", "-pubin", "-in", at("public"), "-outform", "DER").stdout[-65:]
        if hashlib.sha256(point).hexdigest()[:16] != key: return False
        return run("dgst", "-sha256", "-verify", at("public"), "-signature", at("sig"), at("text")).returncode == 0

statement = "ioc-watch records 1\nsha256 %s\n" % hashlib.sha256(manifest_bytes).hexdigest()
expect(signed(manifest["key"], statement.encode(), read("manifest.sig")), "manifest.json is not signed")
listed = {one["name"]: one for one in manifest["files"]}
expect(set(listed) == set(names) - {"manifest.json", "manifest.sig", "manifest.tsr"}, "files are missing, or more than listed")
for name in set(listed) & set(names):
    expect(hashlib.sha256(read(name)).hexdigest() == listed[name]["sha256"], name + " was changed")

head = manifest["head"]
at_ms = lambda text: round(__import__("datetime").datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
statement = "ioc-watch audit head 1\nnumber %d\nhash %s\nroot %s\nat_ms %d\nkey %s\n" % (
    head["number"], head["hash"], head["root"], at_ms(head["at"]), head["key"])
expect(signed(head["key"], statement.encode(), head["signature"]), "the head is not signed")

def record_hash(one):
    data = b"ioc-watch audit 1\n" + one["previous"].encode() + struct.pack(">Qq", one["number"], one["at_ms"])
    for field in ("actor", "action", "subject", "detail"):
        text = one[field].encode()
        data += struct.pack(">Q", len(text)) + text
    return hashlib.sha256(data).hexdigest()

def root_of(one):
    """RFC 9162, section 2.1.3.2."""
    at, last, root = one["number"] - 1, head["number"] - 1, sha(b"\x00" + bytes.fromhex(one["hash"]))
    for neighbour in map(bytes.fromhex, one["proof"]):
        if last == 0: return None
        if at & 1 or at == last:
            root = node(neighbour, root)
            while at and not at & 1: at, last = at >> 1, last >> 1
        else: root = node(root, neighbour)
        at, last = at >> 1, last >> 1
    return root.hex() if last == 0 else None

def consistent(first, first_root, second, second_root, proof):
    """RFC 9162, section 2.1.4.2."""
    if not 0 < first <= second: return False
    if first == second: return not proof and first_root == second_root
    path = ([first_root] if first & (first - 1) == 0 else []) + proof
    at, last = first - 1, second - 1
    while at & 1: at, last = at >> 1, last >> 1
    if not path: return False
    old = new = path[0]
    for neighbour in path[1:]:
        if last == 0: return False
        if at & 1 or at == last:
            old, new = node(neighbour, old), node(neighbour, new)
            while at and not at & 1: at, last = at >> 1, last >> 1
        else: new = node(new, neighbour)
        at, last = at >> 1, last >> 1
    return old == first_root and new == second_root and last == 0

def head_text(one):
    return "ioc-watch audit head 1\nnumber %d\nhash %s\nroot %s\nat_ms %d\nkey %s\n" % (
        one["number"], one["hash"], one["root"], at_ms(one["at"]), one["key"])

def stamped(what, text, reply):
    """Whether the authority of time stamps says so of the text, as of the time that it says."""
    with tempfile.TemporaryDirectory() as d:
        at = lambda name: os.path.join(d, name)
        for name, content in (("ca", stamp_ca), ("text", text), ("reply", reply)): open(at(name), "wb").write(content)
        run = lambda *words: subprocess.run(["openssl", "ts", *words], capture_output=True)
        said = run("-reply", "-in", at("reply"), "-text").stdout.decode()
        when = re.search(r"Time stamp: (\w+ +\d+ \d+:\d+:\d+)(?:\.\d+)? (\d+) GMT", said)
        if not when: return expect(False, what + ": its time stamp cannot be read")
        moment = __import__("datetime").datetime.strptime(" ".join(when.groups()) + " +0000", "%b %d %H:%M:%S %Y %z")
        good = run("-verify", "-data", at("text"), "-in", at("reply"), "-CAfile", at("ca"), "-attime", str(round(moment.timestamp())))
        expect(good.returncode == 0 and b"Verification: OK" in good.stdout, what + ": its time stamp is not good")
        times.append("%s: time-stamped at %s" % (what, moment.isoformat()))

times = []
stamp_ca = open(sys.argv[3], "rb").read() if len(sys.argv) > 3 else read("stamp-ca.pem") if "stamp-ca.pem" in names else None
lines = lambda name: [json.loads(line) for line in read(name).decode().split("\n") if line]
for one in lines("audit.jsonl"):
    expect(record_hash(one) == one["hash"], "record %d was changed" % one["number"])
    expect(at_ms(one["at"]) == one["at_ms"], "record %d says two times" % one["number"])
    expect(root_of(one) == head["root"], "record %d is not in the signed log" % one["number"])
for incident in lines("incidents.jsonl"):
    for file in incident["record"]["attachments"]:
        name = "files/INC-%06d/%s" % (incident["id"], file["sha256"])
        expect(name in names and hashlib.sha256(read(name)).hexdigest() == file["sha256"], name + " is not the file of its incident")
for kind in ("attestations.jsonl", "account-attestations.jsonl", "asset-attestations.jsonl", "accounts.jsonl"):
    for said in lines(kind) if kind in names else []:
        for file in said.get("files", []):
            name = "files/evidence/%s" % file["sha256"]
            expect(name in names and hashlib.sha256(read(name)).hexdigest() == file["sha256"], name + " is not the file of its attestation")
for issued in lines("issued-reports.jsonl") if "issued-reports.jsonl" in names else []:
    for digest in [issued["sha256"]] + [one["sha256"] for one in [issued["registration"]] + issued.get("earlier", []) if one]:
        name = "files/documents/%s" % digest
        expect(name in names and hashlib.sha256(read(name)).hexdigest() == digest, name + " is not the document that was issued")
for one in lines("stamps.jsonl") if "stamps.jsonl" in names else []:
    old, what = one["head"], "the log up to record %d" % one["head"]["number"]
    expect(signed(old["key"], head_text(old).encode(), old["signature"]), what + ": its head is not signed")
    expect(consistent(old["number"], bytes.fromhex(old["root"]), head["number"], bytes.fromhex(head["root"]),
                      [bytes.fromhex(hash) for hash in one["proof"]]), what + " is no beginning of the one that was signed")
    if stamp_ca: stamped(what, (head_text(old) + "signature %s\n" % old["signature"]).encode(), read("stamps/%d.tsr" % old["number"]))
if "manifest.tsr" in names and stamp_ca: stamped("the archive", manifest_bytes, read("manifest.tsr"))
if len(sys.argv) > 3: expect(times, "the archive has no time stamp")
print("\n".join(times))
faults += manifest["findings"]
print("\n".join(faults) or "whole: %d audit records, signed by %s" % (len(lines("audit.jsonl")), manifest["key"]))
sys.exit(bool(faults))
