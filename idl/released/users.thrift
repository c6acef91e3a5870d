/** People: customers and their addresses, signing in, who may act for whom, keys of foreign systems. */
namespace py tiffin.users
include "base.thrift"

struct Address {
  1: required string id (doc = "Names this address within its customer.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string label (doc = "What the customer calls it.", min_length = "1", max_length = "60"),
  3: required string street (min_length = "1", max_length = "200"),
  4: required string city (min_length = "1", max_length = "100"),
  5: required base.Place place,
  6: optional string note (doc = "For the courier: floor, bell, gate code.", max_length = "300"),
}

struct Customer {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "100"),
  3: optional string phone (pattern = "^\\+?[0-9 ]{5,20}$"),
  4: required list<Address> addresses (max_items = "50"),
}

struct CreateCustomer {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "100"),
  3: optional string phone (pattern = "^\\+?[0-9 ]{5,20}$"),
  4: optional list<Address> addresses (max_items = "50"),
}

struct CustomerRef {
  1: required string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct SaveAddress {
  1: required string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required Address address,
}

struct AddressRef {
  1: required string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string address_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct SaveName {
  1: required string customer_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "100"),
}

struct StartSignIn {
  1: required string phone (doc = "In the international form, with + and the country's number.", pattern = "^\\+[1-9][0-9 ]{6,18}$"),
  2: optional string language (doc = "BCP 47, of the message with the code.", pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"),
}

struct SignInStarted {
  1: required string sign_in_id (doc = "Send it back with the code."),
  2: required string expires_at (doc = "Until when the code is good."),
  3: required i32 again_after_s (doc = "When another code may be asked for."),
}

struct FinishSignIn {
  1: required string phone (doc = "The one the code was sent to.", pattern = "^\\+[1-9][0-9 ]{6,18}$"),
  2: required string sign_in_id (pattern = "^[A-Za-z0-9_-]{1,64}$"),
  3: required string code (pattern = "^[0-9]{4,10}$"),
  4: optional string name (doc = "Of the account that a first sign-in makes.", min_length = "1", max_length = "100"),
  5: optional string role = "customer" (doc = "As what to act.", one_of = "customer restaurant courier operator"),
  6: optional string restaurant_id (doc = "For the role restaurant: which.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct RefreshSession {
  1: required string refresh_token (doc = "Good once: the answer brings the next. One that has been used ends the session.", max_length = "300"),
  2: optional string role = "customer" (doc = "As what to act.", one_of = "customer restaurant courier operator"),
  3: optional string restaurant_id (doc = "For the role restaurant: which.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct SignedIn {
  1: required string access_token (doc = "For `Authorization: Bearer`.", max_length = "2000"),
  2: required i32 expires_in_s,
  3: required string refresh_token (max_length = "300"),
  4: required string refresh_expires_at,
  5: required string person_id,
  6: required bool is_new (doc = "This sign-in has made the account."),
}

struct SignOut {
  1: required string refresh_token (max_length = "300"),
}

struct PersonOf {
  1: required string person_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct SignedOut {
  1: required i32 sessions (doc = "How many have ended."),
}

struct VerificationQuery {
}

/** Ed25519, for tokens with `"alg": "EdDSA"` and this `kid`. */
struct PublicKey {
  1: required string kid,
  2: required string x (doc = "The key's 32 bytes, base64url without padding (RFC 8037)."),
}

struct Ended {
  1: required string id (doc = "A session, or a person with all of theirs."),
  2: required double before_s (doc = "Access tokens issued up to then hold no more; seconds since the epoch."),
}

struct Verification {
  1: required list<PublicKey> keys (doc = "All that a token may be signed with."),
  2: required list<Ended> ended (doc = "Only as long as an access token of theirs could still hold."),
}

struct CheckApiKey {
  1: required string key (max_length = "300"),
}

struct CreateApiKey {
  1: required string role (doc = "What its bearer may do.", one_of = "customer restaurant courier operator"),
  2: required string subject (doc = "For whom it acts: a restaurant's id, ...", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  3: required string label (doc = "What it is for: the till, a partner's name.", min_length = "1", max_length = "60"),
}

struct ApiKey {
  1: required string key_id (doc = "The key begins with `tk_` and this."),
  2: required string role (one_of = "customer restaurant courier operator"),
  3: required string subject,
  4: required string label,
  5: required string created_at,
  6: required string created_by (doc = "Of a restaurant's people: their member id."),
  7: optional string used_at (doc = "The last use, to the minute."),
}

struct CreatedApiKey {
  1: required string key (doc = "Shown this once.", max_length = "300"),
  2: required ApiKey about,
}

struct ApiKeysOf {
  1: required string subject (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct ApiKeyList {
  1: required list<ApiKey> keys (doc = "Oldest first."),
}

struct ApiKeyRef {
  1: required string key_id (pattern = "^[A-Za-z0-9_.:-]{1,64}[.][A-Za-z0-9_-]{1,32}$"),
}

struct InviteStaff {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string phone (pattern = "^\\+[1-9][0-9 ]{6,18}$"),
  3: required string access (one_of = "owner manager staff"),
}

struct StaffRef {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  3: required string member_id (pattern = "^m-[0-9a-f]{20}$"),
}

struct StaffOf {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

/** People are their restaurant's customers, too: it does not learn which. */
struct StaffMember {
  1: optional string person_id (doc = "Only operators are told."),
  2: required string access (one_of = "owner manager staff"),
  3: required string since,
  4: required string member_id (doc = "Stands for the person in this restaurant alone."),
  5: optional bool is_caller (doc = "Whether whoever asks is this person."),
}

struct StaffList {
  1: required list<StaffMember> staff,
}

struct GrantRole {
  1: required string phone (pattern = "^\\+[1-9][0-9 ]{6,18}$"),
  2: required string role (one_of = "courier operator"),
}

struct RoleRef {
  1: required string person_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string role (one_of = "courier operator"),
}

struct Grant {
  1: required string role (one_of = "restaurant courier operator"),
  2: required string subject (doc = "The restaurant's id, or the person's own."),
  3: optional string access (doc = "In a restaurant.", one_of = "owner manager staff"),
  4: required string since,
}

struct GrantList {
  1: required string person_id,
  2: required list<Grant> grants (doc = "Beside customer, which everybody is."),
}

struct ErasePerson {
  1: required string person_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: optional string sign_in_id (doc = "A fresh code, as for signing in: needed unless an operator asks.", pattern = "^[A-Za-z0-9_-]{1,64}$"),
  3: optional string code (pattern = "^[0-9]{4,10}$"),
}

struct Erased {
  1: required string person_id,
  2: required string erased_at,
}

/** In the log: whoever keeps something of this person forgets it now. Comes again, so forget again. */
struct PersonEvent {
  1: required string person_id,
  2: required string type (doc = "customer.erased"),
  3: required i32 version (doc = "1 at the erasure, one more each time it comes again."),
  4: required bool last (doc = "It does not come again: what was kept for open business goes, too."),
  5: required string at,
}

service Users extends base.Health {
  Customer create(1: base.CallContext context, 2: CreateCustomer request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Register a customer. The same input again gives the same answer.", repeat = "safe"),
  Customer get(1: base.CallContext context, 2: CustomerRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A customer and their addresses.", repeat = "safe"),
  Customer save_address(1: base.CallContext context, 2: SaveAddress request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Add an address, or replace the one with the same id."),
  Customer remove_address(1: base.CallContext context, 2: AddressRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Forget an address."),
  Customer save_name(1: base.CallContext context, 2: SaveName request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Change the name."),
  SignInStarted start_sign_in(1: base.CallContext context, 2: StartSignIn request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Have a one-time code sent to a phone. The answer does not tell whether anybody is known by it."),
  SignedIn finish_sign_in(1: base.CallContext context, 2: FinishSignIn request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Sign in with the code. The first time makes the account."),
  SignedIn refresh(1: base.CallContext context, 2: RefreshSession request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The next access token, in any role the person has."),
  SignedOut sign_out(1: base.CallContext context, 2: SignOut request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "End this session.", repeat = "safe"),
  SignedOut sign_out_everywhere(1: base.CallContext context, 2: PersonOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "End all sessions of the person.", repeat = "safe"),
  GrantList list_grants(1: base.CallContext context, 2: PersonOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "In which roles the person may act.", repeat = "safe"),
  Erased erase(1: base.CallContext context, 2: ErasePerson request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Forget a person: name, phone, addresses, sessions, roles. Their orders stay, without address.", repeat = "safe"),
  GrantList grant(1: base.CallContext context, 2: GrantRole request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Make the person with this phone a courier or an operator."),
  GrantList revoke(1: base.CallContext context, 2: RoleRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Take that away."),
  StaffMember invite_staff(1: base.CallContext context, 2: InviteStaff request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Let the person with this phone act for the restaurant, or change what they may do."),
  StaffList remove_staff(1: base.CallContext context, 2: StaffRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "From now on they may not."),
  StaffList list_staff(1: base.CallContext context, 2: StaffOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Who may act for the restaurant.", repeat = "safe"),
  CreatedApiKey create_api_key(1: base.CallContext context, 2: CreateApiKey request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A key for a system. It is shown once."),
  ApiKeyList list_api_keys(1: base.CallContext context, 2: ApiKeysOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The keys that act for somebody.", repeat = "safe"),
  ApiKeyList revoke_api_key(1: base.CallContext context, 2: ApiKeyRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The key opens nothing any more, within seconds.", repeat = "safe"),
  ApiKey check_api_key(1: base.CallContext context, 2: CheckApiKey request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Whose key this is. For the gateway.", repeat = "safe"),
  Verification verification(1: base.CallContext context, 2: VerificationQuery request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What access tokens are checked with. For the gateway.", repeat = "safe"),
}
