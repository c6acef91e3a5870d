"""The methods of `idl/users.thrift`."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from tiffin.primitives.clock import Clock, to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.users import access
from tiffin.services.users.accounts import Accounts
from tiffin.services.users.api_keys import ApiKeys
from tiffin.services.users.codes import wrong_code
from tiffin.services.users.credentials import Credentials
from tiffin.services.users.customers import Customers
from tiffin.services.users.ended import EndedTokens
from tiffin.services.users.erasure import Erasure
from tiffin.services.users.key_store import KeyStore
from tiffin.services.users.policy import SignInPolicy
from tiffin.services.users.queries import QUERIES
from tiffin.services.users.roles import Roles, role_not_granted
from tiffin.services.users.sessions import RefreshToken, Sessions
from tiffin.services.users.sign_in import SendCode, SignIns
from tiffin.services.users.store import CustomerStore
from tiffin.sharding.router import Router
from tiffin.storage.node import Node


class UsersService(Customers):
    """People. One instance a process. `random_bytes` must be fit for secrets."""

    def __init__(
        self,
        router: Router,
        clock: Clock,
        *,
        secret: bytes,
        policy: SignInPolicy,
        send_code: SendCode,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        store = CustomerStore(router)
        super().__init__(store, clock)
        credentials = Credentials(secret, random_bytes)
        self._clock = clock
        self._credentials = credentials
        self._policy = policy
        self._keys = KeyStore(router.directory, secret, policy.key_age_s, random_bytes)
        self._ended = EndedTokens(router.directory)
        self._sign_ins = SignIns(router, clock, policy, credentials, send_code)
        self._accounts = Accounts(router, store, credentials)
        self._sessions = Sessions(router, policy, credentials, self._keys, self._ended)
        self._roles = Roles(router, credentials)
        self._api_keys = ApiKeys(router, credentials)
        self._erasure = Erasure(router)

    async def create(self, context: c.CallContext, request: c.CreateCustomer) -> c.Customer:
        """Register a customer. With their phone they sign in, if it is nobody's yet."""
        customer = await super().create(context, request)
        if customer.phone and customer.phone.startswith("+") and context.caller.role in access.ALL_MAY:
            await self._accounts.claim(customer.phone, customer.id)
        return customer

    async def start_sign_in(self, context: c.CallContext, request: c.StartSignIn) -> c.SignInStarted:
        """Send a code. Nothing about the answer depends on whether the phone is known."""
        return await self._sign_ins.start(context, request)

    async def finish_sign_in(self, context: c.CallContext, request: c.FinishSignIn) -> c.SignedIn:
        """Make the account if there is none, and a session. Of many with the same code one succeeds."""
        now = self._clock()
        right = await self._sign_ins.guess(request.phone, request.sign_in_id, request.code)
        known = await self._accounts.owner(request.phone)
        if request.role != "customer":  # asked before the code is used up: it is good for another try
            if known is None:
                raise role_not_granted(request.role)
            await self._roles.caller(known, request.role, request.restaurant_id)
        await self._sign_ins.use(right)
        person_id, is_new = await self._accounts.person(request.phone, request.name)
        caller = await self._roles.caller(person_id, request.role, request.restaurant_id)
        return await self._sessions.start(person_id, caller, is_new, now)

    async def refresh(self, context: c.CallContext, request: c.RefreshSession) -> c.SignedIn:
        """The next pair of tokens."""
        now, token = self._clock(), RefreshToken.read(request.refresh_token)
        await self._sessions.check(token, now)
        caller = await self._roles.caller(token.person_id, request.role, request.restaurant_id)
        return await self._sessions.refresh(token, caller, now)

    async def sign_out(self, context: c.CallContext, request: c.SignOut) -> c.SignedOut:
        """End one session, by its refresh token. A session that is over is signed out."""
        try:
            ended = await self._sessions.end(RefreshToken.read(request.refresh_token), self._clock())
        except Refusal:
            ended = 0
        return c.SignedOut(sessions=ended)

    async def sign_out_everywhere(self, context: c.CallContext, request: c.PersonOf) -> c.SignedOut:
        """End all sessions of a person."""
        access.check_self(context.caller, request.person_id)
        return c.SignedOut(sessions=await self._sessions.end_all(request.person_id, self._clock()))

    async def list_grants(self, context: c.CallContext, request: c.PersonOf) -> c.GrantList:
        """In which roles a person may act."""
        access.check_self(context.caller, request.person_id)
        return await self._grants(request.person_id)

    async def grant(self, context: c.CallContext, request: c.GrantRole) -> c.GrantList:
        """Make somebody a courier or an operator. Who has no account yet gets one."""
        access.check_operator(context.caller)
        person_id, _ = await self._accounts.person(request.phone, None)
        by = context.caller.id
        await self._roles.grant(person_id, request.role, person_id, None, by, self._clock())
        return await self._grants(person_id)

    async def revoke(self, context: c.CallContext, request: c.RoleRef) -> c.GrantList:
        """From now on they are none; their access tokens are over."""
        access.check_operator(context.caller)
        if await self._roles.revoke(request.person_id, request.role, request.person_id):
            await self._ended.end(request.person_id, self._clock())
        return await self._grants(request.person_id)

    async def invite_staff(self, context: c.CallContext, request: c.InviteStaff) -> c.StaffMember:
        """Let somebody act for a restaurant, or change what they may do."""
        access.check_restaurant(context.caller, request.restaurant_id)
        access.check_manages(context.caller, request.access)
        now = self._clock()
        person_id, _ = await self._accounts.person(request.phone, None)
        present = await self._roles.access(person_id, request.restaurant_id)
        if present is not None:
            access.check_manages(context.caller, present)
        by = context.caller.person or context.caller.id
        is_lowered = present == "owner" and request.access != "owner"
        async with self._owner_stays(context.caller, request.restaurant_id, person_id, is_lowered):
            since = await self._roles.grant(
                person_id, "restaurant", request.restaurant_id, request.access, by, now
            )
        if present not in (None, request.access):
            await self._ended.end(person_id, now)
        member_id = self._credentials.member_id(request.restaurant_id, person_id)
        member = c.StaffMember(
            person_id=person_id, access=request.access, since=to_text(since), member_id=member_id
        )
        return access.show_member(context.caller, member)

    async def remove_staff(self, context: c.CallContext, request: c.StaffRef) -> c.StaffList:
        """Dismiss somebody, or leave. Their access tokens are over."""
        access.check_restaurant(context.caller, request.restaurant_id)
        staff = await self._roles.staff(request.restaurant_id)
        member = next((each for each in staff if each.member_id == request.member_id), None)
        if member is None or member.person_id is None:
            raise Refusal("person_not_found", "nobody of that id acts for this restaurant")
        if not access.is_person(context.caller, member.person_id):
            access.check_manages(context.caller, member.access)
        is_owner = member.access == "owner"
        async with self._owner_stays(context.caller, request.restaurant_id, member.person_id, is_owner):
            await self._roles.revoke(member.person_id, "restaurant", request.restaurant_id)
        await self._ended.end(member.person_id, self._clock())
        return await self._staff(context.caller, request.restaurant_id)

    async def list_staff(self, context: c.CallContext, request: c.StaffOf) -> c.StaffList:
        """Who may act for a restaurant."""
        access.check_restaurant(context.caller, request.restaurant_id)
        return await self._staff(context.caller, request.restaurant_id)

    async def create_api_key(self, context: c.CallContext, request: c.CreateApiKey) -> c.CreatedApiKey:
        """A key for a system."""
        access.check_keys_of(context.caller, request.role, request.subject)
        person = context.caller.person  # of a restaurant's people, and so are all who may see the key
        by = self._credentials.member_id(request.subject, person) if person else context.caller.id
        return await self._api_keys.create(request, by, self._clock())

    async def list_api_keys(self, context: c.CallContext, request: c.ApiKeysOf) -> c.ApiKeyList:
        """The keys that act for somebody."""
        access.check_keys_of(context.caller, "restaurant", request.subject)
        keys = await self._api_keys.of(request.subject)
        if context.caller.role not in access.ALL_MAY:
            keys = [key for key in keys if key.role == "restaurant"]
        return c.ApiKeyList(keys=keys)

    async def revoke_api_key(self, context: c.CallContext, request: c.ApiKeyRef) -> c.ApiKeyList:
        """The key opens nothing any more."""
        key = await self._api_keys.find(request.key_id)
        subject = request.key_id.rpartition(".")[0]
        access.check_keys_of(context.caller, key.role if key else "restaurant", subject)
        if not await self._api_keys.revoke(request.key_id):
            raise Refusal("api_key_not_found", "no such key", {"key_id": request.key_id})
        return await self.list_api_keys(context, c.ApiKeysOf(subject=subject))

    async def check_api_key(self, context: c.CallContext, request: c.CheckApiKey) -> c.ApiKey:
        """Whose key it is. Nobody may ask but the gateway."""
        if context.caller.role != "system":
            raise Refusal("forbidden", f"not for the role {context.caller.role}")
        return await self._api_keys.check(request.key, self._clock())

    async def erase(self, context: c.CallContext, request: c.ErasePerson) -> c.Erased:
        """Erase a person: by themselves with a fresh code, or by an operator.

        Their own row goes last: it says where the rest is, so a try that failed can be repeated.
        """
        access.check_self(context.caller, request.person_id)
        person_id, now = request.person_id, self._clock()
        customer = await self.find(person_id)
        phone = customer and customer.phone
        if context.caller.role not in access.ALL_MAY:
            if not (phone and request.sign_in_id and request.code):
                raise wrong_code()
            await self._sign_ins.use(await self._sign_ins.guess(phone, request.sign_in_id, request.code))
        if phone:
            await self._accounts.release(phone, person_id)
            await self._sign_ins.forget(phone)
        for grant in await self._roles.of(person_id):
            await self._roles.revoke(person_id, grant.role, grant.subject)
        await self._api_keys.revoke_persons(person_id)
        await self._erasure.erase(person_id, context.request_id, now)
        self.forget(person_id)
        await self._ended.end(person_id, now)
        return c.Erased(person_id=person_id, erased_at=to_text(now))

    async def verification(self, context: c.CallContext, request: c.VerificationQuery) -> c.Verification:
        """What access tokens are checked with. Asking keeps the keys in rotation."""
        now = self._clock()
        return c.Verification(keys=await self._keys.public_keys(now), ended=await self._ended.recent(now))

    async def forget_old(self, nodes: Sequence[Node]) -> None:
        """Take away what has expired: codes, sessions, ended tokens."""
        now = self._clock()
        for node in nodes:
            window = timedelta(seconds=self._policy.codes_window_s)
            await node.execute(QUERIES["forget_sign_ins"], now - window)
            await node.execute(QUERIES["forget_sessions"], now)
        await self._ended.forget(now)

    @asynccontextmanager
    async def _owner_stays(
        self, caller: c.Caller, restaurant_id: str, person_id: str, loses_one: bool
    ) -> AsyncGenerator[None]:
        """Around what takes an owner away, if it does. `Refusal("last_owner")`, also if all leave at once."""
        if not loses_one:
            yield
            return
        async with self._roles.changing_owners(restaurant_id) as owners:
            access.check_owner_stays(caller, [owner.person_id for owner in owners], person_id)
            yield

    async def _staff(self, caller: c.Caller, restaurant_id: str) -> c.StaffList:
        staff = await self._roles.staff(restaurant_id)
        return c.StaffList(staff=[access.show_member(caller, member) for member in staff])

    async def _grants(self, person_id: str) -> c.GrantList:
        return c.GrantList(person_id=person_id, grants=await self._roles.of(person_id))
