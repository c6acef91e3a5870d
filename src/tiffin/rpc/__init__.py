"""How services are called: contracts from `idl/`, the call context, who may be called.

Owns: the Python types of the contracts, made at import from the IDL; the context every call carries.
May import: primitives, observability. Publishes nothing. Never knows a service's code.

A service is called through its contract's protocol (`contracts.Orders`, ...). In one process that is the
service object itself; the caller cannot tell.
"""
