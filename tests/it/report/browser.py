"""Opens a page in Chromium, in every width and colour scheme that was asked for, and says what it is like.

  browser.py CHROMIUM PAGE AXE FOLDER

Prints one JSON document: for each look what axe complains of, whether the page is wider than the screen, and what it
asked the network for. Writes a screenshot of each look into FOLDER. Speaks the DevTools protocol over a pipe, so no
package is needed.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile

chromium, page, axe, folder = sys.argv[1:]
LOOKS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]

to_browser, from_us = os.pipe()
from_browser, to_us = os.pipe()


class Browser:
    def __init__(self, profile):
        line = 'exec "$@" 3<&%d 4>&%d' % (to_browser, to_us)
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 "--remote-debugging-pipe", "--user-data-dir=" + profile]
        self.process = subprocess.Popen(["bash", "-c", line, "browser", chromium, *flags], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        pass_fds=(to_browser, to_us))
        os.close(to_browser)
        os.close(to_us)
        self.number, self.rest, self.session, self.events = 0, b"", None, []

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(from_browser, 1 << 20)
            if not more:
                sys.exit("the browser ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(from_us, left):]
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, event):
        while not any(one.get("method") == event for one in self.events):
            self.events.append(self.read())

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            sys.exit(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")


def look(browser, width, scheme):
    browser.events.clear()
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 600)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.call("Page.navigate", url="file://" + page)
    browser.wait_for("Page.loadEventFired")
    browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    browser.evaluate(open(axe).read() + ";0")
    violations = browser.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map("
        "one => [one.id, one.help, one.nodes.map(node => node.html).slice(0, 3)]))")
    overflow = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    text = browser.evaluate("document.body.innerText")
    browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
    shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True)
    with open(os.path.join(folder, f"{width}-{scheme}.png"), "wb") as file:
        file.write(base64.b64decode(shot["data"]))
    return {
        "width": width,
        "scheme": scheme,
        "violations": violations,
        "overflow": overflow,
        "text": text,
        "requests": [one["params"]["request"]["url"] for one in browser.events
                     if one.get("method") == "Network.requestWillBeSent"],
        "alerted": any(one.get("method") == "Page.javascriptDialogOpening" for one in browser.events),
        "ground": browser.evaluate("getComputedStyle(document.body).backgroundColor"),
        "scripts": browser.evaluate("document.scripts.length + document.images.length"),
        "focusable": browser.evaluate("document.querySelectorAll('a, summary, [tabindex]').length"),
        "headings": browser.evaluate("[...document.querySelectorAll('h2')].map(one => one.textContent)"),
    }


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    browser = Browser(profile)
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    browser.call("Page.enable")
    browser.call("Network.enable")
    print(json.dumps([look(browser, width, scheme) for width, scheme in LOOKS]))
    browser.session = None
    browser.call("Browser.close")
    browser.process.wait()
