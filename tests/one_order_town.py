"""As much of the HTTP API as one order needs, with faults on demand."""

from scripted_server import Reply, problem

AFTER = {
    "accept": "preparing", "ready": "ready", "pick-up": "delivering", "deliver": "delivered",
    "complete": "completed", "cancel": "cancelled", "reject": "cancelled",
}  # fmt: skip


class Town:
    """`faults[operation]` are replies given instead of the deed, one a call; as a pair, after the deed."""

    def __init__(self):
        self.order = {"id": "17", "state": "none", "version": 0}
        self.payments = []
        self.faults = {}
        self.done = []
        self.keys = []

    def __call__(self, request):
        operation = request.path.rpartition("/")[2]
        if request.method == "GET" and operation == "17":
            operation = "read"
        fault = self.faults[operation].pop(0) if self.faults.get(operation) else None
        if isinstance(fault, tuple):
            self.act(operation, request)
            return fault[1]
        return fault or self.act(operation, request)

    def act(self, operation, request):
        match operation:
            case "quotes":
                return Reply(200, {"total": {"amount": 100, "currency": "COP"}, "restaurant_id": "r"})
            case "orders":
                return self.place(request)
            case "payments":
                return self.pay(request)
            case "read":
                return Reply(200, self.order)
            case "restaurants" | "customers" | "menu":
                return Reply(201, {})
            case "stock":
                return Reply(200, {"restaurant_id": "r", "items": []})
        return self.advance(operation, request)

    def place(self, request):
        key = request.headers["idempotency-key"]
        if key not in self.keys:
            self.keys.append(key)
            online = request.json["payment_method"] == "online"
            self.move("place", "awaiting_payment" if online else "awaiting_acceptance")
        return Reply(201, self.order)

    def pay(self, request):
        if request.method == "POST":
            state = {"tok_declined": "declined", "tok_slow": "pending"}.get(
                request.json["source"], "succeeded"
            )
            self.payments.append(state)
        elif self.payments[-1] == "pending":
            self.payments[-1] = "succeeded"
        if self.payments[-1] == "succeeded":
            self.order["state"] = "awaiting_acceptance"
        money = {"amount": 100, "currency": "COP"}
        payments = [
            {"id": "p", "order_id": "17", "amount": money, "state": state, "created_at": "", "updated_at": ""}
            for state in self.payments
        ]
        return Reply(201, payments[-1]) if request.method == "POST" else Reply(200, {"payments": payments})

    def advance(self, operation, request):
        if self.order["state"] in ("cancelled", "completed"):
            return problem(409, "wrong_state", state=self.order["state"])
        self.move(operation, AFTER.get(operation, self.order["state"]))
        if operation == "assign-courier":
            self.order["courier_id"] = request.headers["authorization"].rpartition(":")[2]
        return Reply(200, self.order)

    def move(self, what, state):
        self.done.append(what)
        self.order |= {"state": state, "version": self.order["version"] + 1}
