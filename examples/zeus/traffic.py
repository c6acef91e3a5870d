"""Traffic for Zeus, as customers, shops and riders make it; in the end it tells what they saw.

    python traffic.py http://127.0.0.1:8000 [--seconds 60] [--a-second 40] [--people 8]

Each of its people places orders and moves them on, one request after the other, and sees to it in the end
that each order is where it was last told it is. Ends after the time, or by Ctrl-C. The exit code tells
whether all was well.
"""

import argparse
import http.client
import json
import random
import signal
import sys
import threading
import time
from urllib.parse import urlsplit

STEPS = ("new", "cooking", "packed", "riding", "arrived", "closed")
DISHES = (("Bandeja", "12.50"), ("Arepa", "3.20"), ("Ajiaco", "9.80"), ("Lulada", "2.75"))


class Person(threading.Thread):
    """Places orders and moves them on."""

    def __init__(self, url, number, apart_s, stop):
        super().__init__(daemon=True)
        self.address = urlsplit(url).netloc
        self.connection = http.client.HTTPConnection(self.address, timeout=30)
        self.dice = random.Random(number)  # noqa: S311 - dice
        self.apart_s, self.stop = apart_s, stop
        self.known = {}  # order: (user, status)
        self.requests = self.placed = self.errors = self.behind = self.lost = 0
        self.longest_s = 0.0
        self.kinds = {}

    def run(self):
        due_s = time.monotonic()
        while not self.stop.is_set():
            self.act()
            due_s = max(due_s + self.apart_s, time.monotonic() - 1)
            self.stop.wait(max(0.0, due_s - time.monotonic()))

    def act(self):
        going = [number for number, (_, status) in self.known.items() if status not in ("closed", "dead")]
        if not going or (len(going) < 8 and self.dice.random() < 0.4):
            return self.place()
        number = self.dice.choice(going)
        return self.look(number) if self.dice.random() < 0.3 else self.move(number)

    def place(self):
        dishes = self.dice.sample(DISHES, self.dice.randint(1, 3))
        user = self.dice.randint(1, 500)
        items = [{"dish": dish, "count": self.dice.randint(1, 2), "price": price} for dish, price in dishes]
        street = f"Calle {self.dice.randint(1, 99)}"
        order = self.ask("POST", "/orders", {
            "user_id": user, "shop_id": self.dice.randint(1, 20), "items": items, "street": street,
            "paid_by": self.dice.choice(("cash", "card")), "city": "Medellín", "latitude": 6.25,
            "longitude": -75.56,
        })  # fmt: skip
        if order:
            self.placed += 1
            self.known[order["id"]] = user, order["status"]

    def move(self, number):
        user, status = self.known[number]
        if status in STEPS[:3] and self.dice.random() < 0.05:
            order = self.ask("POST", f"/orders/{number}/kill", {"because": "changed their mind"})
        else:
            asked = {"from": status, **({"rider_id": self.dice.randint(1, 50)} if status == "packed" else {})}
            order = self.ask("POST", f"/orders/{number}/next", asked)
        if order:
            self.known[number] = user, order["status"]

    def look(self, number):
        """What a person reads may be a moment old; that is counted, and no error."""
        user, status = self.known[number]
        order = self.ask("GET", f"/users/{user}/orders/{number}")
        if order and order["status"] != status:
            self.behind += 1
        return order

    def check(self):
        for number, (_, status) in self.known.items():
            order = self.look(number)
            self.lost += not order or order["status"] != status

    def ask(self, method, path, body=None):
        self.requests += 1
        began_s = time.monotonic()
        try:
            self.connection.request(method, path, json.dumps(body) if body else None,
                                    {"Content-Type": "application/json"})  # fmt: skip
            response = self.connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            return self.failed(type(error).__name__)
        finally:
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
        return json.loads(content) if response.status < 300 else self.failed(f"{method} {response.status}")

    def failed(self, how):
        self.errors += 1
        self.kinds[how] = self.kinds.get(how, 0) + 1


def main():
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--seconds", type=float, default=3600)
    options.add_argument("--a-second", type=float, default=40)
    options.add_argument("--people", type=int, default=8)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    apart_s = given.people / given.a_second
    people = [Person(given.url, given.seed + each, apart_s, stop) for each in range(given.people)]
    for person in people:
        person.start()
    stop.wait(given.seconds)
    stop.set()
    for person in people:
        person.join()
    time.sleep(2)  # whoever reads the copy has it by then
    for person in people:
        person.check()
    total = {
        what: sum(getattr(person, what) for person in people)
        for what in ("placed", "requests", "errors", "behind", "lost")
    }
    kinds = {}
    for person in people:
        for kind, count in person.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
    longest_ms = round(max(person.longest_s for person in people) * 1000)
    print(json.dumps({**total, "longest_pause_ms": longest_ms, "errors_by_kind": kinds}))
    sys.exit(bool(total["errors"] or total["lost"]))


if __name__ == "__main__":
    main()
