#!/usr/bin/env python3
"""Pictures of the pages for docs/pictures, through chromedriver: scripts/pictures starts the demo and this."""

import base64
import json
import subprocess
import sys
import time
import urllib.request

base, password, out = sys.argv[1:4]
PORT = 9518


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", method=method, data=data)
    request.add_header("content-type", "application/json")
    return json.load(urllib.request.urlopen(request, timeout=60))["value"]


driver = subprocess.Popen(["chromedriver", f"--port={PORT}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(100):
        try:
            call("GET", "/status")
            break
        except OSError:
            time.sleep(0.2)
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--ignore-certificate-errors"]
    options = {"acceptInsecureCerts": True, "goog:chromeOptions": {"args": arguments}}
    session = "/session/" + call("POST", "/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]

    def go(path):
        call("POST", f"{session}/url", {"url": base + path})
        time.sleep(1)

    def run(script):
        return call("POST", f"{session}/execute/sync", {"script": script, "args": []})

    def chrome(command, **parameters):
        return call("POST", f"{session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def on(selector, what, body):
        element = next(iter(call("POST", f"{session}/element", {"using": "css selector", "value": selector}).values()))
        call("POST", f"{session}/element/{element}/{what}", body)
        time.sleep(1)

    def size(width, height, mobile=False):
        chrome("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if mobile else 1, mobile=mobile)

    def scheme(name):
        chrome("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(name):
        data = chrome("Page.captureScreenshot", format="png")["data"]
        with open(f"{out}/{name}.png", "wb") as file:
            file.write(base64.b64decode(data))

    size(1280, 800)
    go("/login")
    on("input[name=name]", "value", {"text": "admin"})
    on("input[name=password]", "value", {"text": password})
    on("button.primary", "click", {})
    # Wait until the demo's neighbours have something to tell.
    for _ in range(60):
        go("/")
        if run("return document.querySelectorAll('a.alert').length") >= 2:
            break
    picture("overview")
    go("/devices?sort=state")
    picture("devices")
    go("/devices/this-host")
    picture("device")
    scheme("dark")
    go("/wall")
    picture("wall-dark")
    scheme("light")
    go("/")
    address = run("return new URL(document.querySelector('a.alert').href).pathname")
    go(address)
    picture("incident")
    size(360, 740, True)
    go(address)
    picture("phone")
    call("DELETE", session)
finally:
    driver.terminate()
