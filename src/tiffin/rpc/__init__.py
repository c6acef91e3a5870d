"""How services are called: contracts from `idl/`, the call context, server and client.

Owns: the Python types of the contracts, made at import from the IDL; the context every call carries; calls
as bytes, who carries them out (`server.RpcServer`) and who makes them (`client.Client`).
May import: primitives, observability. Publishes nothing. Never knows a service's code.

A service is called through its contract's protocol (`contracts.Orders`, ...). In one process that is the
service object itself, in several a client's `service`; the caller cannot tell.
"""
