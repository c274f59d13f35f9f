"""Compares what the installed service reads with what root reads outside its sandbox.

    truth.py SERVICE.json HELPER.json ROOT.json NAME… -- PRIVILEGED…

Each file holds a line for each probe and survey, as `ioc-agent probe NAME --json` prints it. The named privileged surveys are the helper
unit's. What differs is a failure, unless the service says that it does not know, and why.
"""
import json
import sys

# They change from one moment to the next: both must have a number, or neither, but for the latency of a disk that did nothing.
MOVING = ("cpu.", "system.", "load.", "memory.", "pressure.", "disk.", "net.", "process.", "agent.", "host.uptime", "kernel.", "swap.", "mount.")
# They change slowly: at most by this share.
SLOW, SLACK = ("fs.",), 0.15
# Not what is read, but what is remembered of it and what happened since.
APART = ("memo", "events")


def read(path):
    with open(path, encoding="utf-8") as lines:
        return {made["name"]: made for made in (json.loads(line) for line in lines if line.strip())}


def unknowns(value):
    if isinstance(value, dict):
        for key, below in value.items():
            if key == "unknown":
                yield from [below] if isinstance(below, str) and below else below if isinstance(below, list) else []
            else:
                yield from unknowns(below)
    elif isinstance(value, list):
        for below in value:
            yield from unknowns(below)


def differences(path, service, root, said):
    """Where the service says something else than root. `said`: it gave a reason for what it does not know."""
    if isinstance(root, dict) and isinstance(service, dict):
        for key in sorted(set(root) | set(service)):
            if key != "unknown":
                yield from differences(f"{path}/{key}", service.get(key), root.get(key), said)
    elif isinstance(root, list) and isinstance(service, list) and len(root) == len(service):
        for at, (a, b) in enumerate(zip(service, root)):
            yield from differences(f"{path}/{at}", a, b, said)
    elif service != root and not (said and service in (None, "", [])):
        yield f"{path}: the service says {json.dumps(service)}, root {json.dumps(root)}"


def numbers(made):
    return {(metric, subject): value for metric, subject, value in made.get("numbers", [])}


def compare(name, service, root):
    if service["outcome"] == "unknown":
        if not service.get("why"):
            yield "unknown without a reason"
        return
    if service["outcome"] != root["outcome"]:
        yield f"the service says {service['outcome']} ({service.get('why', '')}), root {root['outcome']} ({root.get('why', '')})"
        return
    said = any(unknowns(service.get("document")))
    for part in ("document", "software"):
        yield from differences(part, service.get(part), root.get(part), said)
    mine, its = numbers(service), numbers(root)
    for key in sorted(set(mine) | set(its)):
        label = f"{key[0]}|{key[1]}"
        if (key in mine) != (key in its):
            yield f"{label}: only {'the service' if key in mine else 'root'} has it"
            continue
        a, b = mine[key], its[key]
        if a is None and (b is None or said):
            continue
        if a is None or b is None:
            if key[0] not in ("disk.read_ms", "disk.write_ms"):
                yield f"{label}: the service says {a}, root {b}"
        elif key[0].startswith(SLOW):
            if abs(a - b) > SLACK * max(abs(a), abs(b), 1):
                yield f"{label}: the service says {a}, root {b}"
        elif not key[0].startswith(MOVING) and a != b:
            yield f"{label}: the service says {a}, root {b}"


def main():
    files, names = sys.argv[1:4], sys.argv[4:]
    split = names.index("--")
    names, privileged = names[:split], set(names[split + 1:])
    service, helper, root = map(read, files)
    wrong, unknown, same = [], [], 0
    for name in names:
        by = helper if name in privileged else service
        if name not in by or name not in root:
            wrong.append(f"{name}: was not read")
            continue
        found = list(compare(name, by[name], root[name]))
        wrong += [f"{name}: {one}" for one in found]
        same += not found
        unknown += [f"{name}: {why}" for why in [by[name].get("why")] if by[name]["outcome"] == "unknown"]
        unknown += [f"{name}: {why}" for why in unknowns(by[name].get("document"))]
    for line in unknown:
        print(f"    says that it does not know: {line}")
    for line in wrong:
        print(f"    DIFFERS {line}", file=sys.stderr)
    print(f"  {same} of {len(names)} probes and surveys: the service reads what root reads")
    return bool(wrong)


sys.exit(main())
