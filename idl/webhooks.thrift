/** Outgoing webhooks: which systems of restaurants and partners are called about what, and what became of it. */
namespace py tiffin.webhooks
include "base.thrift"

struct WebhookEndpoint {
  1: required string endpoint_id,
  2: optional string restaurant_id (doc = "Whose it is: a restaurant's, or else a partner's."),
  3: optional string partner_id,
  4: required string url (max_length = "1000"),
  5: required list<string> types (doc = "The events it is told of."),
  6: required string state (doc = "disabled: by its owner, or because nobody has answered for days, see `reason`.", one_of = "enabled disabled"),
  7: optional string reason (doc = "Why it is disabled.", one_of = "by_owner failing gone"),
  8: required string created_at,
  9: optional string failing_since (doc = "Since when no delivery has been answered with 2xx."),
  10: required i32 secrets (doc = "How many sign at the moment: two while a new one takes over."),
}

struct CreateWebhook {
  1: optional string restaurant_id (doc = "Whose events.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: optional string partner_id (doc = "A partner's: the events of all restaurants that let it.", pattern = "^[A-Za-z0-9_-]{1,64}$"),
  3: required string url (doc = "https; takes a POST for each event.", max_length = "1000"),
  4: required list<string> types (doc = "Of which events it is told, such as order.placed; `order.*` for all of a kind.", min_items = "1", max_items = "100"),
}

struct CreatedWebhook {
  1: required string secret (doc = "What deliveries are signed with (Standard Webhooks). Shown this once.", max_length = "300"),
  2: required WebhookEndpoint about,
}

struct WebhooksOf {
  1: optional string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: optional string partner_id (pattern = "^[A-Za-z0-9_-]{1,64}$"),
}

struct WebhookList {
  1: required list<WebhookEndpoint> endpoints (doc = "Oldest first."),
}

struct WebhookRef {
  1: required string endpoint_id (pattern = "^[A-Za-z0-9_.:-]{1,64}[.][A-Za-z0-9_-]{1,32}$"),
}

struct ChangeWebhook {
  1: required string endpoint_id (pattern = "^[A-Za-z0-9_.:-]{1,64}[.][A-Za-z0-9_-]{1,32}$"),
  2: required string url (max_length = "1000"),
  3: required list<string> types (min_items = "1", max_items = "100"),
  4: required bool enabled (doc = "Enabling begins anew: what has failed is sent again only when asked for (replay)."),
}

struct WebhookRemoved {
  1: required string endpoint_id,
}

struct WebhookAttempt {
  1: required string at,
  2: optional i32 status (doc = "Of the answer. Not given: there was none."),
  3: required i32 latency_ms,
  4: optional string error (doc = "Why there was no answer, or why it does not count."),
  5: optional string answer (doc = "Its first kilobyte.", max_length = "1024"),
}

struct WebhookDelivery {
  1: required string delivery_id (doc = "The header webhook-id: the same for every attempt, and when it is replayed."),
  2: required string endpoint_id,
  3: required string type,
  4: required string state (one_of = "waiting delivered failed"),
  5: optional string reason (doc = "Why it failed for good.", one_of = "gave_up endpoint_disabled endpoint_gone not_let"),
  6: required string at (doc = "When what it tells of happened."),
  7: optional string done_at,
  8: required list<WebhookAttempt> attempts (doc = "Oldest first; the latest 20."),
  9: required string body (doc = "As it is sent.", max_length = "100000"),
}

struct ListDeliveries {
  1: required string endpoint_id (pattern = "^[A-Za-z0-9_.:-]{1,64}[.][A-Za-z0-9_-]{1,32}$"),
  2: optional string state (one_of = "waiting delivered failed"),
  3: optional string cursor (doc = "`next_cursor` of the page before.", max_length = "400"),
  4: optional i32 limit = 50 (ge = "1", le = "200"),
}

struct DeliveryPage {
  1: required list<WebhookDelivery> deliveries (doc = "Newest first."),
  2: optional string next_cursor (doc = "Not given on the last page."),
}

struct DeliveryRef {
  1: required string endpoint_id (pattern = "^[A-Za-z0-9_.:-]{1,64}[.][A-Za-z0-9_-]{1,32}$"),
  2: required string delivery_id (pattern = "^[A-Za-z0-9_.:-]{1,250}$"),
}

struct ReplayDeliveries {
  1: required string endpoint_id (pattern = "^[A-Za-z0-9_.:-]{1,64}[.][A-Za-z0-9_-]{1,32}$"),
  2: required string since (doc = "Of what happened from then on, RFC 3339.", max_length = "40"),
  3: optional string before (doc = "Up to then, without. Not given: up to now.", max_length = "40"),
  4: optional bool delivered = false (doc = "Also what was delivered; otherwise only what has failed."),
}

struct Replayed {
  1: required i32 deliveries (doc = "How many are sent again."),
  2: required bool more (doc = "There are more than are taken at once: ask again."),
}

/** The body of a test delivery. */
struct WebhookPing {
  1: required string type (one_of = "webhook.ping"),
  2: required string endpoint_id,
  3: required string at,
}

struct PartnerRef {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string partner_id (pattern = "^[A-Za-z0-9_-]{1,64}$"),
}

struct PartnersOf {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct PartnerList {
  1: required string restaurant_id,
  2: required list<string> partners (doc = "Who is told of the restaurant's events."),
}

service Webhooks extends base.Health {
  CreatedWebhook create(1: base.CallContext context, 2: CreateWebhook request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Have a system called about events from now on. Its secret is shown once."),
  WebhookList list_endpoints(1: base.CallContext context, 2: WebhooksOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The endpoints of a restaurant or a partner.", repeat = "safe"),
  WebhookEndpoint get(1: base.CallContext context, 2: WebhookRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "An endpoint, and how it is.", repeat = "safe"),
  WebhookEndpoint change(1: base.CallContext context, 2: ChangeWebhook request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Another address, other events; disable it, or enable it again.", repeat = "safe"),
  WebhookRemoved remove(1: base.CallContext context, 2: WebhookRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Forget an endpoint and its deliveries.", repeat = "safe"),
  CreatedWebhook rotate_secret(1: base.CallContext context, 2: WebhookRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A new secret. For a day the old one signs, too."),
  WebhookDelivery ping(1: base.CallContext context, 2: WebhookRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Send a test delivery, `webhook.ping`. What becomes of it is in its log."),
  DeliveryPage list_deliveries(1: base.CallContext context, 2: ListDeliveries request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What an endpoint was told, every attempt, and what it answered.", repeat = "safe"),
  WebhookDelivery get_delivery(1: base.CallContext context, 2: DeliveryRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "One delivery.", repeat = "safe"),
  WebhookDelivery replay_delivery(1: base.CallContext context, 2: DeliveryRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Send it again, under the same id.", repeat = "safe"),
  Replayed replay(1: base.CallContext context, 2: ReplayDeliveries request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Send again what happened in a stretch of time."),
  PartnerList let_partner(1: base.CallContext context, 2: PartnerRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Let a partner be told of the restaurant's events.", repeat = "safe"),
  PartnerList stop_partner(1: base.CallContext context, 2: PartnerRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "From now on it is told nothing, of what waits neither.", repeat = "safe"),
  PartnerList list_partners(1: base.CallContext context, 2: PartnersOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Who is told of the restaurant's events beside itself.", repeat = "safe"),
}
